//! What `check` and the start of a server tell an administrator of all accounts.

use super::user::Groups;
use super::{Denial, Permissions, StorageKind};
use crate::protocol::shown::Shown;
use std::path::PathBuf;

/// All accounts together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many users there are, with or without an account.
    pub users: usize,
    /// The names of all groups.
    pub groups: Groups,
    /// Rules that are about nobody, one line for each.
    pub strangers: Vec<String>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The name they log in with.
    pub username: String,
    /// Not switched off.
    pub is_active: bool,
    /// Why no password can ever be theirs.
    pub password: Option<Denial>,
    /// Their home, or why it can't be told.
    pub home: Result<PathBuf, Denial>,
    /// What kind of place that is in; None: what the server has for everybody.
    pub storage: Option<StorageKind>,
    /// What they may do there.
    pub permissions: Permissions,
}

impl Surveyed {
    /// Why they can't log in though they are meant to, one line for each reason. Without a password, that is meant.
    pub fn faults(&self) -> Vec<String> {
        let name = Shown(self.username.as_bytes());
        let password = self.password.as_ref().filter(|denial| matches!(denial, Denial::UnknownAlgorithm(_)));
        let denials = password.into_iter().chain(self.home.as_ref().err()).filter(|_| self.is_active);
        denials.map(|denial| format!("{name} can't log in: {denial}")).collect()
    }
}
