//! The certificate, the chain behind it, its key, and the authorities of clients.

use super::addresses::Doors;
use super::report::{Part, Report, number};
use crate::cli::parts;
use crate::config::Config;
use crate::net::tls::{Described, describe};
use jiff::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Who renews by hand needs some time for it.
const SOON: i64 = 30;
const DAY: i64 = 24 * 60 * 60;

pub(super) fn examine(config: &Config, doors: &Doors, report: &mut Report) {
    let mut part = report.part("certificate");
    match (&config.certfile, parts::tls(config)) {
        (_, Err(why)) => part.fault(why),
        (None, Ok(_)) if doors.are_local => part.ok("none, so no TLS"),
        (None, Ok(_)) => part.warning("none, so no TLS: passwords and files cross the network in the clear"),
        (Some(certfile), Ok(_)) => {
            match describe("certfile", certfile) {
                Ok(chain) => tell_chain(certfile, &chain, &mut part),
                Err(why) => part.fault(why),
            }
            tell_modes(config.keyfile.as_deref().unwrap_or(certfile), &mut part);
        }
    }
    if let Some(client_ca) = &config.client_ca {
        tell_authorities(client_ca, &mut report.part("client_ca"));
    }
}

fn tell_chain(certfile: &Path, chain: &[Described], part: &mut Part<'_>) {
    let Some(leaf) = chain.first() else { return };
    let hosts = match leaf.hosts.as_slice() {
        [] => format!("{} (no names of hosts: clients that look for one refuse it)", leaf.subject),
        hosts => hosts.join(", "),
    };
    part.ok(format!("{}: for {hosts}; by {}; the key is its own", certfile.display(), leaf.issuer));
    chain.iter().for_each(|certificate| tell_dates(certificate, part));
    let mut links = chain.windows(2).enumerate();
    let broken = links.find_map(|(index, pair)| match pair {
        [lower, upper] if lower.issuer != upper.subject => Some((index, lower, upper)),
        _ => None,
    });
    match broken {
        Some((index, lower, upper)) => part.warning(format!(
            "the chain is not in order: certificate {} in the file is by {:?}, and the next one is that of {:?}",
            index + 1,
            lower.issuer,
            upper.subject
        )),
        None if leaf.is_self_signed() => {
            part.note("it is signed by itself: clients trust it only where they are told to");
        }
        None if chain.len() == 1 => part.warning(
            "it stands alone: is the intermediate certificate missing? Name the file with the whole chain, such as \
             fullchain.pem",
        ),
        None => {}
    }
}

fn tell_dates(certificate: &Described, part: &mut Part<'_>) {
    let now = Timestamp::now();
    let (subject, end) = (&certificate.subject, certificate.not_after);
    let days = (end.as_second() - now.as_second()) / DAY;
    if now < certificate.not_before {
        part.fault(format!("{subject}: not valid before {}; is the clock right?", certificate.not_before));
    } else if now > end {
        part.fault(format!("{subject}: expired at {end}; renew it"));
    } else if days < SOON {
        part.warning(format!(
            "{subject}: expires in {}, at {end}; renew it",
            number(days.unsigned_abs() as usize, "day")
        ));
    } else {
        part.ok(format!("{subject}: valid until {end}, for {}", number(days.unsigned_abs() as usize, "day")));
    }
}

fn tell_modes(keyfile: &Path, part: &mut Part<'_>) {
    let mode = fs::metadata(keyfile).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        let path = keyfile.display();
        part.warning(format!("{path}: everybody on this host can read the private key; chmod o= {path}"));
    }
}

fn tell_authorities(path: &Path, part: &mut Part<'_>) {
    let authorities = match describe("client_ca", path) {
        Ok(authorities) => authorities,
        Err(why) => return part.fault(why),
    };
    let count = match authorities.len() {
        1 => "1 authority".to_string(),
        more => format!("{more} authorities"),
    };
    part.ok(format!("{}: {count}", path.display()));
    authorities.iter().for_each(|authority| tell_dates(authority, part));
}
