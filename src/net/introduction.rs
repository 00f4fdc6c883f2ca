//! What a trusted proxy says in front of a connection, read from its socket.

use crate::protocol::proxy::{Header, Malformed, Origin};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::fmt;
use std::net::TcpStream;
use std::time::Duration;

/// A proxy says it at once; this is for a network that loses something.
pub const HEADER_TIME: Duration = Duration::from_secs(5);

/// A PROXY header on its way.
#[derive(Debug, Default)]
pub struct Introduction {
    bytes: Vec<u8>,
}

/// Why it is not known whose a connection is.
#[derive(Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It ended without a byte, as those do with which a proxy looks whether anybody is there.
    Nobody,
    /// The header did not come in time.
    Late,
    /// It broke in the middle of the header.
    Cut,
    /// What came is no header.
    Malformed(Malformed),
}

impl Introduction {
    /// Reads what is there, and nothing of what follows the header; None while more is to come. It does not wait.
    pub fn read(&mut self, stream: &TcpStream) -> Result<Option<Origin>, Unknown> {
        loop {
            let more = match Header::parse(&self.bytes).map_err(Unknown::Malformed)? {
                Header::Whole(origin) => return Ok(Some(origin)),
                Header::Needs(more) => more,
            };
            let known = self.bytes.len();
            self.bytes.resize(known + more, 0);
            let received =
                rustix::net::recv(stream, self.bytes.get_mut(known..).unwrap_or_default(), RecvFlags::DONTWAIT);
            let length = received.map_or(0, |(length, _)| length);
            self.bytes.truncate(known + length);
            match received {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
                Ok((0, _)) | Err(_) if known == 0 => return Err(Unknown::Nobody),
                Ok((0, _)) | Err(_) => return Err(Unknown::Cut),
                Ok(_) => {}
            }
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::Nobody => f.write_str("it ended before a PROXY header"),
            Unknown::Late => write!(f, "no PROXY header came within {} seconds", HEADER_TIME.as_secs()),
            Unknown::Cut => f.write_str("it ended within its PROXY header"),
            Unknown::Malformed(why) => f.write_str(why),
        }
    }
}
