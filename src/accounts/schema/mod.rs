//! A database with exactly the tables that Django and django-ftpserver make, for those who have no Django at hand: it
//! is opened, or made, and each change is one transaction. What can be changed is in the files beside this one.

mod accounts;
mod groups;
mod users;
mod values;

pub use accounts::{AccountChange, AccountRow};
pub use groups::{GroupChange, GroupRow};
pub use users::{Deleted, NewUser, UserChange, UserRow};
pub use values::{Email, GroupName, Home, Letters, StoredPassword, Username};

use super::database::explain;
use crate::protocol::shown::Shown;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a real Django made; see tests/fixtures/make.
const SCHEMA: &str = include_str!("schema.sql");

/// How long to wait for Django to end its transaction.
const PATIENCE: Duration = Duration::from_secs(5);

const USERS: &str = "auth_user";
const GROUPS: &str = "django_ftpserver_ftpusergroup";
const ACCOUNTS: &str = "django_ftpserver_ftpuseraccount";

/// A site's database, to be read and changed.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    connection: Connection,
    /// It gets its tables if it has none at all.
    may_be_new: bool,
    was_made: bool,
}

impl Database {
    /// Opens one that is there.
    pub fn open(path: &Path) -> Result<Database, String> {
        // Writable also to be read; database/file.rs says why.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| explain(path, &error))?;
        Ok(Database { path: path.to_path_buf(), connection, may_be_new: false, was_made: false })
    }

    /// Opens it, and makes the file if there is none, for nobody else to read. Its tables come with the first change.
    pub fn open_or_make(path: &Path) -> Result<Database, String> {
        let mut file = std::fs::OpenOptions::new();
        // Not truncated: another program may just have made it.
        let file = file.read(true).write(true).create(true).truncate(false).mode(0o600);
        file.open(path).map_err(|error| format!("database {}: {error}", path.display()))?;
        Ok(Database { may_be_new: true, ..Database::open(path)? })
    }

    /// Whether the tables were made by a change that succeeded.
    pub fn was_made(&self) -> bool {
        self.was_made
    }

    /// Looks, without changing anything.
    pub fn read<T>(&mut self, look: impl FnOnce(&Tables) -> Result<T, Fault>) -> Result<T, String> {
        let path = &self.path;
        begin(&mut self.connection, TransactionBehavior::Deferred)
            .and_then(|tables| {
                tables.examine()?;
                look(&tables)
            })
            .map_err(|fault| fault.explained(path))
    }

    /// Changes something, whole or not at all.
    pub fn change<T>(&mut self, work: impl FnOnce(&Tables) -> Result<T, Fault>) -> Result<T, String> {
        let (path, may_be_new) = (&self.path, self.may_be_new);
        let (result, made) = begin(&mut self.connection, TransactionBehavior::Immediate)
            .and_then(|tables| {
                let makes = may_be_new && tables.is_empty()?;
                if makes {
                    tables.0.execute_batch(SCHEMA)?;
                }
                tables.examine()?;
                let result = work(&tables)?;
                tables.0.commit()?;
                Ok((result, makes))
            })
            .map_err(|fault| fault.explained(path))?;
        self.was_made |= made;
        Ok(result)
    }
}

fn begin(connection: &mut Connection, behavior: TransactionBehavior) -> Result<Tables<'_>, Fault> {
    Ok(Tables(connection.transaction_with_behavior(behavior)?))
}

/// Why something was not done.
#[derive(Debug)]
pub enum Fault {
    /// It must not be, in one line for the administrator.
    Refused(String),
    /// The database can't.
    Database(rusqlite::Error),
}

impl Fault {
    fn explained(self, path: &Path) -> String {
        match self {
            Fault::Refused(why) => why,
            Fault::Database(error) => explain(path, &error),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Database(error)
    }
}

/// The tables, within a transaction.
#[derive(Debug)]
pub struct Tables<'a>(Transaction<'a>);

impl Tables<'_> {
    fn is_empty(&self) -> Result<bool, Fault> {
        Ok(self.0.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)", [], |row| row.get(0))?)
    }

    fn has(&self, table: &str) -> Result<bool, Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
        Ok(self.0.query_row(sql, [table], |row| row.get(0))?)
    }

    /// Refuses a database that is another one than it should be.
    fn examine(&self) -> Result<(), Fault> {
        let path = self.0.path().unwrap_or_default();
        let refused = |why: &str| refuse(format!("database {path}: {why}"));
        if !self.has("django_migrations")? && !self.has(USERS)? {
            return refused("it has no tables of Django; is this the site's database?");
        }
        let sql = r#"SELECT "table" FROM pragma_foreign_key_list(?1) WHERE "from" = 'user_id'"#;
        let users: Option<String> = self.0.query_row(sql, [ACCOUNTS], |row| row.get(0)).optional()?;
        if !self.has(USERS)? || users.is_some_and(|users| users != USERS) {
            return refused("the site has a user model of its own, not auth_user; its users can only be managed there");
        }
        match self.has(GROUPS)? && self.has(ACCOUNTS)? {
            true => Ok(()),
            false => refused(
                "it has no tables of django-ftpserver; put django_ftpserver into INSTALLED_APPS and run `manage.py migrate`",
            ),
        }
    }

    fn rows<T>(&self, sql: &str, read: impl Fn(&Row) -> rusqlite::Result<T>) -> Result<Vec<T>, Fault> {
        let mut statement = self.0.prepare(sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The primary key of the row whose column has this text.
    fn find(&self, table: &str, column: &str, text: &str) -> Result<Option<i64>, Fault> {
        let sql = format!("SELECT id FROM {table} WHERE {column} = ?1");
        Ok(self.0.query_row(&sql, [text], |row| row.get(0)).optional()?)
    }

    fn delete(&self, table: &str, column: &str, id: i64) -> Result<(), Fault> {
        self.0.execute(&format!("DELETE FROM {table} WHERE {column} = ?1"), [id])?;
        Ok(())
    }

    /// Refuses to delete a row that other tables than `ours` refer to: they are the site's, and so is the decision. Tables
    /// without pages are those of modules, such as full-text search, and refer to nothing.
    fn refuse_referred(&self, what: &str, table: &str, id: i64, ours: &[&str], advice: &str) -> Result<(), Fault> {
        let sql = r#"SELECT m.name, f."from", coalesce(f."to", 'id')
                     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
                     WHERE m.type = 'table' AND m.rootpage > 0 AND lower(f."table") = ?1"#;
        let mut statement = self.0.prepare(sql)?;
        let all = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let all: Vec<(String, String, String)> = all.collect::<rusqlite::Result<_>>()?;
        for (theirs, from, to) in all.iter().filter(|(theirs, ..)| !ours.contains(&theirs.as_str())) {
            let [theirs_quoted, from, to] = [theirs, from, to].map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
            let sql =
                format!("SELECT count(*) FROM {theirs_quoted} WHERE {from} = (SELECT {to} FROM {table} WHERE id = ?1)");
            let count: i64 = self.0.query_row(&sql, params![id], |row| row.get(0))?;
            if count > 0 {
                let theirs = Shown(theirs.as_bytes());
                return refuse(format!("{what}: {count} row(s) of the table {theirs} refer to it; {advice}"));
            }
        }
        Ok(())
    }
}

fn refuse<T>(why: String) -> Result<T, Fault> {
    Err(Fault::Refused(why))
}

/// The name for a message, in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", Shown(name.as_bytes()))
}
