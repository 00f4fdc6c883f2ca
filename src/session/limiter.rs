//! What the sessions of an account share because it is limited: rates, seats, and the count of its home's bytes.

use super::pace::Bucket;
use crate::accounts::{Account, Limits};
use crate::locks::lock;
use crate::storage::{Home, Metered, Quotas, ReadOnly, Shared, Storage};
use std::collections::HashMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard};

/// What holds accounts back, for all sessions of a server.
#[derive(Default)]
pub struct Limiter {
    quotas: Quotas,
    downloads: Shared<String, Bucket>,
    uploads: Shared<String, Bucket>,
    seats: Seats,
}

/// How fast a session may be; None: as fast as it can.
#[derive(Default)]
pub(super) struct Rates {
    pub(super) download: Option<Arc<Bucket>>,
    pub(super) upload: Option<Arc<Bucket>>,
}

impl Limiter {
    /// An account's home, as far as its limits let it be used.
    pub(super) fn home(&self, storage: &dyn Storage, account: &Account) -> Box<dyn Home> {
        let Limits { quota, read_only, .. } = &account.limits;
        let mut home = storage.home(account);
        if let Some(quota) = *quota {
            home = Box::new(Metered::new(home, self.quotas.clone(), quota));
        }
        if !read_only.is_empty() {
            home = Box::new(ReadOnly::new(home, read_only.clone()));
        }
        home
    }

    /// The rates that an account's sessions share; a new rate holds for all of them.
    pub(super) fn rates(&self, account: &Account) -> Rates {
        let bucket = |buckets: &Shared<String, Bucket>, rate: Option<NonZeroU64>| {
            let rate = rate?;
            let bucket = buckets.get(account.id.clone(), || Bucket::new(rate));
            bucket.set_rate(rate);
            Some(bucket)
        };
        Rates {
            download: bucket(&self.downloads, account.limits.download_rate),
            upload: bucket(&self.uploads, account.limits.upload_rate),
        }
    }

    /// A place for one more session of an account, if there is one.
    pub(super) fn seat(&self, account: &Account) -> Option<Seat> {
        self.seats.take(&account.id, account.limits.max_sessions)
    }
}

/// How many sessions each account has.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<String, usize>>>);

/// A session of an account; it is over when this is dropped.
pub(super) struct Seat {
    seats: Seats,
    id: String,
}

impl Seats {
    /// All are counted, also where there is no limit: there may be one soon.
    fn take(&self, id: &str, most: Option<NonZeroUsize>) -> Option<Seat> {
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
