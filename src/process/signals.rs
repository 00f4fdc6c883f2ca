//! Signals that stop the server or ask it for something, or end another command.

use crossbeam_channel::bounded;
use log::Level;
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// What the process exits with when a second signal did not let it end in order.
const KILLED: i32 = 130;

/// Whoever sends a signal to a process and then to its whole group, as timeout(1) does, has meant one.
const ECHO: Duration = Duration::from_millis(200);

/// What is done at signals.
pub struct Duties {
    /// At the first SIGINT or SIGTERM.
    pub stop: Box<dyn FnOnce() + Send>,
    /// At the second one, before the process ends at once.
    pub last: Box<dyn Fn() + Send>,
    /// At SIGHUP. None: the terminal is gone, and with it who wanted this process, which stops.
    pub reload: Option<Box<dyn FnMut() + Send>>,
    /// At SIGUSR1.
    pub state: Box<dyn FnMut() + Send>,
}

/// Signals that come while the server starts, when there may be no thread yet to deal with them: they wait.
#[derive(Debug)]
pub struct Waiting {
    signals: Signals,
    impatient: Vec<SigId>,
}

/// Lets signals wait for [`Waiting::obey`], but for a second one that stops: that ends a start that hangs.
pub fn wait() -> io::Result<Waiting> {
    let mut impatient = Vec::new();
    for signal in [SIGINT, SIGTERM] {
        let is_second = Arc::new(AtomicBool::new(false));
        impatient.push(flag::register_conditional_shutdown(signal, KILLED, is_second.clone())?);
        impatient.push(flag::register(signal, is_second)?);
    }
    Ok(Waiting { signals: Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])?, impatient })
}

impl Waiting {
    /// From now on a thread does what signals ask for, and first what they have asked for already.
    pub fn obey(self, duties: Duties) -> io::Result<()> {
        let Waiting { mut signals, impatient } = self;
        let Duties { stop, last, mut reload, mut state } = duties;
        let (mut stop, mut stopped) = (Some(stop), None::<(i32, Instant)>);
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                match (signal, &mut reload) {
                    (SIGUSR1, _) => state(),
                    (SIGHUP, Some(reload)) => reload(),
                    _ => match stop.take() {
                        Some(stop) => {
                            stopped = Some((signal, Instant::now()));
                            stop();
                            tell(Level::Info, "stopping; a second signal ends running transfers at once");
                        }
                        None if stopped.is_some_and(|(first, at)| first == signal && at.elapsed() < ECHO) => {}
                        None => {
                            last();
                            tell(Level::Warn, "stopped at once by a second signal");
                            std::process::exit(KILLED);
                        }
                    },
                }
            }
        })?;
        for id in impatient {
            low_level::unregister(id);
        }
        Ok(())
    }
}

/// Has the log say so, but does not wait for it for long: its reader may have stopped.
fn tell(level: Level, text: &'static str) {
    let (said, heard) = bounded::<()>(0);
    let speaker = move || {
        log::log!(level, "{text}");
        drop(said);
    };
    if std::thread::Builder::new().name("signals".into()).spawn(speaker).is_ok() {
        let _ = heard.recv_timeout(ECHO);
    }
}

/// Makes a write beyond the limit of file sizes an error of that write, not the end of the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    ignore(SIGXFSZ)
}

/// Leaves all signals that stop the server to the server. Programs that are started have them as ever.
pub fn leave_to_the_server() -> io::Result<()> {
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ].into_iter().try_for_each(ignore)
}

fn ignore(signal: i32) -> io::Result<()> {
    flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Calls `restore` before a signal ends the process as it would have anyway.
pub fn before_the_end(restore: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            restore();
            // It ends the process; only a signal that could not be caught either can't be.
            let _ = low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
