//! The ports of passive data connections: a bounded pool, or any free port.
//!
//! Where any will do, some are tried first. To have the kernel look for one means to look at one after the other, and the
//! more transfers there were in the last minute, the longer that takes: each leaves a port behind that is not free for
//! it, but for us.

use crate::locks::{Mutex, lock};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, LazyLock};

/// Strangers may come first; the client must still find room in the queue.
const BACKLOG: i32 = 16;
/// So many ports are tried first where any will do (the sandbox has a rule for each, which the start takes time for),
const USUAL: usize = 128;
/// and no more than these before the kernel looks for one.
const ATTEMPTS: usize = 4;

/// Hands out listening ports; a clone shares the pool.
#[derive(Debug, Clone)]
pub struct PassivePorts {
    pool: Option<Arc<Pool>>,
}

#[derive(Debug)]
struct Pool {
    ports: Vec<u16>,
    taken: Mutex<Vec<bool>>,
}

/// A port that listens for one client; free again when dropped.
#[derive(Debug)]
pub struct PassivePort {
    listener: TcpListener,
    port: u16,
    _lease: Option<Lease>,
}

#[derive(Debug)]
struct Lease {
    pool: Arc<Pool>,
    index: usize,
}

impl PassivePorts {
    /// Any free port of the host.
    pub fn any() -> PassivePorts {
        PassivePorts { pool: None }
    }

    /// These ports and no others.
    pub fn of(ports: Vec<u16>) -> PassivePorts {
        let taken = Mutex::new(vec![false; ports.len()]);
        PassivePorts { pool: Some(Arc::new(Pool { ports, taken })) }
    }

    /// How many of how many are taken; None: there is no limit.
    pub fn usage(&self) -> Option<(usize, usize)> {
        let taken = lock(&self.pool.as_ref()?.taken);
        Some((taken.iter().filter(|taken| **taken).count(), taken.len()))
    }

    /// Listens on a random free port of the address that the control connection came in on.
    pub fn listen(&self, local: SocketAddr) -> io::Result<PassivePort> {
        let Some(pool) = &self.pool else { return listen_anywhere(local) };
        let count = pool.ports.len();
        let start = random_below(count);
        let mut forbidden = 0;
        for index in (0..count).map(|step| (start + step) % count) {
            let Some(lease) = Pool::take(pool, index) else { continue };
            let Some(&port) = pool.ports.get(index) else { continue };
            match listen(with_port(local, port)) {
                Ok(listener) => return Ok(PassivePort { listener, port, _lease: Some(lease) }),
                // Somebody else's port, or one that we may not have: the next one then.
                Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                    log::debug!("passive port {port}: {error}");
                    forbidden += usize::from(error.kind() == ErrorKind::PermissionDenied);
                }
                Err(error) => return Err(error),
            }
        }
        if forbidden > 0 {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "{forbidden} of {count} passive ports are not for this user, and the rest is taken; take ports from 1024 on"
                ),
            ));
        }
        Err(io::Error::new(ErrorKind::AddrInUse, format!("all {count} passive ports are taken")))
    }
}

/// Ports of those that the kernel gives to whoever wants any, and that are not kept for something else; others in each
/// process.
pub fn usual() -> &'static [u16] {
    static PORTS: LazyLock<Vec<u16>> = LazyLock::new(|| {
        let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        choose(&read("ip_local_port_range"), &read("ip_local_reserved_ports"))
    });
    &PORTS
}

/// As the kernel writes them: `32768 60999`, and `8080,9000-9100`.
fn choose(range: &str, reserved: &str) -> Vec<u16> {
    let ends = range.split_whitespace().map(|end| end.parse().ok());
    let [Some(first), Some(last)] = ends.collect::<Vec<Option<u16>>>()[..] else { return Vec::new() };
    let reserved: Vec<_> = reserved
        .trim()
        .split(',')
        .filter_map(|ports| {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
        })
        .collect();
    let free = |port: &u16| !reserved.iter().any(|ports| ports.contains(port));
    let span = u32::from(last.saturating_sub(first)) + 1;
    let mut random = [0; 4 * USUAL];
    // Without entropy it is always the first: it is the peer check that protects.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let (numbers, _) = random.as_chunks();
    let ports = numbers.iter().map(|number| u32::from(first) + u32::from_le_bytes(*number) % span);
    ports.filter_map(|port| u16::try_from(port).ok()).filter(free).collect()
}

fn listen_anywhere(local: SocketAddr) -> io::Result<PassivePort> {
    let usual = usual();
    for _ in 0..ATTEMPTS.min(usual.len()) {
        let Some(&port) = usual.get(random_below(usual.len())) else { break };
        if let Ok(listener) = listen(with_port(local, port)) {
            return Ok(PassivePort { listener, port, _lease: None });
        }
    }
    let listener = listen(with_port(local, 0))?;
    let port = listener.local_addr()?.port();
    Ok(PassivePort { listener, port, _lease: None })
}

