//! What sessions share because it is limited: rates, and those of an account its seats and the count of its home's bytes.

use super::bucket::Bucket;
use super::lanes::{Lane, Rates};
use super::seats::{Seat, Seats};
use crate::accounts::{Account, Limits};
use crate::session::{Direction, Settings};
use crate::storage::{Home, Metered, Quotas, ReadOnly, Storage};
use std::sync::Arc;

/// What holds accounts back, for all sessions of a server.
#[derive(Default)]
pub struct Limiter {
    quotas: Quotas,
    downloads: Lane,
    uploads: Lane,
    seats: Seats,
}

impl Limiter {
    /// An account's home, as far as its limits let it be used.
    pub(in crate::session) fn home(&self, storage: &dyn Storage, account: &Account) -> Box<dyn Home> {
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
    pub(in crate::session) fn rates(&self, account: &Account, settings: &Settings) -> Rates {
        let limits = &account.limits;
        let download = limits.session_download_rate.or(settings.session_download_rate);
        let upload = limits.session_upload_rate.or(settings.session_upload_rate);
        Rates {
            downloads: self.downloads.rates(&account.id, limits.download_rate, download),
            uploads: self.uploads.rates(&account.id, limits.upload_rate, upload),
        }
    }

    /// All that a transfer has to keep to.
    pub(in crate::session) fn buckets(&self, direction: Direction, rates: &Rates) -> Vec<Arc<Bucket>> {
        let (lane, own) = match direction {
            Direction::Download => (&self.downloads, &rates.downloads),
            Direction::Upload => (&self.uploads, &rates.uploads),
        };
        lane.buckets(own)
    }

    /// A place for one more session of an account, if there is one.
    pub(in crate::session) fn seat(&self, account: &Account) -> Option<Seat> {
        self.seats.take(&account.id, account.limits.max_sessions)
    }
}
