//! What django-ftpserver logs of an event, for who has filters for that: the same words from the same logger, at DEBUG.

use super::{Event, Kind, Place, Subject};
use crate::protocol::shown::Shown;
use std::fmt;

/// The Python logger that tells it there.
pub(super) const LOGGER: &str = "django_ftpserver.handlers";

/// `FTP file received: username=ann, path=/srv/ftp/ann/a, remote_ip=127.0.0.1`
pub(super) struct Told<'a>(pub(super) &'a Event);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FTP {}: ", title(self.0.kind))?;
        if let Subject::Server(address) = &self.0.subject {
            return write!(f, "host={}, port={}", address.ip(), address.port());
        }
        let Some(tag) = &self.0.session else { return f.write_str("username=None, remote_ip=None") };
        let remote_ip = tag.remote.ip().to_canonical();
        if self.0.kind == Kind::ClientConnected {
            return write!(f, "remote_ip={remote_ip}, remote_port={}", tag.remote.port());
        }
        match &tag.username {
            Some(name) => write!(f, "username={}, ", field(name))?,
            None => f.write_str("username=None, ")?,
        }
        match &self.0.subject {
            Subject::Path(file) | Subject::Transfer { file, .. } => write!(f, "path={}, ", path(file))?,
            Subject::Renamed { from, to } => write!(f, "path_from={}, path_to={}, ", path(from), path(to))?,
            Subject::Session | Subject::Reason(_) | Subject::Server(_) => {}
        }
        write!(f, "remote_ip={remote_ip}")
    }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::ServerStarted => "server starting",
        Kind::ServerStopped => "server stopping",
        Kind::ClientConnected => "client connected",
        Kind::ClientDisconnected => "client disconnected",
        Kind::Login => "login",
        Kind::LoginFailed => "login failed",
        Kind::Logout => "logout",
        Kind::FileReceived => "file received",
        Kind::FileSent => "file sent",
        Kind::FileReceivedIncomplete => "file received incomplete",
        Kind::FileSentIncomplete => "file sent incomplete",
        Kind::FileDeleted => "file deleted",
        Kind::FileRenamed => "file renamed",
        Kind::DirectoryCreated => "directory created",
        Kind::DirectoryDeleted => "directory deleted",
    }
}

fn path(place: &Place) -> String {
    field(&place.real)
}

/// A comma ends a value, so none is left in one: no name can forge an address.
fn field(value: &[u8]) -> String {
    Shown(value).to_string().replace(',', "\\x2c")
}

#[cfg(test)]
mod tests {
    use super::super::SessionTag;
    use super::*;

    fn told(kind: Kind, username: Option<&[u8]>, subject: Subject) -> String {
        let tag = SessionTag {
            id: 7,
            remote: "[::ffff:10.0.0.1]:5".parse().unwrap(),
            username: username.map(Into::into),
            tls: None,
        };
        let session = (!matches!(subject, Subject::Server(_))).then_some(tag);
        Told(&Event::now(kind, session, subject)).to_string()
    }

    #[test]
    fn events_in_the_words_of_django_ftpserver() {
        let place = |name: &str| Place { real: format!("/srv/{name}").into_bytes(), shown: name.into() };
        let ann: Option<&[u8]> = Some(b"ann");
        for (kind, username, subject, expected) in [
            (
                Kind::ServerStarted,
                None,
                Subject::Server("[::1]:21".parse().unwrap()),
                "server starting: host=::1, port=21",
            ),
            (Kind::ClientConnected, None, Subject::Session, "client connected: remote_ip=10.0.0.1, remote_port=5"),
            (Kind::Login, ann, Subject::Session, "login: username=ann, remote_ip=10.0.0.1"),
            (
                Kind::ClientDisconnected,
                None,
                Subject::Reason("x".into()),
                "client disconnected: username=None, remote_ip=10.0.0.1",
            ),
            (
                Kind::FileDeleted,
                ann,
                Subject::Path(place("a b")),
                "file deleted: username=ann, path=/srv/a b, remote_ip=10.0.0.1",
            ),
            (
                Kind::FileRenamed,
                ann,
                Subject::Renamed { from: place("a"), to: place("b") },
                "file renamed: username=ann, path_from=/srv/a, path_to=/srv/b, remote_ip=10.0.0.1",
            ),
            (
                Kind::LoginFailed,
                Some(b"x, remote_ip=9\n"),
                Subject::Reason("no".into()),
                "login failed: username=x\\x2c remote_ip=9\\x0a, remote_ip=10.0.0.1",
            ),
        ] {
            assert_eq!(told(kind, username, subject), format!("FTP {expected}"));
        }
    }
}
