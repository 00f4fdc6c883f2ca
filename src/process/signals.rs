//! Signals that stop the server, or end another command.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the process exits with when a second signal did not let it end in order.
const KILLED: i32 = 130;

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// The terminal is gone, and with it who wanted this process.
    Stops,
    /// Nothing: accounts are read anew by themselves, and the journal follows its name.
    Ignored,
}

/// Makes a write beyond the limit of file sizes an error of that write, not the end of the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    ignore(SIGXFSZ)
}

/// Leaves all signals that stop the server to the server. Programs that are started have them as ever.
pub fn leave_to_the_server() -> io::Result<()> {
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ].into_iter().try_for_each(ignore)
}

fn ignore(signal: i32) -> io::Result<()> {
    signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Calls `stop` at the first SIGINT or SIGTERM, or SIGHUP if that stops; the second one ends the process at once.
pub fn on_stop(hang_up: HangUp, stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    match hang_up {
        HangUp::Stops => signals.add_signal(SIGHUP)?,
        HangUp::Ignored => ignore(SIGHUP)?,
    }
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut pending = signals.forever();
        if pending.next().is_some() {
            log::info!("stopping; a second signal ends running transfers at once");
            stop();
        }
        if pending.next().is_some() {
            log::warn!("stopped at once by a second signal");
            std::process::exit(KILLED);
        }
    })?;
    Ok(())
}

/// Calls `restore` before a signal ends the process as it would have anyway.
pub fn before_the_end(restore: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            restore();
            // It ends the process; only a signal that could not be caught either can't be.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
