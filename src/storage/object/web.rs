//! What requests to every store have in common.

use super::bucket::Object;
use jiff::Timestamp;
use std::fmt::Write;
use std::io::Read;
use std::ops::Range;
use std::time::{Duration, Instant};
use ureq::http::request::Builder;
use ureq::http::{Request, Response, StatusCode, Uri};
use ureq::{Agent, AsSendBody};

/// What is read of an answer that is no object.
const LONGEST: usize = 16 << 20;
/// What it may take; a store that joins many parts says now and then that it still does.
const SLOWEST: Duration = Duration::from_secs(300);
/// What a store gets to take a connection.
const CONNECTING: Duration = Duration::from_secs(10);

/// What a store answers.
pub(super) type Answer = Response<ureq::Body>;

/// A header that is text.
pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// Asks, with a body where the method has one. A store that is silent for `patience` has failed.
pub(super) fn send(
    agent: &Agent,
    request: Builder,
    body: &[u8],
    patience: Duration,
) -> Result<Result<Answer, ureq::Error>, ureq::http::Error> {
    let has_body = request.method_ref().is_some_and(|method| matches!(method.as_str(), "PUT" | "POST" | "PATCH"));
    Ok(if has_body { run(agent, request.body(body)?, patience) } else { run(agent, request.body(())?, patience) })
}

fn run(agent: &Agent, request: Request<impl AsSendBody>, patience: Duration) -> Result<Answer, ureq::Error> {
    let (step, connecting) = (Some(patience), Some(CONNECTING.min(patience)));
    let request = agent.configure_request(request).timeout_connect(connecting).timeout_resolve(connecting);
    let request = request.timeout_recv_response(step).timeout_per_read(step).timeout_per_write(step);
    agent.run(request.build())
}

/// All of an answer that is text.
pub(super) fn text(answer: Answer) -> Result<String, String> {
    let began = Instant::now();
    let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
    let mut body = answer.into_body().into_reader();
    loop {
        let length = body.read(&mut piece).map_err(|error| format!("an answer that ends too soon: {error}"))?;
        let new = piece.get(..length).unwrap_or_default();
        if new.is_empty() {
            return String::from_utf8(bytes).map_err(|_| "an answer that is no text".to_string());
        }
        bytes.extend_from_slice(new);
        if bytes.len() > LONGEST {
            return Err("an answer that is too long".to_string());
        }
        if began.elapsed() > SLOWEST {
            return Err("an answer that takes too long".to_string());
        }
    }
}

/// The header that asks for some bytes of an object; none is needed for all.
pub(super) fn span(range: &Range<u64>, object: &Object) -> Option<String> {
    let is_whole = *range == (0..object.size);
    (!is_whole).then(|| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
}

/// Whether the answer is just those. Who leaves the header out would send the beginning of the object in their place.
pub(super) fn check_span(answer: &Answer, range: &Range<u64>, object: &Object) -> Result<(), String> {
    let expected = if span(range, object).is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let length = header(answer, "content-length").and_then(|text| text.parse().ok());
    let is_as_long = length.is_none_or(|length: u64| Some(length) == range.end.checked_sub(range.start));
    // `bytes 0-99/1234`: of another object there may be other bytes.
    let total = header(answer, "content-range").and_then(|text| text.rsplit_once('/')?.1.parse().ok());
    let is_of_that = total.is_none_or(|total: u64| total == object.size);
    let is_that = answer.status() == expected && is_as_long && is_of_that;
    if is_that { Ok(()) } else { Err(format!("{} for a part of an object", answer.status())) }
}

/// The address of a store.
pub(super) struct Endpoint {
    /// `https`.
    pub(super) scheme: String,
    /// The host, and the port if it is not the usual one.
    pub(super) host: String,
    /// Both.
    pub(super) base: String,
    /// What stands before all paths; it does not end with a slash.
    pub(super) path: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Endpoint, String> {
        let wrong = |why: &str| format!("endpoint_url: {text:?} {why}");
        let uri: Uri = text.parse().map_err(|error| wrong(&format!("is no address: {error}")))?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let scheme = scheme.ok_or_else(|| wrong("begins neither with http:// nor with https://"))?.to_string();
        let name = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let port = uri.port_u16().filter(|port| *port != if scheme == "http" { 80 } else { 443 });
        let host = port.map_or(name.to_string(), |port| format!("{name}:{port}"));
        let path = uri.path().trim_end_matches('/').to_string();
        Ok(Endpoint { base: format!("{scheme}://{host}"), scheme, host, path })
    }
}

/// Text in an address: everything but letters, digits and four signs becomes `%XX`; slashes can stay.
pub(super) fn encoded(text: &str, keeps_slashes: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut all, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(char::from(byte)),
            b'/' if keeps_slashes => all.push('/'),
            _ => drop(write!(all, "%{byte:02X}")),
        }
        all
    })
}

/// A query as it is sent: sorted and encoded.
pub(super) fn query_string(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false))).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// A time in seconds, as clients that keep one with an object have it: `1354040105.123456789`.
pub(super) fn seconds(time: Timestamp) -> String {
    let sign = if time < Timestamp::UNIX_EPOCH { "-" } else { "" };
    format!("{sign}{}.{:09}", time.as_second().unsigned_abs(), time.subsec_nanosecond().unsigned_abs())
}

/// The time that stands there. A sign is of both, the seconds and their fraction.
pub(super) fn time_of(text: &str) -> Option<Timestamp> {
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !seconds.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (seconds, nanoseconds): (i64, i32) = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
    Timestamp::new(i64::from(sign) * seconds, sign * nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded() {
        assert_eq!(encoded("a b/ü+~", true), "a%20b/%C3%BC%2B~");
        assert_eq!(encoded("a/b", false), "a%2Fb");
        assert_eq!(query_string(&[("b", "/"), ("a", "")]), "a=&b=%2F");
    }

    #[test]
    fn times_in_headers() {
        let time: Timestamp = "2012-11-27T18:15:05.120Z".parse().unwrap();
        assert_eq!(seconds(time), "1354040105.120000000");
        assert_eq!(time_of("1354040105.12"), Some(time));
        assert_eq!(time_of("1354040105").map(|time| time.as_second()), Some(1354040105));
        for before in ["-1.500000000", "-0.500000000", "-12.000000000"] {
            let time = time_of(before).unwrap();
            assert!(time < Timestamp::UNIX_EPOCH);
            assert_eq!(seconds(time), before);
        }
        for none in ["yesterday", "", "1.-5", "1.+5", "+1", "--1", "-", "99999999999999999999"] {
            assert_eq!(time_of(none), None, "{none}");
        }
    }
}
