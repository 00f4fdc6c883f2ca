//! What a session has once somebody has logged in: the account, its home, and where they stand in it.

use crate::accounts::Known;
use crate::accounts::{Account, Permission};
use crate::events::Place;
use crate::protocol::path::{RawPath, VirtualPath};
use crate::storage::{Home, Storage};

pub(super) struct Workspace {
    pub(super) account: Account,
    pub(super) home: Box<dyn Home>,
    pub(super) cwd: VirtualPath,
    pub(super) rename_from: Option<VirtualPath>,
    pub(super) umask: u32,
    version: u64,
}

impl Workspace {
    pub(super) fn new(known: Known, storage: &dyn Storage, umask: u32) -> Workspace {
        let home = storage.home(&known.account);
        Workspace {
            account: known.account,
            home,
            cwd: VirtualPath::root(),
            rename_from: None,
            umask,
            version: known.version,
        }
    }

    /// Whether the account was read at another version than this.
    pub(super) fn is_stale(&self, version: u64) -> bool {
        self.version != version
    }

    /// Takes the account as it is now.
    pub(super) fn renew(&mut self, known: Known, storage: &dyn Storage) {
        if known.account.home != self.account.home {
            self.home = storage.home(&known.account);
            self.cwd = VirtualPath::root();
            self.rename_from = None;
        }
        self.account = known.account;
        self.version = known.version;
    }

    /// Where a path of a command leads from here.
    pub(super) fn at(&self, path: &RawPath) -> VirtualPath {
        self.cwd.resolve(path)
    }

    /// A file's two names, for events.
    pub(super) fn place(&self, path: &VirtualPath) -> Place {
        Place { real: self.home.real_path(path), shown: path.as_bytes().to_vec() }
    }

    pub(super) fn may(&self, permission: Permission) -> bool {
        self.account.permissions.allow(permission)
    }
}
