//! What is asked, as a line of JSON.

use crate::protocol::json::Object;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::time::Duration;

/// What a server can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the documentation of the module says it")]
pub enum Request {
    Who,
    Kick(String),
    Ban { address: IpAddr, period: Option<Duration> },
    Bans,
    Unban(IpAddr),
    Reload,
    Drain,
    Stop,
    Metrics,
}

impl Request {
    /// Reads a line, or says what is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
        let value = serde_json::from_slice(line).map_err(|_| "the request is not a line of JSON".to_string())?;
        let Value::Object(object) = value else { return Err("the request is not a JSON object".to_string()) };
        let request = match text(&object, "request")? {
            "who" => Request::Who,
            "kick" => Request::Kick(text(&object, "whose")?.to_string()),
            "ban" => Request::Ban { address: address(&object)?, period: period(&object)? },
            "bans" => Request::Bans,
            "unban" => Request::Unban(address(&object)?),
            "reload" => Request::Reload,
            "drain" => Request::Drain,
            "stop" => Request::Stop,
            "metrics" => Request::Metrics,
            other => return Err(format!("there is no request {other:?}")),
        };
        Ok(request)
    }

    /// The line, with its end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut object = Object::default();
        object.text("request", self.name().as_bytes());
        match self {
            Request::Kick(whose) => object.text("whose", whose.as_bytes()),
            Request::Unban(address) => object.text("address", address.to_string().as_bytes()),
            Request::Ban { address, period } => {
                object.text("address", address.to_string().as_bytes());
                if let Some(period) = period {
                    object.number("seconds", period.as_secs());
                }
            }
            _ => {}
        }
        object.finish()
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Request::Who => "who",
            Request::Kick(_) => "kick",
            Request::Ban { .. } => "ban",
            Request::Bans => "bans",
            Request::Unban(_) => "unban",
            Request::Reload => "reload",
            Request::Drain => "drain",
            Request::Stop => "stop",
            Request::Metrics => "metrics",
        }
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    object.get(key).and_then(Value::as_str).ok_or_else(|| format!("the request has no text {key:?}"))
}

fn address(object: &Map<String, Value>) -> Result<IpAddr, String> {
    let text = text(object, "address")?;
    // A list of bans has networks, of which each address will do.
    let address = text.strip_suffix("/64").filter(|address| address.contains(':')).unwrap_or(text);
    address.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

fn period(object: &Map<String, Value>) -> Result<Option<Duration>, String> {
    match object.get("seconds") {
        None => Ok(None),
        Some(seconds) => match seconds.as_u64() {
            Some(seconds @ 1..) => Ok(Some(Duration::from_secs(seconds))),
            _ => Err("seconds are a whole number from 1 on".to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let address = "2001:db8::1".parse().unwrap();
        let period = Some(Duration::from_secs(7));
        for request in [
            Request::Who,
            Request::Kick("ann \"\u{1b}\\".to_string()),
            Request::Ban { address, period },
            Request::Ban { address, period: None },
            Request::Bans,
            Request::Unban(address),
            Request::Reload,
            Request::Drain,
            Request::Stop,
            Request::Metrics,
        ] {
            assert_eq!(Request::parse(&request.line()), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_told_in_a_line() {
        let deep = "[".repeat(4000);
        for (line, why) in [
            ("", "the request is not a line of JSON"),
            (&deep, "the request is not a line of JSON"),
            ("[]", "the request is not a JSON object"),
            ("{}", "the request has no text \"request\""),
            ("{\"request\":\"x\\n\"}", "there is no request \"x\\n\""),
            ("{\"request\":\"kick\",\"whose\":7}", "the request has no text \"whose\""),
            ("{\"request\":\"unban\",\"address\":\"x\"}", "\"x\" is not an IP address"),
            ("{\"request\":\"ban\",\"address\":\"::1\",\"seconds\":0}", "seconds are a whole number from 1 on"),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Err(why.to_string()));
        }
    }
}
