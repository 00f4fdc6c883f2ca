//! The database file: connections that are opened anew when another file takes its place, and a version that
//! changes when anybody writes to it.

use crate::locks::lock;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// A change so recent that another one may bear the same time stamp.
const SAME_STAMP: Duration = Duration::from_millis(20);
/// A write-ahead log is written before its frames count: what was written so recently may not have been seen yet.
const LATE_COMMIT: Duration = Duration::from_secs(60);
/// Some file systems have stamps as coarse as this,
const COARSE_STAMP: Duration = Duration::from_secs(3);
/// and no stamp between these, in nanoseconds.
const COARSE_GRAIN: i64 = 10_000_000;
/// What was seen holds for so long. All sessions look before each command, a dozen times in this while if they are busy.
const GLANCE: Duration = Duration::from_micros(200);
/// A database found locked is not asked again so soon by those who can do without an answer.
const LOCKED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Where its write-ahead log is, if it is this file.
    wal: Mutex<(Option<FileId>, PathBuf)>,
    idle: Mutex<Vec<(FileId, Connection)>>,
    seen: Mutex<Seen>,
    locked_at: Mutex<Option<Instant>>,
}

type FileId = (u64, u64);

#[derive(Debug, Default)]
struct Seen {
    version: u64,
    state: State,
    /// When somebody looked last.
    at: Option<Instant>,
    /// A stamp was so fresh then that another change could bear it, too.
    was_fresh: bool,
    /// What `PRAGMA data_version` said last, on the one connection that is asked.
    watched: Option<(FileId, Connection, i64)>,
}

/// What stat(2) tells of the database and its write-ahead log.
type State = [Option<FileState>; 2];
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    id: FileId,
    size: u64,
    /// Seconds and nanoseconds; the second one is when the file was changed in whatever way, which nobody can set.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl DatabaseFile {
    pub(super) fn new(path: PathBuf) -> DatabaseFile {
        DatabaseFile {
            wal: Mutex::new((file_state(&path).map(|state| state.id), wal_of(&path))),
            path,
            idle: Mutex::default(),
            seen: Mutex::default(),
            locked_at: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a query on a connection to the file that has the name now; waits so long while Django has it locked.
    pub(super) fn with<T>(
        &self,
        patience: Duration,
        query: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let id = self.id()?;
        let idle = {
            let mut idle = lock(&self.idle);
            idle.retain(|(of, _)| *of == id);
            idle.pop()
        };
        let ask = |connection: Connection| {
            connection.busy_timeout(patience)?;
            let answer = query(&connection)?;
            lock(&self.idle).push((id, connection));
            Ok(answer)
        };
        // A connection that meets an error is not used again: it may be to a file that is broken or gone. The file
        // that has the name now is asked once more, unless it is locked.
        let result = match idle {
            Some((_, connection)) => ask(connection).or_else(|error| match is_locked(&error) {
                true => Err(error),
                false => ask(open(&self.path)?),
            }),
            None => open(&self.path).and_then(ask),
        };
        *lock(&self.locked_at) = result.as_ref().is_err_and(is_locked).then(Instant::now);
        result
    }

    /// Whether it was found locked a moment ago.
    pub(super) fn is_locked(&self) -> bool {
        lock(&self.locked_at).is_some_and(|at| at.elapsed() < LOCKED)
    }

    /// A number that is another one after every change of the file. Mostly stat(2) tells; where it can't, SQLite does.
    pub(super) fn version(&self) -> u64 {
        let mut seen = lock(&self.seen);
        if seen.at.is_none_or(|at| at.elapsed() >= GLANCE) {
            self.look(&mut seen);
        }
        seen.version
    }

    #[inline(never)]
    fn look(&self, seen: &mut Seen) {
        seen.at = Some(Instant::now());
        let database = file_state(&self.path);
        let state = [database, self.wal_state(database)];
        let [database, wal] = [(state[0], state[0].map_or(COARSE_STAMP, telling)), (state[1], LATE_COMMIT)]
            .map(|(state, recent)| state.map_or(Age::Old, |state| Age::of(state, recent)));
        let uncertain = database == Age::Recent || wal == Age::Recent;
        let is_fresh = database == Age::SameStamp || wal == Age::SameStamp;
        let was_fresh = std::mem::replace(&mut seen.was_fresh, is_fresh);
        let changed = seen.state != state || is_fresh || was_fresh;
        if changed || (uncertain && self.data_version_changed(seen).unwrap_or(true)) {
            seen.version += 1;
            seen.state = state;
        }
    }

    /// Opens the connection that is asked where stat(2) can't tell, so that it is there when it is needed.
    pub(super) fn watch(&self) {
        if let Err(error) = self.data_version_changed(&mut lock(&self.seen)) {
            log::debug!("database {}: {error}", self.path.display());
        }
    }

    fn data_version_changed(&self, seen: &mut Seen) -> rusqlite::Result<bool> {
        let id = self.id()?;
        let (connection, before) = match seen.watched.take() {
            Some((of, connection, before)) if of == id => (connection, Some(before)),
            _ => (open(&self.path)?, None),
        };
        // All sessions pass here: that it is locked is answer enough.
        connection.busy_timeout(Duration::ZERO)?;
        let now = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        seen.watched = Some((id, connection, now));
        Ok(before != Some(now))
    }

    /// SQLite keeps the log beside the file itself, wherever a link leads; a link may lead elsewhere one day.
    fn wal_state(&self, database: Option<FileState>) -> Option<FileState> {
        let id = database.map(|state| state.id);
        let mut wal = lock(&self.wal);
        if wal.0 != id {
            *wal = (id, wal_of(&self.path));
        }
        file_state(&wal.1)
    }

    fn id(&self) -> rusqlite::Result<FileId> {
        file_state(&self.path).map(|state| state.id).ok_or_else(cannot_open)
    }
}

/// How long ago a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    SameStamp,
    Recent,
    Old,
}

impl Age {
    /// A stamp of the future is no fresh one: whoever writes now, changes it.
    fn of(state: FileState, recent: Duration) -> Age {
        let (seconds, nanoseconds) = state.modified;
        let since_epoch = Duration::new(seconds.unsigned_abs(), nanoseconds.unsigned_abs().try_into().unwrap_or(0));
        let stamp = SystemTime::UNIX_EPOCH + since_epoch;
        let now = SystemTime::now();
        let age = now.duration_since(stamp).unwrap_or_else(|error| error.duration());
        match age {
            age if age <= SAME_STAMP => Age::SameStamp,
            age if age <= recent => Age::Recent,
            _ => Age::Old,
        }
    }
}

/// For how long after a change of a file another one could bear the same stamp.
fn telling(state: FileState) -> Duration {
    if state.modified.1 % COARSE_GRAIN == 0 { COARSE_STAMP } else { SAME_STAMP }
}

fn wal_of(path: &Path) -> PathBuf {
    let mut wal = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()).into_os_string();
    wal.push("-wal");
    wal.into()
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    // Writable, though nothing is written: SQLite needs it to read a database in WAL mode or to roll back
    // what a crashed Django has left. Without the right to write it falls back to reading.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

fn cannot_open() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), None)
}

fn file_state(path: &Path) -> Option<FileState> {
    let stat = rustix::fs::stat(path).ok()?;
    let nanoseconds = |of| i64::try_from(of).unwrap_or_default();
    Some(FileState {
        id: (stat.st_dev, stat.st_ino),
        size: stat.st_size.unsigned_abs(),
        modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
        changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
    })
}
