//! What a firewall has to let in, in words and as lines to copy.

use super::addresses::Doors;
use super::passive;
use super::report::{Report, State};
use crate::config::Config;
use std::ops::RangeInclusive;

pub(super) fn explain(config: &Config, doors: &Doors, report: &mut Report) {
    let mut part = report.part("firewall");
    if doors.are_local {
        part.ok("nothing to open: only this host can reach the server");
        return;
    }
    let mut control = vec![config.address.port];
    control.extend(config.implicit_tls.as_ref().map(|address| address.port));
    let control: Vec<_> = control.into_iter().filter(|port| *port != 0).map(|port| port..=port).collect();
    let data = match &config.passive_ports {
        Some(ports) => passive::ranges(ports.as_slice()),
        None => vec![passive::ephemeral()],
    };
    let all = [control.as_slice(), &data].concat();
    let words = format!(
        "let clients reach TCP {} (commands) and {} (data of passive mode); with nftables, and with ufw:",
        passive::shown(&control),
        passive::shown(&data)
    );
    part.add_with_lines(State::Note, words, lines(&all));
    if config.passive_ports.is_none() {
        part.warning(
            "without passive_ports that is every high port of this host, also those of other programs; give it a range",
        );
    }
    part.note(
        "behind a router or a cloud's NAT: forward these ports to this host under the same numbers, and name the public \
         address with masquerade_address; helpers for FTP in firewalls can't read what is in TLS",
    );
}

fn lines(ports: &[RangeInclusive<u16>]) -> Vec<String> {
    let mut lines = vec![format!("nft add rule inet filter input tcp dport {{ {} }} accept", passive::shown(ports))];
    // ufw parts the ends of a range with a colon.
    lines.extend(
        ports
            .iter()
            .map(|range| format!("ufw allow {}/tcp", passive::shown(std::slice::from_ref(range)).replace('-', ":"))),
    );
    lines
}
