//! What a request is answered.

use super::{Desk, Papers, Request, metrics};
use crate::events::followers::{Lag, Watch};
use crate::net::bans::Ban;
use crate::protocol::json::Object;
use crate::server::{Remote, Whose};
use crate::session::{Flow, Glance};
use std::net::IpAddr;
use std::time::Duration;

/// Does what is asked, and answers it with one line or more. The end of the server comes after the answer, see [`end`].
pub(super) fn answer(desk: &Desk, request: &Request) -> Vec<u8> {
    let Papers { remote, followers, .. } = &*desk.0;
    match request {
        Request::Who => who(remote, followers.iter().map(Watch::lag).collect()),
        Request::Kick(whose) => counted(kick(remote, whose)),
        Request::Ban { address, period } => match remote.ban(*address, *period) {
            Some(kicked) => {
                log::info!("{address} is banned, as was asked for on the control socket; {kicked} sessions were ended");
                counted(kicked)
            }
            None => error("too many addresses are banned already; unban some"),
        },
        Request::Bans => bans(&remote.bans()),
        Request::Unban(address) => {
            let was_banned = remote.unban(*address);
            if was_banned {
                log::info!("{address} is not banned any more, as was asked for on the control socket");
            }
            counted(usize::from(was_banned))
        }
        Request::Reload => desk.reload().map_or_else(|why| error(&why), |text| said(&text)),
        Request::Drain if remote.is_ending() => said("the server ends already, and now it stops"),
        Request::Drain => match remote.who().len() {
            0 => said("nobody is on; the server stops"),
            1 => said("no more clients are taken; the server stops when 1 session has left"),
            more => said(&format!("no more clients are taken; the server stops when {more} sessions have left")),
        },
        Request::Stop => {
            let mut object = agreed();
            object.number("seconds", remote.grace().as_secs());
            object.finish()
        }
        Request::Metrics => said(&metrics::text(remote, followers)),
    }
}

/// Ends the server, if that was asked for. Who does not read the log can't keep it from ending.
pub(super) fn end(desk: &Desk, request: &Request) {
    let remote = &desk.0.remote;
    match request {
        Request::Stop => remote.stop(),
        Request::Drain => remote.drain(),
        _ => return,
    }
    log::info!("{} was asked for on the control socket", request.name());
}

/// One line for people.
pub(super) fn error(why: &str) -> Vec<u8> {
    let mut object = Object::default();
    object.text("error", why.as_bytes());
    object.finish()
}

fn agreed() -> Object {
    let mut object = Object::default();
    object.truth("ok", true);
    object
}

fn counted(count: usize) -> Vec<u8> {
    let mut object = agreed();
    object.number("count", count as u64);
    object.finish()
}

fn said(text: &str) -> Vec<u8> {
    let mut object = agreed();
    object.text("text", text.as_bytes());
    object.finish()
}

/// A number may also be a name; the session comes first.
fn kick(remote: &Remote, whose: &str) -> usize {
    let number = whose.parse().map_or(0, |id| remote.kick(&Whose::Number(id)));
    let kicked = match (number, whose.parse::<IpAddr>()) {
        (0, Ok(address)) => remote.kick(&Whose::Address(address)),
        (0, Err(_)) => remote.kick(&Whose::User(whose.to_string())),
        (count, _) => count,
    };
    log::info!("{kicked} sessions of {whose:?} were ended, as was asked for on the control socket");
    kicked
}

fn who(remote: &Remote, followers: Vec<Lag>) -> Vec<u8> {
    let sessions = remote.who();
    let mut object = agreed();
    object.text("version", env!("CARGO_PKG_VERSION").as_bytes());
    object.number("pid", u64::from(std::process::id()));
    object.text("address", remote.address().to_string().as_bytes());
    object.text("started", remote.started().to_string().as_bytes());
    object.truth("ending", remote.is_ending());
    object.number("sessions", sessions.len() as u64);
    object.number("followers", followers.len() as u64);
    let mut lines = object.finish();
    sessions.iter().for_each(|glance| lines.append(&mut session(glance)));
    followers.iter().for_each(|lag| lines.append(&mut follower(lag)));
    lines
}

fn session(glance: &Glance) -> Vec<u8> {
    let mut object = Object::default();
    object.number("session", glance.id);
    if let Some(username) = &glance.username {
        object.text("username", username.as_bytes());
    }
    object.text("remote_ip", glance.remote.ip().to_canonical().to_string().as_bytes());
    object.number("remote_port", u64::from(glance.remote.port()));
    object.text("since", glance.since.to_string().as_bytes());
    object.text("state", glance.stage.name().as_bytes());
    if let Some(tls) = glance.tls {
        object.text("tls", tls.version.as_bytes());
        object.text("cipher", tls.cipher.as_bytes());
    }
    let Some(doing) = &glance.doing else {
        object.number("idle_ms", milliseconds(glance.idle));
        return object.finish();
    };
    object.text("command", doing.command.as_bytes());
    if let Some(path) = &doing.path {
        object.text("path", path);
    }
    if let Some(flow) = &doing.flow {
        add_flow(&mut object, flow);
    }
    object.finish()
}

fn add_flow(object: &mut Object, flow: &Flow) {
    object.text("direction", flow.direction.name().as_bytes());
    object.number("bytes", flow.bytes);
    if let Some(total) = flow.total {
        object.number("total", total);
    }
    object.number("duration_ms", milliseconds(flow.lasts));
    object.number("rate", flow.rate());
    if let Some(tls) = flow.tls {
        object.text("data_tls", tls.version.as_bytes());
        object.text("data_cipher", tls.cipher.as_bytes());
    }
}

fn follower(lag: &Lag) -> Vec<u8> {
    let mut object = Object::default();
    object.text("follower", lag.name.as_bytes());
    object.number("events", lag.events);
    if let Some(age) = lag.age {
        object.number("age_ms", milliseconds(age));
    }
    object.number("failures", u64::from(lag.failures));
    object.number("set_aside", lag.set_aside);
    object.finish()
}

fn bans(bans: &[Ban]) -> Vec<u8> {
    let mut object = agreed();
    object.number("bans", bans.len() as u64);
    let mut lines = object.finish();
    for ban in bans {
        let mut object = Object::default();
        object.text("network", network(ban).as_bytes());
        object.text("why", if ban.is_ordered { b"ordered" } else { b"failed logins" });
        if let Some(left) = ban.left {
            object.number("seconds", left.as_secs());
        }
        lines.append(&mut object.finish());
    }
    lines
}

fn network(ban: &Ban) -> String {
    match ban.network {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
