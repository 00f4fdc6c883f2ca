//! What others in the process may ask of a server that runs: to stop, who is on, to end sessions, to change.

use super::registry::{Registry, Wish};
use super::tally::Tally;
use super::{Caps, Stopper};
use crate::accounts::Accounts;
use crate::locks::{Condvar, Mutex, lock};
use crate::net::bans::{Ban, Bans, network};
use crate::session::{Glance, Handle, Services, Traffic};
use jiff::Timestamp;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// How long a server is waited for that does not run yet.
const BEGINNING: Duration = Duration::from_secs(5);

/// A server, from another thread.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Shared>);

/// What the server and those who ask have in common.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) started: Timestamp,
    pub(super) wake: OwnedFd,
    pub(super) registry: Registry,
    pub(super) bans: Arc<Bans>,
    pub(super) tally: Arc<Tally>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) grace: Mutex<Duration>,
    /// What sessions are given that begin now; None until the server runs.
    pub(super) services: Mutex<Option<Arc<Services>>>,
    /// Now it does.
    pub(super) begun: Condvar,
    /// All accounts that there have been and that a session may still ask.
    pub(super) accounts: Mutex<Vec<Weak<dyn Accounts>>>,
}

/// Which sessions are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The one of this number.
    Number(u64),
    /// Those of a user.
    User(String),
    /// Those of an address.
    Address(IpAddr),
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    /// What a session is given that begins now.
    pub(super) fn services(&self) -> Option<Arc<Services>> {
        lock(&self.services).clone()
    }

    pub(super) fn set_services(&self, services: Services) {
        services.limiter.set_server_rates(&services.settings);
        let accounts = Arc::downgrade(services.verifier.accounts());
        let mut known = lock(&self.accounts);
        known.retain(|known| known.strong_count() > 0 && !Weak::ptr_eq(known, &accounts));
        known.push(accounts);
        drop(known);
        let old = lock(&self.services).replace(Arc::new(services));
        self.begun.notify_all();
        drop(old); // outside of the lock: threads may end with it
    }

    /// The server ends.
    pub(super) fn finish_accounts(&self) {
        let known = std::mem::take(&mut *lock(&self.accounts));
        known.iter().filter_map(Weak::upgrade).for_each(|accounts| accounts.finish());
    }

    fn wish(&self, wish: Wish) {
        self.registry.wish(wish);
        if let Err(errno) = rustix::io::write(&self.wake, &1u64.to_ne_bytes()) {
            log::error!("the server can't be stopped: {errno}");
        }
    }
}

impl Remote {
    pub(super) fn new(shared: Arc<Shared>) -> Remote {
        Remote(shared)
    }

    /// What stops it, and nothing more.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.0.clone())
    }

    /// No more clients; those who are there end, transfers within the grace time.
    pub fn stop(&self) {
        self.0.wish(Wish::Stop);
    }

    /// No more clients; those who are there may stay as long as they like, and then it stops. The second time it stops.
    pub fn drain(&self) {
        self.0.wish(Wish::Drain);
    }

    /// Whether it takes no more clients.
    pub fn is_ending(&self) -> bool {
        self.0.registry.is_ending()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Since when.
    pub fn started(&self) -> Timestamp {
        self.0.started
    }

    /// How long transfers may go on when it stops.
    pub fn grace(&self) -> Duration {
        *lock(&self.0.grace)
    }

    /// What each session does, in the order in which they came.
    pub fn who(&self) -> Vec<Glance> {
        self.0.registry.handles().iter().map(|handle| handle.glance()).collect()
    }

    /// Ends sessions: those who wait are told, transfers are cut. How many.
    pub fn kick(&self, whose: &Whose) -> usize {
        self.kick_those(|handle| match whose {
            Whose::Number(id) => handle.id() == *id,
            Whose::User(name) => handle.is_of(name),
            Whose::Address(address) => handle.peer().ip().to_canonical() == address.to_canonical(),
        })
    }

    /// Refuses an address (IPv6: its /64 network) for so long or for good, and ends its sessions. How many; None if too
    /// many are banned already.
    pub fn ban(&self, address: IpAddr, period: Option<Duration>) -> Option<usize> {
        let banned = self.0.bans.order(address, period);
        banned.then(|| self.kick_those(|handle| network(handle.peer().ip()) == network(address)))
    }

    /// Takes an address again; false if it was not banned.
    pub fn unban(&self, address: IpAddr) -> bool {
        self.0.bans.lift(address)
    }

    /// Who is banned.
    pub fn bans(&self) -> Vec<Ban> {
        self.0.bans.list()
    }

    /// What it counts.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// The bytes of files.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// What sessions are given that begin now. A server that is about to run is waited for; None if it does not.
    pub fn services(&self) -> Option<Arc<Services>> {
        let services = lock(&self.0.services);
        let waited = self.0.begun.wait_timeout_while(services, BEGINNING, |services| services.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Gives sessions that begin from now on something else. Those that run keep what they have.
    pub fn set_services(&self, services: Services) {
        self.0.set_services(services);
    }

    /// How many may be there at once from now on; nobody has to go for that.
    pub fn set_caps(&self, caps: Caps) {
        self.0.registry.set_caps(caps);
    }

    /// See [`Bans::set_rules`].
    pub fn set_ban_rules(&self, failures: u32, period: Duration) {
        self.0.bans.set_rules(failures, period);
    }

    /// How long transfers may go on when it stops.
    pub fn set_grace(&self, grace: Duration) {
        *lock(&self.0.grace) = grace;
    }

    fn kick_those(&self, is_meant: impl Fn(&Handle) -> bool) -> usize {
        let handles = self.0.registry.handles();
        handles.iter().filter(|handle| is_meant(handle)).inspect(|handle| handle.kick()).count()
    }
}
