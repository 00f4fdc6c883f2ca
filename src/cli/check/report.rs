//! What was found, for people as a table, and for programs as one object of JSON.

use crate::cli::terminal::{CYAN, GREEN, RED, YELLOW, coloured};
use crate::config::Problem;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many lines people read of one part and state; programs get all.
const MOST: usize = 10;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    /// Good to know.
    Note,
    /// It works, and may not be what is wanted.
    Warning,
    /// It does not work.
    Fault,
}

impl State {
    const ALL: [State; 4] = [State::Ok, State::Note, State::Warning, State::Fault];

    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Note => "note",
            State::Warning => "warning",
            State::Fault => "FAULT",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            State::Ok => GREEN,
            State::Note => CYAN,
            State::Warning => YELLOW,
            State::Fault => RED,
        }
    }
}

struct Finding {
    state: State,
    part: &'static str,
    text: String,
    /// Lines to copy.
    lines: Vec<String>,
}

/// Everything that was found.
#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

/// What is examined now.
pub(super) struct Part<'a> {
    report: &'a mut Report,
    name: &'static str,
}

impl Report {
    /// The part of this name.
    pub(super) fn part(&mut self, name: &'static str) -> Part<'_> {
        Part { report: self, name }
    }

    /// How often something was found in this state.
    pub(super) fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }

    /// A line for each finding, and one about all.
    pub(super) fn table(&self, colours: bool) -> String {
        let mut text = String::new();
        let mut told: BTreeMap<(&str, State), usize> = BTreeMap::new();
        for finding in &self.0 {
            let count = told.entry((finding.part, finding.state)).or_default();
            *count += 1;
            if *count <= MOST {
                text += &row(finding.state, finding.part, &finding.text, colours);
                text.extend(finding.lines.iter().map(|line| format!("        {line}\n")));
            }
            if *count == MOST + 1 {
                let is_like = |other: &&Finding| (other.part, other.state) == (finding.part, finding.state);
                let more = self.0.iter().filter(is_like).count() - MOST;
                let text_of_more = format!("and {more} more like these; --json tells them all");
                text += &row(finding.state, finding.part, &text_of_more, colours);
            }
        }
        text + &self.summary(colours) + "\n"
    }

    fn summary(&self, colours: bool) -> String {
        let count = |state: State, one: &str| match self.count(state) {
            0 => None,
            1 => Some(format!("1 {one}")),
            more => Some(format!("{more} {one}s")),
        };
        let counts = [count(State::Fault, "fault"), count(State::Warning, "warning"), count(State::Note, "note")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        let worst = self.0.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
        let text = match counts.is_empty() {
            true => "all is well".to_string(),
            false => counts.join(", "),
        };
        coloured(&text, Some(worst.colour()).filter(|_| colours))
    }

    /// The same for programs.
    pub(super) fn json(&self, is_well: bool) -> String {
        let counts: BTreeMap<String, usize> =
            State::ALL.into_iter().map(|state| (state.word().to_lowercase(), self.count(state))).collect();
        let findings: Vec<Value> = self.0.iter().map(Finding::json).collect();
        format!("{}\n", json!({"ok": is_well, "counts": counts, "findings": findings}))
    }
}

fn row(state: State, part: &str, text: &str, colours: bool) -> String {
    let word = coloured(&format!("{:<8}", state.word()), Some(state.colour()).filter(|_| colours));
    // A name may have anything in it.
    format!("{word}{part:<14} {}\n", Problem::new(text))
}

impl Finding {
    fn json(&self) -> Value {
        let mut object = json!({"state": self.state.word().to_lowercase(), "part": self.part, "text": self.text});
        if let Some(fields) = object.as_object_mut().filter(|_| !self.lines.is_empty()) {
            fields.insert("lines".to_string(), json!(self.lines));
        }
        object
    }
}

impl Part<'_> {
    /// Tells something.
    pub(super) fn add(&mut self, state: State, text: impl Into<String>) {
        self.add_with_lines(state, text, Vec::new());
    }

    /// The same with lines to copy.
    pub(super) fn add_with_lines(&mut self, state: State, text: impl Into<String>, lines: Vec<String>) {
        self.report.0.push(Finding { state, part: self.name, text: text.into(), lines });
    }

    pub(super) fn ok(&mut self, text: impl Into<String>) {
        self.add(State::Ok, text);
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.add(State::Note, text);
    }

    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.add(State::Warning, text);
    }

    pub(super) fn fault(&mut self, text: impl Into<String>) {
        self.add(State::Fault, text);
    }

    /// What is well, or the fault.
    pub(super) fn result(&mut self, result: Result<String, String>) {
        match result {
            Ok(text) => self.ok(text),
            Err(why) => self.fault(why),
        }
    }
}

/// `1 user`, `7 users`, `no users`.
pub(super) fn number(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_the_first_lines_and_programs_all() {
        let mut report = Report::default();
        for number in 0..23 {
            report.part("accounts").fault(format!("user-{number}\x1b"));
        }
        report.part("firewall").add_with_lines(State::Note, "open 21", vec!["ufw allow 21/tcp".to_string()]);
        let table = report.table(false);
        assert!(table.starts_with("FAULT   accounts       user-0\\u{1b}\n"), "{table}");
        assert!(table.contains("user-9") && !table.contains("user-10"), "{table}");
        assert!(table.contains("FAULT   accounts       and 13 more like these; --json tells them all\n"), "{table}");
        assert!(
            table.ends_with("note    firewall       open 21\n        ufw allow 21/tcp\n23 faults, 1 note\n"),
            "{table}"
        );
        let json: Value = serde_json::from_str(&report.json(false)).unwrap();
        assert_eq!((&json["counts"]["fault"], &json["counts"]["ok"]), (&json!(23), &json!(0)));
        assert_eq!(json["findings"][22]["text"], "user-22\x1b");
        assert_eq!(json["findings"][23]["lines"][0], "ufw allow 21/tcp");
    }

    #[test]
    fn colours_are_for_terminals() {
        let mut report = Report::default();
        report.part("address").ok("127.0.0.1:21");
        assert_eq!(
            report.table(true),
            "\x1b[32mok      \x1b[0maddress        127.0.0.1:21\n\x1b[32mall is well\x1b[0m\n"
        );
        assert_eq!(report.table(false), "ok      address        127.0.0.1:21\nall is well\n");
    }
}
