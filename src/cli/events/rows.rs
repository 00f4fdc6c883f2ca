//! Events in columns, for people: local time, event, user, address, and what it was about.

use crate::cli::terminal::{RED, YELLOW, coloured, has_colours};
use crate::events::Line;
use crate::protocol::shown::Shown;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Write};

/// How rows look.
#[derive(Debug)]
pub(super) struct Rows {
    zone: TimeZone,
    colours: bool,
}

impl Rows {
    /// In colours if people look at a terminal and don't mind.
    pub(super) fn to_standard_output() -> Rows {
        Rows { zone: TimeZone::system(), colours: has_colours() }
    }

    /// Writes a row. Widths are fixed, for what is to come is not known.
    pub(super) fn write(&self, line: &Line, out: &mut impl Write) -> io::Result<()> {
        let event = line.event();
        let event = event.strip_prefix("ftp_").unwrap_or(&event);
        let colour = colour(event).filter(|_| self.colours);
        let shown = coloured(&format!("{:<24}", Shown(event.as_bytes()).to_string()), colour);
        let user = word(line, "username");
        let (address, what) = (word(line, "remote_ip"), what(line));
        let columns = format!("{shown} {user:<12} {address:<15} {what}");
        writeln!(out, "{} {}", self.time(line), columns.trim_end())
    }

    fn time(&self, line: &Line) -> String {
        let time: Option<Timestamp> = line.shown("time").and_then(|time| time.parse().ok());
        let local = |time| self.zone.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string();
        time.map_or(format!("{:<19}", "-"), local)
    }
}

fn colour(event: &str) -> Option<&'static str> {
    match event {
        "login_failed" => Some(RED),
        event if event.ends_with("_incomplete") => Some(YELLOW),
        _ => None,
    }
}

fn word(line: &Line, key: &str) -> String {
    text(line, key).unwrap_or("-".to_string())
}

/// `/srv/ftp/ann/a.jpg 48211 bytes in 12 ms (reason)`
fn what(line: &Line) -> String {
    let mut words: Vec<String> = ["path", "path_from"].iter().filter_map(|key| text(line, key)).collect();
    words.extend(text(line, "path_to").map(|to| format!("-> {to}")));
    words.extend(line.server().map(|address| address.to_string()));
    words.extend(line.number("bytes").map(|bytes| format!("{bytes} bytes")));
    words.extend(line.number("duration_ms").map(|milliseconds| format!("in {milliseconds} ms")));
    words.extend(text(line, "reason").map(|reason| format!("({reason})")));
    words.join(" ")
}

fn text(line: &Line, key: &str) -> Option<String> {
    Some(Shown(&line.text(key)?).to_string())
}
