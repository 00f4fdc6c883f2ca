//! Speaking with a server that runs: `who`, `kick`, `ban`, `unban`, `reload`, `drain`, `stop`, `metrics`; and what the
//! server opens for that.

mod arguments;
mod doors;
mod reload;
mod screen;
mod table;
mod who;

pub(super) use arguments::Command;
pub(super) use doors::{Doors, duties, rereading};
pub(super) use reload::Reloader;

use super::{Failure, say};
use crate::config::Problem;
use crate::control::{Answer, Request, ask};
use crate::protocol::shown::Shown;
use arguments::{Asked, Deed};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use table::Table;

/// When the server has said how long transfers get, it has so much more for its last events and its followers.
const GOODBYE: Duration = Duration::from_secs(30);

/// Runs one of the commands.
pub(super) fn run(command: Command, args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let (socket, deed) = match arguments::read(command, args)? {
        Asked::Help => {
            say(command.help());
            return Ok(());
        }
        Asked::Do(socket, deed) => (socket, deed),
    };
    match deed {
        Deed::Who(how) => who::run(&socket, &how),
        Deed::Kick(whose) => kick(&socket, whose),
        Deed::Ban(address, period) => {
            say(&match count(&asked(&socket, &Request::Ban { address, period })?) {
                0 => format!("{address} is banned\n"),
                count => format!("{address} is banned; {} ended\n", have(count)),
            });
            Ok(())
        }
        Deed::Bans => bans(&socket),
        Deed::Unban(address) => unban(&socket, address),
        Deed::Reload => reload(&socket),
        Deed::Drain => {
            say(&format!("{}\n", text(&asked(&socket, &Request::Drain)?)));
            Ok(())
        }
        Deed::Stop => stop(&socket),
        Deed::Metrics => {
            say(&text(&asked(&socket, &Request::Metrics)?));
            Ok(())
        }
    }
}

/// What the server answers. What it has to say is made harmless for terminals.
fn asked(socket: &Path, request: &Request) -> Result<Answer, Failure> {
    ask(socket, request).map_err(failed)
}

fn failed(why: impl AsRef<str>) -> Failure {
    Failure::Runtime(Problem::new(why).to_string())
}

fn count(answer: &Answer) -> u64 {
    answer.first.number("count").unwrap_or(0)
}

fn have(sessions: u64) -> String {
    if sessions == 1 { "1 session has".to_string() } else { format!("{sessions} sessions have") }
}

fn text(answer: &Answer) -> String {
    answer.first.shown("text").unwrap_or_default().into_owned()
}

fn kick(socket: &Path, whose: String) -> Result<(), Failure> {
    match count(&asked(socket, &Request::Kick(whose.clone()))?) {
        0 => Err(failed(format!("no session is {whose:?}, of that user or from that address; see django-ftpd who"))),
        kicked => {
            say(&format!("{} ended\n", have(kicked)));
            Ok(())
        }
    }
}

fn unban(socket: &Path, address: IpAddr) -> Result<(), Failure> {
    match count(&asked(socket, &Request::Unban(address))?) {
        0 => Err(failed(format!("{address} is not banned; see django-ftpd ban"))),
        _ => {
            say(&format!("{address} is not banned any more\n"));
            Ok(())
        }
    }
}

fn reload(socket: &Path) -> Result<(), Failure> {
    let answer = asked(socket, &Request::Reload)?;
    say(&format!("{}\n", Shown(text(&answer).as_bytes())));
    Ok(())
}

fn bans(socket: &Path) -> Result<(), Failure> {
    let answer = asked(socket, &Request::Bans)?;
    let mut table = Table::new(&["ADDRESS", "SECONDS", "WHY"]);
    for ban in &answer.rest {
        let seconds = ban.number("seconds").map_or("-".to_string(), |seconds| seconds.to_string());
        table.row([table::word(ban, "network"), seconds, table::word(ban, "why")]);
    }
    say(&if answer.rest.is_empty() { "no address is banned\n".to_string() } else { table.text(None) });
    Ok(())
}

fn stop(socket: &Path) -> Result<(), Failure> {
    let answer = asked(socket, &Request::Stop)?;
    let patience = Duration::from_secs(answer.first.number("seconds").unwrap_or(0)) + GOODBYE;
    match answer.wait_for_end(patience) {
        true => {
            say("the server has stopped\n");
            Ok(())
        }
        false => Err(failed(format!("the server still runs after {} seconds; its log says why", patience.as_secs()))),
    }
}
