//! The rates of each direction: of the whole server, of each account, and of one session.

use super::bucket::Bucket;
use crate::locks::{Mutex, lock};
use crate::storage::Shared;
use std::num::NonZeroU64;
use std::sync::Arc;

/// The rates of one direction.
#[derive(Default)]
pub(super) struct Lane {
    /// What all share.
    server: Mutex<Option<Arc<Bucket>>>,
    accounts: Shared<String, Bucket>,
}

/// How fast a session may be: as fast as each of these lets it, beside what holds for the whole server.
pub(in crate::session) struct Rates {
    pub(super) downloads: Vec<Arc<Bucket>>,
    pub(super) uploads: Vec<Arc<Bucket>>,
}

impl Lane {
    /// Another one holds for transfers that run, too, but not where there was none.
    pub(super) fn set_server_rate(&self, rate: Option<NonZeroU64>) {
        let mut server = lock(&self.server);
        match (&*server, rate) {
            (Some(bucket), Some(rate)) => bucket.set_rate(rate),
            (_, rate) => *server = rate.map(|rate| Arc::new(Bucket::new(rate))),
        }
    }

    /// The rate that an account's sessions share, of which a new one holds for all of them, and that of one session.
    pub(super) fn rates(&self, account: &str, shared: Option<NonZeroU64>, own: Option<NonZeroU64>) -> Vec<Arc<Bucket>> {
        let shared = shared.map(|rate| {
            let bucket = self.accounts.get(account.to_string(), || Bucket::new(rate));
            bucket.set_rate(rate);
            bucket
        });
        shared.into_iter().chain(own.map(|rate| Arc::new(Bucket::new(rate)))).collect()
    }

    /// All that a transfer has to keep to whose session has these.
    pub(super) fn buckets(&self, own: &[Arc<Bucket>]) -> Vec<Arc<Bucket>> {
        own.iter().cloned().chain(lock(&self.server).clone()).collect()
    }
}
