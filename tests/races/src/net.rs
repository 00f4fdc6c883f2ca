//! Passive ports, lent to many at once, and addresses that many fail from.

#[path = "../../../src/net/bans.rs"]
pub mod bans;
#[path = "../../../src/net/passive.rs"]
mod passive;

use bans::Bans;
use passive::{PassivePort, PassivePorts};
use shuttle::thread;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A port is lent to one at a time, and all come back.
pub fn no_port_is_lent_twice(ports: &[u16]) {
    let pool = PassivePorts::of(ports.to_vec());
    let lent = Arc::<Mutex<HashSet<u16>>>::default();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (pool, lent) = (pool.clone(), lent.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let Ok(port) = pool.listen(local()) else { continue };
                    let mut all = lent.lock().unwrap_or_else(PoisonError::into_inner);
                    assert!(all.insert(port.port()), "{} is lent twice", port.port());
                    drop(all);
                    thread::yield_now();
                    let (taken, of) = pool.usage().expect("there is a bound");
                    assert!((1..=of).contains(&taken), "{taken} of {of}");
                    lent.lock().unwrap_or_else(PoisonError::into_inner).remove(&port.port());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(pool.usage(), Some((0, ports.len())));
    let held: Vec<_> = ports.iter().map(|_| pool.listen(local()).expect("it is free")).collect();
    assert!(pool.listen(local()).is_err() && held.len() == ports.len());
}

/// The last failure that an address may have bans it, once, whoever comes with it; and bans go when they are lifted.
pub fn one_failure_bans() {
    let bans = Arc::new(Bans::new(3, Duration::from_secs(60)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let bans = bans.clone();
            thread::spawn(move || {
                let has_banned = bans.note_failure(local().ip());
                assert!(!has_banned || bans.is_banned(local().ip()));
                usize::from(has_banned)
            })
        })
        .collect();
    let banned: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    assert!(banned == 1 && bans.lift(local().ip()) && !bans.is_banned(local().ip()));
}

/// Ports that are free now.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| PassivePorts::any().listen(local()).expect("a port")).collect();
    held.iter().map(PassivePort::port).collect()
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 21))
}
