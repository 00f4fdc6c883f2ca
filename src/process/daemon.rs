//! Into the background, without a fork of a process that may have threads: the program starts itself anew in a session
//! of its own, and whoever called it waits until the server says how that went.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::itself;
use crate::locks::lock;

/// The variable that names the directory in which the server in the background was called: relative names begin there.
pub const DIRECTORY: &str = "DJANGO_FTPD_DIRECTORY";

/// The variable that tells a process of ours where it stands.
const STAGE: &str = "DJANGO_FTPD_STAGE";
const LEADER: &str = "leader";
const SERVER: &str = "server";
/// More is not read of what the server says about its failure.
const LONGEST: u64 = 64 << 10;

/// Where this process stands on the way to the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Somebody has called it.
    Caller,
    /// It leads the new session, starts the server and goes: the server can never get a terminal.
    Leader,
    /// It is the server.
    Server,
}

/// What came of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Clients can connect.
    Ready,
    /// It has ended with this exit status, for this reason.
    Failed(u8, String),
    /// It has ended without a word.
    Silent,
}

/// Where this process stands.
pub fn stage() -> Stage {
    match std::env::var_os(STAGE) {
        Some(stage) if stage == LEADER => Stage::Leader,
        Some(stage) if stage == SERVER => Stage::Server,
        _ => Stage::Caller,
    }
}

/// Starts the server in the background with the arguments of this process, and waits until clients can connect to it.
pub fn start() -> io::Result<Outcome> {
    let directory = std::env::current_dir()?;
    // No directory is kept busy by a server that was called there.
    let mut leader = anew(LEADER).env(DIRECTORY, directory).current_dir("/").stdout(Stdio::piped()).spawn()?;
    let mut word = String::new();
    if let Some(pipe) = leader.stdout.take() {
        // Nobody but the two has the other end: that ends, too, when they do.
        BufReader::new(pipe.take(LONGEST)).read_line(&mut word)?;
    }
    leader.wait()?;
    Ok(outcome(&word))
}

/// What [`Stage::Leader`] does.
pub fn lead() -> io::Result<()> {
    let led = rustix::process::setsid().map_err(io::Error::from).and_then(|_| anew(SERVER).spawn());
    match led {
        Ok(_) => Ok(()),
        Err(error) => write!(io::stdout(), "1 the server can't be started in the background: {error}"),
    }
}

/// This program once more, with the same arguments.
fn anew(stage: &str) -> Command {
    let mut command = itself::anew();
    command.args(std::env::args_os().skip(1)).env(STAGE, stage).stdin(Stdio::null());
    command
}

fn outcome(word: &str) -> Outcome {
    match word.trim_end().split_once(' ') {
        Some(("0", _)) => Outcome::Ready,
        Some((status, why)) => {
            status.parse().map_or(Outcome::Silent, |status| Outcome::Failed(status, why.to_string()))
        }
        None => Outcome::Silent,
    }
}

/// What tells the one who waits, once. A clone tells the same.
#[derive(Debug, Clone)]
pub struct Herald(Arc<Mutex<Option<File>>>);

impl Herald {
    /// Takes standard output for this, where [`start`] listens; from now on the standard streams lead nowhere.
    pub fn take() -> io::Result<Herald> {
        let pipe = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let nowhere = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nowhere)?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        rustix::stdio::dup2_stderr(&nowhere)?;
        Ok(Herald(Arc::new(Mutex::new(Some(pipe)))))
    }

    /// Clients can connect.
    pub fn ready(&self) {
        self.tell("0 ready\n");
    }

    /// It is over, with this exit status.
    pub fn failed(&self, status: u8, why: &str) {
        self.tell(&format!("{status} {why}\n"));
    }

    fn tell(&self, word: &str) {
        if let Some(mut pipe) = lock(&self.0).take() {
            // Who waited may have lost patience.
            let _ = pipe.write_all(word.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_understood() {
        assert_eq!(outcome("0 ready\n"), Outcome::Ready);
        assert_eq!(outcome("2 no such file\n"), Outcome::Failed(2, "no such file".to_string()));
        for word in ["", "\n", "x y\n", "999 y\n"] {
            assert_eq!(outcome(word), Outcome::Silent, "{word:?}");
        }
    }
}
