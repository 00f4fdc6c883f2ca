//! `django-ftpd check`, and what it finds.

use serde_json::Value;
use std::process::{Command, Output};

/// What was found, as programs read it.
pub struct Report {
    pub status: i32,
    /// State, part and text.
    pub findings: Vec<(String, String, String)>,
    pub json: Value,
}

impl Report {
    #[track_caller]
    pub fn has(&self, state: &str, part: &str, text: &str) -> &Report {
        let is_it = |(s, p, t): &(String, String, String)| s == state && p == part && t.contains(text);
        assert!(self.findings.iter().any(is_it), "no {state} of {part}: {text}\n{:#?}", self.findings);
        self
    }

    #[track_caller]
    pub fn has_none(&self, state: &str, part: &str) -> &Report {
        let found: Vec<_> = self.findings.iter().filter(|(s, p, _)| s == state && p == part).collect();
        assert!(found.is_empty(), "{found:#?}");
        self
    }

    /// The lines to copy.
    pub fn lines(&self, part: &str) -> Vec<String> {
        let findings = self.json["findings"].as_array().unwrap().iter().filter(|finding| finding["part"] == part);
        let lines = findings.filter_map(|finding| finding["lines"].as_array()).flatten();
        lines.map(|line| line.as_str().unwrap().to_string()).collect()
    }
}

fn output(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_django-ftpd")).arg("check").args(args).output().unwrap()
}

/// As people read it: status, standard output and error.
pub fn people(args: &[&str]) -> (i32, String, String) {
    let output = output(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// As programs do.
pub fn check(args: &[&str]) -> Report {
    let (status, out, err) = people(&[args, &["--json"]].concat());
    assert_eq!((err.as_str(), out.matches('\n').count()), ("", 1), "{out}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_string();
    let all = json["findings"].as_array().unwrap().iter();
    let findings = all.map(|f| (text(f, "state"), text(f, "part"), text(f, "text"))).collect();
    Report { status, findings, json }
}

/// Whether files can be looked at as another user; who can't, is told so.
pub fn may_become_others() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        check(&["--file-access-user", "0:0", "127.0.0.1:0"]).has("fault", "user", "only root can become 0:0");
    }
    is_root
}
