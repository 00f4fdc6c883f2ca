//! S3 as Amazon speaks it, and whatever else does: Garage, MinIO, Ceph.

pub(super) mod answers;
mod credentials;
mod sign;
mod upload;

pub use credentials::Credentials;
pub use sign::Keys;

use super::bucket::{Bucket, Object, Page, Pieces, Question, Writer};
use super::retry::{Effort, Failure};
use super::web::{self, Answer, Endpoint, encoded, header, query_string, seconds, text, time_of};
use crate::protocol::shown::Shown;
use crate::storage::{Error, Result};
use answers::Complaint;
use jiff::{SignedDuration, Timestamp};
use sign::{Signed, authorization, hash, moment};
use std::io::Read;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Request, StatusCode};

/// What a store copies of an object at once: what it does in time, even if it really copies.
pub const LARGEST_COPY: NonZeroU64 = NonZeroU64::new(512 << 20).unwrap();
/// By how many seconds clocks differ before a store calls that a wrong one.
const SKEW: i64 = 240;
/// The header of the time that a client gave, in seconds; rclone uses it, too.
const MTIME: &str = "x-amz-meta-mtime";
/// Headers of an object that stay when it is copied onto itself with another time.
const KEPT: [&str; 5] =
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language"];

/// Where a bucket is, and how it is spoken with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub bucket: String,
    /// The address of the store; None: Amazon's for the region.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// Whether the name of the bucket stands in the path, not before the name of the host.
    pub path_style: bool,
    /// What an object is cut into on its way.
    pub part_size: NonZeroUsize,
    /// Parts of one object that are on their way at once.
    pub parts_in_flight: NonZeroUsize,
    /// What the store copies of an object at once; [`LARGEST_COPY`] is enough for the largest.
    pub largest_copy: NonZeroU64,
}

/// A bucket of S3; a clone is the same.
#[derive(Clone)]
pub struct S3(Arc<Client>);

struct Client {
    agent: Agent,
    credentials: Credentials,
    settings: Settings,
    name: String,
    /// `http://host:port`, to which paths are added.
    base: String,
    host: String,
    /// What stands before the key in each path, with the slash at its end.
    root: String,
    /// Seconds by which the store's clock is ahead of ours.
    skew: AtomicI64,
}

/// A request, as far as it differs from others.
#[derive(Default, Clone, Copy)]
struct Call<'a> {
    method: &'static str,
    /// None: the bucket itself.
    key: Option<&'a str>,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    effort: Effort<'a>,
}

impl S3 {
    /// A bucket; nothing is sent yet.
    pub fn new(settings: Settings, credentials: Credentials, agent: Agent) -> std::result::Result<S3, String> {
        let endpoint = settings.endpoint.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", settings.region));
        let Endpoint { scheme, host, path, .. } = Endpoint::parse(&endpoint)?;
        let bucket = &settings.bucket;
        let (host, root) = match settings.path_style {
            true => (host, format!("{path}/{bucket}/")),
            false => (format!("{bucket}.{host}"), format!("{path}/")),
        };
        Ok(S3(Arc::new(Client {
            name: format!("s3://{bucket}"),
            base: format!("{scheme}://{host}"),
            host,
            root,
            agent,
            credentials,
            settings,
            skew: AtomicI64::new(0),
        })))
    }
}

impl Bucket for S3 {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn head(&self, key: &str) -> Result<Object> {
        let answer = self.0.ask(&Call { method: "HEAD", key: Some(key), ..Call::default() })?;
        object(&answer).map_err(|why| self.0.nonsense(&why))
    }

    fn page(&self, question: &Question<'_>) -> Result<Page> {
        let most = question.most.to_string();
        let mut query =
            vec![("list-type", "2"), ("encoding-type", "url"), ("max-keys", &most), ("prefix", question.prefix)];
        if question.is_shallow {
            query.push(("delimiter", "/"));
        }
        query.extend(question.after.map(|token| ("continuation-token", token)));
        // An object that is missing is one thing, a bucket another.
        let body = self.0.ask_for_text(&Call { method: "GET", query: &query, ..Call::default() });
        let body = body.map_err(|error| self.0.not_missing(error, "there is no such bucket"))?;
        answers::page(&body).map_err(|why| self.0.nonsense(&why))
    }

    fn read(&self, key: &str, object: &Object, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let span = web::span(&range, object);
        let mut headers = Vec::new();
        if !object.version.is_empty() {
            headers.push(("if-match", object.version.as_str()));
        }
        headers.extend(span.as_deref().map(|span| ("range", span)));
        let answer = self.0.ask(&Call { method: "GET", key: Some(key), headers: &headers, ..Call::default() })?;
        web::check_span(&answer, &range, object).map_err(|why| self.0.nonsense(&why))?;
        match header(&answer, "etag").is_none_or(|version| version == object.version) {
            true => Ok(Box::new(answer.into_body().into_reader())),
            false => Err(changed()),
        }
    }

