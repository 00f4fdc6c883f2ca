//! `django-ftpd who`: a table of the sessions, and of the followers below.

use super::super::Failure;
use super::screen::{self, Screen};
use super::table::{Table, cut, word};
use super::{asked, failed};
use crate::control::{Answer, Request};
use crate::events::Line;
use crate::protocol::shown::Shown;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// How it is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct How {
    /// Again and again, after so long.
    pub(super) watch: Option<Duration>,
    /// For programs.
    pub(super) json: bool,
}

pub(super) fn run(socket: &Path, how: &How) -> Result<(), Failure> {
    let first = asked(socket, &Request::Who)?;
    match tell_all(socket, how, first) {
        // Who has read enough closes the pipe.
        Err(Trouble::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Trouble::Output(error)) => Err(failed(format!("standard output: {error}"))),
        Err(Trouble::Server(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

enum Trouble {
    Output(io::Error),
    Server(Failure),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Output(error)
    }
}

fn tell_all(socket: &Path, how: &How, first: Answer) -> Result<(), Trouble> {
    let Some(period) = how.watch else { return Ok(print(&told(&first, how))?) };
    let mut screen = if how.json { None } else { Some(Screen::begin()?) };
    let mut answer = first;
    loop {
        match &mut screen {
            Some(screen) => screen.show(&told(&answer, how))?,
            None => print(&told(&answer, how))?,
        }
        std::thread::sleep(period);
        answer = asked(socket, &Request::Who).map_err(Trouble::Server)?;
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn told(answer: &Answer, how: &How) -> String {
    if how.json {
        let lines = std::iter::once(&answer.first).chain(&answer.rest);
        return lines.map(|line| String::from_utf8_lossy(line.json()).into_owned() + "\n").collect();
    }
    let width = screen::size().map(|(columns, _)| columns);
    let (followers, sessions): (Vec<&Line>, Vec<&Line>) =
        answer.rest.iter().partition(|line| line.text("follower").is_some());
    let summary = summary(&answer.first, sessions.len());
    let mut text = width.map_or(summary.clone(), |width| cut(&summary, width)) + "\n";
    if !sessions.is_empty() {
        text += &sessions_table(&sessions).text(width);
    }
    if !followers.is_empty() {
        text += "\n";
        text += &followers_table(&followers).text(width);
    }
    text
}

fn summary(server: &Line, sessions: usize) -> String {
    let (version, address) = (word(server, "version"), word(server, "address"));
    let who = match sessions {
        0 => "nobody is on".to_string(),
        1 => "1 session".to_string(),
        more => format!("{more} sessions"),
    };
    let is_ending = server.fields().any(|(key, value)| key == "ending" && value == b"true");
    let ending = if is_ending { "; no more clients are taken" } else { "" };
    format!("django-ftpd {version} on {address}: {who}{ending}")
}

fn sessions_table(sessions: &[&Line]) -> Table {
    let mut table = Table::new(&["SESSION", "USER", "ADDRESS", "TLS", "IDLE", "RATE", "DONE", "DOING"]);
    for session in sessions {
        table.row([
            session.number("session").map_or("-".to_string(), |id| id.to_string()),
            word(session, "username"),
            word(session, "remote_ip"),
            tls(session),
            session.number("idle_ms").map_or("-".to_string(), duration),
            session.number("rate").map_or("-".to_string(), |rate| size(rate) + "/s"),
            done(session),
            doing(session),
        ]);
    }
    table
}

fn followers_table(followers: &[&Line]) -> Table {
    let mut table = Table::new(&["FOLLOWER", "EVENTS BEHIND", "OLDEST", "FAILURES", "SET ASIDE"]);
    for follower in followers {
        let number = |key| follower.number(key).unwrap_or(0).to_string();
        let age = follower.number("age_ms").map_or("-".to_string(), duration);
        table.row([word(follower, "follower"), number("events"), age, number("failures"), number("set_aside")]);
    }
    table
}

/// `1.3`, with what is to be known of the data connection, if there is one.
fn tls(session: &Line) -> String {
    let short = |key: &str| session.shown(key).map(|version| version.trim_start_matches("TLSv").to_string());
    match (short("tls"), session.text("direction"), short("data_tls")) {
        (Some(version), Some(_), None) => format!("{version}, not data"),
        (Some(version), _, _) => Shown(version.as_bytes()).to_string(),
        (None, _, _) => "-".to_string(),
    }
}

/// How much of a file went: in hundredths, where it is known how much there is.
fn done(session: &Line) -> String {
    match (session.number("bytes"), session.number("total")) {
        (Some(bytes), Some(total @ 1..)) => {
            format!("{} %", (u128::from(bytes) * 100 / u128::from(total)).min(100))
        }
        (Some(bytes), _) => size(bytes),
        (None, _) => "-".to_string(),
    }
}

fn doing(session: &Line) -> String {
    let text = |key| session.text(key).map(|text| Shown(&text).to_string());
    let state = text("state").unwrap_or_default();
    match (text("command"), text("path")) {
        (Some(command), Some(path)) => format!("{command} {path}"),
        (Some(command), None) => command,
        (None, _) if state == "pending" => "not logged in".to_string(),
        (None, _) => state,
    }
}

/// `830 B`, `1.2 MB`.
fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" || value >= 99.5 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// `12s`, `5m`, `3h`, `2d`.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0, 999, 1000, 99_600, 1_234_567, u64::MAX].map(size).join(" "),
            "0 B 999 B 1.0 kB 100 kB 1.2 MB 18447 PB"
        );
        assert_eq!([0, 119_999, 120_000, 7_200_000, 172_800_000].map(duration).join(" "), "0s 119s 2m 2h 2d");
    }

    #[test]
    fn a_row_says_what_goes_on() {
        let line = |text: &str| Line::of_object(text.as_bytes().to_vec()).unwrap();
        let session = line(
            r#"{"session":7,"username":"a\u001b[2J\udcff","state":"transferring","tls":"TLSv1.3","command":"RETR","path":"/x","direction":"download","bytes":50,"total":200,"rate":1500000}"#,
        );
        let text = sessions_table(&[&session]).text(None);
        let row = text.lines().nth(1).unwrap();
        let words: Vec<&str> = row.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(words, ["7", "a\\x1b[2J\\xff", "-", "1.3, not data", "-", "1.5 MB/s", "25 %", "RETR /x"]);
        let pending = line(r#"{"session":8,"state":"pending","idle_ms":1}"#);
        assert!(sessions_table(&[&pending]).text(None).ends_with("not logged in\n"));
    }
}
