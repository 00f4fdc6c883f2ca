//! `[user."ann"]`, `[group."staff"]`, `[network."10.0.0.0/8"]`: what holds for some only, which stands in files alone.

use toml::de::{DeArray, DeTable, DeValue};

use super::options::OPTIONS;
use super::programs::{ExecTable, GateTable};
use super::stores::{GcsTable, S3Table};
use super::suggest::{nearest_of, no_such_option};
use super::value::{home, is_required, letters, moment, one_or_more, path, rate, size, storage};
use super::webhooks::WebhookTable;
use super::{Network, Problem};
use crate::accounts::Rule;

/// What a file says in sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// By the name that they log in with.
    pub users: Vec<(String, Section)>,
    /// By the name of the FTP group, or of Django's for users without an FTP account.
    pub groups: Vec<(String, Section)>,
    /// Whether TLS is required of clients in a network.
    pub networks: Vec<(Network, bool)>,
    /// The bucket of S3.
    pub s3: Option<S3Table>,
    /// The bucket of Google Cloud Storage.
    pub gcs: Option<GcsTable>,
    /// Programs that run for events.
    pub execs: Vec<ExecTable>,
    /// Programs that decide about uploads.
    pub gates: Vec<GateTable>,
    /// Web servers that are told of events.
    pub webhooks: Vec<WebhookTable>,
}

/// What one section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Whether TLS is required.
    pub tls: Option<bool>,
    /// Everything else.
    pub rule: Rule,
}

/// One key of a section or of a table such as `[[gate]]`, in which `S` is what it says.
#[derive(Debug)]
pub struct Key<S> {
    /// As it is written.
    pub name: &'static str,
    /// A value, as TOML.
    pub example: &'static str,
    /// One sentence for the administrator.
    pub doc: &'static str,
    pub(super) takes: Takes,
    pub(super) set: fn(&mut S, &[String]) -> Result<(), String>,
}

/// What type a value has. Where a text is meant, nothing else is taken for one: `read_only = true` is no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Texts,
    Number,
    Seconds,
    Size,
    Moment,
}

impl Takes {
    fn check(self, value: &DeValue) -> Result<(), Fault> {
        let is_text = |value: &DeValue| matches!(value, DeValue::String(_));
        let (fits, what) = match (self, value) {
            (Takes::Text, value) => (is_text(value), "a text in quotes"),
            (Takes::Texts, DeValue::Array(items)) => {
                (items.iter().all(|item| is_text(item.get_ref())), "a list of texts in quotes")
            }
            (Takes::Texts, value) => (is_text(value), "a list of texts in quotes"),
            (Takes::Number, value) => (matches!(value, DeValue::Integer(_)), "a number"),
            (Takes::Seconds, value) => {
                (matches!(value, DeValue::Integer(_) | DeValue::Float(_)), "a number of seconds")
            }
            (Takes::Size, value) => (is_text(value) || matches!(value, DeValue::Integer(_)), "such as \"5 GB\""),
            (Takes::Moment, value) => (is_text(value) || matches!(value, DeValue::Datetime(_)), "such as 2030-12-31"),
        };
        if fits { Ok(()) } else { Err(Fault::Value(format!("the value has to be {what}"))) }
    }
}

