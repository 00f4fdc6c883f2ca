//! Every event as a row of an SQLite table, for Django and for whoever asks in SQL. The database may be the site's own:
//! it is locked only for as long as a few rows take.

use super::{Follower, Trouble};
use crate::events::line::Line;
use crate::events::reader::identity;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use std::fs::OpenOptions;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rows in one transaction.
const BATCH: u16 = 500;
/// How long another's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Old rows are looked for so often,
const CLEANING: Duration = Duration::from_secs(60);
/// after a failure again,
const RETRY: Duration = Duration::from_secs(5);
/// so many times `BATCH` of them are removed then,
const CLEANED: usize = 20;
/// and between two transactions others have their turn.
const TURN: Duration = Duration::from_millis(10);

/// Times are texts in UTC that sort as the times do, in a form that Django reads.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS django_ftpd_event (
    id integer NOT NULL PRIMARY KEY,
    time datetime NOT NULL,
    event_type varchar(40) NOT NULL,
    username text NULL,
    remote_ip text NULL,
    path text NULL,
    virtual_path text NULL,
    path_to text NULL,
    bytes bigint NULL,
    duration_ms bigint NULL,
    reason text NULL,
    session bigint NULL,
    data text NOT NULL
);
CREATE INDEX IF NOT EXISTS django_ftpd_event_time ON django_ftpd_event (time);
CREATE INDEX IF NOT EXISTS django_ftpd_event_username ON django_ftpd_event (username, time);
CREATE INDEX IF NOT EXISTS django_ftpd_event_event_type ON django_ftpd_event (event_type, time);
CREATE INDEX IF NOT EXISTS django_ftpd_event_path ON django_ftpd_event (path);
";
const INSERT: &str = "
INSERT OR REPLACE INTO django_ftpd_event (id, time, event_type, username, remote_ip, path, virtual_path, path_to, bytes,
    duration_ms, reason, session, data)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const DELETE: &str = "
DELETE FROM django_ftpd_event WHERE id IN (SELECT id FROM django_ftpd_event WHERE time < ?1 ORDER BY time LIMIT ?2)";

/// A database that gets every event.
#[derive(Debug)]
pub struct AuditDatabase {
    path: PathBuf,
    /// Rows older than so many days are removed.
    days: Option<NonZeroUsize>,
    open: Option<Open>,
    clean_at: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    identity: Option<(u64, u64)>,
}

impl AuditDatabase {
    /// Opens the database, or makes it, and the table in it. That it is locked is no fault: it is tried again later.
    pub fn open(path: impl Into<PathBuf>, days: Option<NonZeroUsize>) -> Result<AuditDatabase, String> {
        let path = path.into();
        let open = match Open::new(&path) {
            Err(error) if !is_locked(&error) => return Err(format!("{}: {error}", path.display())),
            open => open.ok(),
        };
        Ok(AuditDatabase { path, days, open, clean_at: None })
    }

    /// Does something in the file that has the name now; after a failure it is opened anew.
    fn with<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut open = match self.open.take() {
            Some(open) if open.has_name(&self.path) => open,
            _ => Open::new(&self.path)?,
        };
        let result = work(&mut open.connection)?;
        self.open = Some(open);
        Ok(result)
    }

    fn remove_before(&mut self, time: Timestamp) -> rusqlite::Result<()> {
        let text = time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        for _ in 0..CLEANED {
            let removed = self.with(|connection| connection.prepare_cached(DELETE)?.execute(params![text, BATCH]))?;
            if removed < usize::from(BATCH) {
                break;
            }
            std::thread::sleep(TURN);
        }
        Ok(())
    }
}

impl Follower for AuditDatabase {
    fn batch(&self) -> usize {
        BATCH.into()
    }

    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        self.with(|connection| write(connection, lines)).map_err(|error| trouble(&self.path, &error))?;
        match self.open.as_ref().is_some_and(|open| open.has_name(&self.path)) {
            true => Ok(()),
            false => Err(Trouble::Outage(format!("{} was replaced or removed meanwhile", self.path.display()))),
        }
    }

    fn highest(&mut self) -> u64 {
        let highest = self.with(|connection| {
            connection.query_row("SELECT max(id) FROM django_ftpd_event", [], |row| row.get::<_, Option<i64>>(0))
        });
        highest.ok().flatten().and_then(|number| number.try_into().ok()).unwrap_or(0)
    }

    fn chores(&mut self) {
        let Some(days) = self.days.filter(|_| self.clean_at.is_none_or(|at| at <= Instant::now())) else {
            return;
        };
        self.clean_at = Some(Instant::now() + CLEANING);
        let hours = i64::try_from(days.get()).unwrap_or(i64::MAX).saturating_mul(24);
        // What began before all time removes nothing.
        let age = SignedDuration::try_from_hours(hours).unwrap_or(SignedDuration::MAX);
        if let Ok(time) = Timestamp::now().checked_sub(age)
            && let Err(error) = self.remove_before(time)
        {
            log::warn!("audit_database {}: old rows are not removed yet: {error}", self.path.display());
            self.clean_at = Some(Instant::now() + RETRY);
        }
    }
}

