//! Users that were looked up a moment ago, as they were at a version of the database: nothing is asked twice.

use super::super::user::User;
use crate::locks::{Mutex, lock};
use std::collections::HashMap;

/// More than this are not kept.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    version: u64,
    users: HashMap<String, User>,
}

impl Recent {
    /// The user of this name at this version, if anybody has asked.
    pub(super) fn get(&self, version: u64, username: &str) -> Option<User> {
        let known = lock(&self.0);
        known.users.get(username).filter(|_| known.version == version).cloned()
    }

    /// The user was found when the database had this version, or is even newer.
    pub(super) fn put(&self, version: u64, username: &str, user: &User) {
        let mut known = lock(&self.0);
        if known.version < version {
            *known = Known { version, users: HashMap::new() };
        }
        if known.version == version && known.users.len() < MOST {
            known.users.insert(username.to_string(), user.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> User {
        User::plain(id, "ann", "")
    }

    #[test]
    fn users_are_known_at_the_version_they_were_found_at_and_no_other() {
        let recent = Recent::default();
        recent.put(2, "ann", &user("1"));
        assert_eq!(recent.get(2, "ann"), Some(user("1")));
        assert!(recent.get(3, "ann").is_none() && recent.get(2, "bob").is_none());
        recent.put(1, "ann", &user("old"));
        assert_eq!(recent.get(2, "ann"), Some(user("1")), "who asked long ago does not put back what was");
        recent.put(3, "bob", &user("2"));
        assert!(recent.get(2, "ann").is_none() && recent.get(3, "ann").is_none());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let recent = Recent::default();
        (0..MOST + 10).for_each(|number| recent.put(1, &number.to_string(), &user("1")));
        assert_eq!(lock(&recent.0).users.len(), MOST);
    }
}
