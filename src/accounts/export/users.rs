//! The users of an export, in little space: a site may have hundreds of thousands of them.

use super::fault::Position;
use super::object::Key;
use crate::accounts::user::{FtpAccount, Groups, User};

/// All users, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub users: Vec<StoredUser>,
    /// What the numbers in [`StoredUser::groups`] mean.
    pub groups: Vec<Box<str>>,
    pub ftp_groups: Vec<FtpGroup>,
    pub accounts: Vec<StoredAccount>,
    pub has_ftp_objects: bool,
    /// An array is whole or none. JSON lines are as whole without the last ones.
    pub shows_its_end: bool,
}

#[derive(Debug)]
pub(super) struct StoredUser {
    pub position: Position,
    pub key: Option<Key>,
    pub username: Box<str>,
    pub password: Box<str>,
    pub is_active: bool,
    pub is_superuser: bool,
    pub groups: Box<[u32]>,
    /// The index of the account.
    pub account: Option<u32>,
}

#[derive(Debug)]
pub(super) struct StoredAccount {
    pub position: Position,
    pub id: i64,
    /// The index of the group.
    pub group: u32,
    pub home: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) struct FtpGroup {
    pub position: Position,
    pub key: Option<Key>,
    pub name: Box<str>,
    pub permission: Box<str>,
    pub home: Option<Box<str>>,
}

impl Users {
    /// The user of this name.
    pub fn find(&self, username: &str) -> Option<User> {
        self.users.get(self.index(username)?).map(|stored| self.user(stored))
    }

    /// Everybody.
    pub fn all(&self) -> impl Iterator<Item = User> {
        self.users.iter().map(|stored| self.user(stored))
    }

    /// The groups that there are, or that somebody is in.
    pub fn group_names(&self) -> Groups {
        Groups {
            ftp: self.ftp_groups.iter().map(|group| group.name.to_string()).collect(),
            homes: self
                .ftp_groups
                .iter()
                .filter_map(|group| group.home.as_ref())
                .map(|home| home.to_string())
                .collect(),
            django: self.groups.iter().map(|name| name.to_string()).collect(),
        }
    }

    /// Where the user of this name is.
    pub fn index(&self, username: &str) -> Option<usize> {
        self.users.binary_search_by(|stored| (*stored.username).cmp(username)).ok()
    }

    fn user(&self, stored: &StoredUser) -> User {
        let groups = stored.groups.iter().filter_map(|&group| self.groups.get(group as usize));
        User {
            // Who has no primary key is known by name alone.
            id: stored.key.as_ref().map_or_else(|| stored.username.to_string(), Key::to_text),
            username: stored.username.to_string(),
            password: stored.password.to_string(),
            is_active: stored.is_active,
            is_superuser: stored.is_superuser,
            groups: groups.map(|name| name.to_string()).collect(),
            ftp: stored.account.and_then(|account| self.account(account)),
            site_has_accounts: self.has_ftp_objects,
        }
    }

    fn account(&self, index: u32) -> Option<FtpAccount> {
        let account = self.accounts.get(index as usize)?;
        let group = self.ftp_groups.get(account.group as usize)?;
        Some(FtpAccount {
            id: account.id,
            group: group.name.to_string(),
            permission: group.permission.to_string(),
            home: account.home.as_ref().or(group.home.as_ref()).map(|home| home.to_string()),
        })
    }
}
