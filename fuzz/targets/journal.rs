//! Journals of any bytes: read in the order of their numbers, on from each of them, also while they are being written; and
//! what we write is read as it was.

#![no_main]

use django_ftpd::events::{Line, Reader};
use django_ftpd::protocol::json::Object;
use libfuzzer_sys::fuzz_target;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A journal in memory.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = PathBuf::from(format!("/dev/shm/django-ftpd-fuzz-journal-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    directory.join("j")
});

const FIRST: &[u8] = b"{\"seq\":1,\"event\":\"ftp_server_started\"}\n";

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else { return };
    for line in bytes.split(|byte| *byte == b'\n') {
        one(line);
    }
    written(bytes);

    // It is written up to some place, read, and written on.
    let split = usize::from(cut) * bytes.len() / 256;
    let mut file = File::create(&*PATH).expect("a file");
    file.write_all(&[FIRST, &bytes[..split]].concat()).expect("room");
    let mut behind = Reader::new(&*PATH, 0);
    let mut seen = rest(&mut behind);
    file.write_all(&bytes[split..]).expect("room");
    seen.extend(rest(&mut behind));

    let mut reader = Reader::new(&*PATH, 0);
    let all = rest(&mut reader);
    assert_eq!(all.first(), Some(&1));
    assert!(all.is_sorted_by(|one, next| one < next));
    assert!(reader.broken() as usize <= bytes.iter().filter(|byte| **byte == b'\n').count());
    assert_eq!(seen, all);
    let later = all.get(1).map_or(&[][..], |_| &all[1..]);
    assert_eq!(rest(&mut Reader::new(&*PATH, 1)), later);
});

fn rest(reader: &mut Reader) -> Vec<u64> {
    std::iter::from_fn(|| reader.next_line().expect("a file that can be read")).map(|line| line.seq()).collect()
}

fn one(bytes: &[u8]) {
    let Some(line) = Line::of_object(bytes.to_vec()) else {
        assert!(Line::parse(bytes.to_vec()).is_none());
        return;
    };
    assert_eq!(line.json(), bytes);
    for (key, value) in line.fields() {
        assert!(key.len() + value.len() <= bytes.len());
        let _ = (line.text(key), line.number(key), line.shown(key));
    }
}

/// What we write of any texts.
fn written(bytes: &[u8]) {
    let texts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    let mut object = Object::default();
    object.number("seq", 7);
    texts.iter().enumerate().for_each(|(number, text)| object.text(&format!("t{number}"), text));
    let line = object.finish();
    let json = line.strip_suffix(b"\n").expect("a line");
    assert!(!json.iter().any(u8::is_ascii_control));
    let line = Line::parse(json.to_vec()).expect("what we wrote");
    assert_eq!(line.seq(), 7);
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(line.text(&format!("t{number}")).as_deref(), Some(*text));
    }
}
