//! The FTP accounts of users: `django_ftpserver_ftpuseraccount`.

use super::values::Home;
use super::{ACCOUNTS, Fault, GROUPS, Tables, USERS, quoted, refuse};
use rusqlite::{OptionalExtension, params};

/// An account, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The primary key.
    pub id: i64,
    /// The name of its user.
    pub username: String,
    /// The name of its group.
    pub group: String,
    /// Its own home, if it has one.
    pub home: Option<String>,
    /// The last login to the FTP server, as it is stored.
    pub last_login: Option<String>,
}

/// What is to be another at an account; None: stays as it is.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// The name of its group.
    pub group: Option<String>,
    /// Its own home, or none.
    pub home: Option<Option<Home>>,
}

impl Tables<'_> {
    /// All accounts, by age.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, Fault> {
        let sql = "SELECT a.id, u.username, g.name, nullif(a.home_dir, ''), a.last_login \
                   FROM django_ftpserver_ftpuseraccount a JOIN auth_user u ON u.id = a.user_id \
                   JOIN django_ftpserver_ftpusergroup g ON g.id = a.group_id ORDER BY a.id";
        self.rows(sql, |row| {
            Ok(AccountRow {
                id: row.get(0)?,
                username: row.get(1)?,
                group: row.get(2)?,
                home: row.get(3)?,
                last_login: row.get(4)?,
            })
        })
    }

    /// Gives a user an account; its primary key. It refuses in the order and the words of django-ftpserver.
    pub fn create_account(&self, username: &str, group: &str, home: Option<&Home>) -> Result<i64, Fault> {
        let user = self.find(USERS, "username", username)?;
        if let Some(user) = user
            && self.account_of(user)?.is_some()
        {
            return refuse(format!("FTP user account {} is already exists.", quoted(username)));
        }
        let Some(user) = user else {
            return refuse(format!("User {} is not exists.", quoted(username)));
        };
        let group = self.group_for_account(group)?;
        self.0.execute(
            "INSERT INTO django_ftpserver_ftpuseraccount (user_id, group_id, home_dir) VALUES (?1, ?2, ?3)",
            params![user, group, home.map(Home::as_str)],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Changes the account of a user.
    pub fn change_account(&self, username: &str, change: &AccountChange) -> Result<i64, Fault> {
        let id = self.account(username)?;
        if let Some(group) = &change.group {
            let group = self.group_for_account(group)?;
            let sql = "UPDATE django_ftpserver_ftpuseraccount SET group_id = ?1 WHERE id = ?2";
            self.0.execute(sql, params![group, id])?;
        }
        self.set_home(ACCOUNTS, id, change.home.as_ref())?;
        Ok(id)
    }

    /// Deletes the account of a user; the user stays.
    pub fn delete_account(&self, username: &str) -> Result<i64, Fault> {
        let id = self.account(username)?;
        let what = format!("FTP user account for {}", quoted(username));
        self.refuse_referred(&what, ACCOUNTS, id, &[], "delete it in the site")?;
        self.delete(ACCOUNTS, "id", id)?;
        Ok(id)
    }

    /// The account of a user, by primary keys.
    pub(super) fn account_of(&self, user: i64) -> Result<Option<i64>, Fault> {
        let sql = "SELECT id FROM django_ftpserver_ftpuseraccount WHERE user_id = ?1";
        Ok(self.0.query_row(sql, [user], |row| row.get(0)).optional()?)
    }

    fn account(&self, username: &str) -> Result<i64, Fault> {
        let user = self.user(username)?;
        match self.account_of(user)? {
            Some(id) => Ok(id),
            None => refuse(format!("FTP user account for {} does not exist.", quoted(username))),
        }
    }

    fn group_for_account(&self, name: &str) -> Result<i64, Fault> {
        match self.find(GROUPS, "name", name)? {
            Some(id) => Ok(id),
            None => refuse(format!("FTP user group {} is not exists.", quoted(name))),
        }
    }
}
