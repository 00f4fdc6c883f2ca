//! The bytes of one home: those that a walk has found, those that uploads have added since, and those they are about
//! to add. Where it can't be exact while a walk runs, it counts too much, until the next one.

use crate::locks::{Mutex, MutexGuard, lock};
use crate::storage::{Error, Home, Result};
use std::time::{Duration, Instant};

/// Others than this server change homes, too: a walk finds out what they have done.
const FRESH: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Tracker {
    state: Mutex<State>,
    /// Held while files are replaced, or grow where they are.
    order: Mutex<()>,
    /// Held while the home is walked through.
    walking: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// In the home.
    settled: u64,
    /// Taken by uploads that may still fail.
    in_flight: u64,
    /// What has been settled since the walk began, which may have found it or not.
    meanwhile: u64,
    walks: u64,
    is_walking: bool,
    walked: Option<Instant>,
    /// It is probably less.
    is_stale: bool,
    /// Walks for which the store did not answer.
    failures: u64,
}

/// When a walk is worth while.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The last one was too long ago.
    Recent,
    /// Something may have become free since.
    Exact,
}

/// A time between two walks; None within one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(Option<u64>);

/// Nobody renames, replaces, or writes in place.
pub(super) type Order<'a> = MutexGuard<'a, ()>;

impl Tracker {
    /// Takes bytes, if they are still free.
    pub(super) fn charge(&self, bytes: u64, limit: u64) -> bool {
        let mut state = lock(&self.state);
        let fits = bytes <= limit.saturating_sub(state.used());
        if fits {
            state.in_flight += bytes;
        }
        fits || bytes == 0
    }

    /// Gives back bytes that were taken.
    pub(super) fn release(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.in_flight = state.in_flight.saturating_sub(bytes);
    }

    /// Bytes that were taken are in the home now, and others have gone: both since that moment.
    pub(super) fn settle(&self, added: u64, freed: u64, since: Moment) {
        let mut state = lock(&self.state);
        state.in_flight = state.in_flight.saturating_sub(added);
        state.settled = state.settled.saturating_add(added);
        if state.is_walking {
            state.meanwhile = state.meanwhile.saturating_add(added);
        }
        if since.0.is_some() && since == state.moment() {
            state.settled = state.settled.saturating_sub(freed);
        } else {
            state.is_stale = true;
        }
    }

    pub(super) fn moment(&self) -> Moment {
        lock(&self.state).moment()
    }

    /// Something may have become free.
    pub(super) fn mark_stale(&self) {
        lock(&self.state).is_stale = true;
    }

    /// Something may be there that was not counted.
    pub(super) fn distrust(&self) {
        lock(&self.state).walked = None;
    }

    pub(super) fn used(&self) -> u64 {
        lock(&self.state).used()
    }

    /// For who replaces a file, or writes in place.
    pub(super) fn in_order(&self) -> Order<'_> {
        lock(&self.order)
    }

    /// For who renames: a walk could miss what is moved meanwhile.
    pub(super) fn between_walks(&self) -> (Order<'_>, Order<'_>) {
        (lock(&self.walking), lock(&self.order))
    }

    /// Walks through the home if there is a need. Uploads go on meanwhile.
    pub(super) fn refresh(&self, home: &dyn Home, need: Need) -> Result<()> {
        let failures = lock(&self.state).failures;
        let _one_at_a_time = lock(&self.walking);
        if lock(&self.state).failures != failures {
            // Who waited here would wait again for as long.
            return Err(Error::Unavailable("what a home holds can't be found out".to_string()));
        }
        if !lock(&self.state).begin_walk(need) {
            return Ok(());
        }
        let found = home.used();
        let mut state = lock(&self.state);
        state.end_walk(found.as_ref().ok().copied());
        state.failures += u64::from(matches!(found, Err(Error::Unavailable(_))));
        found.map(drop)
    }
}

impl State {
    fn used(&self) -> u64 {
        self.settled.saturating_add(self.in_flight)
    }

    fn moment(&self) -> Moment {
        Moment((!self.is_walking).then_some(self.walks))
    }

    fn begin_walk(&mut self, need: Need) -> bool {
        let is_recent = self.walked.is_some_and(|walked| walked.elapsed() < FRESH);
        if is_recent && !(need == Need::Exact && self.is_stale) {
            return false;
        }
        self.walks += 1;
        self.is_walking = true;
        self.is_stale = false;
        self.meanwhile = 0;
        self.walked = Some(Instant::now());
        true
    }

    fn end_walk(&mut self, found: Option<u64>) {
        self.is_walking = false;
        match found {
            Some(found) => self.settled = found.saturating_add(self.meanwhile),
            None => self.walked = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(state: &mut State, found: u64) {
        assert!(state.begin_walk(Need::Recent));
        state.end_walk(Some(found));
    }

    #[test]
    fn bytes_are_taken_while_they_are_free_and_given_back() {
        let tracker = Tracker::default();
        walked(&mut lock(&tracker.state), 50);
        assert!(tracker.charge(30, 100) && !tracker.charge(21, 100) && tracker.charge(20, 100));
        assert!(!tracker.charge(1, 100) && tracker.charge(0, 10) && !tracker.charge(u64::MAX, 100));
        tracker.release(20);
        tracker.settle(30, 40, tracker.moment());
        assert_eq!(tracker.used(), 40);
    }

    #[test]
    fn what_happens_during_a_walk_is_never_lost() {
        let tracker = Tracker::default();
        let before = tracker.moment();
        assert!(tracker.charge(30, 100));
        assert!(lock(&tracker.state).begin_walk(Need::Recent));
        let within = tracker.moment();
        assert!(tracker.charge(7, 100));
        tracker.settle(30, 5, before);
        tracker.settle(0, 5, within);
        lock(&tracker.state).end_walk(Some(10));
        assert_eq!(tracker.used(), 47, "what was replaced may have gone before it was found");
        assert!(lock(&tracker.state).begin_walk(Need::Exact), "the next walk knows better");
    }

    #[test]
    fn a_walk_takes_place_when_it_is_needed() {
        let mut state = State::default();
        walked(&mut state, 1);
        assert!(!state.begin_walk(Need::Recent) && !state.begin_walk(Need::Exact));
        state.is_stale = true;
        assert!(!state.begin_walk(Need::Recent) && state.begin_walk(Need::Exact));
        state.end_walk(None);
        assert!(state.begin_walk(Need::Recent), "it has failed");
        state.end_walk(Some(1));
        state.walked = Instant::now().checked_sub(FRESH);
        assert!(state.begin_walk(Need::Recent), "it is too long ago");
    }
}
