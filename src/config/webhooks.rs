//! `[[webhook]]`: web servers that are told of events.

use toml::de::DeArray;

use super::Problem;
use super::programs::{are_complete, events, name};
use super::sections::{Key, Takes, one, put, replace, set_one_of, tables};
use super::value::{Secret, line, one_or_more, period};
use crate::events::Kind;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// What a `[[webhook]]` table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTable {
    /// Its name; None until it is said.
    pub name: Option<String>,
    /// Where it posts to; None until it is said.
    pub url: Option<String>,
    /// What it signs with.
    pub secret: Option<Secret>,
    /// Which events; none = all.
    pub events: Vec<Kind>,
    /// How many at once; None = each alone.
    pub batch: Option<NonZeroUsize>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Attempts with one event.
    pub tries: NonZeroUsize,
    /// Who vouches for the server; None = whom the system trusts.
    pub ca: Option<PathBuf>,
}

impl Default for WebhookTable {
    fn default() -> WebhookTable {
        WebhookTable {
            name: None,
            url: None,
            secret: None,
            events: Vec::new(),
            batch: None,
            timeout: Duration::from_secs(10),
            tries: NonZeroUsize::MIN.saturating_add(4),
            ca: None,
        }
    }
}

/// Every key of `[[webhook]]`.
pub const WEBHOOK_KEYS: &[Key<WebhookTable>] = &[
    Key {
        name: "name",
        example: "\"site\"",
        doc: "What it is called in the log, and its files beside the journal; it has to have one.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.name, one(v).and_then(name)),
    },
    Key {
        name: "url",
        example: "\"https://www.example.com/ftp-events/\"",
        doc: "Where events are posted to, http:// or https://; it has to have one.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.url, one(v).and_then(url)),
    },
    Key {
        name: "secret",
        example: "\"a long random text\"",
        doc: "Key of the signature (HMAC-SHA256) in the header X-Signature; without it there is none.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.secret, one(v).and_then(line).map(Secret)),
    },
    Key {
        name: "events",
        example: "[\"ftp_file_received\"]",
        doc: "The events that are posted (default: all).",
        takes: Takes::Texts,
        set: |t, v| replace(&mut t.events, events(v)),
    },
    Key {
        name: "batch",
        example: "100",
        doc: "Post up to so many events at once, as a list (default: each alone, as an object).",
        takes: Takes::Number,
        set: |t, v| put(&mut t.batch, one(v).and_then(one_or_more)),
    },
    Key {
        name: "timeout",
        example: "10",
        doc: "Seconds that an answer may take.",
        takes: Takes::Seconds,
        set: |t, v| replace(&mut t.timeout, one(v).and_then(period)),
    },
    Key {
        name: "tries",
        example: "5",
        doc: "How often an event is posted that the server refuses (4xx), until it is set aside.",
        takes: Takes::Number,
        set: |t, v| replace(&mut t.tries, one(v).and_then(one_or_more)),
    },
    Key {
        name: "ca",
        example: "\"/etc/ssl/certs/ca-certificates.crt\"",
        doc: "Authorities (PEM) that vouch for an https:// server (default: those that the system trusts).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.ca, one(v).map(PathBuf::from)),
    },
];

fn url(text: &str) -> Result<String, String> {
    let is_url = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match is_url.is_some_and(|rest| !rest.is_empty()) && !text.contains(|c: char| c.is_control() || c == ' ') {
        true => Ok(text.to_string()),
        false => Err(format!("{text:?} is not an address such as https://www.example.com/ftp-events/")),
    }
}

/// What the tables say, in their order.
pub(super) fn webhooks(at: &impl Fn(usize) -> String, array: &DeArray) -> Result<Vec<WebhookTable>, Problem> {
    let found = tables(at, "webhook", array, set_one_of(WEBHOOK_KEYS))?;
    let what = "url; say where to, such as url = \"https://www.example.com/ftp-events/\"";
    are_complete(at, "webhook", array, found.iter().map(|table| (&table.name, table.url.is_some())), what)?;
    Ok(found)
}