impl Pool {
    fn take(pool: &Arc<Pool>, index: usize) -> Option<Lease> {
        let mut taken = lock(&pool.taken);
        let slot = taken.get_mut(index).filter(|taken| !**taken)?;
        *slot = true;
        Some(Lease { pool: pool.clone(), index })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.pool.taken).get_mut(self.index) {
            *slot = false;
        }
    }
}

impl PassivePort {
    /// The number to announce.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes a connection that waits, if there is one; whoever it is. It does not block.
    pub fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match rustix::net::acceptfrom_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((stream, Some(from))) => Ok(Some((stream.into(), from.try_into()?))),
            Ok((_, None)) | Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for PassivePort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address with another port; a mapped one as plain IPv4, a link-local one with its zone.
pub(super) fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    let mut address = match address.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, 0),
        IpAddr::V6(_) => address,
    };
    address.set_port(port);
    address
}

fn random_below(count: usize) -> usize {
    let mut bytes = [0; 8];
    // Without entropy the first port is as good as any: it is the peer check that protects.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    usize::from_le_bytes(bytes) % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    fn local() -> SocketAddr {
        "127.0.0.1:21".parse().unwrap()
    }

    /// Ports that are free now, by asking for some.
    fn free_ports(count: usize) -> Vec<u16> {
        let taken: Vec<_> = (0..count).map(|_| PassivePorts::any().listen(local()).unwrap()).collect();
        taken.iter().map(PassivePort::port).collect()
    }

    #[test]
    fn the_bound_is_a_bound_and_a_dropped_port_is_free_again() {
        let ports = free_ports(3);
        let pool = PassivePorts::of(ports.clone());
        let mut held: Vec<_> = (0..3).map(|_| pool.listen(local()).unwrap()).collect();
        let mut numbers: Vec<_> = held.iter().map(PassivePort::port).collect();
        numbers.sort();
        let mut expected = ports;
        expected.sort();
        assert_eq!(numbers, expected);
        assert_eq!(pool.listen(local()).unwrap_err().kind(), ErrorKind::AddrInUse);
        let freed = held.pop().unwrap().port();
        assert_eq!(pool.listen(local()).unwrap().port(), freed);
    }

    /// Taken and given back in whatever order, by one or by many: a port has one at a time, and all come back.
    #[test]
    fn a_port_is_lent_to_one_at_a_time_whoever_comes_and_goes() {
        let ports = free_ports(4);
        let pool = PassivePorts::of(ports.clone());
        let lent = Mutex::new(Vec::new());
        let come_and_go = |seed: u64| {
            let mut held: Vec<PassivePort> = Vec::new();
            for step in 0..200 {
                let roll = BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, step));
                if roll & 1 == 0 && !held.is_empty() {
                    let port = held.swap_remove((roll >> 8) as usize % held.len());
                    lock(&lent).retain(|lent| *lent != port.port());
                } else if let Ok(port) = pool.listen(local()) {
                    let mut lent = lock(&lent);
                    assert!(!lent.contains(&port.port()), "{} is lent twice", port.port());
                    lent.push(port.port());
                    held.push(port);
                } else {
                    assert!(held.len() <= ports.len());
                }
            }
            lock(&lent).retain(|lent| !held.iter().any(|port| port.port() == *lent));
        };
        std::thread::scope(|scope| (0..4).for_each(|seed| drop(scope.spawn(move || come_and_go(seed)))));
        assert_eq!(pool.usage(), Some((0, 4)));
        let all: Vec<_> = ports.iter().map(|_| pool.listen(local()).unwrap()).collect();
        assert_eq!(pool.usage(), Some((all.len(), 4)));
    }

    #[test]
    fn ports_that_are_kept_for_something_else_are_not_taken() {
        let ports = choose("40000\t40009\n", "40001,40003-40008\n");
        assert!(ports.contains(&40000) && ports.contains(&40002) && ports.contains(&40009), "{ports:?}");
        assert!(ports.iter().all(|port| [40000, 40002, 40009].contains(port)), "{ports:?}");
        assert!(choose("", "").is_empty());
        assert!(choose("50000 40000", "").iter().all(|port| *port == 50000));
        assert!(!usual().is_empty() && usual().len() <= USUAL);
    }

    #[test]
    fn any_port_can_be_had_also_when_the_usual_ones_are_taken() {
        let held: Vec<_> = usual().iter().filter_map(|port| listen(with_port(local(), *port)).ok()).collect();
        assert!(PassivePorts::any().listen(local()).is_ok());
        drop(held);
    }

    #[test]
    fn a_mapped_address_listens_on_ipv4() {
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:21".parse().unwrap();
        assert_eq!(with_port(mapped, 5).to_string(), "127.0.0.1:5");
    }
}