/// Every key of a section about users or groups.
pub const KEYS: &[Key<Section>] = &[
    Key {
        name: "permission",
        example: "\"elradfmwMT\"",
        doc: "What they may do, in the letters of pyftpdlib.",
        takes: Takes::Text,
        set: |s, v| put(&mut s.rule.permissions, one(v).and_then(letters)),
    },
    Key {
        name: "home",
        example: "\"/srv/ftp/{username}\"",
        doc: "Their home.",
        takes: Takes::Text,
        set: |s, v| put(&mut s.rule.home, one(v).and_then(home)),
    },
    Key {
        name: "storage",
        example: "\"s3\"",
        doc: "What kind of place their home is in: disk, s3 or gcs.",
        takes: Takes::Text,
        set: |s, v| put(&mut s.rule.storage, one(v).and_then(storage)),
    },
    Key {
        name: "quota",
        example: "\"5 GB\"",
        doc: "What all files in their home may have together.",
        takes: Takes::Size,
        set: |s, v| put(&mut s.rule.quota, one(v).and_then(size)),
    },
    Key {
        name: "download_rate",
        example: "\"2 MB\"",
        doc: "What all sessions of one account may download in a second.",
        takes: Takes::Size,
        set: |s, v| put(&mut s.rule.download_rate, one(v).and_then(rate)),
    },
    Key {
        name: "upload_rate",
        example: "\"500 kB\"",
        doc: "What all sessions of one account may upload in a second.",
        takes: Takes::Size,
        set: |s, v| put(&mut s.rule.upload_rate, one(v).and_then(rate)),
    },
    Key {
        name: "session_download_rate",
        example: "\"1 MB\"",
        doc: "What each session may download in a second, whatever holds for everybody's.",
        takes: Takes::Size,
        set: |s, v| put(&mut s.rule.session_download_rate, one(v).and_then(rate)),
    },
    Key {
        name: "session_upload_rate",
        example: "\"250 kB\"",
        doc: "What each session may upload in a second, whatever holds for everybody's.",
        takes: Takes::Size,
        set: |s, v| put(&mut s.rule.session_upload_rate, one(v).and_then(rate)),
    },
    Key {
        name: "max_sessions",
        example: "2",
        doc: "How often one account may be logged in at once.",
        takes: Takes::Number,
        set: |s, v| put(&mut s.rule.max_sessions, one(v).and_then(one_or_more)),
    },
    Key {
        name: "networks",
        example: "[\"10.0.0.0/8\", \"2001:db8::/32\"]",
        doc: "Where they may log in from.",
        takes: Takes::Texts,
        set: |s, v| put(&mut s.rule.networks, v.iter().map(|network| network.parse()).collect()),
    },
    Key {
        name: "expires",
        example: "2030-12-31",
        doc: "The day (UTC) from which on they can't log in, or the moment: 2030-12-31T12:00:00Z.",
        takes: Takes::Moment,
        set: |s, v| put(&mut s.rule.expires, one(v).and_then(moment)),
    },
    Key {
        name: "read_only",
        example: "[\"/archive\"]",
        doc: "Directories of their home in which nothing can be changed.",
        takes: Takes::Texts,
        set: |s, v| put(&mut s.rule.read_only, v.iter().map(|directory| path(directory)).collect()),
    },
    Key {
        name: "tls",
        example: "\"required\"",
        doc: "Whether they have to use TLS: required or optional.",
        takes: Takes::Text,
        set: |s, v| put(&mut s.tls, one(v).and_then(is_required)),
    },
];

pub(super) fn put<T>(field: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *field = Some(value?);
    Ok(())
}

pub(super) fn replace<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

pub(super) fn one(values: &[String]) -> Result<&str, String> {
    match values {
        [value] => Ok(value),
        _ => Err("takes one value, not a list".to_string()),
    }
}

/// The sections about users, or those about groups, in their order.
pub(super) fn people(
    at: &impl Fn(usize) -> String,
    kind: &str,
    table: &DeTable,
) -> Result<Vec<(String, Section)>, Problem> {
    sections(at, kind, table, |name| Ok(name.to_string()), set_one_of(KEYS))
}

/// What sets a key of a table of keys.
pub(super) fn set_one_of<S>(keys: &'static [Key<S>]) -> impl Fn(&mut S, &str, &DeValue) -> Result<(), Fault> {
    |section, name, value| {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            return Err(Fault::NoSuchKey(nearest_of(keys.iter().map(|key| key.name), name)));
        };
        key.takes.check(value)?;
        (key.set)(section, &values(value)?).map_err(Fault::Value)
    }
}

