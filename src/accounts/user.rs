//! What a Django site knows of a user, whatever it keeps its users in.

use std::fmt;

/// A user of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What stays the same whatever becomes of the name.
    pub id: String,
    /// The name they log in with.
    pub username: String,
    /// The password, as Django stores it.
    pub password: String,
    /// May log in.
    pub is_active: bool,
    /// Has every permission of Django.
    pub is_superuser: bool,
    /// Names of the groups of Django.
    pub groups: Vec<String>,
    /// The account of django-ftpserver.
    pub ftp: Option<FtpAccount>,
    /// Whether the site has such accounts, be it for others.
    pub site_has_accounts: bool,
}

#[cfg(test)]
impl User {
    /// One without groups or an account of django-ftpserver.
    pub(super) fn plain(id: &str, username: &str, password: &str) -> User {
        User {
            id: id.into(),
            username: username.into(),
            password: password.into(),
            is_active: true,
            is_superuser: false,
            groups: Vec::new(),
            ftp: None,
            site_has_accounts: false,
        }
    }
}

/// An account of django-ftpserver, with what its group says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpAccount {
    /// Its primary key.
    pub id: i64,
    /// The name of its group.
    pub group: String,
    /// The letters of what it may do.
    pub permission: String,
    /// Its own home, or else its group's: a template.
    pub home: Option<String>,
}

/// Where the users of a site are looked up, while the site changes them. Calls come from several threads at once.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The user of this name, or why that can't be told now. Who has no patience is told nobody where somebody would
    /// have to be asked.
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String>;

    /// Shows each user, with or without their groups of Django.
    fn visit(&self, visit: &mut dyn FnMut(&User)) -> Result<(), String>;

    /// The names of all groups.
    fn groups(&self) -> Result<Groups, String>;

    /// Another number whenever a user may have changed since the last call. It is asked before each command of each
    /// session.
    fn version(&self) -> u64;

    /// Somebody is in with this account of django-ftpserver.
    fn logged_in(&self, _ftp_account: i64) {}

    /// Looks at once at what may have changed; why that can't be read, if so.
    fn refresh(&self) -> Result<(), String>;

    /// The server ends: what is still to be written should be.
    fn finish(&self) {}
}

/// The groups of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Those of django-ftpserver.
    pub ftp: Vec<String>,
    /// The templates of their homes.
    pub homes: Vec<String>,
    /// Django's own.
    pub django: Vec<String>,
}

/// How long somebody can wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what is at hand is of use.
    None,
    /// A login needs it.
    Login,
    /// A session that runs could go on as it was.
    Session,
}

/// How the site calls its tables and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames {
    /// The table of users; None: the one that accounts of django-ftpserver refer to, or else Django's own.
    pub user_table: Option<String>,
    /// The column that people log in with, Django's `USERNAME_FIELD`.
    pub username: String,
    /// The column of stored passwords.
    pub password: String,
    /// The column that tells whether a user may log in; where there is none, all may.
    pub active: String,
    /// The column that tells who is a superuser; where there is none, nobody is.
    pub superuser: String,
}

impl Default for FieldNames {
    fn default() -> FieldNames {
        FieldNames {
            user_table: None,
            username: "username".to_string(),
            password: "password".to_string(),
            active: "is_active".to_string(),
            superuser: "is_superuser".to_string(),
        }
    }
}