impl Open {
    fn new(path: &Path) -> rusqlite::Result<Open> {
        // SQLite would let everybody read it. Whatever fails here, it tells better.
        drop(OpenOptions::new().write(true).create_new(true).mode(0o640).open(path));
        // Before it is opened: should another take its place meanwhile, that shows.
        let identity = identity(path).ok().flatten();
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Open { connection, identity })
    }

    /// Whether its file is still the one of this name.
    fn has_name(&self, path: &Path) -> bool {
        self.identity.is_some() && identity(path).ok() == Some(self.identity)
    }
}

/// All in one transaction.
fn write(connection: &mut Connection, lines: &[Line]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached(INSERT)?;
        for line in lines {
            let number = |key| line.number(key).map(|number| i64::try_from(number).unwrap_or(i64::MAX));
            insert.execute(params![
                i64::try_from(line.seq()).unwrap_or(i64::MAX),
                line.shown("time").map(|time| time.replacen('T', " ", 1).trim_end_matches('Z').to_string()),
                line.event(),
                line.shown("username"),
                line.shown("remote_ip"),
                line.shown("path").or_else(|| line.shown("path_from")),
                line.shown("virtual_path").or_else(|| line.shown("virtual_path_from")),
                line.shown("path_to"),
                number("bytes"),
                number("duration_ms"),
                line.shown("reason"),
                number("session"),
                String::from_utf8_lossy(line.json()),
            ])?;
        }
    }
    transaction.commit()
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn trouble(path: &Path, error: &rusqlite::Error) -> Trouble {
    let why = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => Trouble::Event(why),
        _ => Trouble::Outage(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, rest: &str) -> Line {
        Line::parse(format!("{{\"seq\":{seq},{rest}}}").into_bytes()).unwrap()
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("django-ftpd-audit-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    fn count(path: &Path) -> i64 {
        let connection = Connection::open(path).unwrap();
        connection.query_row("SELECT count(*) FROM django_ftpd_event", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_same_event_twice_is_one_row_and_one_without_a_time_is_refused() {
        let path = scratch("twice");
        let mut audit = AuditDatabase::open(&path, None).unwrap();
        let event = line(1, r#""time":"2026-01-02T03:04:05.678000Z","event":"ftp_login""#);
        assert_eq!(audit.deliver(&[event.clone(), event.clone()]), Ok(()));
        assert_eq!(audit.deliver(std::slice::from_ref(&event)), Ok(()));
        assert_eq!(count(&path), 1);
        assert!(matches!(audit.deliver(&[line(2, r#""event":"x""#)]), Err(Trouble::Event(_))));
        assert_eq!(audit.deliver(&[line(3, r#""time":"2026-01-02T03:04:06.000000Z","event":"x""#)]), Ok(()));
        assert_eq!(count(&path), 2);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn more_old_rows_than_one_transaction_takes_go_in_one_minute() {
        let path = scratch("old");
        let mut audit = AuditDatabase::open(&path, NonZeroUsize::new(1)).unwrap();
        let old = |seq| line(seq, r#""time":"2020-01-02T03:04:05.678000Z","event":"x""#);
        audit.deliver(&(1..=u64::from(BATCH) + 7).map(old).collect::<Vec<_>>()).unwrap();
        let now = Timestamp::now();
        audit.deliver(&[line(9999, &format!(r#""time":"{now:.6}","event":"x""#))]).unwrap();
        audit.chores();
        assert_eq!(count(&path), 1);
        audit.deliver(&[old(1)]).unwrap();
        audit.chores();
        assert_eq!(count(&path), 2, "not again in the same minute");
        let mut for_ever = AuditDatabase::open(&path, NonZeroUsize::new(usize::MAX)).unwrap();
        for_ever.chores();
        assert_eq!(count(&path), 2);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let path = scratch("none");
        std::fs::write(&path, "a text that is long enough to be no header of a database at all\n".repeat(20)).unwrap();
        let why = AuditDatabase::open(&path, None).unwrap_err();
        assert!(why.contains("file is not a database"), "{why}");
        let why = AuditDatabase::open(path.join("below"), None).unwrap_err();
        assert!(why.contains("unable to open database file"), "{why}");
        std::fs::remove_file(&path).unwrap();
    }
}
