//! Writes `last_login` of FTP accounts, some at a time, in a thread of its own: no login waits for the disk. The thread
//! begins with the first login, for who opens a database may still want to be alone.

use super::file;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use jiff::Timestamp;
use rusqlite::ErrorCode;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Between two transactions: what comes meanwhile is written in the next.
const PAUSE: Duration = Duration::from_secs(1);
/// After a failure, the next attempt.
const RETRY: Duration = Duration::from_secs(2);

/// How long the end of the server waits for the last of them.
const LAST_WRITE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct LastLogin {
    path: PathBuf,
    /// None: the thread could not be started.
    messages: OnceLock<Option<Sender<Message>>>,
}

#[derive(Debug)]
enum Message {
    Login(i64, Timestamp),
    /// Write what there is, then drop this.
    Flush(Sender<()>),
}

#[derive(Default)]
struct Pending {
    logins: HashMap<i64, Timestamp>,
    flushes: Vec<Sender<()>>,
    /// Nobody can tell of logins any more.
    ended: bool,
}

impl LastLogin {
    pub(super) fn new(path: PathBuf) -> LastLogin {
        LastLogin { path, messages: OnceLock::new() }
    }

    pub(super) fn note(&self, account: i64) {
        let start = || start(self.path.clone()).inspect_err(|error| log::error!("last_login is not written: {error}"));
        if let Some(messages) = self.messages.get_or_init(|| start().ok()) {
            // The thread takes them until we are dropped.
            let _ = messages.send(Message::Login(account, Timestamp::now()));
        }
    }

    /// Waits until all are written, but not for ever.
    pub(super) fn flush(&self) {
        let Some(Some(messages)) = self.messages.get() else { return };
        let (flushed, done) = bounded(0);
        let _ = messages.send(Message::Flush(flushed));
        if done.recv_timeout(LAST_WRITE) == Err(RecvTimeoutError::Timeout) {
            log::warn!("the last_login of the last logins could not be written: the database is locked");
        }
    }
}

fn start(path: PathBuf) -> io::Result<Sender<Message>> {
    let (messages, receiver) = unbounded();
    std::thread::Builder::new().name("last-login".into()).spawn(move || run(&path, &receiver))?;
    Ok(messages)
}

fn run(path: &Path, messages: &Receiver<Message>) {
    let mut pending = Pending::default();
    let mut complained = false;
    let mut not_before = Instant::now();
    while !pending.ended {
        pending.gather(messages, not_before);
        not_before = Instant::now() + PAUSE;
        match write(path, &pending.logins) {
            Ok(()) => {
                pending.logins.clear();
                complained = false;
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
                log::debug!("database {}: read-only, last_login is not written", path.display());
                pending.logins.clear();
            }
            Err(error) => {
                if !std::mem::replace(&mut complained, true) {
                    log::warn!("database {}: last_login is not written yet: {error}", path.display());
                }
                not_before = Instant::now() + RETRY;
            }
        }
        pending.flushes.clear();
    }
}

impl Pending {
    /// Waits for a login and collects those that come until then.
    fn gather(&mut self, messages: &Receiver<Message>, until: Instant) {
        if self.logins.is_empty() {
            match messages.recv() {
                Ok(message) => self.take(message),
                Err(_) => self.ended = true,
            }
        }
        while self.flushes.is_empty() && !self.ended {
            match messages.recv_deadline(until) {
                Ok(message) => self.take(message),
                Err(error) if error.is_disconnected() => self.ended = true,
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Login(account, time) => drop(self.logins.insert(account, time)),
            Message::Flush(flushed) => self.flushes.push(flushed),
        }
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
