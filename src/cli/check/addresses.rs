//! Where the server would listen. An address is bound for a moment, without listening: nobody notices.

use super::report::{Part, Report};
use crate::config::{Config, HostPort};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Where clients come in. Names are looked up once: that may take its time.
pub(super) struct Doors {
    /// What the address stands for.
    pub(super) main: Vec<SocketAddr>,
    /// Whether only this host can reach the server.
    pub(super) are_local: bool,
}

pub(super) fn examine(config: &Config, report: &mut Report) -> Doors {
    let mut part = report.part("address");
    let main = address(&config.address, &mut part);
    if main.iter().any(|address| address.ip().is_loopback()) {
        part.note("only this host can reach that; 0.0.0.0 is every IPv4 address, [::] IPv6, too");
    }
    let implicit = config.implicit_tls.as_ref();
    let implicit = implicit.map(|implicit| address(implicit, &mut report.part("implicit_tls"))).unwrap_or_default();
    if meet(&implicit, &main) {
        report.part("implicit_tls").fault("implicit_tls: it is where address is; give it another port, such as 990");
    }
    if let Some(metrics) = &config.metrics_listen {
        let mut part = report.part("metrics");
        let found = address(metrics, &mut part);
        if meet(&found, &main) || meet(&found, &implicit) {
            part.fault("metrics_listen: FTP is there; give it another port");
        }
        if found.iter().any(|address| !address.ip().is_loopback()) {
            part.warning(format!("metrics_listen: whoever reaches {metrics} can read the metrics; 127.0.0.1 is safer"));
        }
    }
    let are_local = !main.is_empty() && main.iter().chain(&implicit).all(|address| address.ip().is_loopback());
    Doors { main, are_local }
}

/// Whether two can't listen at once. The server takes the first of each.
fn meet(one: &[SocketAddr], other: &[SocketAddr]) -> bool {
    let Some((one, other)) = one.first().zip(other.first()) else { return false };
    let is_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    let is_same = one.ip() == other.ip() || (is_all && one.is_ipv4() == other.is_ipv4());
    one.port() != 0 && one.port() == other.port() && is_same
}

/// What the name of an address stands for.
fn resolved(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    (address.host.as_str(), address.port).to_socket_addrs().map(Iterator::collect)
}

/// Whether a server could listen there.
pub(super) fn is_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // As the server does; it lets a server start while we look.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn address(wanted: &HostPort, part: &mut Part<'_>) -> Vec<SocketAddr> {
    let found = match resolved(wanted) {
        Ok(found) if !found.is_empty() => found,
        Ok(_) => {
            part.fault(format!("{wanted}: the name has no address"));
            return Vec::new();
        }
        Err(error) => {
            part.fault(format!("{wanted}: {error}"));
            return Vec::new();
        }
    };
    // The server takes the first one that it can have.
    let mut trouble = None;
    for address in &found {
        match is_free(*address) {
            Ok(()) => {
                part.ok(told(wanted, address));
                return found;
            }
            Err(error) => trouble = trouble.or(Some((address, error))),
        }
    }
    if let Some((address, error)) = trouble {
        tell_trouble(wanted, address, &error, part);
    }
    found
}

fn told(wanted: &HostPort, address: &SocketAddr) -> String {
    match wanted.host.parse::<IpAddr>() {
        Ok(_) => wanted.to_string(),
        Err(_) => format!("{wanted}, which is {address}"),
    }
}

fn tell_trouble(wanted: &HostPort, address: &SocketAddr, error: &io::Error, part: &mut Part<'_>) {
    match error.kind() {
        ErrorKind::AddrInUse => part.note(format!("{} is in use: is the server running?", told(wanted, address))),
        ErrorKind::PermissionDenied => part.fault(format!(
            "{wanted}: this user may not listen there; ports below 1024 need root, a socket of systemd, or once: \
             setcap cap_net_bind_service=+ep /path/to/django-ftpd"
        )),
        ErrorKind::AddrNotAvailable => part.fault(format!("{wanted}: no interface of this host has that address")),
        _ => part.fault(format!("{wanted}: {error}")),
    }
}
