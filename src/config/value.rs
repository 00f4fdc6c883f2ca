//! From the text of a value to its type. A refusal is the end of a sentence that begins with the
//! option's name; the parsers do not know which option that is.

use crate::accounts::{HomeTemplate, Permissions, StorageKind};
use crate::events::{JournalFull, JournalSync};
use crate::protocol::network::Network;
use crate::protocol::path::VirtualPath;
use crate::session::SessionReuse;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use log::LevelFilter;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::net::Ipv6Addr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A host and a port to listen on or to connect to; an IPv6 host stands here without its brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// An IP address or a name.
    pub host: String,
    /// The port; 0 = any free one.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPort, String> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = match host.strip_prefix('[') {
                Some(rest) => rest.strip_suffix(']').filter(|host| is_ipv6(host))?,
                None => Some(host).filter(|host| is_name(host))?,
            };
            Some(HostPort { host: host.into(), port: digits(port)? })
        };
        parse().ok_or_else(|| not(text, "an address such as 127.0.0.1:2121 or [::1]:2121"))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Some ports, at least one, none of them 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSet(Vec<u16>);

impl PortSet {
    /// The ports, ascending, each once.
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }
}

impl FromStr for PortSet {
    type Err = String;

    fn from_str(text: &str) -> Result<PortSet, String> {
        let parse = || {
            let mut ports = BTreeSet::new();
            for item in text.split(',').map(str::trim) {
                let (first, last) = item.split_once('-').unwrap_or((item, item));
                let range = digits::<u16>(first)?..=digits(last)?;
                if range.is_empty() || range.contains(&0) {
                    return None;
                }
                ports.extend(range);
            }
            Some(PortSet(ports.into_iter().collect()))
        };
        parse().ok_or_else(|| not(text, "a list of ports such as 12345,30000-30100"))
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(not(text, "text or json")),
    }
}

/// What the log tells.
pub(super) fn log_level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err(not(text, "error, warn, info, debug or trace")),
    }
}

/// Directories by their absolute names, parted by commas.
pub(super) fn paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let paths: Vec<PathBuf> = text.split(',').map(|path| PathBuf::from(path.trim())).collect();
    match paths.iter().all(|path| path.is_absolute()) && !text.contains(char::is_control) {
        true => Ok(paths),
        false => Err(not(text, "a list of absolute paths such as /srv/more,/mnt/disk2")),
    }
}

/// Networks or single addresses, parted by commas.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    text.split(',').map(|network| network.trim().parse()).collect()
}

/// Seconds, also a fraction of them.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    const SHORTEST: f64 = 0.001;
    const TEN_YEARS: f64 = 3650.0 * 86400.0;
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        Ok(n) if (SHORTEST..=TEN_YEARS).contains(&n) => Ok(Duration::from_secs_f64(n)),
        Ok(_) => Err(not(text, &format!("0 or between {SHORTEST} and {TEN_YEARS} seconds"))),
        Err(_) => Err(not(text, "a number of seconds")),
    }
}

/// Seconds that end something; 0 = `None` = no limit.
pub(super) fn time_limit(text: &str) -> Result<Option<Duration>, String> {
    Ok(Some(seconds(text)?).filter(|limit| !limit.is_zero()))
}

/// Seconds in which something is counted, never none.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    time_limit(text)?.ok_or_else(|| not(text, "a number of seconds above 0"))
}

/// A number that must not be exceeded; 0 = `None` = no limit.
pub(super) fn limit(text: &str) -> Result<Option<NonZeroUsize>, String> {
    digits(text).map(NonZeroUsize::new).ok_or_else(|| not(text, "a whole number"))
}

/// The size of a part that object stores take, and that fits into the memory.
pub(super) fn megabytes(text: &str) -> Result<NonZeroUsize, String> {
    let bytes = size(text)?;
    let fitting = Some(bytes).filter(|bytes| (6_000_000..=1_000_000_000).contains(bytes));
    let bytes = fitting.and_then(|bytes| NonZeroUsize::new(usize::try_from(bytes).ok()?));
    bytes.ok_or_else(|| not(text, "between 6 MB and 1 GB"))
}

