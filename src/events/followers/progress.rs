//! How far a follower is behind, for who looks from another thread.

use super::Line;
use crate::events::Tide;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What a follower tells of itself.
#[derive(Debug, Default)]
pub(super) struct Progress {
    position: AtomicU64,
    /// When the first event happened that is being dealt with, in milliseconds; 0: there is none.
    oldest: AtomicI64,
    failures: AtomicU32,
    set_aside: AtomicU64,
}

/// Looks at a follower that runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) name: String,
    /// The last event before the server began.
    pub(super) latest: u64,
    pub(super) tide: Tide,
    pub(super) progress: Arc<Progress>,
}

/// How far a follower is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// What it is called.
    pub name: String,
    /// Events that it has not dealt with.
    pub events: u64,
    /// How old the first of them is; None: there is none.
    pub age: Option<Duration>,
    /// Attempts with it that have failed.
    pub failures: u32,
    /// Events that were set aside since the server began.
    pub set_aside: u64,
}

impl Progress {
    pub(super) fn begin(&self, line: &Line) {
        let time = line.shown("time").and_then(|time| time.parse::<Timestamp>().ok());
        self.oldest.store(time.map_or(0, Timestamp::as_millisecond), Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_aside(&self) {
        self.set_aside.fetch_add(1, Ordering::Relaxed);
    }

    /// All is dealt with up to this event.
    pub(super) fn reach(&self, position: u64) {
        self.position.fetch_max(position, Ordering::Relaxed);
        self.oldest.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }
}

impl Watch {
    /// How far it is behind now.
    pub fn lag(&self) -> Lag {
        let progress = &*self.progress;
        let position = progress.position.load(Ordering::Relaxed);
        let oldest = progress.oldest.load(Ordering::Relaxed);
        let age = Timestamp::now().as_millisecond().saturating_sub(oldest);
        Lag {
            name: self.name.clone(),
            events: self.tide.height().max(self.latest).saturating_sub(position),
            age: (oldest != 0).then(|| Duration::from_millis(age.try_into().unwrap_or(0))),
            failures: progress.failures.load(Ordering::Relaxed),
            set_aside: progress.set_aside.load(Ordering::Relaxed),
        }
    }
}
