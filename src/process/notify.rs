//! Tells systemd how the server fares (sd_notify(3)), if it wants to know.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// What systemd is told of; without it, everything is said to nobody.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
}

/// A dog that wants to be stroked, or it bites.
#[derive(Debug)]
struct Watchdog {
    every: Duration,
    due: Instant,
}

impl Notifier {
    /// As NOTIFY_SOCKET and WATCHDOG_USEC say.
    pub fn from_env() -> Notifier {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Notifier::default() };
        match connect(&name) {
            Ok(socket) => Notifier { socket: Some(socket), watchdog: watchdog() },
            Err(error) => {
                log::warn!("systemd can't be told that the server is ready: NOTIFY_SOCKET={}: {error}", name.display());
                Notifier::default()
            }
        }
    }

    /// The same for another thread; the watchdog stays here.
    pub fn messenger(&self) -> Notifier {
        let socket = self.socket.as_ref().and_then(|socket| socket.try_clone().ok());
        Notifier { socket, watchdog: None }
    }

    /// Clients can connect.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}\nMAINPID={}", std::process::id()));
    }

    /// The configuration is read anew; [`ready`](Notifier::ready) ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No more clients are accepted.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=running transfers end");
    }

    /// What has to be alive calls this, again at the latest at the moment that is returned.
    pub fn alive(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let watchdog = self.watchdog.as_mut()?;
        let is_due = watchdog.due <= now;
        if is_due {
            watchdog.due = now + watchdog.every;
        }
        let due = watchdog.due;
        if is_due {
            self.say("WATCHDOG=1");
        }
        Some(due)
    }

    fn say(&self, state: &str) {
        // systemd can be started anew any time; whether it hears this is its own affair.
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            log::debug!("systemd does not hear {state:?}: {error}");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A server that waits for its supervisor would serve nobody.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Half of the time after which systemd takes this process for dead.
fn watchdog() -> Option<Watchdog> {
    const LONGEST: Duration = Duration::from_secs(86400);
    let variable = |name: &str| std::env::var(name).ok();
    if variable("WATCHDOG_PID").is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Watchdog { every: Duration::from_micros(micros / 2).min(LONGEST), due: Instant::now() })
}
