//! The helper's side: it learns what it may run, then runs it, each in a thread that waits for its end or for that of
//! the interest in it.

use super::message::{self, LONGEST, Reader, Writer};
use crate::programs::process::{Ends, Own};
use crate::programs::recipe::{Details, Recipe};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the server may give a program in its environment: nothing that a library would obey.
const VARIABLES: &str = "FTP_";
/// A thread that waits needs next to nothing.
const STACK: usize = 128 << 10;
/// How long the last ones get to be killed when the server has gone.
const END: Duration = Duration::from_secs(5);

/// Starts programs for whoever has the other end of this socket, until that is closed.
pub fn work(line: OwnedFd) -> io::Result<()> {
    let recipes = Arc::new(learn(&line)?);
    reply(&line, 0)?;
    loop {
        match message::receive(&line, LONGEST, RecvFlags::empty()) {
            Ok(Some((message, descriptors))) => begin(&recipes, message, descriptors),
            Ok(None) => break,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::CONNRESET) => break,
            // Descriptors were short, so nobody has been asked for it: the server sees its line closed.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {}
            Err(error) => return Err(error),
        }
    }
    // Each thread holds a clone until its program has ended; the server's ends of all lines are closed.
    let until = Instant::now() + END;
    while Arc::strong_count(&recipes) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// All that may be run; it is told once.
fn learn(line: &OwnedFd) -> io::Result<Vec<Recipe>> {
    let next = || message::receive(line, LONGEST, RecvFlags::empty())?.ok_or_else(|| io::Error::from(Errno::CONNRESET));
    let wrong = || io::Error::from(Errno::INVAL);
    let count = Reader::new(&next()?.0).number().ok_or_else(wrong)?;
    (0..count).map(|_| Recipe::read(&mut Reader::new(&next()?.0)).ok_or_else(wrong)).collect()
}

fn begin(recipes: &Arc<Vec<Recipe>>, message: Vec<u8>, descriptors: Vec<OwnedFd>) {
    let Ok([line, input, output, complaint]) = <[OwnedFd; 4]>::try_from(descriptors) else { return };
    let line = Arc::new(line);
    let (ours, recipes) = (line.clone(), recipes.clone());
    let ends = Ends { input, output, complaint };
    let thread = std::thread::Builder::new().name("program".into()).stack_size(STACK);
    if let Err(error) = thread.spawn(move || run(&recipes, &message, &ours, ends)) {
        answer(&line, error.raw_os_error().unwrap_or(Errno::AGAIN.raw_os_error()));
    }
}

/// Runs it, tells that it runs, and then how it has ended.
fn run(recipes: &[Recipe], message: &[u8], line: &OwnedFd, ends: Ends) {
    let mut program = match start(recipes, message, ends) {
        Ok(program) => program,
        Err(error) => return answer(line, error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error())),
    };
    answer(line, 0);
    match wait(&mut program, line) {
        Ok(Some(status)) => answer(line, status.into_raw()),
        Ok(None) | Err(_) => program.stop(),
    }
}

fn start(recipes: &[Recipe], message: &[u8], ends: Ends) -> io::Result<Own> {
    let mut reader = Reader::new(message);
    let number = reader.number().and_then(|number| usize::try_from(number).ok());
    let recipe = number.and_then(|number| recipes.get(number)).ok_or(Errno::INVAL)?;
    let details = Details::read(&mut reader).ok_or(Errno::INVAL)?;
    match details.variables.iter().all(|(name, _)| name.starts_with(VARIABLES)) {
        true => recipe.start(&details, ends),
        false => Err(Errno::INVAL.into()),
    }
}

/// How it has ended; None: nobody wants to know any more.
fn wait(program: &mut Own, line: &OwnedFd) -> io::Result<Option<ExitStatus>> {
    loop {
        let handle = program.as_fd();
        // The server never says anything on it, so it is ready when that has closed it.
        let mut ready = [PollFd::new(&handle, PollFlags::IN), PollFd::new(line, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => continue,
            result => drop(result?),
        }
        let [_, unwanted] = ready;
        let is_unwanted = !unwanted.revents().is_empty();
        if let Some(status) = program.status()? {
            return Ok(Some(status));
        }
        if is_unwanted {
            return Ok(None);
        }
    }
}

fn reply(line: &OwnedFd, number: i32) -> io::Result<()> {
    let mut message = Writer::default();
    message.number(number.cast_unsigned());
    message::send(line, &message, &[])
}

/// Who asked may have gone.
fn answer(line: &OwnedFd, number: i32) {
    let _ = reply(line, number);
}