/// A number above 0.
pub(super) fn one_or_more(text: &str) -> Result<NonZeroUsize, String> {
    limit(text)?.ok_or_else(|| not(text, "a whole number above 0"))
}

/// Permission bits in octal, with or without TOML's `0o`.
pub(super) fn umask(text: &str) -> Result<u32, String> {
    let octal = text.strip_prefix("0o").unwrap_or(text);
    Some(octal)
        .filter(|octal| !octal.starts_with('+'))
        .and_then(|octal| u32::from_str_radix(octal, 8).ok())
        .filter(|bits| *bits <= 0o777)
        .ok_or_else(|| not(text, "an octal number such as 022, from 000 to 777"))
}

/// Yes or no, in the words that people use.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(not(text, "true or false")),
    }
}

/// Whether something is required.
pub(super) fn is_required(text: &str) -> Result<bool, String> {
    match text {
        "required" => Ok(true),
        "optional" => Ok(false),
        _ => Err(not(text, "required or optional")),
    }
}

/// What is made of data connections that do not resume the TLS session.
pub(super) fn session_reuse(text: &str) -> Result<SessionReuse, String> {
    match text {
        "off" => Ok(SessionReuse::Off),
        "warn" => Ok(SessionReuse::Warn),
        "require" => Ok(SessionReuse::Require),
        _ => Err(not(text, "off, warn or require")),
    }
}

/// A kind of place for homes.
pub(super) fn storage(text: &str) -> Result<StorageKind, String> {
    match text {
        "disk" => Ok(StorageKind::Disk),
        "s3" => Ok(StorageKind::S3),
        "gcs" => Ok(StorageKind::Gcs),
        _ => Err(not(text, "disk, s3 or gcs")),
    }
}

/// When an event counts as written.
pub(super) fn journal_sync(text: &str) -> Result<JournalSync, String> {
    match text {
        "os" => Ok(JournalSync::Os),
        "always" => Ok(JournalSync::Always),
        _ => Err(not(text, "os or always")),
    }
}

/// What is done while the journal can't be written.
pub(super) fn journal_full(text: &str) -> Result<JournalFull, String> {
    match text {
        "block" => Ok(JournalFull::Block),
        "refuse" => Ok(JournalFull::Refuse),
        "continue" => Ok(JournalFull::Continue),
        _ => Err(not(text, "block, refuse or continue")),
    }
}

/// Whether the common name of a client certificate logs in.
pub(super) fn certificate_login(text: &str) -> Result<bool, String> {
    match text {
        "cn" => Ok(true),
        "off" => Ok(false),
        _ => Err(not(text, "off or cn")),
    }
}

/// One line of text that can be sent or shown as it is.
pub(super) fn line(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_control) {
        true => Err(not(text, "one line of text")),
        false => Ok(text.into()),
    }
}

/// A name or an IPv4 address.
pub(super) fn host(text: &str) -> Result<String, String> {
    match is_name(text) {
        true => Ok(text.into()),
        false => Err(not(text, "an IPv4 address or a DNS name")),
    }
}

/// The name of a file, any bytes that can be one.
pub(super) fn file(name: &OsStr) -> Result<PathBuf, String> {
    match name.is_empty() || name.as_encoded_bytes().contains(&0) {
        true => Err(not(&name.to_string_lossy(), "the name of a file")),
        false => Ok(name.into()),
    }
}

/// Letters of permissions, each of which must be one.
pub(super) fn letters(text: &str) -> Result<Permissions, String> {
    let permissions = Permissions::from_letters(text);
    match text.bytes().all(|letter| permissions.letters().any(|known| known == letter)) {
        true => Ok(permissions),
        false => Err(not(text, "made of the letters elradfmwMT")),
    }
}

/// A template for homes.
pub(super) fn home(text: &str) -> Result<HomeTemplate, String> {
    HomeTemplate::parse(text)
}

