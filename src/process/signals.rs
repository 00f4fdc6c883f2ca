//! Signals that stop the server.

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the process exits with when a second signal did not let it end in order.
const KILLED: i32 = 130;

/// Makes a write beyond the limit of file sizes an error of that write, not the end of the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    let unused = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGXFSZ, unused).map(drop)
}

/// Calls `stop` at the first SIGINT or SIGTERM; the second one ends the process at once.
pub fn on_stop(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
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
