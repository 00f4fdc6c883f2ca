//! A site with one user, who is looked up as in its real database.

#[path = "../../../../src/accounts/database/recent.rs"]
mod recent;

use super::user::{Directory, Groups, Patience, User};
use crate::locks::{Mutex, lock};
use recent::Recent;
use std::sync::Arc;

#[derive(Debug)]
pub struct Database {
    stored: Mutex<(u64, State)>,
    recent: Recent,
}

/// What becomes of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub password: &'static str,
    pub is_active: bool,
}

impl State {
    pub fn has_password(password: &'static str) -> State {
        State { password, is_active: true }
    }
}

impl Database {
    pub fn of(state: State) -> Database {
        Database { stored: Mutex::new((1, state)), recent: Recent::default() }
    }

    pub fn become_what_it_is_not(&self, state: State) {
        let mut stored = lock(&self.stored);
        assert_ne!(stored.1, state);
        *stored = (stored.0 + 1, state);
    }

    pub fn was_changed(&self) -> bool {
        self.version() > 1
    }

    fn version(&self) -> u64 {
        lock(&self.stored).0
    }

    fn look_up(&self, username: &str) -> User {
        let State { password, is_active } = lock(&self.stored).1.clone();
        User {
            id: "1".to_string(),
            username: username.to_string(),
            password: password.to_string(),
            is_active,
            is_superuser: false,
            groups: Vec::new(),
            ftp: None,
            site_has_accounts: false,
        }
    }
}

impl Directory for Arc<Database> {
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String> {
        let version = Database::version(self);
        let known = self.recent.get(version, username);
        if known.is_some() || patience == Patience::None {
            return Ok(known);
        }
        let user = self.look_up(username);
        self.recent.put(version, username, &user);
        Ok(Some(user))
    }

    fn visit(&self, visit: &mut dyn FnMut(&User)) -> Result<(), String> {
        visit(&self.look_up("ann"));
        Ok(())
    }

    fn groups(&self) -> Result<Groups, String> {
        Ok(Groups::default())
    }

    fn version(&self) -> u64 {
        Database::version(self)
    }

    fn refresh(&self) -> Result<(), String> {
        Ok(())
    }
}