/// Bytes, such as `5 GB` or `512 KiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1000 * 1000),
        ("gb", 1000 * 1000 * 1000),
        ("tb", 1000 * 1000 * 1000 * 1000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    bytes.ok_or_else(|| not(text, "a number of bytes such as 500 MB or 2 GiB"))
}

/// Bytes a second, not none.
pub(super) fn rate(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(size(text)?).ok_or_else(|| not(text, "a number of bytes above 0"))
}

/// A day, from its first second in UTC, or a moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let day = text.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC)).map(|day| day.timestamp());
    let is_day = text.len() == "2030-12-31".len();
    let moment = if is_day { day } else { text.parse() };
    moment.map_err(|_| not(text, "a date such as 2030-12-31 or a moment such as 2030-12-31T12:00:00Z"))
}

/// A path in a home.
pub(super) fn path(text: &str) -> Result<VirtualPath, String> {
    match text.is_empty() || text.contains('\0') {
        true => Err(not(text, "a directory of a home, such as /archive")),
        false => Ok(VirtualPath::root().join(text.as_bytes())),
    }
}

/// A program and its arguments: one on each line, as a list in a file comes here, or parted by blanks.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = match text.ends_with('\n') {
        true => text.lines().map(String::from).collect(),
        false => text.split_whitespace().map(String::from).collect(),
    };
    match words.first().is_none_or(String::is_empty) || text.contains('\0') {
        true => Err(not(text, "a program and its arguments")),
        false => Ok(words),
    }
}

/// A name of a table or a column.
pub(super) fn identifier(text: &str) -> Result<String, String> {
    line(text).map_err(|_| not(text, "the name of a table or a column"))
}

/// The usual refusal.
fn not(text: &str, what: &str) -> String {
    format!("{text:?} is not {what}")
}

