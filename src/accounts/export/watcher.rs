//! The thread that reads an export anew when its file has changed.

use super::fault::Fault;
use super::file::{self, State};
use super::reader;
use super::users::Users;
use crate::accounts::user::FieldNames;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Between two looks at the file.
const PERIOD: Duration = Duration::from_millis(250);

/// The users that are in force.
#[derive(Debug)]
pub(super) struct InForce {
    users: RwLock<Arc<Users>>,
    version: AtomicU64,
}

impl InForce {
    pub fn new(users: Users) -> InForce {
        InForce { users: RwLock::new(Arc::new(users)), version: AtomicU64::new(0) }
    }

    pub fn users(&self) -> Arc<Users> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn replace(&self, users: Users) {
        let mut users = Arc::new(users);
        std::mem::swap(&mut *self.users.write().unwrap_or_else(PoisonError::into_inner), &mut users);
        self.version.fetch_add(1, Ordering::Release);
        // Who looks somebody up does not wait until the old ones are gone.
        drop(users);
    }
}

/// Looks at the file again and again.
pub(super) struct Watcher {
    path: PathBuf,
    names: FieldNames,
    in_force: Arc<InForce>,
    /// What the file was when it was read last; None: it is to be read in any case.
    read: Option<State>,
    /// What it was at the last look.
    seen: State,
    /// The last error, until all is well.
    complaint: Option<(State, String)>,
}

impl Watcher {
    /// Reads the file for the first time.
    pub fn new(path: PathBuf, names: FieldNames) -> Result<Watcher, String> {
        let seen = State::of(&path);
        let users = read(&path, &names).map_err(|fault| fault.text)?;
        let read = Some(seen).filter(|state| !state.is_fresh());
        Ok(Watcher { path, names, in_force: Arc::new(InForce::new(users)), read, seen, complaint: None })
    }

    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.clone()
    }

    /// Runs until the other end of the channel is dropped.
    pub fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    /// A file is read when it has stayed the same for a period. Who writes it in place, writes on; and what is written
    /// so far may look whole.
    fn look(&mut self) {
        let now = State::of(&self.path);
        let is_settled = std::mem::replace(&mut self.seen, now) == now;
        if !is_settled || self.read == Some(now) {
            return;
        }
        let result = read(&self.path, &self.names);
        if State::of(&self.path) != now {
            return;
        }
        self.read = Some(now);
        match result {
            Ok(users) => self.take(users),
            Err(fault) => self.complain(now, fault),
        }
    }

    fn take(&mut self, users: Users) {
        let count = users.users.len();
        self.in_force.replace(users);
        match self.complaint.take() {
            Some(_) => log::info!("export {}: all is well again, with {count} users", self.path.display()),
            None => log::debug!("export {}: read anew, with {count} users", self.path.display()),
        }
    }

    fn complain(&mut self, state: State, fault: Fault) {
        if fault.is_passing {
            self.read = None;
        }
        let complaint = Some((state, fault.text));
        if complaint != self.complaint
            && let Some((_, text)) = &complaint
        {
            log::error!("{text}; the users that were read before stay in force");
        }
        self.complaint = complaint;
    }
}

fn read(path: &Path, names: &FieldNames) -> Result<Users, Fault> {
    let users = file::open(path).and_then(|file| reader::read(file, names, reader::MOST));
    users.map_err(|fault| fault.at(format!("export {}", path.display())))
}
