//! Patterns of listings: as a plain matcher of the same rules says, and never slowly.

#![no_main]

use django_ftpd::protocol::glob::{Pattern, is_pattern};
use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Far more than the longest pattern takes for the longest name, however much else the machine has to do.
const SLOW: Duration = Duration::from_millis(200);
/// The longest name of a file.
const LONGEST_NAME: usize = 255;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (text, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = &name[..name.len().min(LONGEST_NAME)];
    let began = spent();
    let pattern = Pattern::parse(text);
    let matches = pattern.matches(name);
    // What a client could send to make the most of it.
    let most = Pattern::parse(&text.repeat(4096 / text.len().max(1)));
    let longest = name.repeat(LONGEST_NAME / name.len().max(1));
    most.matches(&longest);
    assert!(spent() - began < SLOW, "{:?}", spent() - began);

    assert_eq!(matches, plainly(text, name));
    if !is_pattern(text) {
        assert_eq!(matches, text == name);
    }
});

/// What this thread has had of a processor.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The rules without any cleverness: from the last part to the first, which ends of the name does the rest match?
fn plainly(text: &[u8], name: &[u8]) -> bool {
    let parts = parts(text);
    if name.first() == Some(&b'.') && parts.first() != Some(&Part::Byte(b'.')) {
        return false;
    }
    let mut ends: Vec<bool> = (0..=name.len()).map(|at| at == name.len()).collect();
    for part in parts.iter().rev() {
        ends = (0..=name.len())
            .map(|at| match part {
                Part::Star => ends[at..].contains(&true),
                part => at < name.len() && part.takes(name[at]) && ends[at + 1],
            })
            .collect();
    }
    ends[0]
}

#[derive(PartialEq)]
enum Part<'a> {
    Star,
    Any,
    Byte(u8),
    Class(bool, &'a [u8]),
}

impl Part<'_> {
    fn takes(&self, byte: u8) -> bool {
        match *self {
            Part::Star | Part::Any => true,
            Part::Byte(this) => this == byte,
            Part::Class(negated, mut set) => {
                let mut is_in = false;
                while let [first, rest @ ..] = set {
                    (is_in, set) = match rest {
                        [b'-', last, tail @ ..] => (is_in || (*first..=*last).contains(&byte), tail),
                        _ => (is_in || *first == byte, rest),
                    };
                }
                is_in != negated
            }
        }
    }
}

fn parts(mut text: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let [first, rest @ ..] = text {
        text = rest;
        parts.push(match first {
            b'*' => Part::Star,
            b'?' => Part::Any,
            b'[' => {
                let negated = matches!(rest.first(), Some(b'!' | b'^'));
                let set = &rest[usize::from(negated)..];
                // A `]` that comes first is a member.
                match set.iter().skip(1).position(|byte| *byte == b']') {
                    Some(end) => {
                        text = &set[end + 2..];
                        Part::Class(negated, &set[..=end])
                    }
                    None => Part::Byte(b'['),
                }
            }
            byte => Part::Byte(*byte),
        });
    }
    parts
}
