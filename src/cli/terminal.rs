//! Colours, for people who look at a terminal.

use std::io::{self, IsTerminal};

pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Whether standard output is a terminal that can show them, and nobody minds (no-color.org).
pub(super) fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// The text in a colour, if there is one.
pub(super) fn coloured(text: &str, colour: Option<&str>) -> String {
    match colour {
        Some(colour) => format!("{colour}{text}{PLAIN}"),
        None => text.to_string(),
    }
}
