//! Somebody who has logged in, and what holds them back.

use super::Permissions;
use crate::protocol::path::VirtualPath;
use jiff::Timestamp;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What stays the same for as long as it is the same account, whatever becomes of its name.
    pub id: String,
    /// The name they log in with.
    pub username: String,
    /// What they may do.
    pub permissions: Permissions,
    /// The directory that is their `/`.
    pub home: PathBuf,
    /// What kind of place that is in; None: what the server has for everybody.
    pub storage: Option<StorageKind>,
    /// The names of the groups they are in.
    pub groups: Vec<String>,
    /// What holds them back beside their permissions.
    pub limits: Limits,
    /// A digest of what proved who they are, for [`Accounts::current`] to find out whether it still holds.
    pub proof: Option<u64>,
}

/// Kinds of places for files, of which a server can have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// The disk of this host.
    Disk,
    /// A bucket of S3.
    S3,
    /// A bucket of Google Cloud Storage.
    Gcs,
}

/// What holds an account back beside its permissions; None: nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all files in its home may have together.
    pub quota: Option<u64>,
    /// Bytes a second that all its sessions may download together.
    pub download_rate: Option<NonZeroU64>,
    /// Bytes a second that all its sessions may upload together.
    pub upload_rate: Option<NonZeroU64>,
    /// Bytes a second that each of its sessions may download.
    pub session_download_rate: Option<NonZeroU64>,
    /// Bytes a second that each of its sessions may upload.
    pub session_upload_rate: Option<NonZeroU64>,
    /// Sessions at once.
    pub max_sessions: Option<NonZeroUsize>,
    /// Where, and below which, nothing can be changed.
    pub read_only: Vec<VirtualPath>,
    /// From when on it can't be used.
    pub expires: Option<Timestamp>,
}

impl Account {
    /// An account that may do everything in its home.
    pub fn new(username: impl Into<String>, home: impl Into<PathBuf>) -> Account {
        let username = username.into();
        Account {
            id: username.clone(),
            username,
            permissions: Permissions::all(),
            home: home.into(),
            storage: None,
            groups: Vec::new(),
            limits: Limits::default(),
            proof: None,
        }
    }
}

impl Limits {
    /// Whether its time is over.
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= Timestamp::now())
    }
}
