//! A live table on a terminal: on a screen of its own, which is gone when it ends. Elsewhere tables follow each other.

use crate::process::signals;
use rustix::termios;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
/// Up to the corner; what is left of the old picture is erased behind each line, and below.
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\r\n";
const REST_OF_SCREEN: &str = "\x1b[J";

/// Where tables are shown again and again.
pub(super) struct Screen {
    is_terminal: bool,
    has_begun: bool,
}

impl Screen {
    /// Signals end it in order.
    pub(super) fn begin() -> io::Result<Screen> {
        let is_terminal = io::stdout().is_terminal();
        if is_terminal {
            signals::before_the_end(|| {
                let mut out = io::stdout().lock();
                let _ = out.write_all(END.as_bytes()).and_then(|()| out.flush());
                // Nothing more is drawn until the process has ended.
                std::mem::forget(out);
            })?;
            show(BEGIN)?;
        }
        Ok(Screen { is_terminal, has_begun: false })
    }

    /// Shows a table in the place of the last one.
    pub(super) fn show(&mut self, text: &str) -> io::Result<()> {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        if !self.is_terminal {
            return show(&format!("{}{text}", if has_begun { "\n" } else { "" }));
        }
        let rows = size().map_or(usize::MAX, |(_, rows)| rows.saturating_sub(1).max(1));
        let lines: Vec<&str> = text.lines().take(rows).collect();
        show(&format!("{HOME}{}{REST_OF_LINE}{REST_OF_SCREEN}", lines.join(REST_OF_LINE)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // Nobody may look any more.
            let _ = show(END);
        }
    }
}

/// Columns and rows of the terminal; None: there is none.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = termios::tcgetwinsize(io::stdout().as_fd()).ok()?;
    Some((size.ws_col.into(), size.ws_row.into())).filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
