//! The accept loop: each client gets a session with a thread of its own, or hears why not.

use super::crew::Crew;
use super::registry::Seat;
use super::remote::Shared;
use super::supervisor::Supervisor;
use super::tally::Refused;
use crate::net::wait::{self, For};
use crate::protocol::reply::Reply;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// While connections can't be accepted, the time between attempts.
const BREATH: Duration = Duration::from_millis(100);

/// What clients come to.
pub(super) struct Reception<'a> {
    pub(super) listener: TcpListener,
    pub(super) implicit: Option<TcpListener>,
    pub(super) shared: &'a Shared,
    pub(super) crew: Crew,
}

impl Reception<'_> {
    /// Until the server is to end. Whatever happens to one connection, the next is accepted.
    pub(super) fn serve(self, supervisor: &mut dyn Supervisor) -> io::Result<()> {
        loop {
            let until = supervisor.alive();
            // Without a second one, the first is asked twice, and answers once.
            let implicit = self.implicit.as_ref().unwrap_or(&self.listener);
            let sockets = [self.shared.wake.as_fd(), self.listener.as_fd(), implicit.as_fd()];
            let [stopped, ready, implicit_ready] = wait::any(sockets.map(|socket| (socket, For::Reading)), until)?;
            if stopped {
                return Ok(());
            }
            if ready && self.accept(&self.listener, false)? {
                return Ok(());
            }
            if implicit_ready
                && let Some(listener) = &self.implicit
                && self.accept(listener, true)?
            {
                return Ok(());
            }
        }
    }

    /// Takes one connection that waits; true if the server was stopped meanwhile.
    fn accept(&self, listener: &TcpListener, is_implicit: bool) -> io::Result<bool> {
        match listener.accept() {
            Ok((stream, peer)) => self.admit(stream, peer, is_implicit),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                ) => {}
            Err(error) => {
                self.complain(|| format!("connections can't be accepted: {error}"));
                return wait::one(self.shared.wake.as_fd(), For::Reading, Some(Instant::now() + BREATH));
            }
        }
        Ok(false)
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, is_implicit: bool) {
        let address = peer.ip().to_canonical();
        let refused = match self.shared.bans.is_banned(address) {
            true => Err((stream, Refused::Banned)),
            false => self.shared.registry.admit(stream, peer, is_implicit),
        };
        match refused {
            Ok(seat) => self.start(seat),
            Err((stream, why)) => self.refuse(&stream, address, why, is_implicit),
        }
    }

    fn start(&self, seat: Seat) {
        let Some(services) = self.shared.services() else { return };
        let handle = seat.handle().clone();
        match self.crew.serve(services, seat) {
            Ok(()) => self.shared.tally.note_accepted(),
            Err(error) => {
                self.complain(|| format!("no thread for a session: {error}"));
                self.shared.tally.note_refused(Refused::Overloaded);
                handle.send_away(Refused::Overloaded.text());
            }
        }
    }

    fn refuse(&self, mut stream: &TcpStream, address: IpAddr, why: Refused, is_implicit: bool) {
        self.shared.tally.note_refused(why);
        self.complain(|| format!("refused {address}: {}", why.text()));
        if is_implicit {
            return; // a client that waits for TLS understands only the end
        }
        // A fresh socket has room for a line; if the client has gone, nothing is to be done.
        let _ = stream.write_all(Reply::new(421, why.text()).as_bytes());
    }

    fn complain(&self, text: impl FnOnce() -> String) {
        if let Some(services) = self.shared.services() {
            services.complaints.note(text);
        }
    }
}
