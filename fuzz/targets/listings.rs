//! Lines of LIST, MLSD and NLST about files of any name: one line each, and no name ends it or reads as another one's
//! facts. Times are read as they are written.

#![no_main]

use django_ftpd::protocol::facts::{self, FactSet, Facts, Kind};
use django_ftpd::protocol::listing::{split_flags, write_line, write_name};
use django_ftpd::protocol::permission::Permissions;
use django_ftpd::protocol::time::{self, ListingClock};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((numbers, rest)) = input.split_first_chunk::<24>() else { return };
    let mut texts = rest.splitn(3, |byte| *byte == 0);
    let mut text = || texts.next().unwrap_or_default();
    let (name, target, chosen) = (text(), text(), text());
    let chosen = FactSet::parse(&String::from_utf8_lossy(chosen));
    let file = file(numbers, target);

    let mut list = Vec::new();
    write_line(&file, name, &ListingClock::new(numbers[0] & 1 == 1), &mut list);
    let list = one_line(&list);
    // Eight columns of ours, then all that is the file's own.
    assert!(list.len() >= 50 && list[..50].is_ascii());
    let end = if file.link_target.is_some() { [name, b" -> ", target].concat() } else { name.to_vec() };
    assert!(list.ends_with(&harmless(&end)));
    assert_eq!(list.len(), list.len() - end.len() + harmless(&end).len());

    let mut mlsd = Vec::new();
    facts::Writer::new(chosen, Permissions::from_letters("elradfmwMT")).write(&file, &mut mlsd);
    write_name(name, &mut mlsd);
    let mlsd = one_line(&mlsd);
    // The name is what comes behind the first blank (RFC 3659, 7.2).
    let blank = mlsd.iter().position(|byte| *byte == b' ').expect("a blank before the name");
    assert_eq!(mlsd[blank + 1..], harmless(name));
    let facts = std::str::from_utf8(&mlsd[..blank]).expect("facts are text");
    assert_eq!(FactSet::parse(facts_named(facts).as_str()), chosen);
    assert_eq!(FactSet::parse(&chosen.chosen()), chosen);

    let mut written = Vec::new();
    time::write(file.modified, &mut written);
    assert_eq!(written.len(), 14);
    if let Some(time) = time::parse(name) {
        let mut again = Vec::new();
        time::write(time, &mut again);
        // A leap second is the one before it.
        assert!(name.starts_with(&again) || name[12..14] == *b"60");
        let mut once_more = Vec::new();
        time::write(time::parse(&again).expect("what we wrote"), &mut once_more);
        assert_eq!(once_more, again);
    }
    let _ = time::parse_short(name);
    let (_, path) = split_flags(name);
    assert!(name.ends_with(path));
});

fn file(numbers: &[u8; 24], target: &[u8]) -> Facts {
    let number = |at: usize| numbers[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    let kind = [Kind::File, Kind::Directory, Kind::Other][usize::from(numbers[1]) % 3];
    let wide = |at| u64::from(number(at)) << (numbers[2] % 33);
    // Any second that there is from the year 1 on.
    let first = -62_135_596_800;
    let seconds = Timestamp::MAX.as_second() - first + 1;
    let second = (u64::from(number(4)) << 32 | u64::from(number(8))) % seconds as u64;
    Facts {
        kind,
        size: wide(12),
        modified: Timestamp::from_second(first + second as i64).expect("within bounds"),
        mode: number(16),
        uid: number(12),
        gid: number(20),
        links: wide(16),
        identity: (wide(4), wide(20)),
        link_target: (numbers[3] & 1 == 1).then(|| target.to_vec()),
    }
}

/// The line without its end.
fn one_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\r\n").expect("it ends with its line");
    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    line
}

/// What of a name is told.
fn harmless(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b'?' } else { *byte }).collect()
}

/// `type=file;size=1;` without the values.
fn facts_named(facts: &str) -> String {
    facts.split_terminator(';').filter_map(|fact| fact.split_once('=')).map(|(name, _)| format!("{name};")).collect()
}
