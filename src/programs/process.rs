//! The process of a program: a child of ours, or one of the helper's.

use super::helper::Helped;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};

/// What a program has as its standard input, output and error.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) complaint: OwnedFd,
}

/// A process that has to be stopped, or to have ended, before this is dropped.
#[derive(Debug)]
pub(super) enum Process {
    Own(Own),
    Helped(Helped),
}

/// A child of this process.
#[derive(Debug)]
pub(super) struct Own {
    child: Child,
    handle: OwnedFd,
}

impl Process {
    /// How it has ended, if it has.
    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        match self {
            Process::Own(own) => own.status(),
            Process::Helped(helped) => helped.status(),
        }
    }

    /// Ends it, and what it has started.
    pub(super) fn stop(&mut self) {
        match self {
            Process::Own(own) => own.stop(),
            Process::Helped(helped) => helped.stop(),
        }
    }
}

/// Ready when it may have ended.
impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Process::Own(own) => own.as_fd(),
            Process::Helped(helped) => helped.as_fd(),
        }
    }
}

impl Own {
    /// Starts it. For as long as there is a command, it holds the program's ends of its pipes.
    pub(super) fn start(command: &mut Command, ends: Ends) -> io::Result<Own> {
        let mut child = command.stdin(ends.input).stdout(ends.output).stderr(ends.complaint).spawn()?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(handle) => Ok(Own { child, handle }),
            Err(errno) => {
                end(&mut child);
                Err(errno.into())
            }
        }
    }

    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(super) fn stop(&mut self) {
        end(&mut self.child);
    }
}

impl AsFd for Own {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

fn end(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL); // it may have ended
    let _ = child.wait();
}
