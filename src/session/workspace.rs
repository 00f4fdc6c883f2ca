//! What a session has once somebody has logged in: the account, its home, and where they stand in it.

use super::Services;
use super::limits::lanes::Rates;
use super::limits::seats::Seat;
use crate::accounts::{Account, Known, Permission, Permissions};
use crate::events::Place;
use crate::protocol::path::{RawPath, VirtualPath};
use crate::storage::Home;

pub(super) struct Workspace {
    pub(super) account: Box<Account>,
    pub(super) home: Box<dyn Home>,
    pub(super) cwd: VirtualPath,
    pub(super) rename_from: Option<VirtualPath>,
    pub(super) umask: u32,
    pub(super) rates: Rates,
    version: u64,
    _seat: Seat,
}

impl Workspace {
    pub(super) fn new(known: Known, services: &Services, seat: Seat) -> Workspace {
        let Known { account, version } = known;
        Workspace {
            home: services.limiter.home(&*services.storage, &account),
            rates: services.limiter.rates(&account, &services.settings),
            account,
            cwd: VirtualPath::root(),
            rename_from: None,
            umask: services.settings.umask,
            version,
            _seat: seat,
        }
    }

    /// Whether the account was read at another version than this.
    pub(super) fn is_stale(&self, version: u64) -> bool {
        self.version != version
    }

    /// Takes the account as it is now.
    pub(super) fn renew(&mut self, known: Known, services: &Services) {
        let is_elsewhere = known.account.home != self.account.home || known.account.storage != self.account.storage;
        if is_elsewhere || known.account.limits != self.account.limits {
            self.home = services.limiter.home(&*services.storage, &known.account);
            self.rates = services.limiter.rates(&known.account, &services.settings);
        }
        if is_elsewhere {
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

    /// What may be done with what is there.
    pub(super) fn permissions_at(&self, path: &VirtualPath) -> Permissions {
        let permissions = self.account.permissions;
        if self.home.is_read_only(path) { permissions.for_reading() } else { permissions }
    }

    pub(super) fn may(&self, permission: Permission) -> bool {
        self.account.permissions.allow(permission)
    }
}
