//! What is wrong with an export, for the administrator.

use crate::protocol::shown::Shown;
use std::fmt;

/// More of a name, or of what a parser says, is not shown.
const MOST_SHOWN: usize = 100;

/// Why an export can't be used: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub text: String,
    /// It may work the next time, though the file stays as it is.
    pub is_passing: bool,
}

impl Fault {
    /// A fault of the file.
    pub fn new(text: impl Into<String>) -> Fault {
        Fault { text: text.into(), is_passing: false }
    }

    /// A fault of the system while it was read.
    pub fn passing(text: impl Into<String>) -> Fault {
        Fault { text: text.into(), is_passing: true }
    }

    /// The same with the place where it was found.
    pub fn at(self, place: impl fmt::Display) -> Fault {
        Fault { text: format!("{place}: {}", self.text), ..self }
    }
}

/// Where an object begins. Both count from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub line: u32,
    pub object: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, object {}", self.line, self.object)
    }
}

/// Text from the file, made harmless and short.
pub(super) fn shown(text: &str) -> String {
    let mut begin: String = text.chars().take(MOST_SHOWN).collect();
    if begin.len() < text.len() {
        begin.push('…');
    }
    Shown(begin.as_bytes()).to_string()
}
