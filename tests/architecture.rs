//! The house stands as lib.rs draws it: what is higher may use what is lower, never the reverse.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top; neighbours on one line do not know each other.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["config"],
    &["control"],
    &["server", "process"],
    &["session"],
    &["storage"],
    &["accounts", "events", "net"],
    &["programs", "syslog", "web"],
    &["protocol"],
    &["files", "locks", "memory"],
];

/// Who alone may use a room that others could see.
const PRIVATE: &[(&str, &str)] = &[("config", "cli")];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file: the first part of its path.
fn room(path: &Path) -> String {
    let relative = path.strip_prefix(source()).unwrap();
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that a file names after `crate::` or `django_ftpd::`, in code or in documentation links.
fn used(text: &str) -> Vec<String> {
    let rooms = text.split("crate::").skip(1).chain(text.split("django_ftpd::").skip(1));
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    rooms.map(name).filter(|name| floor(name).is_some()).collect()
}

#[test]
fn every_room_has_a_floor_and_uses_only_lower_ones() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut faults = Vec::new();
    for path in &all {
        let from = room(path);
        if from == "lib" {
            continue;
        }
        let Some(level) = floor(&from) else {
            faults.push(format!("{} has no floor in FLOORS", path.display()));
            continue;
        };
        for to in used(&fs::read_to_string(path).unwrap()) {
            let lower = floor(&to).is_some_and(|floor| floor > level);
            let forbidden = PRIVATE.iter().any(|(room, only)| to == *room && from != *only && from != *room);
            if from != to && (!lower || forbidden) {
                faults.push(format!("{} uses {to}", path.display()));
            }
        }
    }
    assert!(all.len() > 40 && faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} opens without //! lines", path.display());
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: two roles", path.display());
    }
}
