//! What the server holds of a session that runs in another thread: enough to count it and to end it.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// One session, seen from outside.
#[derive(Debug)]
pub struct Handle {
    id: u64,
    peer: SocketAddr,
    stream: Arc<TcpStream>,
    began: Instant,
    logged_in: AtomicBool,
    ending: OnceLock<Ending>,
}

/// Why a session is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server stops; a transfer may run until then.
    Stop {
        /// The end of the grace time.
        transfers_until: Instant,
    },
    /// It has not logged in, and somebody else needs the place.
    Evicted,
}

impl Handle {
    /// A session that is about to begin.
    pub fn new(id: u64, stream: TcpStream, peer: SocketAddr) -> Handle {
        Handle {
            id,
            peer,
            stream: Arc::new(stream),
            began: Instant::now(),
            logged_in: AtomicBool::new(false),
            ending: OnceLock::new(),
        }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Whether somebody has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::Relaxed)
    }

    /// Tells it to end, and wakes it up if it waits for a command. The first reason counts.
    pub fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_ok() {
            // It may be closed already.
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    /// Whether it has been told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    /// The socket once more, for a last word if the session can't begin.
    pub fn try_clone_stream(&self) -> std::io::Result<TcpStream> {
        self.stream.try_clone()
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    pub(super) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    pub(super) fn set_logged_in(&self, logged_in: bool) {
        self.logged_in.store(logged_in, Ordering::Relaxed);
    }
}
