//! The address that PASV announces behind a NAT: given, or looked up by name and kept fresh.

use crate::locks::lock;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A name is looked up again when its address is older than this.
const FRESH: Duration = Duration::from_secs(60);

/// What to announce; a clone shares the looked-up address.
#[derive(Debug, Clone)]
pub enum Masquerade {
    /// Always this address.
    Fixed(Ipv4Addr),
    /// The address of a host name.
    Named(Arc<Named>),
}

/// A host name and what it was last found to be.
#[derive(Debug)]
pub struct Named {
    name: String,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    address: Option<Ipv4Addr>,
    looked_up: Option<Instant>,
    busy: bool,
}

impl Masquerade {
    /// An IPv4 address, or a name that is looked up now. A name that can't be found yet is a warning, not an
    /// error: at boot the network may come after us.
    pub fn new(text: &str) -> Masquerade {
        if let Ok(address) = text.parse() {
            return Masquerade::Fixed(address);
        }
        let named = Arc::new(Named { name: text.to_string(), found: Mutex::default() });
        named.look_up();
        Masquerade::Named(named)
    }

    /// What to announce to this client, who reached us at `local`. Clients on local networks are told the address
    /// that they reached, unless the announced one belongs to a network as near as theirs.
    pub fn announce(&self, local: Ipv4Addr, client: IpAddr) -> Ipv4Addr {
        self.address().filter(|address| Reach::of(IpAddr::V4(*address)) <= Reach::of(client)).unwrap_or(local)
    }

    /// What is announced to those outside; None while the name has no address.
    pub fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Masquerade::Fixed(address) => Some(*address),
            Masquerade::Named(named) => named.address(),
        }
    }
}

impl Named {
    /// The address of the last lookup; an old one starts the next, in a thread that nobody waits for.
    fn address(self: &Arc<Named>) -> Option<Ipv4Addr> {
        let mut found = lock(&self.found);
        if !found.busy && found.looked_up.is_none_or(|at| at.elapsed() > FRESH) {
            let named = self.clone();
            let thread = std::thread::Builder::new().name("resolver".into());
            found.busy = thread.spawn(move || named.look_up()).is_ok();
        }
        found.address
    }

    fn look_up(&self) {
        let result = resolve(&self.name);
        let mut found = lock(&self.found);
        found.busy = false;
        found.looked_up = Some(Instant::now());
        match result {
            Ok(address) => found.address = Some(address),
            Err(error) => {
                let kept = found.address.map_or("our own address is announced".into(), |old| format!("{old} is kept"));
                log::warn!("masquerade_address {}: {error}; {kept}", self.name);
            }
        }
    }
}

/// The IPv4 address that a name stands for now.
pub fn resolve(name: &str) -> io::Result<Ipv4Addr> {
    let v4 = |address: std::net::SocketAddr| match address.ip() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    };
    let not_found = || io::Error::new(io::ErrorKind::NotFound, "the name has no IPv4 address");
    (name, 0).to_socket_addrs()?.find_map(v4).ok_or_else(not_found)
}

/// How far away an address can be.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Host,
    LocalNetwork,
    Internet,
}

impl Reach {
    fn of(address: IpAddr) -> Reach {
        let (host, local) = match address.to_canonical() {
            IpAddr::V4(v4) => (v4.is_loopback(), v4.is_private() || v4.is_link_local()),
            IpAddr::V6(v6) => (v6.is_loopback(), v6.is_unique_local() || v6.is_unicast_link_local()),
        };
        match (host, local) {
            (true, _) => Reach::Host,
            (_, true) => Reach::LocalNetwork,
            _ => Reach::Internet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(masquerade: &str, client: &str) -> String {
        let masquerade = Masquerade::new(masquerade);
        masquerade.announce(Ipv4Addr::new(10, 0, 0, 5), client.parse().unwrap()).to_string()
    }

    #[test]
    fn only_those_outside_are_told_the_outer_address() {
        assert_eq!(announced("203.0.113.7", "198.51.100.1"), "203.0.113.7");
        assert_eq!(announced("203.0.113.7", "10.0.0.9"), "10.0.0.5");
        assert_eq!(announced("203.0.113.7", "127.0.0.1"), "10.0.0.5");
        assert_eq!(announced("192.168.1.7", "10.0.0.9"), "192.168.1.7");
        assert_eq!(announced("192.168.1.7", "127.0.0.1"), "10.0.0.5");
        assert_eq!(announced("127.0.0.9", "127.0.0.1"), "127.0.0.9");
    }

    #[test]
    fn a_name_is_looked_up_and_an_unknown_one_announces_our_own() {
        assert_eq!(announced("localhost", "198.51.100.1"), "127.0.0.1");
        assert_eq!(announced("no-such-host.invalid", "198.51.100.1"), "10.0.0.5");
    }
}
