//! Google Cloud Storage, by its JSON interface.

mod token;
mod upload;

pub use token::Credentials;

use super::bucket::{Bucket, Object, Page, Pieces, Question, Writer};
use super::retry::{Effort, Failure};
use super::web::{self, Answer, Endpoint, encoded, query_string, seconds, text, time_of};
use crate::protocol::shown::Shown;
use crate::storage::{Error, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Request, StatusCode};

/// Where Google's store is.
const ENDPOINT: &str = "https://storage.googleapis.com";
/// The name under which Google's own tools keep the time that a client gave.
const MTIME: &str = "goog-reserved-file-mtime";
/// Pieces of a download that are on their way at the same time.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// In so many steps every object can be copied.
const MOST_STEPS: u32 = 10_000;

/// Where a bucket is, and how it is spoken with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub bucket: String,
    /// The address of the store; None: Google's.
    pub endpoint: Option<String>,
    /// The project that pays for requests; None: the bucket's.
    pub payer: Option<String>,
    /// What an object is cut into on its way.
    pub part_size: NonZeroUsize,
}

/// A bucket of Google's; a clone is the same.
#[derive(Clone)]
pub struct Gcs(Arc<Client>);

struct Client {
    agent: Agent,
    credentials: Credentials,
    settings: Settings,
    name: String,
    endpoint: String,
}

/// A request, as far as it differs from others.
#[derive(Default, Clone, Copy)]
struct Call<'a> {
    method: &'static str,
    address: &'a str,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    effort: Effort<'a>,
}

impl Gcs {
    /// A bucket; nothing is sent yet.
    pub fn new(settings: Settings, credentials: Credentials, agent: Agent) -> std::result::Result<Gcs, String> {
        let endpoint = settings.endpoint.as_deref().unwrap_or(ENDPOINT);
        let Endpoint { base, path, .. } = Endpoint::parse(endpoint)?;
        let name = format!("gs://{}", settings.bucket);
        Ok(Gcs(Arc::new(Client { agent, credentials, endpoint: format!("{base}{path}"), settings, name })))
    }
}

impl Bucket for Gcs {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn head(&self, key: &str) -> Result<Object> {
        let answer =
            self.0.ask_for_json(&Call { method: "GET", address: &self.0.address_of(key), ..Call::default() })?;
        object(&answer).map_err(|why| self.0.nonsense(&why))
    }

    fn page(&self, question: &Question<'_>) -> Result<Page> {
        let most = question.most.to_string();
        let fields = "items(name,size,generation,updated,metadata),prefixes,nextPageToken";
        let mut query = vec![("maxResults", most.as_str()), ("prefix", question.prefix), ("fields", fields)];
        if question.is_shallow {
            query.push(("delimiter", "/"));
        }
        query.extend(question.after.map(|token| ("pageToken", token)));
        let address = self.0.objects();
        let call = Call { method: "GET", address: &address, query: &query, ..Call::default() };
        // An object that is missing is one thing, a bucket another.
        let answer = self.0.ask_for_json(&call);
        let answer = answer.map_err(|error| self.0.not_missing(error, "there is no such bucket"))?;
        page(&answer).map_err(|why| self.0.nonsense(&why))
    }

    fn read(&self, key: &str, object: &Object, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let span = web::span(&range, object);
        let headers: Vec<_> = span.iter().map(|span| ("range", span.as_str())).collect();
        let query = [("alt", "media"), ("generation", object.version.as_str())];
        let address = self.0.address_of(key);
        let call = Call { method: "GET", address: &address, query: &query, headers: &headers, ..Call::default() };
        let answer = self.0.ask(&call)?;
        web::check_span(&answer, &range, object).map_err(|why| self.0.nonsense(&why))?;
        Ok(Box::new(answer.into_body().into_reader()))
    }

    fn pieces(&self) -> Pieces {
        Pieces { size: self.0.settings.part_size, at_once: AT_ONCE }
    }

