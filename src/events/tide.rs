//! How far the journal has come, for those who wait for more of it.

use crate::locks::{Condvar, Mutex, MutexGuard, lock};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A number that only grows, and an end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tide(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    height: u64,
    ended: bool,
}

impl Tide {
    /// The journal has been written up to this number.
    pub fn rise(&self, to: u64) {
        let mut state = self.lock();
        state.height = state.height.max(to);
        self.0.changed.notify_all();
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.0.changed.notify_all();
    }

    /// How far it has been written in this run.
    pub fn height(&self) -> u64 {
        self.lock().height
    }

    /// Whether nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits until it is above `seen`, or for so long; where it is then.
    pub fn wait(&self, seen: u64, most: Duration) -> u64 {
        let waited = self.0.changed.wait_timeout_while(self.lock(), most, |state| state.height <= seen && !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.height
    }

    /// Waits for so long; true if the end comes before.
    pub fn rest(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while !state.ended
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}
