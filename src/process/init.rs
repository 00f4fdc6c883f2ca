//! The first process of a container. It runs the server as its child, hands signals on, and takes in the children that
//! others leave behind: where this program is all there is, nobody else does.

use super::{activation, itself};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::os::unix::process::CommandExt;

/// What shells add to the number of a signal that ended a program.
const SIGNALLED: i32 = 128;

/// Whether this process is the first.
pub fn is_needed() -> bool {
    rustix::process::getpid().is_init()
}

/// Starts this program anew, with the same arguments, and returns its exit status when it has ended.
pub fn look_after_the_server() -> io::Result<u8> {
    if activation::are_ours() {
        return Err(io::Error::other("sockets were given to process 1, which is not the server; have it bind its own"));
    }
    // Before there is a child whose end could be overlooked.
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let server = start()?;
    for signal in signals.forever() {
        if signal == SIGCHLD {
            if let Some(status) = take_in(server)? {
                return Ok(status);
            }
        } else if let Some(signal) = Signal::from_named_raw(signal) {
            // It may have ended just now, which SIGCHLD will tell.
            let _ = rustix::process::kill_process(server, signal);
        }
    }
    Err(io::Error::other("no more signals arrive"))
}

fn start() -> io::Result<Pid> {
    // In a group of its own, or it would get what the terminal sends twice.
    let child = itself::anew().args(std::env::args_os().skip(1)).process_group(0).spawn()?;
    Ok(Pid::from_child(&child))
}

/// Everybody who has ended; the server's exit status, if it is among them.
fn take_in(server: Pid) -> io::Result<Option<u8>> {
    while let Some((ended, status)) = rustix::process::wait(WaitOptions::NOHANG)? {
        if ended == server {
            return Ok(Some(exit_status(status)));
        }
    }
    Ok(None)
}

fn exit_status(status: WaitStatus) -> u8 {
    let signalled = status.terminating_signal().map(|signal| SIGNALLED + signal);
    let status = status.exit_status().or(signalled);
    status.and_then(|status| u8::try_from(status).ok()).unwrap_or(u8::MAX)
}
