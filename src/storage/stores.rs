//! Several kinds of places for homes in one server.

use super::{Home, Storage};
use crate::accounts::{Account, StorageKind};

/// Storages, of which each account has its own.
pub struct Stores {
    usual: Box<dyn Storage>,
    others: Vec<(StorageKind, Box<dyn Storage>)>,
}

impl Stores {
    /// Everybody's homes are here.
    pub fn new(usual: impl Storage + 'static) -> Stores {
        Stores { usual: Box::new(usual), others: Vec::new() }
    }

    /// Those of accounts that say so are there.
    pub fn with(mut self, kind: StorageKind, storage: impl Storage + 'static) -> Stores {
        self.others.push((kind, Box::new(storage)));
        self
    }
}

impl Storage for Stores {
    fn home(&self, account: &Account) -> Box<dyn Home> {
        let own = self.others.iter().find(|(kind, _)| account.storage == Some(*kind));
        own.map_or(&self.usual, |(_, storage)| storage).home(account)
    }
}
