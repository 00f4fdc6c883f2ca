//! Something that has happened, and its place in the order of all.

use super::json;
use crate::protocol::protection::Protection;
use crate::protocol::shown::Shown;
use jiff::Timestamp;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The kinds of events, named after the Django signals of django-ftpserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names on the wire say it")]
pub enum Kind {
    ServerStarted,
    ServerStopped,
    ClientConnected,
    ClientDisconnected,
    Login,
    LoginFailed,
    Logout,
    FileReceived,
    FileSent,
    FileReceivedIncomplete,
    FileSentIncomplete,
    FileDeleted,
    FileRenamed,
    DirectoryCreated,
    DirectoryDeleted,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 15] = [
        Kind::ServerStarted,
        Kind::ServerStopped,
        Kind::ClientConnected,
        Kind::ClientDisconnected,
        Kind::Login,
        Kind::LoginFailed,
        Kind::Logout,
        Kind::FileReceived,
        Kind::FileSent,
        Kind::FileReceivedIncomplete,
        Kind::FileSentIncomplete,
        Kind::FileDeleted,
        Kind::FileRenamed,
        Kind::DirectoryCreated,
        Kind::DirectoryDeleted,
    ];

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in the journal, the log and Django.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ServerStarted => "ftp_server_started",
            Kind::ServerStopped => "ftp_server_stopped",
            Kind::ClientConnected => "ftp_client_connected",
            Kind::ClientDisconnected => "ftp_client_disconnected",
            Kind::Login => "ftp_login",
            Kind::LoginFailed => "ftp_login_failed",
            Kind::Logout => "ftp_logout",
            Kind::FileReceived => "ftp_file_received",
            Kind::FileSent => "ftp_file_sent",
            Kind::FileReceivedIncomplete => "ftp_file_received_incomplete",
            Kind::FileSentIncomplete => "ftp_file_sent_incomplete",
            Kind::FileDeleted => "ftp_file_deleted",
            Kind::FileRenamed => "ftp_file_renamed",
            Kind::DirectoryCreated => "ftp_directory_created",
            Kind::DirectoryDeleted => "ftp_directory_deleted",
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// When.
    pub time: Timestamp,
    /// Whose: none for the server's own events.
    pub session: Option<SessionTag>,
    /// With what.
    pub subject: Subject,
}

/// What the events of one session have in common.
#[derive(Debug, Clone)]
pub struct SessionTag {
    /// Its number; no other session has it, not even after a restart.
    pub id: u64,
    /// The client's address.
    pub remote: SocketAddr,
    /// The name given with USER, if any: bytes, for whoever fails to log in may send any.
    pub username: Option<Box<[u8]>>,
    /// How the control connection is protected; None: it is in the clear.
    pub tls: Option<Protection>,
}

/// What an event is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// Nothing but the session.
    Session,
    /// Why: of a login that failed, a connection that ended.
    Reason(String),
    /// The server's address.
    Server(SocketAddr),
    /// A file that was sent or received, or not entirely.
    Transfer {
        /// Which.
        file: Place,
        /// How much of it was transferred.
        bytes: u64,
        /// How long it took.
        duration: Duration,
        /// How the data connection was protected.
        tls: Option<Protection>,
        /// Why it is incomplete.
        reason: Option<String>,
    },
    /// A file or directory.
    Path(Place),
    /// A rename.
    Renamed {
        /// What it was.
        from: Place,
        /// What it is.
        to: Place,
    },
}

/// A file's two names, byte for byte.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it really is.
    pub real: Vec<u8>,
    /// What the client calls it.
    pub shown: Vec<u8>,
}

impl Event {
    /// An event of now.
    pub fn now(kind: Kind, session: Option<SessionTag>, subject: Subject) -> Event {
        Event { kind, time: Timestamp::now(), session, subject }
    }
}

/// An event with its place in the order of all.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Counts every event, across restarts where a journal remembers.
    pub seq: u64,
    /// The event.
    pub event: Event,
}

impl Entry {
    /// One JSON object and a line end, as the journal has it.
    pub fn json_line(&self) -> Vec<u8> {
        json::line(self)
    }
}

/// The line of the log: `ftp_login session=7 remote_ip=127.0.0.1 username="ann"`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(tag) = &self.session {
            // The address before anything that the client chooses, and that in quotes: nothing can be forged.
            write!(f, " session={} remote_ip={}", tag.id, tag.remote.ip().to_canonical())?;
            if let Some(tls) = tag.tls {
                write!(f, " tls={} cipher={}", tls.version, tls.cipher)?;
            }
            if let Some(username) = &tag.username {
                write!(f, " username=\"{}\"", Shown(username))?;
            }
        }
        match &self.subject {
            Subject::Session => Ok(()),
            Subject::Reason(reason) => write!(f, " reason={reason:?}"),
            Subject::Server(address) => write!(f, " address={address}"),
            Subject::Path(place) => write!(f, " path={place}"),
            Subject::Renamed { from, to } => write!(f, " path_from={from} path_to={to}"),
            Subject::Transfer { file, bytes, duration, tls, reason } => {
                write!(f, " path={file} bytes={bytes} duration_ms={}", duration.as_millis())?;
                if let Some(tls) = tls {
                    write!(f, " data_tls={} data_cipher={}", tls.version, tls.cipher)?;
                }
                reason.iter().try_for_each(|reason| write!(f, " reason={reason:?}"))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Shown(&self.real))
    }
}