/// `FromStr` of integers without the plus sign it allows.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// An IPv6 address, also with the interface of a link-local one: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, interface) = text.split_once('%').unwrap_or((text, "any"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_and_zero_is_no_limit() {
        assert_eq!(seconds("300"), Ok(Duration::from_secs(300)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(time_limit("0.1"), Ok(Some(Duration::from_millis(100))));
        assert_eq!(time_limit("0"), Ok(None));
        assert_eq!(time_limit("-0.0"), Ok(None));
        assert_eq!(period("0"), Err("\"0\" is not a number of seconds above 0".into()));
    }

    #[test]
    fn seconds_without_sense_are_refused() {
        assert_eq!(seconds("5 min"), Err("\"5 min\" is not a number of seconds".into()));
        assert_eq!(seconds(""), Err("\"\" is not a number of seconds".into()));
        for text in ["-1", "nan", "inf", "-inf", "1e300", "315360001", "0.0000000001"] {
            let why = format!("\"{text}\" is not 0 or between 0.001 and 315360000 seconds");
            assert_eq!(seconds(text), Err(why));
        }
    }

    #[test]
    fn counts() {
        assert_eq!(limit("0"), Ok(None));
        assert_eq!(limit("512"), Ok(NonZeroUsize::new(512)));
        assert_eq!(one_or_more("0"), Err("\"0\" is not a whole number above 0".into()));
        for text in ["", "-1", "+1", "1.5", "0x10", "many", "99999999999999999999999"] {
            assert_eq!(limit(text), Err(format!("\"{text}\" is not a whole number")));
        }
    }

    #[test]
    fn umask_is_octal() {
        assert_eq!(umask("022"), Ok(0o022));
        assert_eq!(umask("0o27"), Ok(0o027));
        assert_eq!(umask("0"), Ok(0));
        for text in ["", "0o", "8", "1000", "-1", "+7", "rwx"] {
            let why = format!("\"{text}\" is not an octal number such as 022, from 000 to 777");
            assert_eq!(umask(text), Err(why));
        }
    }

    #[test]
    fn ports_are_sorted_and_unique() {
        let ports: PortSet = "30000-30002, 12345,30001-30003".parse().unwrap();
        assert_eq!(ports.as_slice(), [12345, 30000, 30001, 30002, 30003]);
        assert_eq!("1-65535".parse::<PortSet>().unwrap().as_slice().len(), 65535);
        for text in ["", ",", "1,", "30000-", "-5", "5-4", "0", "0-5", "65536", "1-2-3", "ftp", "+5"] {
            let why = format!("\"{text}\" is not a list of ports such as 12345,30000-30100");
            assert_eq!(text.parse::<PortSet>(), Err(why));
        }
    }

    #[test]
    fn addresses_are_shown_as_they_were_written() {
        for text in ["127.0.0.1:21", "[::1]:2121", "localhost:0", "[fe80::1%eth0]:21", "a-b.example_c.org:65535"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for text in
            ["", "21", ":21", "host", "host:", "host:65536", "host:+1", "::1:21", "[::1]", "[x]:1", "a b:1", "[::1%]:1"]
        {
            let why = format!("\"{text}\" is not an address such as 127.0.0.1:2121 or [::1]:2121");
            assert_eq!(text.parse::<HostPort>(), Err(why));
        }
    }

    #[test]
    fn sizes_and_rates() {
        for (text, bytes) in [("0", 0), ("17", 17), ("5 GB", 5_000_000_000), ("10kB", 10_000), ("2 GiB", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "1.5 GB", "5 GBit", "99999999999 TB", "5 G B"] {
            assert_eq!(size(text), Err(format!("\"{text}\" is not a number of bytes such as 500 MB or 2 GiB")));
        }
        assert_eq!(rate("0"), Err("\"0\" is not a number of bytes above 0".into()));
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2030-12-31").unwrap().to_string(), "2030-12-31T00:00:00Z");
        assert_eq!(moment("2030-12-31T12:00:00+02:00").unwrap().to_string(), "2030-12-31T10:00:00Z");
        for text in ["", "tomorrow", "2030-13-01", "2030-12-31T12:00", "31.12.2030"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn programs_and_their_arguments() {
        let strings = |words: &[&str]| Ok(words.iter().map(|word| word.to_string()).collect::<Vec<_>>());
        assert_eq!(words("/bin/a  -x y"), strings(&["/bin/a", "-x", "y"]));
        assert_eq!(words("/bin/a b\n\nc\n"), strings(&["/bin/a b", "", "c"]));
        for text in ["", "  ", "\n", "a\0"] {
            assert!(words(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn letters_must_be_known() {
        assert_eq!(letters("elr").map(|set| format!("{set:?}")), Ok("elr".into()));
        assert_eq!(letters("elx"), Err("\"elx\" is not made of the letters elradfmwMT".into()));
    }

    #[test]
    fn words_and_lines() {
        assert_eq!(switch("Yes"), Ok(true));
        assert_eq!(switch("off"), Ok(false));
        assert_eq!(is_required("optional"), Ok(false));
        assert_eq!(is_required("on"), Err("\"on\" is not required or optional".into()));
        assert_eq!(session_reuse("required"), Err("\"required\" is not off, warn or require".into()));
        assert_eq!(journal_sync("never"), Err("\"never\" is not os or always".into()));
        assert_eq!(journal_full("Block"), Err("\"Block\" is not block, refuse or continue".into()));
        assert_eq!((log_format("json"), log_level("warn")), (Ok(LogFormat::Json), Ok(LevelFilter::Warn)));
        assert!(log_format("xml").is_err() && log_level("off").is_err());
        assert_eq!(paths("/a, /b c"), Ok(vec!["/a".into(), "/b c".into()]));
        assert!(paths("/a,b").is_err() && paths("").is_err() && paths("/a\n").is_err());
        assert_eq!(certificate_login("CN"), Err("\"CN\" is not off or cn".into()));
        assert_eq!(switch("2"), Err("\"2\" is not true or false".into()));
        assert_eq!(line("two\r\nlines"), Err("\"two\\r\\nlines\" is not one line of text".into()));
        assert_eq!(host("::1"), Err("\"::1\" is not an IPv4 address or a DNS name".into()));
        assert_eq!(host("1.2.3.4"), Ok("1.2.3.4".into()));
        assert_eq!(file(OsStr::new("")), Err("\"\" is not the name of a file".into()));
    }
}
