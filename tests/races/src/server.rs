//! Who is on, and how many may be.

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

use crate::session::Arrival;
use registry::{Caps, Registry, Wish};
use shuttle::thread;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

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

/// A connection, which stands for every client's.
pub fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("a socket")).expect("it listens");
    (client, listener.accept().expect("it has connected").0)
}
