//! What the server holds of a session that runs in another thread: enough to count it, to see what it does, and to
//! end it.

use super::arrival::Arrival;
use super::traffic::Direction;
use crate::locks::{Mutex, MutexGuard, lock};
use crate::protocol::protection::Protection;
use crate::protocol::reply::Reply;
use jiff::Timestamp;
use rustix::net::SendFlags;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::time::{Duration, Instant};

/// One session, seen from outside.
#[derive(Debug)]
pub struct Handle {
    id: u64,
    arrival: Arrival,
    stream: Arc<TcpStream>,
    since: Timestamp,
    began: Instant,
    /// When the last command was answered, in milliseconds from the beginning.
    answered: AtomicU64,
    /// A command is being obeyed; only then what the state says of it counts.
    is_busy: AtomicBool,
    /// Of the transfer that runs.
    bytes: AtomicU64,
    is_kicked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    login: Login,
    ending: Option<Ending>,
    /// The client speaks TLS: nothing may be said to it from outside.
    is_secured: bool,
    tls: Option<Protection>,
    username: Option<Box<str>>,
    command: &'static str,
    /// What it is about, if that takes long.
    task: Option<Box<Task>>,
}

#[derive(Debug)]
struct Task {
    path: Box<[u8]>,
    began: Instant,
    direction: Option<Direction>,
    total: Option<u64>,
    tls: Option<Protection>,
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
    /// The administrator wants it.
    Kicked,
}

/// What a session does at one moment.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Its number.
    pub id: u64,
    /// The client.
    pub remote: SocketAddr,
    /// When it connected.
    pub since: Timestamp,
    /// How far it has come.
    pub stage: Stage,
    /// Who has logged in.
    pub username: Option<Box<str>>,
    /// How the control connection is protected.
    pub tls: Option<Protection>,
    /// How long the client has said nothing, if nothing is done for it.
    pub idle: Duration,
    /// What is done for it.
    pub doing: Option<Doing>,
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has logged in.
    Pending,
    /// Somebody has, and waits for nothing.
    Idle,
    /// A command is being obeyed.
    Busy,
    /// A file is sent or received.
    Transferring,
}

/// A command that is being obeyed.
#[derive(Debug, Clone)]
pub struct Doing {
    /// Its name.
    pub command: &'static str,
    /// What it is about, as the client calls it.
    pub path: Option<Box<[u8]>>,
    /// A file that is on its way.
    pub flow: Option<Flow>,
}

/// A file on its way.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Which way it goes.
    pub direction: Direction,
    /// So much of it went.
    pub bytes: u64,
    /// Of so much, if that is known.
    pub total: Option<u64>,
    /// For so long.
    pub lasts: Duration,
    /// How the data connection is protected.
    pub tls: Option<Protection>,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 4] = [Stage::Pending, Stage::Idle, Stage::Busy, Stage::Transferring];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Pending => "pending",
            Stage::Idle => "idle",
            Stage::Busy => "busy",
            Stage::Transferring => "transferring",
        }
    }
}

impl Flow {
    /// Bytes a second so far.
    pub fn rate(&self) -> u64 {
        (self.bytes as f64 / self.lasts.as_secs_f64().max(0.001)) as u64
    }
}

impl Handle {
    /// A session that is about to begin.
    pub fn new(id: u64, stream: TcpStream, arrival: Arrival) -> Handle {
        let began = Instant::now();
        let state = State {
            login: Login::Pending(began),
            ending: None,
            is_secured: arrival.is_implicit,
            tls: None,
            username: None,
            command: "",
            task: None,
        };
        Handle {
            id,
            arrival,
            stream: Arc::new(stream),
            since: Timestamp::now(),
            began,
            answered: AtomicU64::new(0),
            is_busy: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            is_kicked: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Whether it came to the port where TLS comes before the greeting.
    pub fn is_implicit(&self) -> bool {
        self.arrival.is_implicit
    }

    /// How the client has come.
    pub fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client.
    pub fn peer(&self) -> SocketAddr {
        self.arrival.peer
    }

    /// Whether somebody has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.lock().login == Login::Done
    }

    /// Whether this user has logged in.
    pub fn is_of(&self, username: &str) -> bool {
        self.lock().username.as_deref() == Some(username)
    }

    /// Whether it has been told to end.
    pub fn is_ending(&self) -> bool {
        self.lock().ending.is_some()
    }

    /// What it does now.
    pub fn glance(&self) -> Glance {
        let is_busy = self.is_busy.load(Ordering::Relaxed);
        let answered = Duration::from_millis(self.answered.load(Ordering::Relaxed));
        let state = self.lock();
        let doing = is_busy.then(|| self.doing(&state));
        let stage = match &doing {
            _ if state.login != Login::Done => Stage::Pending,
            Some(Doing { flow: Some(_), .. }) => Stage::Transferring,
            Some(_) => Stage::Busy,
            None => Stage::Idle,
        };
        Glance {
            id: self.id,
            remote: self.arrival.peer,
            since: self.since,
            stage,
            username: state.username.clone(),
            tls: state.tls,
            idle: if is_busy { Duration::ZERO } else { self.began.elapsed().saturating_sub(answered) },
            doing,
        }
    }

    fn doing(&self, state: &State) -> Doing {
        let task = state.task.as_deref();
        let flow = task.and_then(|task| {
            let bytes = self.bytes.load(Ordering::Relaxed);
            let (total, lasts, tls) = (task.total, task.began.elapsed(), task.tls);
            Some(Flow { direction: task.direction?, bytes, total, lasts, tls })
        });
        Doing { command: state.command, path: task.map(|task| task.path.clone()), flow }
    }

    /// Tells it to end, and wakes it up if it waits for a command. The first reason counts.
    pub fn end(&self, ending: Ending) {
        if self.lock().ending.get_or_insert(ending) == &ending {
            // It may be closed already.
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    /// Has it end at once, whatever it does and whatever it was told before. The second time, nothing more is said to
    /// a client that does not listen.
    pub fn kick(&self) {
        self.lock().ending = Some(Ending::Kicked);
        let was_kicked = self.is_kicked.swap(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(if was_kicked { Shutdown::Both } else { Shutdown::Read });
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

    pub(super) fn set_tls(&self, tls: Option<Protection>) {
        self.lock().tls = tls;
    }

    pub(super) fn set_login(&self, login: Login) {
        self.lock().login = login;
    }

    pub(super) fn set_user(&self, username: Option<&str>) {
        self.lock().username = username.map(Into::into);
    }

    /// A command came.
    pub(super) fn begin(&self, command: &'static str) {
        let mut state = self.lock();
        state.command = command;
        state.task = None;
        drop(state);
        self.bytes.store(0, Ordering::Relaxed);
        self.is_busy.store(true, Ordering::Relaxed);
    }

    /// What the command is about, as the client calls it; where a file is on its way, how much of it there is.
    pub(super) fn show(&self, path: &[u8], direction: Option<Direction>, total: Option<u64>) {
        let task = Task { path: path.into(), began: Instant::now(), direction, total, tls: None };
        self.lock().task = Some(Box::new(task));
    }

    pub(super) fn set_data_tls(&self, tls: Option<Protection>) {
        if let Some(task) = &mut self.lock().task {
            task.tls = tls;
        }
    }

    /// So much of the file went.
    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// The command was answered.
    pub(super) fn rest(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answered.store(milliseconds, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
