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
    /// The user of this name, or why that can't be told now.
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String>;

    /// Shows each stored password, so that it is known what they cost to verify.
    fn visit_passwords(&self, visit: &mut dyn FnMut(&str)) -> Result<(), String>;

    /// Another number whenever a user may have changed since the last call. It is asked before each command of each
    /// session.
    fn version(&self) -> u64;

    /// Somebody is in with this account of django-ftpserver.
    fn logged_in(&self, _ftp_account: i64) {}

    /// The server ends: what is still to be written should be.
    fn finish(&self) {}
}

impl<D: Directory + ?Sized> Directory for Box<D> {
    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, String> {
        (**self).find(username, patience)
    }

    fn visit_passwords(&self, visit: &mut dyn FnMut(&str)) -> Result<(), String> {
        (**self).visit_passwords(visit)
    }

    fn version(&self) -> u64 {
        (**self).version()
    }

    fn logged_in(&self, ftp_account: i64) {
        (**self).logged_in(ftp_account);
    }

    fn finish(&self) {
        (**self).finish();
    }
}

/// What a site calls the things that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames {
    /// The table of its own user model, such as `shop_customer`; None: Django's, or the one that looks like it.
    pub user_table: Option<String>,
    /// The field with the name that users log in with.
    pub username: String,
    /// The field with the password.
    pub password: String,
    /// The field that says whether they may log in.
    pub active: String,
    /// The field that says whether they have every permission.
    pub superuser: String,
}

impl Default for FieldNames {
    fn default() -> FieldNames {
        FieldNames {
            user_table: None,
            username: "username".into(),
            password: "password".into(),
            active: "is_active".into(),
            superuser: "is_superuser".into(),
        }
    }
}

/// How long somebody can wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A login needs it.
    Login,
    /// A session that runs could go on as it was.
    Session,
}
