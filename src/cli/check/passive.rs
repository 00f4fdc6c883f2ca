//! The ports of passive mode, and the address that clients are told.

use super::addresses::{self, Doors};
use super::report::{Part, Report, State, number};
use crate::config::{Config, HostPort};
use crate::net::masquerade;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

/// From where the system takes ports for connections of its own, and those that it leaves out.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The first port that anybody may have.
const UNPRIVILEGED: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

pub(super) fn examine(config: &Config, doors: &Doors, report: &mut Report) {
    ports(config, doors, &mut report.part("passive_ports"));
    masquerade(config, doors, &mut report.part("masquerade"));
}

fn ports(config: &Config, doors: &Doors, part: &mut Part<'_>) {
    let Some(ports) = config.passive_ports.as_ref().map(|ports| ports.as_slice()) else {
        let state = if doors.are_local { State::Note } else { State::Warning };
        part.add(
            state,
            format!(
                "any free port: a firewall would have to let in all of {}; give it a range, such as 30000-30100",
                shown(&[ephemeral()])
            ),
        );
        return;
    };
    let ranges = ranges(ports);
    let text = format!("{}: {} at once", shown(&ranges), number(ports.len(), "transfer"));
    match config.max_cons {
        Some(most) if most.get() <= ports.len() => part.ok(text),
        Some(most) => part.note(format!("{text}, of up to {most} sessions (max_cons); one too many gets 425")),
        None => part.note(format!("{text}, of any number of sessions; one too many gets 425")),
    }
    taken(doors, ports, part);
    low(config, ports, part);
    for (option, listens) in listening(config) {
        if ports.contains(&listens.port) {
            part.warning(format!("{} is in it, where {option} listens; that port is never given", listens.port));
        }
    }
    let reserved: Vec<u16> = fs::read_to_string(RESERVED).map(|text| numbers(&text)).unwrap_or_default();
    let system = ephemeral();
    let shared: Vec<u16> =
        ports.iter().copied().filter(|port| system.contains(port) && !reserved.contains(port)).collect();
    if !shared.is_empty() {
        let shared = shown(&self::ranges(&shared));
        part.add_with_lines(
            State::Note,
            format!(
                "{shared}: other programs may be given these for connections of theirs; to keep them for the server:"
            ),
            vec![format!("sysctl -w net.ipv4.ip_local_reserved_ports={}", shared.replace(' ', ""))],
        );
    }
}

/// Which of them root could have, but not the user that it becomes.
fn low(config: &Config, ports: &[u16], part: &mut Part<'_>) {
    let Some(user) = config.file_access_user.as_ref().filter(|_| rustix::process::geteuid().is_root()) else { return };
    let first = fs::read_to_string(UNPRIVILEGED).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    let low: Vec<u16> = ports.iter().copied().filter(|port| *port < first).collect();
    if !low.is_empty() {
        let low = shown(&ranges(&low));
        part.fault(format!(
            "{low}: the user {user} (file_access_user) may not listen there; take ports from {first} on"
        ));
    }
}

/// Which of them can't be had now.
fn taken(doors: &Doors, ports: &[u16], part: &mut Part<'_>) {
    let Some(address) = doors.main.first() else { return };
    let (mut used, mut forbidden) = (Vec::new(), Vec::new());
    for &port in ports {
        match addresses::is_free(SocketAddr::new(address.ip(), port)).map_err(|error| error.kind()) {
            Err(ErrorKind::AddrInUse) => used.push(port),
            Err(ErrorKind::PermissionDenied) => forbidden.push(port),
            _ => {}
        }
    }
    if !forbidden.is_empty() {
        part.fault(format!("{}: this user may not listen there; take ports from 1024 on", shown(&ranges(&forbidden))));
    }
    if used.len() == ports.len() {
        part.warning("all of them are in use now; is that the server, or another program?");
    } else if !used.is_empty() {
        part.note(format!("in use now, by transfers or by other programs: {}", shown(&ranges(&used))));
    }
}

fn masquerade(config: &Config, doors: &Doors, part: &mut Part<'_>) {
    let Some(name) = &config.masquerade_address else {
        if config.masquerade_local {
            part.warning("masquerade_local: it does nothing without masquerade_address");
        }
        // Nothing is sent: the system is asked which address it would take.
        let own = own_address().filter(|own| !doors.are_local && is_private(*own));
        match own {
            Some(own) => part.note(format!(
                "none; this host's address is {own}, which is private: if clients come through a router or the NAT of \
                 a cloud, name the public address with masquerade_address"
            )),
            None => part.ok("none: PASV tells the address that the client reached"),
        }
        return;
    };
    match masquerade::resolve(name) {
        Err(error) => {
            part.warning(format!("{name}: {error}; until then PASV tells the address that the client reached"))
        }
        Ok(address) => {
            let text = if name.parse() == Ok(address) { name.clone() } else { format!("{name}, which is {address}") };
            match is_private(address) {
                true => part.warning(format!("{text}: a private address, which nobody outside can reach")),
                false => part.ok(text),
            }
        }
    }
}

fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

/// Carriers have networks of their own (RFC 6598) behind which their customers are.
fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    address.is_private() || address.is_loopback() || address.is_link_local() || address.is_unspecified() || is_shared
}

/// Everything that listens, by its option.
fn listening(config: &Config) -> Vec<(&'static str, &HostPort)> {
    let others = [("implicit_tls", &config.implicit_tls), ("metrics_listen", &config.metrics_listen)];
    let others = others.into_iter().filter_map(|(option, address)| Some((option, address.as_ref()?)));
    [("the server itself", &config.address)].into_iter().chain(others).collect()
}

/// The ports that the system gives by itself.
pub(super) fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string(EPHEMERAL).unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    numbers.next().unwrap_or(32768)..=numbers.next().unwrap_or(60999)
}

/// `8080,9000-9010` as the system writes it.
fn numbers(text: &str) -> Vec<u16> {
    let range = |item: &str| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Ports that follow one another, together; they ascend.
pub(super) fn ranges(ports: &[u16]) -> Vec<RangeInclusive<u16>> {
    let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
    for &port in ports {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(port) => *last = *last.start()..=port,
            _ => ranges.push(port..=port),
        }
    }
    ranges
}

/// `12345, 30000-30100`
pub(super) fn shown(ranges: &[RangeInclusive<u16>]) -> String {
    let one = |range: &RangeInclusive<u16>| match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_as_ranges() {
        assert_eq!(shown(&ranges(&[21, 30000, 30001, 30002, 65535])), "21, 30000-30002, 65535");
        assert_eq!(shown(&[]), "");
        assert_eq!(numbers("8080,9000-9002\n"), [8080, 9000, 9001, 9002]);
        assert!(numbers("\n").is_empty());
    }

    #[test]
    fn private_addresses_are_those_that_are_not_routed() {
        for private in ["10.1.2.3", "192.168.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1"] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "100.128.0.1", "172.32.0.1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
