//! Why a session ends: what the event says of it, and what the client is told.

use super::data::transfer::{Cut, Wire};
use super::errors;
use super::handle::Ending;
use crate::protocol::reply::Reply;
use std::fmt;
use std::io;
use std::time::Instant;

/// Why a session ends.
#[derive(Debug)]
pub(super) enum End {
    Quit,
    Gone,
    Idle,
    LoginTimeout,
    TooManyFailures,
    AccountsUnavailable,
    JournalUnwritable,
    AccountClosed(String),
    DataStalled,
    NotFtp,
    Handshake(io::Error),
    AfterRein(io::Error),
    Injected,
    Stopping,
    Evicted,
    Kicked,
    Panicked,
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected => End::Gone,
            _ => End::Broken(error),
        }
    }
}

impl From<Ending> for End {
    fn from(ending: Ending) -> End {
        match ending {
            Ending::Stop { .. } => End::Stopping,
            Ending::Evicted => End::Evicted,
            Ending::Kicked => End::Kicked,
        }
    }
}

/// The reason that the event gives.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Quit => "quit",
            End::Gone => "the client closed the connection",
            End::Idle => "idle for too long",
            End::LoginTimeout => "no login in time",
            End::TooManyFailures => "too many failed logins",
            End::AccountsUnavailable => "the accounts can't be read",
            End::JournalUnwritable => "the journal can't be written",
            End::AccountClosed(why) => return write!(f, "account closed: {why}"),
            End::DataStalled => "the data connection stalled",
            End::NotFtp => "the client speaks HTTP",
            End::Handshake(error) => return write!(f, "TLS handshake: {error}"),
            End::AfterRein(error) => return write!(f, "TLS did not end after REIN: {error}"),
            End::Injected => "the client sent something behind AUTH before TLS began",
            End::Stopping => "the server stops",
            End::Evicted => "made room for another client before login",
            End::Kicked => "kicked by the administrator",
            End::Panicked => "an internal error",
            End::Broken(error) => return write!(f, "{error}"),
        })
    }
}

impl End {
    /// What the client is told, if it can still be told anything.
    pub(super) fn farewell(&self) -> Option<Reply> {
        let text = match self {
            End::Quit | End::Gone | End::Broken(_) | End::Handshake(_) | End::AfterRein(_) => return None,
            End::TooManyFailures | End::Evicted => return None,
            End::Idle => "Control connection timed out.",
            End::LoginTimeout => "Login timed out.",
            End::AccountsUnavailable => "Accounts can't be read at the moment; try again later.",
            End::JournalUnwritable => errors::JOURNAL_UNWRITABLE,
            End::AccountClosed(_) => "The account is no longer active.",
            End::DataStalled => "Data connection timed out.",
            End::NotFtp => "This is an FTP server.",
            End::Injected => "Nothing may follow AUTH before TLS has begun.",
            End::Stopping => "The server is shutting down.",
            End::Kicked => "The administrator has ended this session.",
            End::Panicked => "Internal error.",
        };
        Some(Reply::new(421, text))
    }
}

impl Wire<'_, '_> {
    /// Whether the server stops, or somebody has ended the session: who has said QUIT is not woken up for it, nor is who
    /// finds so many bytes that it does not wait.
    pub(super) fn heed(&mut self) -> Result<(), Cut> {
        match self.talk.handle.ending() {
            Some(Ending::Stop { transfers_until }) => self.draining = Some(transfers_until),
            Some(Ending::Kicked) => return Err(Cut::Kicked),
            Some(Ending::Evicted) | None => {}
        }
        match self.draining.is_some_and(|end| end <= Instant::now()) {
            true => Err(Cut::Stopping),
            false => Ok(()),
        }
    }
}
