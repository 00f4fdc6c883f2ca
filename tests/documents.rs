//! What the documents say is what the program does. After a change of options, `UPDATE_DOCUMENTS=1 cargo test` writes
//! the parts that are made from them.

use django_ftpd::config::help;
use django_ftpd::events::Kind;
use std::path::{Path, PathBuf};

fn document(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    (path, text)
}

#[track_caller]
fn holds(name: &str, expected: &str) {
    let (path, text) = document(name);
    if text != expected && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(text == expected, "{name} is behind the options; run UPDATE_DOCUMENTS=1 cargo test");
    }
}

/// A part of the README.
#[track_caller]
fn holds_between(start: &str, end: &str, expected: &str) {
    let (_, text) = document("README.md");
    let head = text.split_once(start).unwrap().0;
    let tail = text.split_once(end).unwrap().1;
    holds("README.md", &format!("{head}{start}{expected}{end}{tail}"));
}

#[test]
fn the_example_file_has_every_option() {
    holds("conf/django-ftpd.conf", &help::example_file());
}

#[test]
fn the_readme_has_every_option() {
    holds_between("checked by a test -->\n", "<!-- end of options -->", &help::markdown_table());
}

#[test]
fn the_readme_has_every_key_of_sections() {
    holds_between("checked by a test, too -->\n", "<!-- end of keys -->", &help::sections_table());
}

#[test]
fn the_readme_has_every_key_of_programs() {
    holds_between("keys of exec -->\n", "<!-- end of exec -->", &help::exec_table());
    holds_between("keys of gate -->\n", "<!-- end of gate -->", &help::gate_table());
    holds_between("keys of webhook -->\n", "<!-- end of webhook -->", &help::webhook_table());
}

#[test]
fn the_readme_has_every_key_of_stores() {
    holds_between("keys of s3 -->\n", "<!-- end of s3 -->", &help::s3_table());
    holds_between("keys of gcs -->\n", "<!-- end of gcs -->", &help::gcs_table());
}

#[test]
fn the_readme_names_every_event() {
    let (_, text) = document("README.md");
    let (_, source) = document("src/events/mod.rs");
    let names: Vec<&str> = source.split('"').filter(|word| word.starts_with("ftp_")).collect();
    assert_eq!(names.len(), 15);
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
        assert!(Kind::named(name).is_some_and(|kind| kind.name() == name), "{name}");
    }
}

#[test]
fn the_security_table_names_tests_that_exist() {
    let (_, table) = document("tests/SECURITY.md");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = std::fs::read_dir(tests).unwrap().map(|entry| entry.unwrap().path());
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let source: String = rust.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter_map(|name| name.rsplit("::").next()).collect();
    let names: Vec<&&str> = named.iter().filter(|name| name.contains('_') && !name.contains('.')).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(source.contains(&format!("fn {name}(")), "{name}");
    }
}

#[test]
fn every_option_is_tested_from_outside() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut source = std::fs::read_to_string(tests.join("support/server.rs")).unwrap();
    for entry in std::fs::read_dir(tests).unwrap() {
        source += &std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
    }
    for option in django_ftpd::config::options::OPTIONS.iter().filter(|option| !option.is_positional()) {
        let no = option.negated_flag().unwrap_or_default();
        let flags = [format!("\"{}\"", option.flag()), format!("\"{no}\"")];
        assert!(flags.iter().any(|flag| source.contains(flag)), "no test gives {}", option.flag());
    }
}
