//! The accept loop: each client gets a session with a thread of its own, or hears why not.

use super::remote::Shared;
use super::supervisor::Supervisor;
use super::tally::Refused;
use super::{STACK, admission};
use crate::net::wait::{self, For};
use crate::session::{self, Arrival, Services};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// While connections can't be accepted, the time between attempts.
const BREATH: Duration = Duration::from_millis(100);

/// What clients come to.
pub(super) struct Reception {
    pub(super) listener: TcpListener,
    pub(super) implicit: Option<TcpListener>,
    pub(super) shared: Arc<Shared>,
}

impl Reception {
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
        let Some(services) = self.shared.services() else { return };
        let arrival = Arrival::direct(peer, is_implicit);
        if services.settings.trusts(peer.ip()) {
            return self.expect(services, stream, arrival);
        }
        let Some(seat) = admission::admit(&self.shared, &services, stream, arrival, None) else { return };
        let handle = seat.handle().clone();
        match start(move || session::run(&services, seat.handle())) {
            Ok(()) => self.shared.tally.note_accepted(),
            Err(error) => {
                self.overloaded(&error);
                handle.send_away(Refused::Overloaded.text());
            }
        }
    }

    /// A proxy is about to say whose its connection is. Nobody waits for that but a thread.
    fn expect(&self, services: Arc<Services>, stream: TcpStream, arrival: Arrival) {
        let waiting = match self.shared.registry.expect() {
            Ok(waiting) => waiting,
            Err(why) => return admission::refuse(&self.shared, &services, &stream, &arrival, why),
        };
        let shared = self.shared.clone();
        if let Err(error) = start(move || admission::receive(&shared, &services, stream, arrival, waiting)) {
            self.overloaded(&error);
        }
    }

    fn overloaded(&self, error: &io::Error) {
        self.shared.tally.note_refused(Refused::Overloaded);
        self.complain(|| format!("no thread for a session: {error}"));
    }

    fn complain(&self, text: impl FnOnce() -> String) {
        if let Some(services) = self.shared.services() {
            services.complaints.note(text);
        }
    }
}

fn start(session: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("session".into()).stack_size(STACK).spawn(session).map(drop)
}
