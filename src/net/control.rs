//! The control connection: lines in, replies out. It knows nothing of what they mean.

use super::wait::{self, For};
use crate::protocol::line::{Line, LineBuffer};
use crate::protocol::reply::Reply;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may refuse to read a reply.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// One client's control connection.
#[derive(Debug)]
pub struct Control {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    local: SocketAddr,
    lines: LineBuffer,
}

/// What came of waiting for a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, or one too long.
    Line(Line),
    /// The client has gone, or was cut off.
    Closed,
    /// Nothing until the deadline.
    TimedOut,
}

impl Control {
    /// Takes a fresh connection and sets it up: no delay, urgent bytes in line (that is how ABOR may come).
    pub fn new(stream: Arc<TcpStream>, peer: SocketAddr) -> io::Result<Control> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket2::SockRef::from(&*stream).set_out_of_band_inline(true)?;
        let local = stream.local_addr()?;
        Ok(Control { stream, peer, local, lines: LineBuffer::default() })
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The client's address, IPv4 where it is a mapped one.
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Our own end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a reply whole.
    pub fn send(&self, reply: &Reply) -> io::Result<()> {
        (&*self.stream).write_all(reply.as_bytes())
    }

    /// The next line; waits for it until the deadline.
    pub fn next_line(&mut self, until: Option<Instant>) -> io::Result<Heard> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok(Heard::Line(line));
            }
            if !wait::one(self.stream.as_fd(), For::Reading, until)? {
                return Ok(Heard::TimedOut);
            }
            if !self.fill()? {
                return Ok(Heard::Closed);
            }
        }
    }

    /// Reads what is there, at most a small piece; false at the end of the connection. Blocks if nothing is there.
    pub fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 512];
        let length = match (&*self.stream).read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            result => result?,
        };
        self.lines.push(piece.get(..length).unwrap_or_default());
        Ok(length > 0)
    }

    /// The lines that have come, to be looked at before their turn.
    pub fn waiting(&self) -> &LineBuffer {
        &self.lines
    }

    /// Drops the first of them: it has been obeyed.
    pub fn drop_line(&mut self) {
        self.lines.next_line();
    }

    /// Waits without reading; true if the client has gone.
    pub fn watch_for_hang_up(&self, until: Instant) -> io::Result<bool> {
        wait::one(self.stream.as_fd(), For::HangUp, Some(until))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
