//! Times in commands and facts: `YYYYMMDDHHMMSS`, always UTC (RFC 3659, 2.3).

use super::numbers::two_digits;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::ops::RangeInclusive;

/// `20260102030405`, or with a fraction `20260102030405.678`.
pub fn parse(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if digits.len() != 14 || !all_digits(digits) || fraction.is_empty() || !all_digits(fraction) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i16>().ok();
    let small = |range: std::ops::Range<usize>| number(range)?.try_into().ok();
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    // 60 is a leap second, which the clock does not have
    let second = small(12..14).filter(|&s: &i8| s <= 60)?.min(59);
    let civil = DateTime::new(
        number(0..4)?,
        small(4..6)?,
        small(6..8)?,
        small(8..10)?,
        small(10..12)?,
        second,
        nanoseconds.parse().ok()?,
    );
    Offset::UTC.to_timestamp(civil.ok()?).ok()
}

/// A time of `YYYYMMDDhhmm` as some clients send it with SITE UTIME, or of full length.
pub fn parse_short(text: &[u8]) -> Option<Timestamp> {
    if text.len() == 12 { parse(&[text, b"00"].concat()) } else { parse(text) }
}

/// Appends `YYYYMMDDHHMMSS`.
pub fn write(time: Timestamp, out: &mut Vec<u8>) {
    let t = Offset::UTC.to_datetime(time);
    write_year(&t, out);
    for part in [t.month(), t.day(), t.hour(), t.minute(), t.second()] {
        two_digits(part.unsigned_abs(), out);
    }
}

/// Appends four digits: no calendar here has more.
fn write_year(time: &DateTime, out: &mut Vec<u8>) {
    let year = time.year().unsigned_abs();
    two_digits((year / 100) as u8, out);
    two_digits((year % 100) as u8, out);
}

/// How listings show times: in UTC, or in the local time of the host.
#[derive(Debug, Clone)]
pub struct ListingClock {
    zone: Option<TimeZone>,
    /// When the year is clear.
    recent: RangeInclusive<Timestamp>,
}

impl ListingClock {
    /// A clock for one listing that begins now.
    pub fn new(local: bool) -> ListingClock {
        ListingClock::at(Timestamp::now(), local.then(TimeZone::system))
    }

    fn at(now: Timestamp, zone: Option<TimeZone>) -> ListingClock {
        let start = now.checked_sub((180 * 24).hours()).unwrap_or(Timestamp::MIN);
        ListingClock { zone, recent: start..=now }
    }

    /// Appends `Nov 20 22:37`, or `Nov 20  2025` beyond 180 days and for the future.
    pub fn write(&self, time: Timestamp, out: &mut Vec<u8>) {
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let t = match &self.zone {
            None => Offset::UTC.to_datetime(time),
            Some(zone) => zone.to_datetime(time),
        };
        let month = 3 * usize::from(t.month().unsigned_abs() - 1);
        out.extend_from_slice(&MONTHS[month..month + 3]);
        out.push(b' ');
        two_digits(t.day().unsigned_abs(), out);
        if self.recent.contains(&time) {
            out.push(b' ');
            two_digits(t.hour().unsigned_abs(), out);
            out.push(b':');
            two_digits(t.minute().unsigned_abs(), out);
        } else {
            out.extend_from_slice(b"  ");
            write_year(&t, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(time: Timestamp) -> String {
        let mut out = Vec::new();
        write(time, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_round_trip_and_nonsense_is_refused() {
        assert_eq!(shown(parse(b"20260102030405").unwrap()), "20260102030405");
        assert_eq!(parse(b"20260102030405.25").unwrap().subsec_millisecond(), 250);
        assert_eq!(shown(parse(b"20161231235960").unwrap()), "20161231235959");
        assert_eq!(shown(parse_short(b"202601020304").unwrap()), "20260102030400");
        for bad in
            ["", "2026", "20261302030405", "20260102030499", "2026010203040x", "20260102030405.", "-0260102030405"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn listings_show_the_year_when_it_is_not_clear() {
        let now = parse(b"20261120120000").unwrap();
        let clock = ListingClock::at(now, None);
        let line = |text: &str| {
            let mut out = Vec::new();
            clock.write(parse(text.as_bytes()).unwrap(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line("20261101091500"), "Nov 01 09:15");
        assert_eq!(line("20250105091500"), "Jan 05  2025");
        assert_eq!(line("20270105091500"), "Jan 05  2027");
    }
}
