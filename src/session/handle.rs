//! What the server holds of a session that runs in another thread: enough to count it and to end it.

use crate::locks::lock;
use crate::protocol::reply::Reply;
use rustix::net::SendFlags;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One session, seen from outside.
#[derive(Debug)]
pub struct Handle {
    id: u64,
    peer: SocketAddr,
    stream: Arc<TcpStream>,
    is_implicit: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    login: Login,
    ending: Option<Ending>,
    /// The client speaks TLS: nothing may be said to it from outside.
    is_secured: bool,
}

/// How far a session is with its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// It waits for the client's word.
    Pending(Instant),
    /// The password is being verified.
    Verifying,
    /// Somebody is in.
    Done,
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
    pub fn new(id: u64, stream: TcpStream, peer: SocketAddr, is_implicit: bool) -> Handle {
        let state = Mutex::new(State { login: Login::Pending(Instant::now()), ending: None, is_secured: is_implicit });
        Handle { id, peer, stream: Arc::new(stream), is_implicit, state }
    }

    /// Whether it came to the port where TLS comes before the greeting.
    pub fn is_implicit(&self) -> bool {
        self.is_implicit
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether somebody has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.lock().login == Login::Done
    }

    /// Whether it has been told to end.
    pub fn is_ending(&self) -> bool {
        self.lock().ending.is_some()
    }

    /// Tells it to end, and wakes it up if it waits for a command. The first reason counts.
    pub fn end(&self, ending: Ending) {
        if self.lock().ending.get_or_insert(ending) == &ending {
            // It may be closed already.
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    /// Ends it at once if it has been waiting for the client's login for longer than this.
    pub fn evict(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let waits = matches!(state.login, Login::Pending(since) if since.elapsed() > patience);
        if !waits || state.ending.is_some() {
            return false;
        }
        state.ending = Some(Ending::Evicted);
        drop(state);
        self.send_away("Too many connections wait for a login; try again later.");
        true
    }

    /// 421 and the end, at once; in TLS only the end. The client may not be reading: nobody waits for that.
    pub fn send_away(&self, why: &str) {
        if !self.lock().is_secured {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = rustix::net::send(&*self.stream, Reply::new(421, why).as_bytes(), flags);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.lock().ending
    }

    pub(super) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    pub(super) fn set_secured(&self, is_secured: bool) {
        self.lock().is_secured = is_secured;
    }

    pub(super) fn set_login(&self, login: Login) {
        self.lock().login = login;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
