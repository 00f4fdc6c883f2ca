//! A helper process that starts programs for a server which can't do so itself any more.
//!
//! A server that has become another user can't run a program as a third one, and what Landlock keeps it from, it keeps
//! from all it starts as well, for ever: a scanner could not read its signatures, and `sudo` would do nothing. Rules for
//! what programs need would have to name half of the system, and the server could use them, too. So a helper is started
//! first, and knows the few programs that are configured. Later it is told only which of them to run, with what in the place of
//! placeholders, with which `FTP_` variables, and between which pipes: whoever takes over the server can have nothing
//! else run.

pub(super) mod message;
mod work;

pub use work::work;

use super::process::Ends;
use super::recipe::Details;
use super::{Program, Starter};
use message::{Reader, Writer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::locks::lock;

/// A helper that has nothing else to do answers at once.
const ANSWER: Duration = Duration::from_secs(10);
/// What is killed ends at once, too, unless the disk holds it.
const END: Duration = Duration::from_secs(1);
/// The length of what it says: always a number.
const NUMBER: usize = size_of::<u32>();

/// A helper that runs. It ends, with all that it has started, when the last clone is dropped or the process ends.
#[derive(Debug, Clone)]
pub struct Helper(Arc<Line>);

#[derive(Debug)]
struct Line {
    /// None when it is being dropped.
    socket: Option<OwnedFd>,
    child: Mutex<Child>,
    programs: Vec<Program>,
}

/// A program that the helper has started.
#[derive(Debug)]
pub(super) struct Helped(OwnedFd);

impl Helper {
    /// Starts it by a command that calls [`work`]; these programs are all that it will ever run.
    pub fn start(mut command: Command, programs: Vec<Program>) -> io::Result<Helper> {
        let (socket, theirs) = pair()?;
        set_socket_timeout(&socket, Timeout::Send, Some(ANSWER))?;
        // Its own voice is enough; an empty root has no /dev/null.
        let child = command.stdin(theirs).stdout(io::stderr()).spawn()?;
        // Their end is held by the command.
        drop(command);
        let line = Line { socket: Some(socket), child: Mutex::new(child), programs };
        let mut table = Writer::default();
        table.number(u32::try_from(line.programs.len()).map_err(io::Error::other)?);
        line.send(&table, &[])?;
        for program in &line.programs {
            let mut message = Writer::default();
            program.recipe.write(&mut message);
            line.send(&message, &[]).map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::TOOBIG) => {
                    io::Error::other(format!("{}: its arguments are too long", program.path().display()))
                }
                _ => error,
            })?;
        }
        match answer(line.socket()?)? {
            0 => Ok(Helper(Arc::new(line))),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// The same program, started by the helper. One that it was not told of stays as it is.
    pub fn takes(&self, program: &Program) -> Program {
        let number = self.0.programs.iter().position(|known| known == program);
        let starter = match number.and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Starter::Helper(self.clone(), number),
            None => program.starter.clone(),
        };
        Program { starter, ..program.clone() }
    }

    /// Has a program run between these ends of pipes.
    pub(super) fn run(&self, number: u32, details: &Details, ends: Ends) -> io::Result<Helped> {
        let (ours, theirs) = pair()?;
        let mut message = Writer::default();
        message.number(number);
        details.write(&mut message);
        let with = [&theirs, &ends.input, &ends.output, &ends.complaint].map(AsFd::as_fd);
        self.0.send(&message, &with)?;
        drop((theirs, ends));
        match answer(&ours)? {
            0 => Ok(Helped(ours)),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

impl Line {
    fn socket(&self) -> io::Result<&OwnedFd> {
        self.socket.as_ref().ok_or_else(gone)
    }

    fn send(&self, message: &Writer, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send(self.socket()?, message, with).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::PIPE | Errno::CONNRESET) => {
                // It is not to be a zombie until the server ends.
                let _ = lock(&self.child).try_wait();
                gone()
            }
            Some(Errno::AGAIN) => silent(),
            _ => error,
        })
    }
}

/// It ends when nobody can ask it for anything; a server that is started next should not meet what it has left.
impl Drop for Line {
    fn drop(&mut self) {
        self.socket = None;
        let until = Instant::now() + END;
        let mut child = lock(&self.child);
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Helped {
    /// How it has ended, if it has.
    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        match message::receive(&self.0, NUMBER, RecvFlags::DONTWAIT) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            received => Ok(Some(ExitStatus::from_raw(number(received?)?))),
        }
    }

    /// Ends it with all that it has started, and waits for that, but not for ever.
    pub(super) fn stop(&mut self) {
        if shutdown(&self.0, Shutdown::Write).is_ok() {
            let _ = is_readable(&self.0, END);
        }
    }
}

/// Ready when it has ended.
impl AsFd for Helped {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// What it answers before a program runs: 0, or why that can't be.
fn answer(line: &OwnedFd) -> io::Result<i32> {
    match is_readable(line, ANSWER)? {
        true => number(message::receive(line, NUMBER, RecvFlags::DONTWAIT)?),
        false => Err(silent()),
    }
}

fn number(received: Option<(Vec<u8>, Vec<OwnedFd>)>) -> io::Result<i32> {
    let (message, _) = received.ok_or_else(gone)?;
    Ok(Reader::new(&message).number().ok_or_else(gone)?.cast_signed())
}

fn is_readable(line: &OwnedFd, within: Duration) -> io::Result<bool> {
    let until = Instant::now() + within;
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(line, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

fn silent() -> io::Error {
    io::Error::other("the process that starts programs does not answer; restart the server")
}

fn gone() -> io::Error {
    io::Error::other("the process that starts programs has ended; restart the server")
}
