//! Who is on, and how many may be.

use super::tally::Refused;
use crate::locks::{Condvar, Mutex, MutexGuard, lock};
use crate::net::bans::network;
use crate::session::{Arrival, Ending, Handle};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A client that has not logged in for so long gives its place to the next.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many may be on their way out while others have their places already.
const LEAVING: usize = 16;
/// Where so many more wait from one network than from that of a newcomer, it need not be as patient.
const MANY: usize = 8;

/// How many sessions may be there at once; None is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// In all.
    pub total: Option<usize>,
    /// From one address.
    pub per_address: Option<usize>,
    /// That have not logged in yet.
    pub pending: Option<usize>,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { total: Some(512), per_address: None, pending: Some(256) }
    }
}

/// The sessions that run; a clone shares them.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    shared: Arc<Shared>,
}

/// What is to become of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// It goes on.
    Serve,
    /// It ends with the last session.
    Drain,
    /// It ends.
    Stop,
}

#[derive(Debug)]
struct Shared {
    sessions: Mutex<Sessions>,
    left: Condvar,
}

#[derive(Debug)]
struct Sessions {
    caps: Caps,
    wish: Wish,
    next_id: u64,
    running: BTreeMap<u64, Arc<Handle>>,
    /// One more than there are whom a proxy has not introduced yet.
    unknown: Arc<()>,
    /// How many had not logged in when they were counted last, and how many have come since.
    pending: usize,
}

/// A place for somebody whom a proxy is about to introduce; free again when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    _lease: Arc<()>,
}

/// A place among the sessions; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    handle: Arc<Handle>,
    shared: Arc<Shared>,
}

impl Registry {
    pub(super) fn new(caps: Caps) -> Registry {
        // Numbers that no earlier run has given, unless a million clients came in each second of it.
        let next_id = Timestamp::now().as_microsecond().unsigned_abs();
        let sessions = Mutex::new(Sessions {
            caps,
            wish: Wish::Serve,
            next_id,
            running: BTreeMap::new(),
            unknown: Arc::default(),
            pending: 0,
        });
        Registry { shared: Arc::new(Shared { sessions, left: Condvar::new() }) }
    }

    /// How many may be there from now on.
    pub(super) fn set_caps(&self, caps: Caps) {
        self.shared.lock().caps = caps;
    }

    /// All sessions, in the order in which they came.
    pub(super) fn handles(&self) -> Vec<Arc<Handle>> {
        self.shared.lock().running.values().cloned().collect()
    }

    /// Notes what is to become of the server. Who wants it drained twice, wants it to stop.
    pub(super) fn wish(&self, wish: Wish) {
        let mut sessions = self.shared.lock();
        sessions.wish = match (sessions.wish, wish) {
            (Wish::Drain, Wish::Drain) => Wish::Stop,
            (before, wish) => before.max(wish),
        };
        self.shared.left.notify_all();
    }

    /// Whether no more clients are taken.
    pub(super) fn is_ending(&self) -> bool {
        self.shared.lock().wish != Wish::Serve
    }

    /// A place for a client, or why there is none. Who has waited for a proxy to introduce it gives that place for this.
    pub(super) fn admit(
        &self,
        stream: TcpStream,
        arrival: Arrival,
        waiting: Option<Waiting>,
    ) -> Result<Seat, (TcpStream, Refused)> {
        let mut sessions = self.shared.lock();
        let was_waiting = waiting.is_some();
        drop(waiting);
        if was_waiting && sessions.wish != Wish::Serve {
            return Err((stream, Refused::TooMany)); // those who end have been counted
        }
        // Nobody gives a place to who would not get it.
        let room = sessions.check_address(&arrival).and_then(|()| match was_waiting {
            true => Ok(()),
            false => sessions.check_room(Some(arrival.peer.ip())),
        });
        if let Err(why) = room {
            return Err((stream, why));
        }
        let id = sessions.next_id;
        sessions.next_id += 1;
        sessions.pending += 1;
        let handle = Arc::new(Handle::new(id, stream, arrival));
        sessions.running.insert(id, handle.clone());
        Ok(Seat { handle, shared: self.shared.clone() })
    }

    /// A place for somebody whom a proxy is about to introduce.
    pub(super) fn expect(&self) -> Result<Waiting, Refused> {
        let mut sessions = self.shared.lock();
        sessions.check_room(None)?;
        Ok(Waiting { _lease: sessions.unknown.clone() })
    }

