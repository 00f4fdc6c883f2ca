//! The server: binds, accepts, gives each client a thread, and stops in order.

mod registry;
mod supervisor;

pub use registry::Caps;
pub use supervisor::Supervisor;

use crate::accounts::{Accounts, Verifier};
use crate::events::{Audit, Complaints, Event, Kind, Sink, Subject};
use crate::net::bans::Bans;
use crate::net::tls::Tls;
use crate::net::wait::{self, For};
use crate::protocol::reply::Reply;
use crate::session::{self, Limiter, Services, Settings};
use crate::storage::{Disk, Storage};
use registry::{Registry, Seat};
use rustix::event::EventfdFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// FTP servers speak first: a client dropped from a full backlog would wait for seconds.
const BACKLOG: i32 = 4096;
/// A session waits most of its life; only the pages of its stack that it touches count.
const STACK: usize = 256 << 10;
/// After the grace time, how long sessions get to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// While connections can't be accepted, the time between attempts.
const BREATH: Duration = Duration::from_millis(100);

/// A server that listens, and serves once [`run`](Server::run) is called.
pub struct Server {
    listener: TcpListener,
    implicit: Option<TcpListener>,
    tls: Option<Tls>,
    address: SocketAddr,
    stopper: Stopper,
    accounts: Option<Arc<dyn Accounts>>,
    storage: Arc<dyn Storage>,
    sinks: Vec<Box<dyn Sink>>,
    settings: Settings,
    caps: Caps,
    bans: Bans,
    grace: Duration,
    supervisor: Box<dyn Supervisor>,
}

/// Stops a server from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    wake: Arc<OwnedFd>,
}

impl Stopper {
    /// No more clients; those who are there end, transfers within the grace time.
    pub fn stop(&self) {
        if let Err(errno) = rustix::io::write(&self.wake, &1u64.to_ne_bytes()) {
            log::error!("the server can't be stopped: {errno}");
        }
    }
}

impl Server {
    /// Listens on an address such as `0.0.0.0:21` or `[::]:21` (which takes IPv4 clients, too).
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        Server::listening(listen_first(address)?)
    }

    /// The same with a socket that listens already, such as one of systemd's.
    pub fn listening(listener: TcpListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Server {
            address: listener.local_addr()?,
            listener,
            implicit: None,
            tls: None,
            stopper: Stopper { wake: Arc::new(wake) },
            accounts: None,
            storage: Arc::new(Disk::new()),
            sinks: Vec::new(),
            settings: Settings::default(),
            caps: Caps::default(),
            bans: Bans::new(0, Duration::ZERO),
            grace: Duration::from_secs(8),
            supervisor: Box::new(()),
        })
    }

    /// Listens also where TLS comes before the greeting, such as `0.0.0.0:990`; needs [`tls`](Server::tls).
    pub fn implicit_tls(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let listener = listen_first(address)?;
        self.implicit_listening(listener)
    }

    /// The same with a socket that listens already.
    pub fn implicit_listening(mut self, listener: TcpListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        self.implicit = Some(listener);
        Ok(self)
    }

    /// The certificate that clients are offered. Without this, TLS is not spoken.
    pub fn tls(mut self, tls: Tls) -> Server {
        self.tls = Some(tls);
        self
    }

    /// Who may log in. Without this, nobody.
    pub fn accounts(mut self, accounts: impl Accounts + 'static) -> Server {
        self.accounts = Some(Arc::new(accounts));
        self
    }

    /// Where the files are; the disk, if not told otherwise.
    pub fn storage(mut self, storage: impl Storage + 'static) -> Server {
        self.storage = Arc::new(storage);
        self
    }

    /// One more that is told every event.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Server {
        self.sinks.push(Box::new(sink));
        self
    }

    /// What sessions do where there is a choice.
    pub fn settings(mut self, settings: Settings) -> Server {
        self.settings = settings;
        self
    }

    /// How many may be there at once.
    pub fn caps(mut self, caps: Caps) -> Server {
        self.caps = caps;
        self
    }

    /// Refuses an address after so many failed logins within a period, for that period.
    pub fn ban_after(mut self, failures: u32, period: Duration) -> Server {
        self.bans = Bans::new(failures, period);
        self
    }

    /// How long transfers may go on when the server stops.
    pub fn grace(mut self, grace: Duration) -> Server {
        self.grace = grace;
        self
    }

    /// Who is told how the server fares.
    pub fn supervisor(mut self, supervisor: impl Supervisor + 'static) -> Server {
        self.supervisor = Box::new(supervisor);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where TLS comes before the greeting.
    pub fn implicit_address(&self) -> Option<SocketAddr> {
        self.implicit.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until stopped. All events are with their sinks when it returns.
    pub fn run(mut self) -> io::Result<()> {
        if self.tls.is_none() && (self.implicit.is_some() || self.settings.tls_rules.need_a_certificate()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "TLS is asked for, but there is no certificate"));
        }
        let accounts = self.accounts.unwrap_or_else(|| Arc::new(Nobody));
        let (bus, audit) = Audit::start(self.sinks)?;
        let services = Arc::new(Services {
            settings: self.settings,
            tls: self.tls,
            verifier: Verifier::start(accounts.clone())?,
            storage: self.storage,
            bus,
            bans: self.bans,
            complaints: Complaints::default(),
            limiter: Limiter::default(),
        });
        let registry = Registry::new(self.caps);
        services.bus.tell(Event::now(Kind::ServerStarted, None, Subject::Server(self.address)));
        let reception = Reception {
            listener: self.listener,
            implicit: self.implicit,
            wake: &self.stopper.wake,
            registry: registry.clone(),
            services,
        };
        self.supervisor.ready();
        let result = reception.serve(&mut *self.supervisor);
        self.supervisor.stopping();
        registry.end_all(Instant::now() + self.grace);
        registry.wait_until_empty(self.grace + GOODBYE);
        accounts.finish();
        let safe = audit.finish(Event::now(Kind::ServerStopped, None, Subject::Server(self.address)));
        result.and(if safe { Ok(()) } else { Err(io::Error::other("events were lost")) })
    }
}

