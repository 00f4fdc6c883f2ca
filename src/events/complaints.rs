//! Warnings that come as often as a client likes, and are logged only so often.

use crate::locks::{Mutex, lock};
use std::time::{Duration, Instant};

/// The time between two.
const PAUSE: Duration = Duration::from_secs(10);

/// One sort of warning.
#[derive(Debug, Default)]
pub struct Complaints {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Complaints {
    /// Logs it, unless one was logged a moment ago; then it is counted.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let mut state = lock(&self.state);
        if state.last.is_some_and(|last| last.elapsed() < PAUSE) {
            state.suppressed += 1;
            return;
        }
        let more = match std::mem::take(&mut state.suppressed) {
            0 => String::new(),
            more => format!(" (and {more} times the like before)"),
        };
        log::warn!("{}{more}", text());
        state.last = Some(Instant::now());
    }
}
