//! `[[exec]]` and `[[gate]]`: programs that run for events, and those that decide about uploads.

use toml::de::DeArray;

use super::Problem;
use super::sections::{Key, Takes, one, put, replace, set_one_of, tables};
use super::value::{one_or_more, period};
use crate::events::Kind;
use crate::events::followers::exec;
use crate::programs::Program;
use crate::session::gate::{self, OnError};
use std::num::NonZeroUsize;
use std::time::Duration;

/// What a `[[exec]]` table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecTable {
    /// Its name; None until it is said.
    pub name: Option<String>,
    /// What it runs; None until it is said.
    pub program: Option<Program>,
    /// For which events.
    pub events: Vec<Kind>,
    /// For how many at once.
    pub parallel: NonZeroUsize,
    /// How long it may run.
    pub timeout: Duration,
    /// Attempts with one event.
    pub tries: NonZeroUsize,
    /// Who it runs as; None = as the server.
    pub user: Option<String>,
}

/// What a `[[gate]]` table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateTable {
    /// Its name; None until it is said.
    pub name: Option<String>,
    /// What it runs; None until it is said.
    pub program: Option<Program>,
    /// How long it may run.
    pub timeout: Duration,
    /// What is done if it can't decide.
    pub on_error: OnError,
    /// Who it runs as; None = as the server.
    pub user: Option<String>,
}

impl Default for ExecTable {
    fn default() -> ExecTable {
        ExecTable {
            name: None,
            program: None,
            events: vec![Kind::FileReceived],
            parallel: NonZeroUsize::MIN,
            timeout: Duration::from_secs(60),
            tries: NonZeroUsize::MIN.saturating_add(4),
            user: None,
        }
    }
}

impl Default for GateTable {
    fn default() -> GateTable {
        let timeout = Duration::from_secs(300);
        GateTable { name: None, program: None, timeout, on_error: OnError::Refuse, user: None }
    }
}

/// Every key of `[[exec]]`.
pub const EXEC_KEYS: &[Key<ExecTable>] = &[
    Key {
        name: "name",
        example: "\"thumbnails\"",
        doc: "What it is called in the log, and its files beside the journal; it has to have one.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.name, one(v).and_then(name)),
    },
    Key {
        name: "command",
        example: "[\"/usr/local/bin/thumbnail\", \"--\", \"{path}\"]",
        doc: "The program, by its absolute path, and its arguments; it has to have one.",
        takes: Takes::Texts,
        set: |t, v| put(&mut t.program, Program::parse(v, exec::PLACEHOLDERS)),
    },
    Key {
        name: "events",
        example: "[\"ftp_file_received\"]",
        doc: "The events that it runs for (default: ftp_file_received).",
        takes: Takes::Texts,
        set: |t, v| replace(&mut t.events, events(v)),
    },
    Key {
        name: "parallel",
        example: "1",
        doc: "For how many of the events that wait it is run at once, in any order; the next have to wait for all of these.",
        takes: Takes::Number,
        set: |t, v| replace(&mut t.parallel, one(v).and_then(one_or_more)),
    },
    Key {
        name: "timeout",
        example: "60",
        doc: "Seconds until it is killed, with all it has started.",
        takes: Takes::Seconds,
        set: |t, v| replace(&mut t.timeout, one(v).and_then(period)),
    },
    Key {
        name: "tries",
        example: "5",
        doc: "How often it is run for an event for which it fails, until that is set aside.",
        takes: Takes::Number,
        set: |t, v| replace(&mut t.tries, one(v).and_then(one_or_more)),
    },
    Key {
        name: "user",
        example: "\"www-data\"",
        doc: "User of this system that it runs as, which only root can choose.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.user, one(v).map(String::from)),
    },
];

/// Every key of `[[gate]]`.
pub const GATE_KEYS: &[Key<GateTable>] = &[
    Key {
        name: "name",
        example: "\"viruses\"",
        doc: "What it is called in the log and in events; it has to have one.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.name, one(v).and_then(name)),
    },
    Key {
        name: "command",
        example: "[\"/usr/bin/clamdscan\", \"--no-summary\", \"-\"]",
        doc: "The program, by its absolute path, and its arguments; it has to have one.",
        takes: Takes::Texts,
        set: |t, v| put(&mut t.program, Program::parse(v, gate::PLACEHOLDERS)),
    },
    Key {
        name: "timeout",
        example: "300",
        doc: "Seconds until it is killed, with all it has started.",
        takes: Takes::Seconds,
        set: |t, v| replace(&mut t.timeout, one(v).and_then(period)),
    },
    Key {
        name: "on_error",
        example: "\"refuse\"",
        doc: "What is done with an upload if it can't be run, is killed, or takes too long: refuse or accept.",
        takes: Takes::Text,
        set: |t, v| replace(&mut t.on_error, one(v).and_then(on_error)),
    },
    Key {
        name: "user",
        example: "\"clamav\"",
        doc: "User of this system that it runs as, which only root can choose.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.user, one(v).map(String::from)),
    },
];

pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !text.is_empty() && text.len() <= 64 && text.bytes().all(is_plain) {
        true => Ok(text.to_string()),
        false => Err(format!("{text:?} is not a name of letters, digits, - and _")),
    }
}

pub(super) fn events(names: &[String]) -> Result<Vec<Kind>, String> {
    let kind = |name: &String| Kind::named(name).ok_or_else(|| format!("{name:?} is not an event such as ftp_login"));
    match names.is_empty() {
        true => Err("names no event".to_string()),
        false => names.iter().map(kind).collect(),
    }
}

fn on_error(text: &str) -> Result<OnError, String> {
    match text {
        "refuse" => Ok(OnError::Refuse),
        "accept" => Ok(OnError::Accept),
        _ => Err(format!("{text:?} is not refuse or accept")),
    }
}

/// What the tables about events say, in their order.
pub(super) fn execs(at: &impl Fn(usize) -> String, array: &DeArray) -> Result<Vec<ExecTable>, Problem> {
    let found = tables(at, "exec", array, set_one_of(EXEC_KEYS))?;
    are_complete(at, "exec", array, found.iter().map(|table| (&table.name, table.program.is_some())), COMMAND)?;
    Ok(found)
}

/// What the tables about uploads say, in their order.
pub(super) fn gates(at: &impl Fn(usize) -> String, array: &DeArray) -> Result<Vec<GateTable>, Problem> {
    let found = tables(at, "gate", array, set_one_of(GATE_KEYS))?;
    are_complete(at, "gate", array, found.iter().map(|table| (&table.name, table.program.is_some())), COMMAND)?;
    Ok(found)
}

/// What there has to be beside a name.
const COMMAND: &str = "command; name its program, such as command = [\"/bin/true\"]";

/// Each has to have a name of its own, and something else.
pub(super) fn are_complete<'a>(
    at: &impl Fn(usize) -> String,
    kind: &str,
    array: &DeArray,
    found: impl Iterator<Item = (&'a Option<String>, bool)>,
    what: &str,
) -> Result<(), Problem> {
    let mut names = Vec::new();
    for ((name, is_there), table) in found.zip(array) {
        let fault = |why: &str| Err(Problem::new(format!("{}: {kind}{why}", at(table.span().start))));
        match (name, is_there) {
            (None, _) => return fault(": has no name; give it one, such as name = \"first\""),
            (_, false) => return fault(&format!(": has no {what}")),
            (Some(name), _) if names.contains(&name) => return fault(&format!(".name: {name:?} is taken already")),
            (Some(name), _) => names.push(name),
        }
    }
    Ok(())
}