/// The sections about networks.
pub(super) fn networks(at: &impl Fn(usize) -> String, table: &DeTable) -> Result<Vec<(Network, bool)>, Problem> {
    let parse = |tls: &mut Option<bool>, name: &str, value: &DeValue| match name {
        "tls" => put(tls, one(&values(value)?).and_then(is_required)).map_err(Fault::Value),
        _ => Err(Fault::NoSuchKey(Some("tls"))),
    };
    let found = sections(at, "network", table, str::parse, parse)?;
    Ok(found.into_iter().filter_map(|(network, tls)| Some((network, tls?))).collect())
}

/// What is wrong with a key of a section.
pub(super) enum Fault {
    /// Its value, and why.
    Value(String),
    /// There is none of that name; perhaps this one was meant.
    NoSuchKey(Option<&'static str>),
}

/// A value as text, or the items of a list.
pub(super) fn values(value: &DeValue) -> Result<Vec<String>, Fault> {
    let text = |value: &DeValue| match value {
        DeValue::Datetime(moment) => Ok(moment.to_string()),
        value => scalar(value),
    };
    let values = match value {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        value => text(value).map(|text| vec![text]),
    };
    values.map_err(|what| Fault::Value(format!("is {what}, which it does not take")))
}

/// The text of a plain value, or what it is instead.
pub(super) fn scalar(value: &DeValue) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Datetime(_) => Err("a date or time"),
        DeValue::Array(_) => Err("a list of lists"),
        DeValue::Table(_) => Err("a section or table"),
    }
}

fn sections<N, S: Default>(
    at: &impl Fn(usize) -> String,
    kind: &str,
    table: &DeTable,
    parse_name: impl Fn(&str) -> Result<N, String>,
    parse: impl Fn(&mut S, &str, &DeValue) -> Result<(), Fault>,
) -> Result<Vec<(N, S)>, Problem> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, keys) in entries {
        let (position, name) = (name.span().start, name.get_ref());
        let origin = format!("{}: {kind}.{name:?}", at(position));
        let who = parse_name(name).map_err(|why| Problem::new(format!("{origin}: {why}")))?;
        let DeValue::Table(keys) = keys.get_ref() else {
            return Err(Problem::new(format!("{origin}: is no section, such as [{kind}.{name:?}]")));
        };
        if keys.is_empty() {
            return Err(Problem::new(format!("{origin}: says nothing")));
        }
        found.push((who, section(at, &format!("{kind}.{name:?}"), keys, &parse)?));
    }
    Ok(found)
}

/// The tables of an array such as `[[webhook]]`, each with what its keys say.
pub(super) fn tables<S: Default>(
    at: &impl Fn(usize) -> String,
    kind: &str,
    array: &DeArray,
    parse: impl Fn(&mut S, &str, &DeValue) -> Result<(), Fault>,
) -> Result<Vec<S>, Problem> {
    let mut found = Vec::new();
    for table in array {
        let DeValue::Table(keys) = table.get_ref() else {
            let origin = at(table.span().start);
            return Err(Problem::new(format!("{origin}: {kind}: is no section, such as [[{kind}]]")));
        };
        found.push(section(at, kind, keys, &parse)?);
    }
    Ok(found)
}

/// What the keys of a section say.
pub(super) fn section<S: Default>(
    at: &impl Fn(usize) -> String,
    name: &str,
    keys: &DeTable,
    parse: impl Fn(&mut S, &str, &DeValue) -> Result<(), Fault>,
) -> Result<S, Problem> {
    let mut section = S::default();
    for (key, value) in keys {
        let (position, key) = (key.span().start, key.get_ref());
        let origin = format!("{}: {name}.{key}", at(position));
        match parse(&mut section, key, value.get_ref()) {
            Ok(()) => {}
            Err(Fault::Value(why)) => return Err(Problem::new(format!("{origin}: {why}"))),
            Err(Fault::NoSuchKey(_)) if OPTIONS.iter().any(|option| option.name == key) => {
                return Err(Problem::new(format!("{origin}: options for everybody stand above all sections")));
            }
            Err(Fault::NoSuchKey(meant)) => return Err(no_such_option(&origin, meant.map(String::from))),
        }
    }
    Ok(section)
}