/// The accept loop.
struct Reception<'a> {
    listener: TcpListener,
    implicit: Option<TcpListener>,
    wake: &'a OwnedFd,
    registry: Registry,
    services: Arc<Services>,
}

impl Reception<'_> {
    /// Until the stopper wakes it. Whatever happens to one connection, the next is accepted.
    fn serve(self, supervisor: &mut dyn Supervisor) -> io::Result<()> {
        loop {
            let until = supervisor.alive();
            // Without a second one, the first is asked twice, and answers once.
            let implicit = self.implicit.as_ref().unwrap_or(&self.listener);
            let sockets = [self.wake.as_fd(), self.listener.as_fd(), implicit.as_fd()];
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
                self.services.complaints.note(|| format!("connections can't be accepted: {error}"));
                return wait::one(self.wake.as_fd(), For::Reading, Some(Instant::now() + BREATH));
            }
        }
        Ok(false)
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, is_implicit: bool) {
        let address = peer.ip().to_canonical();
        let refused = match self.services.bans.is_banned(address) {
            true => Err((stream, "Too many failed logins; try again later.")),
            false => self.registry.admit(stream, peer, is_implicit),
        };
        match refused {
            Ok(seat) => self.start(seat),
            Err((stream, why)) => self.refuse(&stream, address, why, is_implicit),
        }
    }

    fn start(&self, seat: Seat) {
        let services = self.services.clone();
        let handle = seat.handle().clone();
        let thread = std::thread::Builder::new().name("session".into()).stack_size(STACK);
        if let Err(error) = thread.spawn(move || session::run(&services, seat.handle())) {
            self.services.complaints.note(|| format!("no thread for a session: {error}"));
            handle.send_away("The server is overloaded; try again later.");
        }
    }

    fn refuse(&self, mut stream: &TcpStream, address: IpAddr, why: &str, is_implicit: bool) {
        self.services.complaints.note(|| format!("refused {address}: {why}"));
        if is_implicit {
            return; // a client that waits for TLS understands only the end
        }
        // A fresh socket has room for a line; if the client has gone, nothing is to be done.
        let _ = stream.write_all(Reply::new(421, why).as_bytes());
    }
}

/// On the first address of a name that can be had.
fn listen_first(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut result = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
    for address in address.to_socket_addrs()? {
        result = listen(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Nobody may log in.
struct Nobody;

impl Accounts for Nobody {
    fn attempt(&self, _: &crate::accounts::Attempt<'_>) -> Result<crate::accounts::Account, crate::accounts::Refusal> {
        Err(crate::accounts::Refusal::Denied(crate::accounts::Denial::NoSuchAccount))
    }
}