    /// Tells every session to end; transfers may run until then.
    pub(super) fn end_all(&self, transfers_until: Instant) {
        for handle in self.shared.lock().running.values() {
            handle.end(Ending::Stop { transfers_until });
        }
    }

    /// Waits until the last session has left or the server is to stop, for so long; true if that is so.
    pub(super) fn wait_until_drained(&self, most: Duration) -> bool {
        let is_to_wait = |sessions: &mut Sessions| !sessions.running.is_empty() && sessions.wish != Wish::Stop;
        let waited = self.shared.left.wait_timeout_while(self.shared.lock(), most, is_to_wait);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until the last session has left, but not for ever.
    pub(super) fn wait_until_empty(&self, limit: Duration) {
        let sessions = self.shared.lock();
        let waited = self.shared.left.wait_timeout_while(sessions, limit, |sessions| !sessions.running.is_empty());
        let (sessions, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            log::warn!("{} sessions did not end in time", sessions.running.len());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }
}

impl Sessions {
    fn check_address(&self, arrival: &Arrival) -> Result<(), Refused> {
        let Some(most) = self.caps.per_address.filter(|_| !arrival.is_proxy()) else { return Ok(()) };
        let address = arrival.peer.ip().to_canonical();
        let same = self.running.values().filter(|handle| handle.peer().ip().to_canonical() == address);
        if same.count() >= most { Err(Refused::TooManyThere) } else { Ok(()) }
    }

    /// Waiting for a login is what most attackers do; see [`PATIENCE`] and [`MANY`].
    fn check_room(&mut self, newcomer: Option<IpAddr>) -> Result<(), Refused> {
        let unknown = Arc::strong_count(&self.unknown) - 1;
        let count = self.running.len() + unknown;
        let is_full = self.caps.total.is_some_and(|most| count >= most);
        let is_crowded = self.caps.pending.is_some_and(|most| self.are_pending(most.saturating_sub(unknown)));
        match (is_full || is_crowded) && !self.make_room(newcomer) {
            true => Err(Refused::TooMany),
            false => Ok(()),
        }
    }

    /// Whether so many have not logged in. All are looked at only after so many have come that it is possible.
    fn are_pending(&mut self, most: usize) -> bool {
        if self.pending >= most {
            self.pending = self.running.values().filter(|handle| !handle.is_logged_in()).count();
        }
        self.pending >= most
    }

    /// Ends the oldest session that has not logged in for too long, or one of too many from one network; false if there is
    /// none, or too many leave already.
    fn make_room(&self, newcomer: Option<IpAddr>) -> bool {
        let leaving = self.running.values().filter(|handle| handle.is_ending()).count();
        let outnumbering = || newcomer.map(|address| self.outnumbering(address)).unwrap_or_default();
        leaving < LEAVING
            && (self.running.values().any(|handle| handle.evict(PATIENCE))
                || outnumbering().into_iter().any(|handle| handle.evict(Duration::ZERO)))
    }

    /// Those who wait from the network that most wait from, the oldest first, if far fewer wait from the newcomer's:
    /// otherwise, who comes again as soon as it is sent away takes every place that is free before anybody else does.
    fn outnumbering(&self, newcomer: IpAddr) -> Vec<&Arc<Handle>> {
        let mut waiting: BTreeMap<IpAddr, Vec<&Arc<Handle>>> = BTreeMap::new();
        for handle in self.running.values().filter(|handle| !handle.is_logged_in() && !handle.is_ending()) {
            waiting.entry(network(handle.peer().ip())).or_default().push(handle);
        }
        let own = waiting.get(&network(newcomer)).map_or(0, Vec::len);
        let most = waiting.into_values().max_by_key(Vec::len).unwrap_or_default();
        if most.len() > own + MANY { most } else { Vec::new() }
    }
}

impl Seat {
    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.lock().running.remove(&self.handle.id());
        self.shared.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::proxy::Origin;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    use std::net::{SocketAddr, TcpListener};

    /// A connection from one end of which nothing is wanted.
    fn stream() -> (TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap()
    }

    fn admit(registry: &Registry) -> Result<Seat, &'static str> {
        let (stream, peer) = stream();
        registry.admit(stream, Arrival::direct(peer, false), None).map_err(|(_, why)| why.text())
    }

    #[test]
    fn the_caps_hold_and_a_place_is_free_again() {
        let registry = Registry::new(Caps { total: Some(2), per_address: None, pending: None });
        let first = admit(&registry).unwrap();
        let second = admit(&registry).unwrap();
        assert_ne!(first.handle().id(), second.handle().id());
        assert!(admit(&registry).unwrap_err().starts_with("Too many connections."));
        drop(first);
        assert!(admit(&registry).is_ok());
        let registry = Registry::new(Caps { total: None, per_address: Some(1), pending: None });
        let _only = admit(&registry).unwrap();
        assert!(admit(&registry).unwrap_err().contains("same IP"));
    }

    #[test]
    fn who_is_to_be_introduced_has_a_place_and_gives_it_for_the_next() {
        let registry = Registry::new(Caps { total: Some(2), per_address: Some(1), pending: None });
        let _first = admit(&registry).unwrap();
        let waiting = registry.expect().unwrap();
        assert_eq!(registry.expect().unwrap_err(), Refused::TooMany);
        let introduced = |waiting, origin| {
            let (stream, peer) = stream();
            registry.admit(stream, Arrival::direct(peer, false).introduced(origin), waiting).map_err(|(_, why)| why)
        };
        let (client, reached) = ("192.0.2.7:1".parse().unwrap(), "192.0.2.1:21".parse().unwrap());
        let second = introduced(Some(waiting), Origin::Client { client, reached }).unwrap();
        assert_eq!(second.handle().peer(), client);
        drop(second);
        // The address of the proxy itself has its session already.
        let waiting = registry.expect().unwrap();
        drop(introduced(Some(waiting), Origin::Proxy).unwrap());
        let waiting = registry.expect().unwrap();
        registry.wish(Wish::Drain);
        assert_eq!(introduced(Some(waiting), Origin::Proxy).unwrap_err(), Refused::TooMany);
    }

    /// Whoever comes and goes in whatever order: there is a place exactly where a count of those who are on says so.
    #[test]
    fn places_are_given_as_a_plain_count_says() {
        let dice = |step: u64| BuildHasherDefault::<DefaultHasher>::default().hash_one(step);
        let (stream, _) = stream();
        for round in 0..100 {
            let cap = |part: u64| Some(1 + usize::try_from(dice(round) >> part & 7).unwrap()).filter(|cap| *cap < 8);
            let caps = Caps { total: cap(0), per_address: cap(3), pending: cap(6) };
            let registry = Registry::new(caps);
            let (mut seats, mut expected): (Vec<Seat>, Vec<Waiting>) = Default::default();
            for step in 0..100 {
                let roll = dice(round << 32 | step);
                let peer = SocketAddr::from(([192, 0, 2, (roll >> 8 & 3) as u8], 1));
                let on = seats.len() + expected.len();
                let is_room = [caps.total, caps.pending].iter().flatten().all(|cap| on < *cap);
                let same = seats.iter().filter(|seat| seat.handle().peer() == peer).count();
                let is_room_there = caps.per_address.is_none_or(|cap| same < cap);
                let admit = |waiting| {
                    let arrival = Arrival::direct(peer, false);
                    registry.admit(stream.try_clone().unwrap(), arrival, waiting).map_err(|(_, why)| why)
                };
                match roll & 7 {
                    0..=2 => match admit(None) {
                        Ok(seat) => {
                            assert!(is_room && is_room_there, "{caps:?}");
                            seats.push(seat);
                        }
                        Err(Refused::TooManyThere) => assert!(!is_room_there, "{caps:?}"),
                        Err(_) => assert!(!is_room, "{caps:?}"),
                    },
                    3 => match registry.expect() {
                        Ok(waiting) => {
                            assert!(is_room, "{caps:?}");
                            expected.push(waiting);
                        }
                        Err(_) => assert!(!is_room, "{caps:?}"),
                    },
                    4 if !expected.is_empty() => {
                        let seat = admit(expected.pop());
                        assert_eq!(seat.is_ok(), is_room_there, "{caps:?}");
                        seats.extend(seat.ok());
                    }
                    5 => drop(expected.pop()),
                    _ if !seats.is_empty() => drop(seats.swap_remove((roll >> 16) as usize % seats.len())),
                    _ => {}
                }
                let mut ids: Vec<u64> = seats.iter().map(|seat| seat.handle().id()).collect();
                ids.sort_unstable();
                assert_eq!(registry.handles().iter().map(|handle| handle.id()).collect::<Vec<_>>(), ids);
            }
        }
    }

    #[test]
    fn waiting_ends_with_the_last_session() {
        let registry = Registry::new(Caps::default());
        let seat = admit(&registry).unwrap();
        let waiting = registry.clone();
        let thread = std::thread::spawn(move || waiting.wait_until_empty(Duration::from_secs(60)));
        drop(seat);
        thread.join().unwrap();
    }
}
