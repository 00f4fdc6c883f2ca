//! Several kinds of places for homes in one server.

use super::{Home, Storage};
use crate::accounts::{Account, StorageKind};

/// Storages, of which each account has its own.
pub struct Stores {
    usual: Box<dyn Storage>,
    others: Vec<(StorageKind, Box<dyn Storage>)>,
}

impl Stores {
    /// Homes are in the first, but those of accounts that name the kind of another one, which are there.
    pub fn new(usual: Box<dyn Storage>, others: Vec<(StorageKind, Box<dyn Storage>)>) -> Stores {
        Stores { usual, others }
    }
}

impl Storage for Stores {
    fn home(&self, account: &Account) -> Box<dyn Home> {
        let own = self.others.iter().find(|(kind, _)| account.storage == Some(*kind));
        own.map_or(&self.usual, |(_, storage)| storage).home(account)
    }
}
