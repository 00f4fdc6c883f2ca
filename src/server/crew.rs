//! The threads of sessions: each has one to itself. Who has served a client stays for a moment, for to start a thread
//! and to end it costs as much as half a login.

use super::STACK;
use super::registry::Seat;
use crate::locks::thread;
use crate::memory;
use crate::session::{self, Services};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a thread waits for the next client.
const LINGER: Duration = Duration::from_secs(1);
/// More than this do not wait.
const MOST: usize = 64;
/// So much memory there has to be for a new thread, and for what the others may want meanwhile: where an allocation
/// fails, the process ends.
const RESERVE: usize = 40 << 20;

/// Those who wait. They go when this is dropped.
pub(super) struct Crew {
    /// There is no room in it: only who waits can be given something.
    clients: Sender<Client>,
    waiting: Receiver<Client>,
    idle: Arc<AtomicUsize>,
}

/// Somebody to be served.
pub(super) enum Client {
    /// Who has a place already.
    Known(Arc<Services>, Seat),
    /// Whom a proxy is about to introduce.
    Expected(Box<dyn FnOnce() + Send>),
}

impl Client {
    fn serve(self) {
        match self {
            Client::Known(services, seat) => session::run(&services, seat.handle()),
            Client::Expected(receive) => receive(),
        }
    }
}

impl Crew {
    pub(super) fn new() -> Crew {
        let (clients, waiting) = bounded(0);
        Crew { clients, waiting, idle: Arc::default() }
    }

    /// Serves a client in a thread that waits, or else in a new one.
    pub(super) fn serve(&self, client: Client) -> io::Result<()> {
        match self.clients.try_send(client) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(client) | TrySendError::Disconnected(client)) => self.hire(client),
        }
    }

    fn hire(&self, first: Client) -> io::Result<()> {
        memory::find(RESERVE)?;
        let (waiting, idle) = (self.waiting.clone(), self.idle.clone());
        let work = move || {
            let mut next = Some(first);
            while let Some(client) = next {
                client.serve();
                let is_wanted = idle.fetch_add(1, Ordering::Relaxed) < MOST;
                next = is_wanted.then(|| waiting.recv_timeout(LINGER).ok()).flatten();
                idle.fetch_sub(1, Ordering::Relaxed);
            }
        };
        let builder = thread::Builder::new().name("session".into()).stack_size(STACK);
        builder.spawn(work).map(drop)
    }
}
