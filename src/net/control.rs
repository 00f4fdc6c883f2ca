//! The control connection: lines in, replies out, in the clear or in TLS. It knows nothing of what they mean.

use super::limited::Limited;
use super::tls::{Records, Secured, Tls};
use super::wait::{self, For, Ready};
use crate::protocol::line::{Line, LineBuffer};
use crate::protocol::protection::Protection;
use crate::protocol::reply::Reply;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a client may refuse to read the last thing that is said in TLS.
const GOODBYE: Duration = Duration::from_secs(1);

/// Most clients say something so soon: they are read from at once, for to wait first is another call of the kernel.
const SOON: Duration = Duration::from_secs(20);

/// Enough for the largest certificates of clients, several times over.
const HANDSHAKE_STACK: usize = 256 << 10;

/// One client's control connection.
#[derive(Debug)]
pub struct Control {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    local: SocketAddr,
    reached: SocketAddr,
    lines: LineBuffer,
    channel: Channel,
    /// See [`set_deadline`](Control::set_deadline).
    until: Option<Instant>,
}

/// What the lines travel in.
#[derive(Debug)]
enum Channel {
    Clear,
    /// It is being changed, or the change has failed: nothing can be said.
    Changing,
    Secured(Box<Secured>),
}

/// What came of waiting for a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, or one too long.
    Line(Line),
    /// The client has gone, or was cut off.
    Closed,
    /// Nothing yet, but what was waited for beside it.
    Beside,
    /// Nothing until the deadline.
    TimedOut,
}

impl Control {
    /// Takes a fresh connection and sets it up: no delay, urgent bytes in line (that is how ABOR may come). Where a proxy
    /// is between, the client has reached another address than ours.
    pub fn new(stream: Arc<TcpStream>, peer: SocketAddr, reached: Option<SocketAddr>) -> io::Result<Control> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        socket2::SockRef::from(&*stream).set_out_of_band_inline(true)?;
        let local = stream.local_addr()?;
        let (reached, lines) = (reached.unwrap_or(local), LineBuffer::default());
        Ok(Control { stream, peer, local, reached, lines, channel: Channel::Clear, until: None })
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

    /// What the client has connected to: our own end, or that of the proxy between.
    pub fn reached(&self) -> SocketAddr {
        self.reached
    }

    /// From here on, a reply that the client does not read is waited for until then at the latest.
    pub fn set_deadline(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// Sends a reply whole.
    pub fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let mut client = Limited::new(&self.stream, self.until);
        match &mut self.channel {
            Channel::Clear => client.write_all(reply.as_bytes()),
            Channel::Changing => Err(io::ErrorKind::NotConnected.into()),
            Channel::Secured(secured) => secured.send(client, reply.as_bytes()),
        }
    }

    /// Changes to TLS. If that fails, nothing more can be said to the client.
    pub fn secure(&mut self, tls: &Tls, until: Option<Instant>) -> io::Result<()> {
        self.channel = Channel::Changing;
        self.lines = LineBuffer::default();
        let mut secured = tls.secure()?;
        let client = Limited::new(&self.stream, until);
        in_passing(|| secured.handshake(client))??;
        secured.take(&mut self.lines);
        self.channel = Channel::Secured(Box::new(secured));
        Ok(())
    }

    /// Changes from TLS to clear text (RFC 4217, 11), once the client has done so, too.
    pub fn unsecure(&mut self, until: Option<Instant>) -> io::Result<()> {
        if let Channel::Secured(mut secured) = std::mem::replace(&mut self.channel, Channel::Changing) {
            let client = Limited::new(&self.stream, until);
            secured.close(client)?;
            secured.await_close(client)?;
        }
        self.channel = Channel::Clear;
        self.lines = LineBuffer::default();
        Ok(())
    }

    /// Whether lines travel in TLS.
    pub fn is_secured(&self) -> bool {
        matches!(self.channel, Channel::Secured(_))
    }

