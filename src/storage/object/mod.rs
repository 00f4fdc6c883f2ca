//! Homes in an object store: each is what begins with a prefix in a bucket.

mod ahead;
pub mod bucket;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gcs;
mod home;
mod keys;
mod lent;
mod retry;
pub mod s3;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod web;

use super::{Home, Storage};
use crate::accounts::Account;
use crate::protocol::path::VirtualPath;
use crate::web as servers;
pub use crate::web::Authorities;
use bucket::{Bucket, Question};
use home::ObjectHome;
use keys::Prefix;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use ureq::Agent;

/// A bucket with homes in it.
#[derive(Clone)]
pub struct Objects {
    bucket: Arc<dyn Bucket>,
    location: String,
}

impl Objects {
    /// Homes in this bucket, below this location; empty: at its top.
    pub fn new(bucket: impl Bucket + 'static, location: impl Into<String>) -> Objects {
        Objects { bucket: Arc::new(bucket), location: location.into() }
    }

    /// What the bucket is called in events and in the log.
    pub fn name(&self) -> &str {
        self.bucket.name()
    }

    /// Asks it for one key, to see whether it answers.
    pub fn try_out(&self) -> super::Result<()> {
        let prefix = Prefix::new(&self.location, b"/").directory(&VirtualPath::root())?;
        let question = Question { prefix: &prefix, is_shallow: true, after: None, most: 1 };
        self.bucket.page(&question).map(drop)
    }
}

/// What asks a store; how long it waits is said with each request.
pub fn agent(authorities: &Authorities) -> Agent {
    servers::agent(authorities, |config| config.max_idle_connections_per_host(32).max_idle_connections(64))
}

impl Storage for Objects {
    fn home(&self, account: &Account) -> Box<dyn Home> {
        let prefix = Prefix::new(&self.location, account.home.as_os_str().as_bytes());
        Box::new(ObjectHome { bucket: self.bucket.clone(), prefix })
    }
}
