//! The accounts of a Django site, read from its SQLite database while Django uses it. The only thing that is ever
//! written there is `last_login`.

mod file;
mod last_login;

use super::user::{Directory, FtpAccount, Patience, User};
use file::DatabaseFile;
use last_login::LastLogin;
use rusqlite::{Connection, OptionalExtension, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a login waits for Django to end its transaction.
const LOGIN_PATIENCE: Duration = Duration::from_secs(5);
/// How long a running session does: it can go on as it was.
const SESSION_PATIENCE: Duration = Duration::from_millis(100);

const ACCOUNT: &str = "\
    SELECT u.username, u.password, u.is_active, g.permission, a.home_dir, g.home_dir, a.id, g.name \
    FROM auth_user u \
    JOIN django_ftpserver_ftpuseraccount a ON a.user_id = u.id \
    JOIN django_ftpserver_ftpusergroup g ON g.id = a.group_id \
    WHERE u.username = ?1";

/// The users of a Django site that keeps them in SQLite, with the accounts of django-ftpserver.
#[derive(Debug)]
pub struct DjangoDatabase {
    file: DatabaseFile,
    last_login: LastLogin,
}

impl DjangoDatabase {
    /// Opens the site's database and looks whether it has the tables.
    pub fn open(path: impl Into<PathBuf>) -> Result<DjangoDatabase, String> {
        let path = path.into();
        let database = DjangoDatabase {
            file: DatabaseFile::new(path.clone()),
            last_login: LastLogin::start(path).map_err(|error| error.to_string())?,
        };
        database.ask(LOGIN_PATIENCE, |connection| connection.prepare(ACCOUNT).map(drop))?;
        database.file.watch();
        Ok(database)
    }

    fn ask<T>(&self, patience: Duration, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        self.file.with(patience, query).map_err(|error| explain(self.file.path(), &error))
    }
}

fn read(row: &Row) -> rusqlite::Result<User> {
    // An empty home is none, as in Python.
    let home = |column: usize| row.get(column).map(|text: Option<String>| text.filter(|text| !text.is_empty()));
    let ftp = FtpAccount { permission: row.get(3)?, home: home(4)?.or(home(5)?), id: row.get(6)?, group: row.get(7)? };
    Ok(User {
        id: ftp.id.to_string(),
        username: row.get(0)?,
        password: row.get(1)?,
        is_active: row.get(2)?,
        is_superuser: false,
        groups: Vec::new(),
        ftp: Some(ftp),
    })
}

impl Directory for DjangoDatabase {
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String> {
        let patience = match patience {
            Patience::Login => LOGIN_PATIENCE,
            // Who finds it locked right behind somebody else does not wait once more.
            Patience::Session if self.file.is_locked() => Duration::ZERO,
            Patience::Session => SESSION_PATIENCE,
        };
        self.ask(patience, |connection| connection.prepare_cached(ACCOUNT)?.query_row([username], read).optional())
    }

    fn visit_passwords(&self, visit: &mut dyn FnMut(&str)) -> Result<(), String> {
        let stored: Vec<String> = self.ask(LOGIN_PATIENCE, |connection| {
            let mut all = connection.prepare("SELECT password FROM auth_user")?;
            let passwords = all.query_map([], |row| row.get(0))?;
            passwords.collect()
        })?;
        stored.iter().for_each(|password| visit(password));
        Ok(())
    }

    fn version(&self) -> u64 {
        self.file.version()
    }

    fn logged_in(&self, ftp_account: i64) {
        self.last_login.note(ftp_account);
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