    /// The version and cipher of TLS.
    pub fn protection(&self) -> Option<Protection> {
        self.secured()?.protection()
    }

    /// The name in the client's certificate.
    pub fn client_name(&self) -> Option<String> {
        self.secured()?.client_name()
    }

    /// TLS for a data connection of this client.
    pub fn data_tls(&self) -> io::Result<Records> {
        self.secured().ok_or(io::ErrorKind::NotConnected)?.data()
    }

    /// Whether the TLS of a data connection is this client's.
    pub fn owns(&self, data: &Records) -> bool {
        self.secured().is_some_and(|secured| secured.owns(data))
    }

    fn secured(&self) -> Option<&Secured> {
        match &self.channel {
            Channel::Secured(secured) => Some(secured),
            Channel::Clear | Channel::Changing => None,
        }
    }

    /// Whether the client has said anything that was not asked for yet; does not wait.
    pub fn has_input(&self) -> io::Result<bool> {
        Ok(!self.lines.is_empty() || wait::one(self.stream.as_fd(), For::Reading, Some(Instant::now()))?)
    }

    /// The next line; waits for it until the deadline, and for another socket beside it.
    pub fn next_line(&mut self, beside: Option<(BorrowedFd, For)>, until: Option<Instant>) -> io::Result<Heard> {
        let mut may_come_soon = beside.is_none() && !self.is_secured();
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok(Heard::Line(line));
            }
            let ended = self.secured().is_some_and(Secured::has_ended);
            let is_late = until.is_some_and(|until| until < Instant::now() + SOON);
            if !ended && (is_late || !may_come_soon) {
                let ours = (self.stream.as_fd(), For::Reading);
                match beside {
                    None if wait::one(ours.0, ours.1, until)? => {}
                    None => return Ok(Heard::TimedOut),
                    Some(other) => match wait::either(ours, other, until)? {
                        Ready { first: true, .. } => {}
                        // Whoever keeps the other one busy does not put the deadline off.
                        Ready { second: true, .. } if until.is_none_or(|until| until > Instant::now()) => {
                            return Ok(Heard::Beside);
                        }
                        Ready { .. } => return Ok(Heard::TimedOut),
                    },
                }
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(Heard::Closed),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => may_come_soon = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what is there, at most a small piece; false at the end of the connection. In the clear, nothing for a while is
    /// an error, `WouldBlock`; in TLS, nothing until the deadline.
    pub fn fill(&mut self) -> io::Result<bool> {
        let result = match &mut self.channel {
            Channel::Clear => {
                let mut piece = [0; 512];
                let result = (&*self.stream).read(&mut piece);
                result.map(|length| {
                    self.lines.push(piece.get(..length).unwrap_or_default());
                    length > 0
                })
            }
            Channel::Changing => Ok(false),
            Channel::Secured(secured) => secured.fill(Limited::new(&self.stream, self.until), &mut self.lines),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            result => result,
        }
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

/// More handshakes than this at once have no thread of their own: threads are not without end.
const MOST_HANDSHAKES: usize = 1000;

/// What a handshake takes of stack and heap, a thread would keep for as long as it lives, and a session may be idle for
/// days: so it has a thread of its own.
fn in_passing<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    let is_one_too_many = RUNNING.fetch_add(1, Ordering::Relaxed) >= MOST_HANDSHAKES;
    if is_one_too_many {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        return Ok(work());
    }
    let result = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("handshake".into()).stack_size(HANDSHAKE_STACK);
        thread.spawn_scoped(scope, work).map(|thread| thread.join())
    });
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    result?.map_err(|panic| resume_unwind(panic))
}

/// TLS ends in order, so that the client knows that nothing is missing.
impl Drop for Control {
    fn drop(&mut self) {
        if let Channel::Secured(secured) = &mut self.channel {
            // It may have gone, or not be reading any more.
            let client = Limited::new(&self.stream, Some(Instant::now() + GOODBYE));
            if secured.close(client).is_ok() {
                client.drop_leftover();
            }
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
