//! Writes `last_login` of FTP accounts, some at a time, in a thread of its own: no login waits for the disk.

use super::file;
use crossbeam_channel::{Receiver, Sender, unbounded};
use jiff::Timestamp;
use rusqlite::ErrorCode;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two transactions: what comes meanwhile is written in the next.
const PAUSE: Duration = Duration::from_millis(200);
/// After a failure, the next attempt.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct LastLogin {
    logins: Option<Sender<(i64, Timestamp)>>,
    thread: Option<JoinHandle<()>>,
}

impl LastLogin {
    pub(super) fn start(path: PathBuf) -> io::Result<LastLogin> {
        let (sender, receiver) = unbounded();
        let thread = std::thread::Builder::new().name("last-login".into()).spawn(move || run(&path, &receiver))?;
        Ok(LastLogin { logins: Some(sender), thread: Some(thread) })
    }

    pub(super) fn note(&self, account: i64) {
        if let Some(logins) = &self.logins {
            // The thread takes them until we are dropped.
            let _ = logins.send((account, Timestamp::now()));
        }
    }
}

impl Drop for LastLogin {
    fn drop(&mut self) {
        self.logins = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(path: &Path, logins: &Receiver<(i64, Timestamp)>) {
    let mut pending = HashMap::new();
    let mut complained = false;
    let mut not_before = Instant::now();
    loop {
        let ended = gather(logins, &mut pending, not_before);
        match write(path, &pending) {
            Ok(()) => {
                pending.clear();
                complained = false;
                not_before = Instant::now() + PAUSE;
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
                log::debug!("database {}: read-only, last_login is not written", path.display());
                pending.clear();
            }
            Err(error) if !complained => {
                log::warn!("database {}: last_login is not written yet: {error}", path.display());
                complained = true;
                not_before = Instant::now() + RETRY;
            }
            Err(_) => not_before = Instant::now() + RETRY,
        }
        if ended {
            return;
        }
    }
}

/// Waits for a login and collects those that come until then; true when no more will come.
fn gather(logins: &Receiver<(i64, Timestamp)>, pending: &mut HashMap<i64, Timestamp>, until: Instant) -> bool {
    if pending.is_empty() {
        match logins.recv() {
            Ok((account, time)) => pending.insert(account, time),
            Err(_) => return true,
        };
    }
    loop {
        match logins.recv_deadline(until) {
            Ok((account, time)) => pending.insert(account, time),
            Err(error) => return error.is_disconnected(),
        };
    }
}

fn write(path: &Path, pending: &HashMap<i64, Timestamp>) -> rusqlite::Result<()> {
    if pending.is_empty() {
        return Ok(());
    }
    let mut connection = file::open(path)?;
    connection.busy_timeout(RETRY)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut update =
            transaction.prepare("UPDATE django_ftpserver_ftpuseraccount SET last_login = ?2 WHERE id = ?1")?;
        for (account, time) in pending {
            // As Django writes an aware datetime: UTC, microseconds unless they are zero.
            let format = if time.subsec_nanosecond() < 1000 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
            let text = time.strftime(format).to_string();
            update.execute((account, text))?;
        }
    }
    transaction.commit()
}
