//! Which tests keep to the disk where the others run over stores: each of them is there, and has a reason.

use crate::support::elsewhere::listed;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn what_is_listed_as_an_exception_is_a_test_and_has_a_reason() {
    let output = std::process::Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let tests: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(tests.len() > 600, "{text}");
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if !name.starts_with("only-") && !name.starts_with("not-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let list = listed(&text);
        assert!(!list.is_empty(), "{name} is empty");
        let mut seen = BTreeSet::new();
        for (test, reason) in list {
            let is_there = tests.contains(test) || test.ends_with("::") && tests.iter().any(|it| it.starts_with(test));
            assert!(is_there, "{name}: there is no {test}");
            assert!(!reason.is_empty(), "{name}: {test} has no reason");
            assert!(seen.insert(test), "{name}: {test} is there twice");
        }
    }
}