    fn write(&self, key: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(upload::Upload::new(self.0.clone(), key)))
    }

    fn append(&self, key: &str, object: &Object) -> Result<Box<dyn Writer>> {
        Ok(Box::new(upload::Appended::new(self, key, object)?))
    }

    fn copy(&self, from: &str, object: &Object, to: &str, modified: Option<Timestamp>) -> Result<()> {
        if from != to {
            self.0.rewrite(from, object, to)?;
        }
        match modified {
            Some(time) => self.0.set_modified(to, time),
            None => Ok(()),
        }
    }

    fn delete(&self, key: &str) -> Result<()> {
        match self.0.ask(&Call { method: "DELETE", address: &self.0.address_of(key), ..Call::default() }) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Client {
    fn objects(&self) -> String {
        format!("{}/storage/v1/b/{}/o", self.endpoint, self.settings.bucket)
    }

    fn address_of(&self, key: &str) -> String {
        format!("{}/{}", self.objects(), encoded(key, false))
    }

    /// Where uploads begin.
    fn uploads(&self) -> String {
        format!("{}/upload/storage/v1/b/{}/o", self.endpoint, self.settings.bucket)
    }

    /// Has the store copy an object; of a large one only a part at a time.
    fn rewrite(&self, from: &str, object: &Object, to: &str) -> Result<()> {
        let address =
            format!("{}/rewriteTo/b/{}/o/{}", self.address_of(from), self.settings.bucket, encoded(to, false));
        let mut token = None;
        for _ in 0..MOST_STEPS {
            let mut query = vec![("sourceGeneration", object.version.as_str())];
            query.extend(token.as_deref().map(|token: &str| ("rewriteToken", token)));
            let call = Call { method: "POST", address: &address, query: &query, ..Call::default() };
            let answer = self.ask_for_json(&call)?;
            if answer["done"] == Value::Bool(true) {
                return Ok(());
            }
            let next = answer["rewriteToken"].as_str().ok_or_else(|| self.nonsense("a copy that does not end"))?;
            token = Some(next.to_string());
        }
        Err(self.nonsense("a copy that does not end"))
    }

    fn set_modified(&self, key: &str, time: Timestamp) -> Result<()> {
        let body = json!({ "metadata": { MTIME: seconds(time) } }).to_string();
        let address = self.address_of(key);
        let call = Call {
            method: "PATCH",
            address: &address,
            headers: &[("content-type", "application/json")],
            body: body.as_bytes(),
            ..Call::default()
        };
        self.ask_for_json(&call).map(drop)
    }

    /// Asks until there is an answer that is no error.
    fn ask(&self, call: &Call<'_>) -> Result<Answer> {
        call.effort.retry(|left| self.attempt(call, left))
    }

    fn ask_for_json(&self, call: &Call<'_>) -> Result<Value> {
        call.effort.retry(|left| {
            let body = text(self.attempt(call, left)?);
            let body = body.map_err(|why| Failure::Passing(format!("{}: {why}", self.name)))?;
            serde_json::from_str(&body)
                .map_err(|error| Failure::Final(self.nonsense(&format!("an answer that is no JSON: {error}"))))
        })
    }

    fn attempt(&self, call: &Call<'_>, left: Duration) -> std::result::Result<Answer, Failure> {
        let answer = self.ask_once(call, left)?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.judge(call, answer)) }
    }

    /// Asks once, and judges no answer but that of an expired token.
    fn ask_once(&self, call: &Call<'_>, left: Duration) -> std::result::Result<Answer, Failure> {
        let token = self.credentials.token().map_err(|why| Failure::Passing(format!("{}: {why}", self.name)))?;
        let answer = self.send(call, token.as_ref(), left)?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.credentials.forget(token.as_ref()) {
            return Err(Failure::Passing(format!("{}: the token does not hold any more", self.name)));
        }
        Ok(answer)
    }

    fn send(&self, call: &Call<'_>, token: Option<&String>, left: Duration) -> std::result::Result<Answer, Failure> {
        let question = if call.query.is_empty() { String::new() } else { format!("?{}", query_string(call.query)) };
        let mut request = Request::builder().method(call.method).uri(format!("{}{question}", call.address));
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(payer) = &self.settings.payer {
            request = request.header("x-goog-user-project", payer);
        }
        let result = web::send(&self.agent, request, call.body, left);
        let result = result.map_err(|error| Failure::Final(self.nonsense(&error.to_string())))?;
        result.map_err(|error| Failure::Passing(format!("{}: {error}", self.name)))
    }

    /// What an answer that is no success means.
    fn judge(&self, call: &Call<'_>, answer: Answer) -> Failure {
        let status = answer.status();
        let body: Option<Value> = text(answer).ok().and_then(|text| serde_json::from_str(&text).ok());
        let message = body.as_ref().and_then(|body| body["error"]["message"].as_str()).unwrap_or_default();
        let words = format!("{}: {status}: {}", self.name, Shown(message.as_bytes()));
        match status.as_u16() {
            // What was sent there can't be missing.
            404 | 410 if call.body.is_empty() => Failure::Final(Error::NotFound),
            412 => Failure::Final(Error::Io(std::io::Error::other("The file was changed meanwhile"))),
            401 | 403 => {
                log::error!("{words}");
                Failure::Final(Error::Denied)
            }
            408 | 409 | 429 | 500.. => Failure::Passing(words),
            _ => Failure::Final(Error::Unavailable(words)),
        }
    }

    fn nonsense(&self, why: &str) -> Error {
        Error::Unavailable(format!("{}: {why}", self.name))
    }

    /// What was not asked for can't be missing.
    fn not_missing(&self, error: Error, why: &str) -> Error {
        if matches!(error, Error::NotFound) { self.nonsense(why) } else { error }
    }
}

/// A page of a listing.
pub(super) fn page(answer: &Value) -> std::result::Result<Page, String> {
    let list = |name: &str| answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let named =
        |item: &Value| Ok((item["name"].as_str().ok_or("an object without its name")?.to_string(), object(item)?));
    Ok(Page {
        objects: list("items").iter().map(named).collect::<std::result::Result<_, String>>()?,
        prefixes: list("prefixes").iter().filter_map(|prefix| prefix.as_str().map(str::to_string)).collect(),
        next: answer["nextPageToken"].as_str().map(str::to_string),
    })
}

/// What is told of an object. Its size is text: not every JSON has numbers so large.
fn object(item: &Value) -> std::result::Result<Object, String> {
    let size = match &item["size"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let given = item["metadata"][MTIME].as_str().and_then(time_of);
    let stored = item["updated"].as_str().and_then(|text| text.parse().ok());
    let version = match &item["generation"] {
        Value::Number(number) => Some(number.to_string()),
        other => other.as_str().map(str::to_string),
    };
    Ok(Object {
        size: size.ok_or("an object without its size")?,
        modified: given.or(stored).ok_or("an object without its time")?,
        version: version.ok_or("an object without its generation")?,
    })
}
