//! The database file: connections that are opened anew when another file takes its place, and a version that
//! changes when anybody writes to it.

use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A change so recent that another one may bear the same time stamp.
const SETTLED: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    wal: PathBuf,
    idle: Mutex<Vec<(FileId, Connection)>>,
    seen: Mutex<Seen>,
}

type FileId = (u64, u64);

#[derive(Debug, Default)]
struct Seen {
    version: u64,
    state: State,
    settled: bool,
}

/// What stat(2) tells of the database and its write-ahead log.
type State = [Option<FileState>; 2];
type FileState = (u64, u64, u64, i64, i64);

impl DatabaseFile {
    pub(super) fn new(path: PathBuf) -> DatabaseFile {
        let mut wal = path.clone().into_os_string();
        wal.push("-wal");
        DatabaseFile { path, wal: wal.into(), idle: Mutex::default(), seen: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a query on a connection to the file that has the name now; waits so long while Django has it locked.
    pub(super) fn with<T>(
        &self,
        patience: Duration,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let id = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        let id = id.map_err(|_| cannot_open())?;
        let idle = {
            let mut idle = lock(&self.idle);
            idle.retain(|(of, _)| *of == id);
            idle.pop()
        };
        let connection = match idle {
            Some((_, connection)) => connection,
            None => open(&self.path)?,
        };
        connection.busy_timeout(patience)?;
        let result = query(&connection);
        // A connection that has met an error may be to a file that is broken or gone: it is not used again.
        if result.is_ok() {
            lock(&self.idle).push((id, connection));
        }
        result
    }

    /// A number that is another one after every change of the file.
    pub(super) fn version(&self) -> u64 {
        let state = [file_state(&self.path), file_state(&self.wal)];
        let mut seen = lock(&self.seen);
        if seen.state != state || !seen.settled {
            seen.version += 1;
            seen.state = state;
            seen.settled = is_settled(&state);
        }
        seen.version
    }
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
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

fn is_settled(state: &State) -> bool {
    let now = SystemTime::now();
    state.iter().flatten().all(|&(.., seconds, nanoseconds)| {
        let since_epoch = Duration::new(seconds.unsigned_abs(), nanoseconds.unsigned_abs().try_into().unwrap_or(0));
        let age = now.duration_since(SystemTime::UNIX_EPOCH + since_epoch);
        age.is_ok_and(|age| age > SETTLED)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