    fn pieces(&self) -> Pieces {
        Pieces { size: self.0.settings.part_size, at_once: self.0.settings.parts_in_flight }
    }

    fn write(&self, key: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(upload::Upload::new(self.0.clone(), key)))
    }

    fn append(&self, key: &str, object: &Object) -> Result<Box<dyn Writer>> {
        Ok(Box::new(upload::Upload::behind(self, key, object)?))
    }

    fn copy(&self, from: &str, object: &Object, to: &str, modified: Option<Timestamp>) -> Result<()> {
        let source = self.0.source(from);
        let mut headers = vec![("x-amz-copy-source".to_string(), source)];
        if !object.version.is_empty() {
            headers.push(("x-amz-copy-source-if-match".to_string(), object.version.clone()));
        }
        let is_large = object.size > self.0.settings.largest_copy.get();
        if modified.is_some() || is_large {
            headers.push(("x-amz-metadata-directive".to_string(), "REPLACE".to_string()));
            headers.extend(self.0.kept_headers(from)?);
        }
        if let Some(time) = modified {
            headers.retain(|(name, _)| name != MTIME);
            headers.push((MTIME.to_string(), seconds(time)));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if is_large {
            return upload::copy_in_parts(&self.0, from, object, to, &headers);
        }
        let body = self.0.ask_for_text(&Call { method: "PUT", key: Some(to), headers: &headers, ..Call::default() })?;
        answers::value(&body, "CopyObjectResult", "ETag").map_err(|why| self.0.nonsense(&why)).map(drop)
    }

    fn delete(&self, key: &str) -> Result<()> {
        match self.0.ask(&Call { method: "DELETE", key: Some(key), ..Call::default() }) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Client {
    /// Asks until there is an answer that is no error.
    fn ask(&self, call: &Call<'_>) -> Result<Answer> {
        let mut is_renewed = false;
        call.effort.retry(|left| self.attempt(call, left, &mut is_renewed))
    }

    /// The same, with the text of the answer, which may still be an error (200 says only that the store has begun).
    fn ask_for_text(&self, call: &Call<'_>) -> Result<String> {
        let mut is_renewed = false;
        call.effort.retry(|left| self.attempt_for_text(call, left, &mut is_renewed))
    }

    fn attempt_for_text(
        &self,
        call: &Call<'_>,
        left: Duration,
        is_renewed: &mut bool,
    ) -> std::result::Result<String, Failure> {
        let answer = self.attempt(call, left, is_renewed)?;
        let body = text(answer).map_err(|why| Failure::Passing(format!("{}: {why}", self.name)))?;
        match answers::complaint(&body) {
            complaint if complaint.code.is_empty() => Ok(body),
            complaint => Err(self.judge(call, StatusCode::INTERNAL_SERVER_ERROR, &complaint)),
        }
    }

    fn attempt(&self, call: &Call<'_>, left: Duration, is_renewed: &mut bool) -> std::result::Result<Answer, Failure> {
        let keys = self.credentials.keys().map_err(|why| Failure::Passing(format!("{}: {why}", self.name)))?;
        let answer = self.send(call, &keys, left)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let date = header(&answer, "date").and_then(answers::http_date);
        let region = header(&answer, "x-amz-bucket-region").map(str::to_string);
        let complaint = text(answer).map(|body| answers::complaint(&body)).unwrap_or_default();
        // To HEAD the store says nothing but the status.
        match (complaint.code.as_str(), status.as_u16()) {
            ("RequestTimeTooSkewed", _) | ("", 403) if date.is_some_and(|date| self.learn_clock(date)) => {
                Err(Failure::Passing(format!("{}: its clock is another one than ours", self.name)))
            }
            ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken", _) | ("", 400)
                if !*is_renewed && self.credentials.forget(&keys) =>
            {
                *is_renewed = true;
                Err(Failure::Passing(format!("{}: the credentials have expired", self.name)))
            }
            (_, 301 | 307 | 400) if region.as_ref().is_some_and(|region| *region != self.settings.region) => {
                let region = region.unwrap_or_default();
                let region = Shown(region.as_bytes());
                Err(Failure::Final(self.nonsense(&format!("the bucket is in another region; region_name = {region}"))))
            }
            _ => Err(self.judge(call, status, &complaint)),
        }
    }

    /// Takes over the clock of the store; false if it is that already.
    fn learn_clock(&self, date: Timestamp) -> bool {
        let skew = date.as_second() - Timestamp::now().as_second();
        let is_new = (skew - self.skew.load(Ordering::Relaxed)).abs() > SKEW;
        if is_new {
            self.skew.store(skew, Ordering::Relaxed);
        }
        is_new
    }

    fn send(&self, call: &Call<'_>, keys: &Keys, left: Duration) -> std::result::Result<Answer, Failure> {
        let time = Timestamp::now().saturating_add(SignedDuration::from_secs(self.skew.load(Ordering::Relaxed)));
        let time = time.unwrap_or(Timestamp::UNIX_EPOCH);
        let path = format!("{}{}", self.root, encoded(call.key.unwrap_or_default(), true));
        let (body_hash, moment) = (hash(call.body), moment(time));
        let mut headers = call.headers.to_vec();
        headers.extend([("x-amz-content-sha256", body_hash.as_str()), ("x-amz-date", &moment)]);
        headers.extend(keys.session_token.as_deref().map(|token| ("x-amz-security-token", token)));
        let mut request = Request::builder().method(call.method);
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        headers.push(("host", &self.host));
        let (method, path, query) = (call.method, path.as_str(), call.query);
        let signed = Signed { method, path, query, headers: &headers, body_hash: &body_hash };
        request = request.header("authorization", authorization(&signed, keys, &self.settings.region, time));
        let question = if query.is_empty() { String::new() } else { format!("?{}", query_string(query)) };
        request = request.uri(format!("{}{path}{question}", self.base));
        let result = web::send(&self.agent, request, call.body, left);
        let result = result.map_err(|error| Failure::Final(self.nonsense(&error.to_string())))?;
        result.map_err(|error| Failure::Passing(format!("{}: {error}", self.name)))
    }

    /// What an error of the store means.
    fn judge(&self, call: &Call<'_>, status: StatusCode, complaint: &Complaint) -> Failure {
        let Complaint { code, message } = complaint;
        let words = if code.is_empty() {
            format!("{}: {status} for {}", self.name, call.method)
        } else {
            format!("{}: {}: {}", self.name, Shown(code.as_bytes()), Shown(message.as_bytes()))
        };
        match (code.as_str(), status.as_u16()) {
            ("NoSuchBucket", _) => Failure::Final(Error::Unavailable(words)),
            ("NoSuchKey" | "NoSuchUpload", _) => Failure::Final(Error::NotFound),
            // Who answers what was sent so is no store.
            ("", 404) if call.body.is_empty() => Failure::Final(Error::NotFound),
            ("KeyTooLongError" | "InvalidObjectName" | "XMinioInvalidObjectName", _) => Failure::Final(Error::BadName),
            ("QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge", _) => Failure::Final(Error::Full),
            (_, 412) => Failure::Final(changed()),
            (_, 401 | 403) => {
                log::error!("{words}");
                Failure::Final(Error::Denied)
            }
            // The bytes were others when they arrived.
            ("BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody", _)
            | ("InternalError" | "SlowDown" | "RequestTimeout" | "OperationAborted", _)
            | (_, 408 | 409 | 429 | 500..) => Failure::Passing(words),
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

    /// An object as the source of a copy.
    fn source(&self, key: &str) -> String {
        format!("/{}/{}", self.settings.bucket, encoded(key, true))
    }

    /// What has to be said again of an object when its time is.
    fn kept_headers(&self, key: &str) -> Result<Vec<(String, String)>> {
        let answer = self.ask(&Call { method: "HEAD", key: Some(key), ..Call::default() })?;
        let is_kept = |name: &str| KEPT.contains(&name) || name.starts_with("x-amz-meta-");
        let kept = answer.headers().iter().filter(|(name, _)| is_kept(name.as_str()));
        Ok(kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_string()))).collect())
    }
}

fn changed() -> Error {
    Error::Io(std::io::Error::other("The file was changed meanwhile"))
}

/// What the headers tell of an object.
fn object(answer: &Answer) -> std::result::Result<Object, String> {
    let size = header(answer, "content-length").and_then(|text| text.parse().ok());
    let stored = header(answer, "last-modified").and_then(answers::http_date);
    let given = header(answer, MTIME).and_then(time_of);
    Ok(Object {
        size: size.ok_or("an object without its size")?,
        modified: given.or(stored).ok_or("an object without its time")?,
        version: header(answer, "etag").ok_or("an object without its version")?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str, path_style: bool) -> std::result::Result<(String, String), String> {
        let five = NonZeroUsize::new(5).unwrap();
        let settings = Settings {
            bucket: "media".into(),
            endpoint: Some(endpoint.into()),
            region: "r".into(),
            path_style,
            part_size: five,
            parts_in_flight: five,
            largest_copy: LARGEST_COPY,
        };
        let keys = Keys { access_key: "a".into(), secret_key: "b".into(), session_token: None };
        let s3 = S3::new(settings, Credentials::fixed(keys), Agent::new_with_defaults())?;
        Ok((s3.0.base.clone(), s3.0.root.clone()))
    }

    #[test]
    fn where_a_bucket_is() {
        let is = |base: &str, root: &str| Ok((base.to_string(), root.to_string()));
        assert_eq!(at("http://localhost:3900", true), is("http://localhost:3900", "/media/"));
        assert_eq!(at("https://s3.example.org:443/", false), is("https://media.s3.example.org", "/"));
        assert_eq!(at("http://h/store", true), is("http://h", "/store/media/"));
        assert!(at("h:1", true).is_err() && at("ftp://h", true).is_err() && at("", true).is_err());
    }
}
