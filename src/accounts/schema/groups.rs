//! The groups of FTP accounts: `django_ftpserver_ftpusergroup`.

use super::values::{GroupName, Home, Letters};
use super::{ACCOUNTS, Fault, GROUPS, Tables, quoted, refuse};
use crate::protocol::shown::Shown;
use rusqlite::params;

/// A group, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The primary key.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The letters of what its accounts may do.
    pub permission: String,
    /// The template of their homes.
    pub home: Option<String>,
    /// How many accounts it has.
    pub accounts: i64,
}

/// What is to be another at a group; None: stays as it is.
#[derive(Debug, Default)]
pub struct GroupChange {
    /// The letters of what its accounts may do.
    pub permission: Option<Letters>,
    /// The template of their homes, or none.
    pub home: Option<Option<Home>>,
    /// The name.
    pub name: Option<GroupName>,
}

impl Tables<'_> {
    /// All groups, by age.
    pub fn groups(&self) -> Result<Vec<GroupRow>, Fault> {
        let sql = "SELECT g.id, g.name, g.permission, nullif(g.home_dir, ''), count(a.id) \
                   FROM django_ftpserver_ftpusergroup g \
                   LEFT JOIN django_ftpserver_ftpuseraccount a ON a.group_id = g.id GROUP BY g.id ORDER BY g.id";
        self.rows(sql, |row| {
            Ok(GroupRow {
                id: row.get(0)?,
                name: row.get(1)?,
                permission: row.get(2)?,
                home: row.get(3)?,
                accounts: row.get(4)?,
            })
        })
    }

    /// Makes a group; its primary key.
    pub fn create_group(&self, name: &GroupName, permission: &Letters, home: Option<&Home>) -> Result<i64, Fault> {
        self.refuse_taken_group(name)?;
        self.0.execute(
            "INSERT INTO django_ftpserver_ftpusergroup (name, permission, home_dir) VALUES (?1, ?2, ?3)",
            params![name.as_str(), permission.as_str(), home.map(Home::as_str)],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Changes a group.
    pub fn change_group(&self, name: &str, change: &GroupChange) -> Result<i64, Fault> {
        let id = self.group(name)?;
        let new_name = change.name.as_ref().filter(|new| new.as_str() != name);
        if let Some(name) = new_name {
            self.refuse_taken_group(name)?;
        }
        self.0.execute(
            "UPDATE django_ftpserver_ftpusergroup SET permission = coalesce(?1, permission), name = coalesce(?2, name) \
             WHERE id = ?3",
            params![change.permission.as_ref().map(Letters::as_str), new_name.map(GroupName::as_str), id],
        )?;
        self.set_home(GROUPS, id, change.home.as_ref())?;
        Ok(id)
    }

    /// Deletes a group that has no accounts.
    pub fn delete_group(&self, name: &str) -> Result<i64, Fault> {
        let id = self.group(name)?;
        let sql = "SELECT count(*) FROM django_ftpserver_ftpuseraccount WHERE group_id = ?1";
        let count: i64 = self.0.query_row(sql, [id], |row| row.get(0))?;
        let what = format!("FTP user group {}", quoted(name));
        if count > 0 {
            return refuse(format!("{what} has {count} user account(s). Delete them first."));
        }
        self.refuse_referred(&what, GROUPS, id, &[ACCOUNTS], "delete it in the site")?;
        self.delete(GROUPS, "id", id)?;
        Ok(id)
    }

    fn group(&self, name: &str) -> Result<i64, Fault> {
        match self.find(GROUPS, "name", name)? {
            Some(id) => Ok(id),
            None => refuse(format!("FTP user group {} does not exist.", quoted(name))),
        }
    }

    fn refuse_taken_group(&self, name: &GroupName) -> Result<(), Fault> {
        match self.find(GROUPS, "name", name.as_str())? {
            // The words of django-ftpserver.
            Some(_) => refuse(format!("FTP user group {} is already exists.", Shown(name.as_str().as_bytes()))),
            None => Ok(()),
        }
    }

    /// Gives a group or an account another home, if there is a change.
    pub(super) fn set_home(&self, table: &str, id: i64, change: Option<&Option<Home>>) -> Result<(), Fault> {
        if let Some(home) = change {
            let sql = format!("UPDATE {table} SET home_dir = ?1 WHERE id = ?2");
            self.0.execute(&sql, params![home.as_ref().map(Home::as_str), id])?;
        }
        Ok(())
    }
}
