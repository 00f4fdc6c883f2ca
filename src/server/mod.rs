//! The server: binds, accepts, gives each client a thread, and stops in order.

mod admission;
mod crew;
mod reception;
mod registry;
mod remote;
mod supervisor;
mod tally;

pub use registry::Caps;
pub use remote::{Remote, Whose};
pub use supervisor::Supervisor;
pub use tally::{Refused, Tally};

use crate::accounts::{Accounts, Verifier};
use crate::events::{Audit, Complaints, Event, Kind, Sink, Subject};
use crate::locks::{Condvar, Mutex, lock};
use crate::net::bans::Bans;
use crate::net::tls::Tls;
use crate::session::{Limiter, Services, Settings};
use crate::storage::{Disk, Storage};
use crew::Crew;
use jiff::Timestamp;
use reception::Reception;
use registry::Registry;
use remote::Shared;
use rustix::event::EventfdFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Counting;

/// FTP servers speak first: a client dropped from a full backlog would wait for seconds.
const BACKLOG: i32 = 4096;
/// A session waits most of its life; only the pages of its stack that it touches count.
const STACK: usize = 256 << 10;
/// After the grace time, how long sessions get to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// While sessions are waited for, however long they stay, the server looks around so often.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// A server that listens, and serves once [`run`](Server::run) is called.
pub struct Server {
    listener: TcpListener,
    implicit: Option<TcpListener>,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    accounts: Option<Arc<dyn Accounts>>,
    storage: Arc<dyn Storage>,
    sinks: Vec<Box<dyn Sink>>,
    settings: Settings,
    supervisor: Box<dyn Supervisor>,
}

/// Stops a server from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Shared>);

impl Stopper {
    /// No more clients; those who are there end, transfers within the grace time.
    pub fn stop(&self) {
        Remote::new(self.0.clone()).stop();
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
        let shared = Shared {
            address: listener.local_addr()?,
            started: Timestamp::now(),
            wake: rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?,
            registry: Registry::new(Caps::default()),
            bans: Arc::new(Bans::new(0, Duration::ZERO)),
            tally: Arc::default(),
            traffic: Arc::default(),
            grace: Mutex::new(Duration::from_secs(8)),
            services: Mutex::default(),
            begun: Condvar::new(),
            accounts: Mutex::default(),
        };
        Ok(Server {
            listener,
            implicit: None,
            tls: None,
            shared: Arc::new(shared),
            accounts: None,
            storage: Arc::new(Disk::new()),
            sinks: Vec::new(),
            settings: Settings::default(),
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
        self.tls = Some(Arc::new(tls));
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
    pub fn caps(self, caps: Caps) -> Server {
        self.shared.registry.set_caps(caps);
        self
    }

    /// Refuses an address after so many failed logins within a period, for that period.
    pub fn ban_after(self, failures: u32, period: Duration) -> Server {
        self.shared.bans.set_rules(failures, period);
        self
    }

    /// How long transfers may go on when the server stops.
    pub fn grace(self, grace: Duration) -> Server {
        *lock(&self.shared.grace) = grace;
        self
    }

    /// Who is told how the server fares.
    pub fn supervisor(mut self, supervisor: impl Supervisor + 'static) -> Server {
        self.supervisor = Box::new(supervisor);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Where TLS comes before the greeting.
    pub fn implicit_address(&self) -> Option<SocketAddr> {
        self.implicit.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.shared.clone())
    }

    /// What asks it to stop, and more than that.
    pub fn remote(&self) -> Remote {
        Remote::new(self.shared.clone())
    }

    /// Serves until stopped. All events are with their sinks when it returns.
    pub fn run(mut self) -> io::Result<()> {
        if self.tls.is_none() && (self.implicit.is_some() || self.settings.tls_rules.need_a_certificate()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "TLS is asked for, but there is no certificate"));
        }
        let shared = self.shared;
        let accounts = self.accounts.unwrap_or_else(|| Arc::new(Nobody));
        let mut sinks = self.sinks;
        sinks.push(Box::new(Counting(shared.tally.clone())));
        let (bus, audit) = Audit::start(sinks)?;
        shared.set_services(Services {
            settings: self.settings,
            tls: self.tls,
            verifier: Verifier::start(accounts)?,
            storage: self.storage,
            bus: bus.clone(),
            bans: shared.bans.clone(),
            complaints: Arc::new(Complaints::default()),
            limiter: Arc::new(Limiter::default()),
            traffic: shared.traffic.clone(),
        });
        bus.tell(Event::now(Kind::ServerStarted, None, Subject::Server(shared.address)));
        let reception =
            Reception { listener: self.listener, implicit: self.implicit, shared: shared.clone(), crew: Crew::new() };
        self.supervisor.ready();
        let result = reception.serve(&mut *self.supervisor);
        while result.is_ok() {
            let next = self.supervisor.alive().map(|at| at.saturating_duration_since(Instant::now()));
            if shared.registry.wait_until_drained(next.unwrap_or(LOOK_AROUND).min(LOOK_AROUND)) {
                break;
            }
        }
        self.supervisor.stopping();
        let grace = *lock(&shared.grace);
        shared.registry.end_all(Instant::now() + grace);
        shared.registry.wait_until_empty(grace + GOODBYE);
        shared.finish_accounts();
        let safe = audit.finish(Event::now(Kind::ServerStopped, None, Subject::Server(shared.address)));
        result.and(if safe { Ok(()) } else { Err(io::Error::other("events were lost")) })
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
