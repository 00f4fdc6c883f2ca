//! The thread that reads an export anew when its file has changed.

use super::fault::Fault;
use super::file::{self, State};
use super::reader;
use super::users::Users;
use crate::accounts::user::FieldNames;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Between two looks at the file.
const PERIOD: Duration = Duration::from_millis(250);
/// JSON lines that are written in place are whole when nothing was written for so long: who writes them may pause.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether the file could be read at once is answered there.
pub(super) type Question = Sender<Result<(), String>>;

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
#[derive(Debug)]
pub(super) struct Watcher {
    path: PathBuf,
    names: FieldNames,
    in_force: Arc<InForce>,
    /// What the file was when it was read last; None: it is to be read in any case.
    read: Option<State>,
    /// What it was at the last look, and since when.
    seen: State,
    since: Instant,
    /// Users that were read, of a file that may still be written.
    waiting: Option<Users>,
    /// The last error, until all is well.
    complaint: Option<(State, String)>,
}

impl Watcher {
    /// Reads the file for the first time.
    pub fn new(path: PathBuf, names: FieldNames) -> Result<Watcher, String> {
        let seen = State::of(&path);
        let users = read(&path, &names).map_err(|fault| fault.text)?;
        let read = Some(seen).filter(|state| !state.is_fresh());
        let in_force = Arc::new(InForce::new(users));
        Ok(Watcher { path, names, in_force, read, seen, since: Instant::now(), waiting: None, complaint: None })
    }

    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.clone()
    }

    /// Runs until the other end of the channel is dropped.
    pub fn run(mut self, questions: &Receiver<Question>) {
        loop {
            match questions.recv_timeout(PERIOD) {
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
                // Who asks waits for the answer.
                Ok(answer) => drop(answer.send(self.read_now())),
            }
        }
    }

    /// Reads it as it is: somebody says that it is whole.
    fn read_now(&mut self) -> Result<(), String> {
        let now = State::of(&self.path);
        let users = read(&self.path, &self.names).map_err(|fault| fault.text)?;
        self.read = Some(now).filter(|state| !state.is_fresh());
        self.waiting = None;
        self.take(users);
        Ok(())
    }

    /// A file is read when it has stayed the same for a period. Who writes it in place, writes on; and what is written
    /// so far may look whole, JSON lines in particular: these wait for longer, unless they were moved into place.
    fn look(&mut self) {
        let now = State::of(&self.path);
        if std::mem::replace(&mut self.seen, now) != now {
            self.since = Instant::now();
            self.waiting = None;
            return;
        }
        if self.read == Some(now) {
            if self.since.elapsed() >= PAUSE
                && let Some(users) = self.waiting.take()
            {
                self.take(users);
            }
            return;
        }
        let result = read(&self.path, &self.names);
        if State::of(&self.path) != now {
            return;
        }
        let before = self.read.replace(now);
        match result {
            Ok(users) if users.shows_its_end || now.was_moved(before) => self.take(users),
            Ok(users) => self.waiting = Some(users),
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
    let users = file::open(path).and_then(|file| reader::read(file, names, &reader::LIMITS));
    users.map_err(|fault| fault.at(format!("export {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ANN: &str = r#"{"model": "auth.user", "pk": 1, "fields": {"username": "ann", "password": "x"}}"#;

    /// Looks once, and tells who is there and how often that has changed.
    fn look(watcher: &mut Watcher) -> (usize, u64) {
        watcher.look();
        (watcher.in_force.users().users.len(), watcher.in_force.version())
    }

    /// As if the file had been as it is for so long.
    fn pause(watcher: &mut Watcher) {
        watcher.since = Instant::now().checked_sub(PAUSE).unwrap();
    }

    #[test]
    fn a_file_is_read_when_it_is_no_longer_written() {
        let path = std::env::temp_dir().join(format!("django-ftpd-{}-watched.json", std::process::id()));
        std::fs::write(&path, ANN).unwrap();
        let mut watcher = Watcher::new(path.clone(), FieldNames::default()).unwrap();
        // It was new when it was read: the same stamp could have been another file's.
        watcher.read = None;
        assert_eq!(look(&mut watcher), (1, 0));
        pause(&mut watcher);
        assert_eq!(look(&mut watcher), (1, 1));
        assert_eq!(look(&mut watcher), (1, 1));
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        // Each beginning of JSON lines is JSON lines.
        for number in 2..5 {
            let user = ANN.replace("\"pk\": 1", &format!("\"pk\": {number}")).replace("ann", &format!("user-{number}"));
            write!(file, "\n{user}").unwrap();
            assert_eq!(look(&mut watcher), (1, 1));
            // A pause that is not long enough.
            assert_eq!(look(&mut watcher), (1, 1));
            assert_eq!(watcher.waiting.as_ref().map(|users| users.users.len()), Some(number));
        }
        assert_eq!(look(&mut watcher), (1, 1));
        pause(&mut watcher);
        assert_eq!(look(&mut watcher), (4, 2));
        pause(&mut watcher);
        assert_eq!(look(&mut watcher), (4, 2));
        std::fs::remove_file(&path).unwrap();
        for _ in 0..3 {
            assert_eq!(look(&mut watcher), (4, 2));
        }
        let (state, complaint) = watcher.complaint.clone().unwrap();
        assert!(state == State::Not(std::io::ErrorKind::NotFound) && complaint.contains("it does not exist"));
        std::fs::write(&path, format!("[{ANN}]")).unwrap();
        assert_eq!(look(&mut watcher), (4, 2));
        assert_eq!(look(&mut watcher), (1, 3));
        assert_eq!(watcher.complaint, None);
        // Another file, but written where it is.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, ANN.replace("ann", "bob")).unwrap();
        assert_eq!(look(&mut watcher), (1, 3));
        assert_eq!(look(&mut watcher), (1, 3));
        assert!(watcher.waiting.is_some());
        // It was moved: its name is younger than its last write.
        let other = path.with_extension("new");
        std::fs::write(&other, format!("{ANN}\n{}", ANN.replace("1", "2").replace("ann", "bob"))).unwrap();
        let file = std::fs::File::options().append(true).open(&other).unwrap();
        file.set_modified(std::time::SystemTime::now() - PAUSE).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(look(&mut watcher), (1, 3));
        assert_eq!(look(&mut watcher), (2, 4));
        std::fs::remove_file(&path).unwrap();
    }
}
