//! Times as people write them: a day, a minute, a moment, or so long ago.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// From when to when it lasts, which is no time at all for most.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// Reads a time; what has no zone is local.
pub(super) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Moment, String> {
    let moment =
        ago(text, now).or_else(|| day(text, zone)).or_else(|| minute(text, zone)).or_else(|| exact(text, zone));
    moment.ok_or_else(|| {
        format!("{text:?} is not a time such as 2026-01-02, 2026-01-02T03:04, 2026-01-02T03:04:05Z, 30m, 2h or 7d")
    })
}

fn ago(text: &str, now: Timestamp) -> Option<Moment> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = is_number.then(|| digits.parse().ok())??;
    // Before all time is as good as all time.
    let age = SignedDuration::from_secs(number.saturating_mul(seconds));
    let moment = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    Some(Moment { start: moment, end: moment })
}

fn day(text: &str, zone: &TimeZone) -> Option<Moment> {
    if text.len() != "2026-01-02".len() {
        return None;
    }
    let day: Date = text.parse().ok()?;
    let next = day.checked_add(1.day()).ok()?;
    Some(Moment { start: local(day.into(), zone)?, end: local(next.into(), zone)? })
}

fn minute(text: &str, zone: &TimeZone) -> Option<Moment> {
    if text.len() != "2026-01-02T03:04".len() {
        return None;
    }
    let minute: DateTime = format!("{text}:00").parse().ok()?;
    let next = minute.checked_add(1.minute()).ok()?;
    Some(Moment { start: local(minute, zone)?, end: local(next, zone)? })
}

/// As the journal has it, with a zone or without.
fn exact(text: &str, zone: &TimeZone) -> Option<Moment> {
    let is_full = text.len() >= "2026-01-02T03:04:05".len();
    let moment = text.parse().ok().or_else(|| local(text.parse().ok().filter(|_| is_full)?, zone))?;
    Some(Moment { start: moment, end: moment })
}

fn local(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(time.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::offset;

    fn moment(text: &str) -> Option<(String, String)> {
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        let moment = parse(text, now, &TimeZone::fixed(offset(1))).ok()?;
        Some((moment.start.to_string(), moment.end.to_string()))
    }

    #[test]
    fn days_and_minutes_are_local_and_last() {
        for (text, start, end) in [
            ("2026-01-02", "2026-01-01T23:00:00Z", "2026-01-02T23:00:00Z"),
            ("2026-01-02T03:04", "2026-01-02T02:04:00Z", "2026-01-02T02:05:00Z"),
            ("2026-01-02 03:04", "2026-01-02T02:04:00Z", "2026-01-02T02:05:00Z"),
            ("2026-01-02T03:04:05", "2026-01-02T02:04:05Z", "2026-01-02T02:04:05Z"),
            ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z", "2026-01-02T01:04:05Z"),
            ("7s", "2026-03-04T05:06:00Z", "2026-03-04T05:06:00Z"),
            ("6m", "2026-03-04T05:00:07Z", "2026-03-04T05:00:07Z"),
            ("5h", "2026-03-04T00:06:07Z", "2026-03-04T00:06:07Z"),
            ("4d", "2026-02-28T05:06:07Z", "2026-02-28T05:06:07Z"),
            ("9223372036854775807d", "-009999-01-02T01:59:59Z", "-009999-01-02T01:59:59Z"),
        ] {
            assert_eq!(moment(text), Some((start.to_string(), end.to_string())), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "d", "-1d", "+1d", "1w", "ü", "1ü", "2026-1-2", "2026-13-01", "2026-01-02T25:00", "now", "9999-12-31"]
        {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
