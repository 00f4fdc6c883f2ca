//! The accounts of a Django site, read from its SQLite database while Django uses it. The only thing that is ever
//! written there is `last_login`.

mod file;
mod last_login;

use super::home::HomeTemplate;
use super::password::{Checker, Stored};
use super::{Account, Accounts, Attempt, Denial, Permissions, Proof, Refusal};
use file::DatabaseFile;
use last_login::LastLogin;
use rusqlite::{Connection, OptionalExtension, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest username that Django stores.
const MAX_USERNAME: usize = 150;

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

/// The FTP accounts of django-ftpserver: `auth_user` and the two tables of that package.
#[derive(Debug)]
pub struct DjangoDatabase {
    file: DatabaseFile,
    checker: Checker,
    default_home: HomeTemplate,
    last_login: LastLogin,
}

/// A row as it is stored.
struct Record {
    username: String,
    password: String,
    is_active: bool,
    permission: String,
    own_home: Option<String>,
    group_home: Option<String>,
    id: i64,
    group: String,
}

impl DjangoDatabase {
    /// Opens the site's database and looks whether it has the tables.
    pub fn open(path: impl Into<PathBuf>) -> Result<DjangoDatabase, String> {
        let path = path.into();
        let database = DjangoDatabase {
            file: DatabaseFile::new(path.clone()),
            checker: Checker::default(),
            default_home: HomeTemplate::beside_own_home(),
            last_login: LastLogin::start(path.clone()).map_err(|error| error.to_string())?,
        };
        let stored = database.file.with(LOGIN_PATIENCE, |connection| {
            connection.prepare(ACCOUNT)?;
            let mut all = connection.prepare("SELECT password FROM auth_user")?;
            let passwords = all.query_map([], |row| row.get::<_, String>(0))?;
            passwords.collect::<rusqlite::Result<Vec<_>>>()
        });
        let stored = stored.map_err(|error| explain(&path, &error))?;
        database.checker.learn(stored.iter().map(String::as_str));
        database.file.watch();
        Ok(database)
    }

    /// The home of accounts for which neither they nor their group name one.
    pub fn default_home(mut self, template: HomeTemplate) -> DjangoDatabase {
        self.default_home = template;
        self
    }

    fn find(&self, username: &str, patience: Duration) -> Result<Option<Record>, Refusal> {
        if username.chars().count() > MAX_USERNAME {
            return Ok(None);
        }
        self.file
            .with(patience, |connection: &Connection| {
                connection.prepare_cached(ACCOUNT)?.query_row([username], Record::read).optional()
            })
            .map_err(|error| Refusal::Unavailable(explain(self.file.path(), &error)))
    }

    /// Whether the password opens the account; each way to fail costs one verification.
    fn check(&self, record: Option<&Record>, password: &[u8]) -> Result<(), Denial> {
        let denial = match record.map(|record| (record.is_active, Stored::parse(&record.password))) {
            Some((active, Stored::Pbkdf2(ref hash))) => {
                return match (self.checker.verify(hash, password), active) {
                    (_, false) => Err(Denial::Inactive),
                    (false, true) => Err(Denial::WrongPassword),
                    (true, true) => Ok(()),
                };
            }
            None => Denial::NoSuchAccount,
            Some((false, _)) => Denial::Inactive,
            Some((true, Stored::Unusable)) => Denial::UnusablePassword,
            Some((true, Stored::Unknown(name))) => Denial::UnknownAlgorithm(name.to_string()),
        };
        self.checker.pretend(password);
        Err(denial)
    }

    fn account(&self, record: Record) -> Result<Account, Denial> {
        let text = record.own_home.or(record.group_home);
        let template = text.map(|text| HomeTemplate::parse(&text)).transpose();
        let home = template
            .and_then(|own| own.as_ref().unwrap_or(&self.default_home).expand(&record.username))
            .map_err(Denial::BadHome)?;
        let permissions = Permissions::from_letters(&record.permission);
        Ok(Account { username: record.username, permissions, home, groups: vec![record.group], id: record.id })
    }
}

impl Record {
    fn read(row: &Row) -> rusqlite::Result<Record> {
        // An empty home is none, as in Python.
        let home = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Record {
            username: row.get(0)?,
            password: row.get(1)?,
            is_active: row.get(2)?,
            permission: row.get(3)?,
            own_home: home(row.get(4)?),
            group_home: home(row.get(5)?),
            id: row.get(6)?,
            group: row.get(7)?,
        })
    }
}

impl Accounts for DjangoDatabase {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let record = self.find(attempt.username, LOGIN_PATIENCE)?;
        match (&attempt.proof, &record) {
            (Proof::Password(password), record) => self.check(record.as_ref(), password),
            (Proof::Certificate, Some(record)) if !record.is_active => Err(Denial::Inactive),
            (Proof::Certificate, _) => Ok(()),
        }
        .map_err(Refusal::Denied)?;
        let record = record.ok_or(Refusal::Denied(Denial::NoSuchAccount))?;
        self.account(record).map_err(Refusal::Denied)
    }

    fn logged_in(&self, account: &Account) {
        self.last_login.note(account.id);
    }

    fn version(&self) -> u64 {
        self.file.version()
    }

    fn finish(&self) {
        self.last_login.flush();
    }

    fn current(&self, account: &Account) -> Result<Account, Refusal> {
        // Who finds it locked right behind somebody else does not wait once more.
        let patience = if self.file.is_locked() { Duration::ZERO } else { SESSION_PATIENCE };
        let record = self.find(&account.username, patience)?.filter(|record| record.id == account.id);
        let record = record.ok_or(Refusal::Denied(Denial::NoSuchAccount))?;
        if !record.is_active {
            return Err(Refusal::Denied(Denial::Inactive));
        }
        self.account(record).map_err(Refusal::Denied)
    }
}

/// An error for the administrator: what, where, and what to do.
fn explain(path: &Path, error: &rusqlite::Error) -> String {
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
