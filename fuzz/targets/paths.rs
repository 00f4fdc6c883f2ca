//! Paths, from wherever somebody stands: absolute, normal, never above the home, and what a simple reading of them gives.

#![no_main]

use django_ftpd::protocol::path::VirtualPath;
use libfuzzer_sys::fuzz_target;
use std::path::Component;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (stood, raw) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let from = VirtualPath::root().join(stood);
    let path = from.join(raw);
    is_normal(&from);
    is_normal(&path);

    let from_there: &[u8] = if raw.first() == Some(&b'/') { b"" } else { stood };
    let expected = simply(&[from_there, b"/", raw].concat());
    assert_eq!(path.components().map(<[u8]>::to_vec).collect::<Vec<_>>(), expected);
});

fn is_normal(path: &VirtualPath) {
    let bytes = path.as_bytes();
    assert!(bytes.starts_with(b"/") && !bytes.contains(&0) && !bytes.windows(2).any(|pair| pair == b"//"));
    assert!(path.components().all(|name| !matches!(name, b"" | b"." | b"..")));
    assert_eq!(&VirtualPath::root().join(bytes), path);
    assert!(path.is_within(&VirtualPath::root()) && path.is_within(path) && path.is_within(&path.parent()));
    assert_eq!(path.parent().is_within(path), path.is_root());
    assert_eq!(path.is_root(), path.name().is_none());
    if let Some(name) = path.name() {
        assert_eq!(&path.parent().join(name), path);
    }
    // What openat2(2) is given leads downwards only.
    let mut down = path.relative().components();
    assert!(down.all(|part| matches!(part, Component::Normal(_)) || (path.is_root() && part == Component::CurDir)));
    assert!(!path.to_string().chars().any(char::is_control));
}

/// The names that are left, one after the other.
fn simply(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    for name in raw.split(|byte| matches!(byte, b'/' | 0)) {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name.to_vec()),
        }
    }
    names
}
