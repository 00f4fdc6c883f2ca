//! How many sessions each account has, and may have.

use crate::locks::{Mutex, MutexGuard, lock};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many sessions each account has.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<String, usize>>>);

/// A session of an account; it is over when this is dropped.
pub(in crate::session) struct Seat {
    seats: Seats,
    id: String,
}

impl Seats {
    /// All are counted, also where there is no limit: there may be one soon.
    pub(super) fn take(&self, id: &str, most: Option<NonZeroUsize>) -> Option<Seat> {
        let mut taken = self.lock();
        let mine = taken.get(id).copied().unwrap_or(0);
        if most.is_some_and(|most| mine >= most.get()) {
            return None;
        }
        taken.insert(id.to_string(), mine + 1);
        Some(Seat { seats: self.clone(), id: id.to_string() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        lock(&self.0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        match taken.get_mut(&self.id) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(taken.remove(&self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_when_it_is_left() {
        let seats = Seats::default();
        let two = NonZeroUsize::new(2);
        let first = seats.take("ann", two).unwrap();
        let _second = seats.take("ann", two).unwrap();
        assert!(seats.take("ann", two).is_none() && seats.take("bob", two).is_some());
        let third = seats.take("ann", None).unwrap();
        drop(first);
        assert!(seats.take("ann", two).is_none());
        drop(third);
        assert!(seats.take("ann", two).is_some());
        assert_eq!(seats.lock().len(), 1, "who is not on is not remembered");
    }
}
