//! The users of the site: `auth_user`.

use super::values::{Email, StoredPassword, Username};
use super::{ACCOUNTS, Fault, Tables, USERS, quoted, refuse};
use rusqlite::params;

/// What refers to a user and goes with them.
const OURS: [&str; 3] = [ACCOUNTS, "auth_user_groups", "auth_user_user_permissions"];

/// The names under which Django stores hashes; whatever else stands there is not shown.
const ALGORITHMS: [&str; 10] = [
    "pbkdf2_sha256",
    "pbkdf2_sha1",
    "argon2",
    "bcrypt_sha256",
    "bcrypt",
    "scrypt",
    "md5",
    "sha1",
    "unsalted_md5",
    "unsalted_sha1",
];

/// A user to be made.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The name.
    pub username: &'a Username,
    /// The hash of the password.
    pub password: &'a StoredPassword,
    /// The address, or none.
    pub email: &'a Email,
    /// May do everything in the site, and use its admin.
    pub is_superuser: bool,
}

/// A user, as a list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The primary key.
    pub id: i64,
    /// The name.
    pub username: String,
    /// May log in.
    pub is_active: bool,
    /// May do everything in the site.
    pub is_superuser: bool,
    /// The algorithm of the password's hash, `unusable` or `unknown`.
    pub password: &'static str,
    /// The last login at the site, as it is stored.
    pub last_login: Option<String>,
}

/// What is to be another at a user; None: stays as it is.
#[derive(Debug, Default)]
pub struct UserChange {
    /// May log in.
    pub is_active: Option<bool>,
    /// May do everything in the site, and use its admin.
    pub is_superuser: Option<bool>,
    /// The name.
    pub username: Option<Username>,
}

/// The primary keys of what was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Of the user.
    pub user: i64,
    /// Of their FTP account.
    pub account: Option<i64>,
}

impl Tables<'_> {
    /// All users, by age.
    pub fn users(&self) -> Result<Vec<UserRow>, Fault> {
        let sql = "SELECT id, username, is_active, is_superuser, password, last_login FROM auth_user ORDER BY id";
        self.rows(sql, |row| {
            let password: String = row.get(4)?;
            Ok(UserRow {
                id: row.get(0)?,
                username: row.get(1)?,
                is_active: row.get(2)?,
                is_superuser: row.get(3)?,
                password: kind(&password),
                last_login: row.get(5)?,
            })
        })
    }

    /// Makes a user; their primary key.
    pub fn create_user(&self, user: &NewUser) -> Result<i64, Fault> {
        self.refuse_taken(user.username)?;
        self.0.execute(
            "INSERT INTO auth_user (username, password, is_active, is_superuser, is_staff, first_name, last_name, email, date_joined) \
             VALUES (?1, ?2, 1, ?3, ?3, '', '', ?4, strftime('%Y-%m-%d %H:%M:%f000', 'now'))",
            params![user.username.as_str(), user.password.as_str(), user.is_superuser, user.email.as_str()],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Refuses the name of a user who is there.
    pub fn refuse_taken(&self, username: &Username) -> Result<(), Fault> {
        match self.find(USERS, "username", username.as_str())? {
            Some(_) => refuse(format!("User {} already exists.", quoted(username.as_str()))),
            None => Ok(()),
        }
    }

    /// The primary key of a user.
    pub fn user(&self, username: &str) -> Result<i64, Fault> {
        match self.find(USERS, "username", username)? {
            Some(id) => Ok(id),
            None => refuse(format!("User {} does not exist.", quoted(username))),
        }
    }

    /// Gives a user another password.
    pub fn set_password(&self, username: &str, password: &StoredPassword) -> Result<i64, Fault> {
        let id = self.user(username)?;
        self.0.execute("UPDATE auth_user SET password = ?1 WHERE id = ?2", params![password.as_str(), id])?;
        Ok(id)
    }

    /// Changes a user.
    pub fn change_user(&self, username: &str, change: &UserChange) -> Result<i64, Fault> {
        let id = self.user(username)?;
        let new_name = change.username.as_ref().filter(|name| name.as_str() != username);
        if let Some(name) = new_name {
            self.refuse_taken(name)?;
        }
        self.0.execute(
            "UPDATE auth_user SET is_active = coalesce(?1, is_active), is_superuser = coalesce(?2, is_superuser), \
             is_staff = coalesce(?2, is_staff), username = coalesce(?3, username) WHERE id = ?4",
            params![change.is_active, change.is_superuser, new_name.map(Username::as_str), id],
        )?;
        Ok(id)
    }

    /// Deletes a user with their FTP account, unless the site still needs them.
    pub fn delete_user(&self, username: &str) -> Result<Deleted, Fault> {
        let user = self.user(username)?;
        let account = self.account_of(user)?;
        let advice = "delete the user in the site, or make them inactive (user change NAME --inactive)";
        let what = format!("User {}", quoted(username));
        if let Some(account) = account {
            self.refuse_referred(&what, ACCOUNTS, account, &[], advice)?;
        }
        self.refuse_referred(&what, USERS, user, &OURS, advice)?;
        for table in OURS {
            if self.has(table)? {
                self.delete(table, "user_id", user)?;
            }
        }
        self.delete(USERS, "id", user)?;
        Ok(Deleted { user, account })
    }
}

fn kind(stored: &str) -> &'static str {
    let name = match stored.split_once('$') {
        _ if stored.starts_with('!') => return "unusable",
        Some((name, _)) => name,
        None => "",
    };
    ALGORITHMS.into_iter().find(|algorithm| *algorithm == name).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_password_only_the_name_of_its_algorithm_is_shown() {
        assert_eq!(kind("pbkdf2_sha256$1$salt$hash"), "pbkdf2_sha256");
        assert_eq!(kind("argon2$argon2id$v=19$x"), "argon2");
        assert_eq!(kind("!abc"), "unusable");
        for secret in ["", "geheim", "my$secret", "$x"] {
            assert_eq!(kind(secret), "unknown");
        }
    }
}
