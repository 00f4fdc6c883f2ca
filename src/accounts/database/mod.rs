//! The accounts of a Django site, read from its SQLite database while Django uses it. The only thing that is ever
//! written there is `last_login`.

mod file;
mod last_login;
mod recent;
mod tables;

use super::user::{Directory, FieldNames, Groups, Patience, User};
use crate::locks::lock;
use crate::protocol::shown::Shown;
use file::DatabaseFile;
use last_login::LastLogin;
use recent::Recent;
use rusqlite::Connection;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tables::{Fault, Tables};

/// How long a login waits for Django to end its transaction.
const LOGIN_PATIENCE: Duration = Duration::from_secs(5);
/// How long a running session does: it can go on as it was.
const SESSION_PATIENCE: Duration = Duration::from_millis(100);

/// What `check` tells of a database beside its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// The table of users.
    pub user_table: String,
    /// Whether the site has the tables of django-ftpserver.
    pub has_ftp_accounts: bool,
    /// How SQLite makes changes whole: `delete`, `wal` and others.
    pub journal_mode: String,
    /// Bytes.
    pub size: u64,
}

/// The users of a Django site that keeps them in SQLite, with the accounts of django-ftpserver if it has any.
#[derive(Debug)]
pub struct DjangoDatabase {
    file: DatabaseFile,
    names: FieldNames,
    /// The tables, and the version of the schema that they were found in.
    tables: Mutex<Option<(i64, Arc<Tables>)>>,
    recent: Recent,
    last_login: LastLogin,
}

impl DjangoDatabase {
    /// Opens the site's database and looks whether it has the tables.
    pub fn open(path: impl Into<PathBuf>) -> Result<DjangoDatabase, String> {
        DjangoDatabase::open_with(path, FieldNames::default())
    }

    /// The same for a site whose users are not in Django's own table.
    pub fn open_with(path: impl Into<PathBuf>, names: FieldNames) -> Result<DjangoDatabase, String> {
        let path = path.into();
        let database = DjangoDatabase {
            file: DatabaseFile::new(path.clone()),
            names,
            tables: Mutex::default(),
            recent: Recent::default(),
            last_login: LastLogin::new(path),
        };
        database.has_ftp_accounts()?;
        database.file.watch();
        Ok(database)
    }

    /// Whether the site has the tables of django-ftpserver.
    pub fn has_ftp_accounts(&self) -> Result<bool, String> {
        self.ask(LOGIN_PATIENCE, |_, tables| Ok(tables.has_accounts()))
    }

    /// What there is beside users.
    pub fn facts(&self) -> Result<DatabaseFacts, String> {
        self.ask(LOGIN_PATIENCE, |connection, tables| {
            let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            Ok(DatabaseFacts {
                user_table: tables.users.clone(),
                has_ftp_accounts: tables.has_accounts(),
                journal_mode: connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
                size: connection.query_row(size, [], |row| row.get::<_, i64>(0))?.unsigned_abs(),
            })
        })
    }

    fn ask<T>(
        &self,
        patience: Duration,
        query: impl Fn(&Connection, &Tables) -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        let answer = self.file.with(patience, |connection| {
            let tables = match self.tables(connection) {
                Ok(tables) => tables,
                Err(Fault::Sqlite(error)) => return Err(error),
                Err(Fault::Schema(why)) => return Ok(Err(why)),
            };
            let answer = query(connection, &tables);
            if answer.is_err() {
                *lock(&self.tables) = None; // they may have become others
            }
            answer.map(Ok)
        });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(format!("database {}: {why}", self.file.path().display())),
            Err(error) => Err(explain(self.file.path(), &error)),
        }
    }

    /// The user of this name, as the database has it now, which is this version or a newer one.
    #[inline(never)]
    fn look_up(&self, username: &str, patience: Patience, version: u64) -> Result<Option<User>, String> {
        let patience = match patience {
            Patience::Login => LOGIN_PATIENCE,
            // Who finds it locked right behind somebody else does not wait once more.
            Patience::Session | Patience::None if self.file.is_locked() => Duration::ZERO,
            Patience::Session | Patience::None => SESSION_PATIENCE,
        };
        let mut users = self.ask(patience, |connection, tables| tables.find(connection, username))?;
        if users.len() > 1 {
            log::error!("{} can't log in: two users of the site have this name", Shown(username.as_bytes()));
            return Ok(None);
        }
        let user = users.pop();
        if let Some(user) = &user {
            self.recent.put(version, username, user);
        }
        Ok(user)
    }

    /// The site's tables, looked for again after each migration.
    fn tables(&self, connection: &Connection) -> Result<Arc<Tables>, Fault> {
        let version = connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        if let Some((of, tables)) = &*lock(&self.tables)
            && *of == version
        {
            return Ok(tables.clone());
        }
        let tables = Arc::new(Tables::discover(connection, &self.names)?);
        *lock(&self.tables) = Some((version, tables.clone()));
        Ok(tables)
    }
}

impl Directory for DjangoDatabase {
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String> {
        // Before the question: what changes while it is asked, has another version.
        let version = self.file.version();
        let known = self.recent.get(version, username);
        if known.is_some() || patience == Patience::None {
            return Ok(known);
        }
        self.look_up(username, patience, version)
    }

    fn visit(&self, visit: &mut dyn FnMut(&User)) -> Result<(), String> {
        let visit = RefCell::new(visit);
        self.ask(LOGIN_PATIENCE, |connection, tables| tables.visit(connection, &mut **visit.borrow_mut()))
    }

    fn groups(&self) -> Result<Groups, String> {
        self.ask(LOGIN_PATIENCE, |connection, tables| tables.all_groups(connection))
    }

    fn version(&self) -> u64 {
        self.file.version()
    }

    fn logged_in(&self, ftp_account: i64) {
        self.last_login.note(ftp_account);
    }

    fn refresh(&self) -> Result<(), String> {
        // Changes are noticed in any case; but that it can be read.
        self.has_ftp_accounts().map(drop)
    }

    fn finish(&self) {
        self.last_login.flush();
    }
}

/// An error for the administrator: what, where, and what to do.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
    let text = error.to_string();
    let advice = match error.sqlite_error_code() {
        Some(CannotOpen) => "it can't be opened; does it exist, and may this user read and write it and its directory?",
        Some(NotADatabase) => "it is not an SQLite database",
        Some(DatabaseCorrupt) => "it is damaged; restore a backup",
        Some(DatabaseBusy | DatabaseLocked) => "another program holds it locked",
        _ if text.contains("no such table") || text.contains("no such column") => {
            return format!(
                "database {}: {text}; is this the site's database, and was `manage.py migrate` run?",
                path.display()
            );
        }
        _ => return format!("database {}: {text}", path.display()),
    };
    format!("database {}: {advice}", path.display())
}
