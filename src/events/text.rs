//! The line of the log, told from a line of the journal: what both say is the same.

use super::line::Line;
use crate::protocol::shown::Shown;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// As [`Event`](super::Event) displays itself: `ftp_login session=7 remote_ip=127.0.0.1 username="ann"`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(self.event().as_bytes()))?;
        // The address before anything that the client chooses, and that in quotes: nothing can be forged.
        self.write_values(f, &["session", "remote_ip", "tls", "cipher"], "")?;
        self.write_values(f, &["username"], "\"")?;
        if let Some(address) = self.server() {
            write!(f, " address={address}")?;
        }
        self.write_values(f, &["path", "path_from", "path_to"], "\"")?;
        self.write_values(f, &["bytes", "duration_ms", "data_tls", "data_cipher"], "")?;
        self.shown("reason").iter().try_for_each(|reason| write!(f, " reason={reason:?}"))
    }
}

impl Line {
    /// An IP address.
    pub fn address(&self, key: &str) -> Option<IpAddr> {
        self.shown(key)?.parse().ok()
    }

    /// The server's own address, of its own events.
    pub fn server(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address("host")?, self.number("port")?.try_into().ok()?))
    }

    fn write_values(&self, f: &mut fmt::Formatter<'_>, keys: &[&str], quote: &str) -> fmt::Result {
        for key in keys {
            if let Some((_, value)) = self.fields().find(|(name, _)| name == key) {
                write!(f, " {key}={quote}{}{quote}", Shown(&value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Event, Kind, Place, SessionTag, Subject};
    use super::*;
    use crate::protocol::protection::Protection;
    use std::time::Duration;

    #[test]
    fn log_and_journal_say_the_same() {
        let place = |name: &[u8]| Place { real: [b"/srv/", name].concat(), shown: name.to_vec() };
        let tls = Some(Protection { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" });
        let name = b"a \"b\"\\\n\xFF\xC3\xBC\xE2\x80\xAE";
        let tag = |tls, username: Option<&[u8]>| {
            Some(SessionTag {
                id: 7,
                remote: "[::ffff:10.0.0.1]:5".parse().unwrap(),
                username: username.map(Into::into),
                tls,
            })
        };
        let transfer = |reason, tls| Subject::Transfer {
            file: place(name),
            bytes: 9,
            duration: Duration::from_millis(12),
            tls,
            reason,
        };
        for (session, subject) in [
            (None, Subject::Server("[::1]:21".parse().unwrap())),
            (tag(None, None), Subject::Session),
            (tag(tls, Some(name)), Subject::Reason("it \"said\" \u{1b} so".to_string())),
            (tag(tls, Some(b"ann")), transfer(Some("reset".to_string()), tls)),
            (tag(None, Some(b"ann")), transfer(None, None)),
            (tag(None, Some(b"ann")), Subject::Path(place(name))),
            (tag(None, Some(b"ann")), Subject::Renamed { from: place(name), to: place(b"x") }),
        ] {
            let event = Event::now(Kind::FileSent, session, subject);
            let expected = event.to_string();
            let mut json = Entry { seq: 1, event }.json_line();
            json.pop();
            assert_eq!(Line::parse(json).unwrap().to_string(), expected);
        }
    }
}
