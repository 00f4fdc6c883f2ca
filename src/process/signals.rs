//! Signals that stop the server or ask it for something, or end another command.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the process exits with when a second signal did not let it end in order.
const KILLED: i32 = 130;

/// What is done at signals.
pub struct Duties {
    /// At the first SIGINT or SIGTERM.
    pub stop: Box<dyn FnOnce() + Send>,
    /// At SIGHUP. None: the terminal is gone, and with it who wanted this process, which stops.
    pub reload: Option<Box<dyn FnMut() + Send>>,
    /// At SIGUSR1.
    pub state: Box<dyn FnMut() + Send>,
}

/// Makes a write beyond the limit of file sizes an error of that write, not the end of the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Does what signals ask for, in a thread; a second one that stops ends the process at once.
pub fn obey(duties: Duties) -> io::Result<()> {
    let Duties { stop, mut reload, mut state } = duties;
    let mut stop = Some(stop);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            match (signal, &mut reload, stop.take()) {
                (SIGUSR1, _, kept) => {
                    stop = kept;
                    state();
                }
                (SIGHUP, Some(reload), kept) => {
                    stop = kept;
                    reload();
                }
                (_, _, Some(stop)) => {
                    log::info!("stopping; a second signal ends running transfers at once");
                    stop();
                }
                (_, _, None) => {
                    log::warn!("stopped at once by a second signal");
                    std::process::exit(KILLED);
                }
            }
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
