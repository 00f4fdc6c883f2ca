//! Who is on, and how many may be; and the threads that serve them.

#[path = "../../../src/server/crew.rs"]
mod crew;
#[path = "../../../src/server/registry.rs"]
mod registry;

/// As far as the registry knows it.
pub mod tally {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Refused {
        TooManyThere,
        TooMany,
    }
}

use crate::session::{self, Arrival, Services};
use crew::{Client, Crew};
use registry::{Caps, Registry, Seat, Wish};
use shuttle::thread;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// More than the tries need.
const STACK: usize = 256 << 10;

const MOST: usize = 2;

/// However many come at once, by themselves or through a proxy, no more are on than may be; who waits for the last one
/// to leave is woken up, whatever the order; and who has left is not there.
pub fn caps_hold_and_waiting_ends(stream: &TcpStream) {
    let registry = Registry::new(Caps { total: Some(MOST), per_address: Some(MOST), pending: Some(MOST) });
    let clients: Vec<_> = (0..3)
        .map(|number| {
            let (registry, stream) = (registry.clone(), stream.try_clone().expect("a descriptor"));
            thread::spawn(move || client(&registry, stream, number == 0))
        })
        .collect();
    let ending = registry.clone();
    let end = thread::spawn(move || {
        ending.wish(Wish::Drain);
        ending.end_all(Instant::now());
        ending.wait_until_drained(Duration::from_secs(60));
        ending.wait_until_empty(Duration::from_secs(60));
    });
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    end.join().expect("no panic");
    assert!(registry.handles().is_empty() && registry.is_ending());
    // Whoever waited for a proxy has given the place back.
    let places: Vec<_> = (0..MOST).map(|_| registry.expect()).collect();
    assert!(places.iter().all(Result::is_ok) && registry.expect().is_err());
}

fn client(registry: &Registry, stream: TcpStream, is_introduced: bool) {
    let waiting = match is_introduced.then(|| registry.expect()) {
        Some(Err(_)) => return,
        waiting => waiting.and_then(Result::ok),
    };
    thread::yield_now();
    let arrival = Arrival::direct(stream.peer_addr().expect("a socket"), false);
    let Ok(seat) = registry.admit(stream, arrival, waiting) else { return };
    let handles = registry.handles();
    assert!(handles.len() <= MOST && handles.iter().any(|handle| handle.id() == seat.handle().id()));
    let mut ids: Vec<u64> = handles.iter().map(|handle| handle.id()).collect();
    ids.dedup();
    assert_eq!(ids.len(), handles.len(), "a number was given twice");
    thread::yield_now();
}

/// Where every place is taken by those of one network who do not log in, each newcomer from elsewhere sends one of them
/// away; nobody who has begun to log in before; and never do more stay than may.
pub fn who_logs_in_is_not_evicted(stream: &TcpStream) {
    const CROWD: u8 = 14;
    let registry = Registry::new(Caps { total: Some(CROWD.into()), per_address: None, pending: None });
    let mut crowd: Vec<Seat> = (1..=CROWD).map(|host| from(&registry, stream, [192, 0, 2, 1], host)).collect();
    let users = crowd.split_off(usize::from(CROWD) - 2);
    let users: Vec<_> = users
        .into_iter()
        .chain(crowd.drain(..1))
        .map(|seat| {
            thread::spawn(move || {
                let is_welcome = session::log_in(seat.handle());
                thread::yield_now();
                (seat, is_welcome)
            })
        })
        .collect();
    let newcomers: Vec<_> = (1..=3)
        .map(|net| {
            let (registry, stream) = (registry.clone(), stream.try_clone().expect("a descriptor"));
            thread::spawn(move || {
                let seat = from(&registry, &stream, [198, 51, 100, net], 1);
                let staying = registry.handles().iter().filter(|handle| !handle.is_ending()).count();
                assert!(staying <= CROWD.into(), "{staying} stay");
                seat
            })
        })
        .collect();
    let users: Vec<_> = users.into_iter().map(|user| user.join().expect("no panic")).collect();
    let newcomers: Vec<_> = newcomers.into_iter().map(|newcomer| newcomer.join().expect("no panic")).collect();
    assert!(users.iter().all(|(seat, is_welcome)| *is_welcome != seat.handle().is_ending()));
    let (stay, leave): (Vec<_>, Vec<_>) = registry.handles().into_iter().partition(|handle| !handle.is_ending());
    assert_eq!((stay.len(), leave.len()), (CROWD.into(), newcomers.len()), "one goes for each who comes");
    assert!(newcomers.iter().all(|seat| !seat.handle().is_ending()));
    drop((crowd, users, newcomers));
    assert!(registry.handles().is_empty());
}

fn from(registry: &Registry, stream: &TcpStream, network: [u8; 4], port: u8) -> Seat {
    let stream = stream.try_clone().expect("a descriptor");
    let arrival = Arrival::direct(SocketAddr::from((network, port.into())), false);
    registry.admit(stream, arrival, None).map_err(|(_, why)| why).expect("there is a place, or somebody who gives one")
}

/// Each client is served once, by a thread that waits just then or by a new one; each gives back its place; and when the
/// server ends, so do the threads.
pub fn each_client_is_served_once(stream: &TcpStream) {
    const CLIENTS: usize = 4;
    let (crew, services) = (Crew::new(), Arc::<Services>::default());
    let registry = Registry::new(Caps { total: Some(CLIENTS), per_address: None, pending: None });
    for number in 0..CLIENTS {
        let seat = from(&registry, stream, [192, 0, 2, 1], 1);
        let client = match number {
            0 => {
                let services = services.clone();
                Client::Expected(Box::new(move || session::run(&services, seat.handle())))
            }
            _ => Client::Known(services.clone(), seat),
        };
        crew.serve(client).expect("there are threads");
        thread::yield_now();
    }
    registry.wait_until_empty(Duration::from_secs(60));
    assert_eq!(services.served.load(Ordering::SeqCst), CLIENTS);
    assert!(registry.handles().is_empty());
}

/// A connection, which stands for every client's.
pub fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("a socket")).expect("it listens");
    (client, listener.accept().expect("it has connected").0)
}
