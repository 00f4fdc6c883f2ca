//! Who gets a place: a client that comes by itself at once, one that a proxy introduces once that is done.

use super::registry::{Seat, Waiting};
use super::remote::Shared;
use super::tally::Refused;
use crate::net::introduction::{HEADER_TIME, Introduction, Unknown};
use crate::net::wait::{self, For};
use crate::protocol::proxy::Origin;
use crate::protocol::reply::Reply;
use crate::session::{self, Arrival, Services};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Instant;

/// A place, or None once the client has heard why there is none. Nobody behind a proxy is to pay for the proxy itself.
pub(super) fn admit(
    shared: &Shared,
    services: &Services,
    stream: TcpStream,
    arrival: Arrival,
    waiting: Option<Waiting>,
) -> Option<Seat> {
    let is_banned = !arrival.is_proxy() && shared.bans.is_banned(arrival.peer.ip().to_canonical());
    let admitted = match is_banned {
        true => Err((stream, Refused::Banned)),
        false => shared.registry.admit(stream, arrival, waiting),
    };
    admitted.map_err(|(stream, why)| refuse(shared, services, &stream, &arrival, why)).ok()
}

pub(super) fn refuse(shared: &Shared, services: &Services, stream: &TcpStream, arrival: &Arrival, why: Refused) {
    shared.tally.note_refused(why);
    services.complaints.note(|| format!("refused {}: {}", arrival.peer.ip().to_canonical(), why.text()));
    tell(stream, arrival, why);
}

fn tell(mut stream: &TcpStream, arrival: &Arrival, why: Refused) {
    if arrival.is_implicit {
        return; // a client that waits for TLS understands only the end
    }
    // A fresh socket has room for a line; if the client has gone, nothing is to be done.
    let _ = stream.write_all(Reply::new(421, why.text()).as_bytes());
}

/// Hears from a proxy who comes, and serves it. Before that it is nobody: not in any list, and told of by no event.
pub(super) fn receive(shared: &Shared, services: &Services, stream: TcpStream, arrival: Arrival, waiting: Waiting) {
    let origin = match introduced(&stream, shared) {
        Ok(Some(origin)) => origin,
        Ok(None) => return,
        Err(Unknown::Nobody) => return log::debug!("{} came and went", arrival.peer),
        Err(why) => {
            let proxy = arrival.peer.ip().to_canonical();
            services.complaints.note(|| {
                format!("refused {proxy}, which is in trusted_proxies: {why}; does its server line have send-proxy-v2?")
            });
            shared.tally.note_refused(Refused::NotIntroduced);
            return tell(&stream, &arrival, Refused::NotIntroduced);
        }
    };
    let proxy = arrival.peer;
    let arrival = arrival.introduced(origin);
    log::debug!("{} came through the proxy {proxy}", arrival.peer);
    if let Some(seat) = admit(shared, services, stream, arrival, Some(waiting)) {
        if !arrival.is_proxy() {
            shared.tally.note_accepted();
        }
        session::run(services, seat.handle());
    }
}

/// None: the server stops.
fn introduced(stream: &TcpStream, shared: &Shared) -> Result<Option<Origin>, Unknown> {
    let until = Instant::now() + HEADER_TIME;
    let mut introduction = Introduction::default();
    loop {
        if let Some(origin) = introduction.read(stream)? {
            return Ok(Some(origin));
        }
        let sockets = [(shared.wake.as_fd(), For::Reading), (stream.as_fd(), For::Reading)];
        match wait::any(sockets, Some(until)) {
            Ok([false, true]) => {}
            Ok([false, false]) => return Err(Unknown::Late),
            Ok([true, _]) | Err(_) => return Ok(None),
        }
    }
}
