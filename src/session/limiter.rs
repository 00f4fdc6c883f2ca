//! What sessions share because it is limited: rates, and those of an account its seats and the count of its home's bytes.

use super::pace::Bucket;
use super::{Direction, Settings};
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
    downloads: Lane,
    uploads: Lane,
    seats: Seats,
}

/// The rates of one direction.
#[derive(Default)]
struct Lane {
    /// What all share.
    server: Mutex<Option<Arc<Bucket>>>,
    accounts: Shared<String, Bucket>,
}

/// How fast a session may be: as fast as each of these lets it, beside what holds for the whole server.
pub(super) struct Rates {
    downloads: Vec<Arc<Bucket>>,
    uploads: Vec<Arc<Bucket>>,
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

    /// The rates of the whole server. Another one holds for transfers that run, too, but not where there was none.
    pub(crate) fn set_server_rates(&self, settings: &Settings) {
        self.downloads.set_server_rate(settings.server_download_rate);
        self.uploads.set_server_rate(settings.server_upload_rate);
    }

    /// The rate that an account's sessions share, of which a new one holds for all of them, and that of one session.
    pub(super) fn rates(&self, account: &Account, settings: &Settings) -> Rates {
        let limits = &account.limits;
        let download = limits.session_download_rate.or(settings.session_download_rate);
        let upload = limits.session_upload_rate.or(settings.session_upload_rate);
        Rates {
            downloads: self.downloads.rates(&account.id, limits.download_rate, download),
            uploads: self.uploads.rates(&account.id, limits.upload_rate, upload),
        }
    }

    /// All that a transfer has to keep to.
    pub(super) fn buckets(&self, direction: Direction, rates: &Rates) -> Vec<Arc<Bucket>> {
        let (lane, own) = match direction {
            Direction::Download => (&self.downloads, &rates.downloads),
            Direction::Upload => (&self.uploads, &rates.uploads),
        };
        own.iter().cloned().chain(lock(&lane.server).clone()).collect()
    }

    /// A place for one more session of an account, if there is one.
    pub(super) fn seat(&self, account: &Account) -> Option<Seat> {
        self.seats.take(&account.id, account.limits.max_sessions)
    }
}

impl Lane {
    fn set_server_rate(&self, rate: Option<NonZeroU64>) {
        let mut server = lock(&self.server);
        match (&*server, rate) {
            (Some(bucket), Some(rate)) => bucket.set_rate(rate),
            (_, rate) => *server = rate.map(|rate| Arc::new(Bucket::new(rate))),
        }
    }

    fn rates(&self, account: &str, shared: Option<NonZeroU64>, own: Option<NonZeroU64>) -> Vec<Arc<Bucket>> {
        let shared = shared.map(|rate| {
            let bucket = self.accounts.get(account.to_string(), || Bucket::new(rate));
            bucket.set_rate(rate);
            bucket
        });
        shared.into_iter().chain(own.map(|rate| Arc::new(Bucket::new(rate)))).collect()
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
