//! Posts events to a web server, signed, one at a time or some at once.

use super::{Follower, Trouble};
use crate::events::{Kind, Line};
use crate::programs::remark;
use crate::web::{self, Authorities};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{StatusCode, Uri};

/// Of what a server answers with a refusal, so much is looked at.
const LONGEST: u64 = 4096;

/// A follower that posts.
#[derive(Debug)]
pub struct Webhook {
    agent: Agent,
    url: String,
    /// The same without what may be a secret.
    shown: String,
    secret: Option<Vec<u8>>,
    events: Vec<Kind>,
    batch: Option<usize>,
}

impl Webhook {
    /// Posts to this address, `http://` or `https://`, and waits so long for an answer. For `https`, the authorities are
    /// those of the file, or else those of the system.
    pub fn new(url: &str, patience: Duration, ca: Option<&Path>) -> Result<Webhook, String> {
        let uri: Uri = url.parse().map_err(|error| format!("url: {error}"))?;
        if uri.host().is_none_or(str::is_empty)
            || uri.authority().is_some_and(|all| all.port().is_none() && has_port(all.as_str()))
        {
            return Err("url: its host or its port is none".to_string());
        }
        let agent = match url.split_once("://") {
            Some(("http", _)) => Authorities::None,
            Some(("https", _)) => Authorities::of(ca).map_err(|why| format!("ca: {why}"))?,
            _ => return Err(format!("url: {url:?} begins neither with http:// nor with https://")),
        };
        let agent = web::agent(&agent, |config| config.timeout_global(Some(patience)));
        Ok(Webhook { agent, url: url.to_string(), shown: shown(url), secret: None, events: Vec::new(), batch: None })
    }

    /// Where it posts to, without user, password and query.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Signs what it posts.
    pub fn signed(mut self, secret: Option<Vec<u8>>) -> Webhook {
        self.secret = secret;
        self
    }

    /// Only these kinds of events; none is all.
    pub fn only(mut self, events: Vec<Kind>) -> Webhook {
        self.events = events;
        self
    }

    /// Up to so many at once, as a list.
    pub fn batch(mut self, most: Option<usize>) -> Webhook {
        self.batch = most;
        self
    }

    fn signature(&self, body: &[u8]) -> Option<String> {
        // HMAC takes keys of every length.
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.secret.as_ref()?).ok()?;
        hmac.update(body);
        let hex: String = hmac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("sha256={hex}"))
    }
}

impl Follower for Webhook {
    fn wants(&self, line: &Line) -> bool {
        self.events.is_empty() || self.events.iter().any(|kind| kind.name() == line.event())
    }

    fn batch(&self) -> usize {
        self.batch.unwrap_or(1)
    }

    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let joined = lines.iter().map(Line::json).collect::<Vec<_>>().join(b",".as_slice());
        let (body, key) = match self.batch {
            None => (joined, first.seq().to_string()),
            Some(_) => ([b"[", joined.as_slice(), b"]"].concat(), format!("{}-{}", first.seq(), last.seq())),
        };
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        request = request.header("Idempotency-Key", key);
        if let Some(signature) = self.signature(&body) {
            request = request.header("X-Signature", signature);
        }
        let response = request.send(body.as_slice());
        let mut response = response.map_err(|error| Trouble::Outage(format!("{}: {error}", self.shown)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let mut said = Vec::new();
        // What it says is only for the log.
        let _ = response.body_mut().as_reader().take(LONGEST).read_to_end(&mut said);
        let why = format!(
            "{} answers {status}{}",
            self.shown,
            remark(&said).map_or(String::new(), |text| format!(": {text}"))
        );
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Trouble::Outage(why)),
            // It is this event that it does not want; or it is the wrong server, which looks the same.
            status if status.is_client_error() => Err(Trouble::Event(why)),
            _ => Err(Trouble::Outage(why)),
        }
    }
}

/// Whether something that should be a port follows the host.
fn has_port(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

fn shown(url: &str) -> String {
    let uri: Uri = url.parse().unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default(), uri.path())
}
