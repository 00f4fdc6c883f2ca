//! Which events are told.

use crate::events::Line;
use crate::protocol::glob::{Pattern, is_pattern};
use crate::protocol::network::Network;
use jiff::Timestamp;

/// Where events say what they are about.
const PATHS: [&str; 6] = ["path", "virtual_path", "path_from", "virtual_path_from", "path_to", "virtual_path_to"];

/// What has to be so; None: it may be anything.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) user: Option<Vec<u8>>,
    pub(super) kinds: Option<Vec<&'static str>>,
    pub(super) path: Option<PathFilter>,
    pub(super) network: Option<Network>,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// Some paths.
#[derive(Debug)]
pub(super) enum PathFilter {
    /// This one and all below it.
    Below(Vec<u8>),
    Like(Pattern),
}

impl Filter {
    /// Whether an event is told.
    pub(super) fn takes(&self, line: &Line) -> bool {
        let kinds = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&&*line.event()));
        let user = || self.user.as_ref().is_none_or(|user| line.text("username").as_ref() == Some(user));
        let network = || {
            let address = || line.address("remote_ip");
            self.network.is_none_or(|network| address().is_some_and(|address| network.contains(address)))
        };
        let path = || {
            let any = |path: &PathFilter| PATHS.iter().filter_map(|key| line.text(key)).any(|text| path.takes(&text));
            self.path.as_ref().is_none_or(any)
        };
        kinds && user() && network() && path() && self.takes_time(line)
    }

    fn takes_time(&self, line: &Line) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let time: Option<Timestamp> = line.shown("time").and_then(|time| time.parse().ok());
        time.is_some_and(|time| {
            self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
        })
    }
}

impl PathFilter {
    /// Reads a pattern, or a path.
    pub(super) fn parse(text: &[u8]) -> PathFilter {
        match is_pattern(text) {
            true => PathFilter::Like(Pattern::parse(text)),
            false => PathFilter::Below(text.strip_suffix(b"/").unwrap_or(text).to_vec()),
        }
    }

    fn takes(&self, path: &[u8]) -> bool {
        match self {
            PathFilter::Below(top) => {
                path.strip_prefix(&**top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            }
            PathFilter::Like(pattern) => pattern.matches(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, path: &str) -> bool {
        PathFilter::parse(filter.as_bytes()).takes(path.as_bytes())
    }

    #[test]
    fn paths_are_below_or_like() {
        for (filter, path, expected) in [
            ("/srv/ann", "/srv/ann", true),
            ("/srv/ann", "/srv/ann/a/b", true),
            ("/srv/ann/", "/srv/ann/a", true),
            ("/srv/ann", "/srv/anna", false),
            ("/srv/ann", "/srv", false),
            ("/", "/a", true),
            ("*.jpg", "/srv/ann/.hidden/a.jpg", true),
            ("*.jpg", "/srv/ann/a.jpg.part", false),
            ("/srv/*/in/*", "/srv/ann/in/a", true),
            ("/srv/a?n/a", "/srv/ann/a", true),
        ] {
            assert_eq!(takes(filter, path), expected, "{filter} {path}");
        }
    }

    #[test]
    fn the_end_of_a_time_is_not_in_it() {
        let line = |time: &str| Line::parse(format!(r#"{{"seq":1,"time":"{time}"}}"#).into_bytes()).unwrap();
        let time = |text: &str| Some(text.parse().unwrap());
        let filter =
            Filter { since: time("2026-01-02T00:00:00Z"), until: time("2026-01-03T00:00:00Z"), ..Filter::default() };
        for (time, expected) in [
            ("2026-01-01T23:59:59.999999Z", false),
            ("2026-01-02T00:00:00.000000Z", true),
            ("2026-01-02T23:59:59.999999Z", true),
            ("2026-01-03T00:00:00.000000Z", false),
            ("never", false),
        ] {
            assert_eq!(filter.takes(&line(time)), expected, "{time}");
        }
    }
}
