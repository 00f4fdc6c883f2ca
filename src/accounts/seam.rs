//! The seam between the server and accounts: what is tried, what is decided, and who decides.

use super::account::Account;
use super::home::HomePlace;
use super::survey::{Survey, Surveyed};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A login that is tried.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name, as USER gave it.
    pub username: &'a str,
    /// What proves that it is them.
    pub proof: Proof<'a>,
    /// Where from.
    pub remote: IpAddr,
}

/// What proves who somebody is.
#[derive(Debug)]
pub enum Proof<'a> {
    /// The password, as PASS gave it.
    Password(&'a [u8]),
    /// A client certificate that was found good and bears the username.
    Certificate,
}

/// Why a login did not succeed. The client is told nothing of it; the log and the events are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It must not succeed, and counts as a failure of the client.
    Denied(Denial),
    /// It cannot be decided now; no fault of the client's.
    Unavailable(String),
}

/// Why a login must not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Nobody has that name.
    NoSuchAccount,
    /// The account is switched off.
    Inactive,
    /// The account has no password that could match.
    UnusablePassword,
    /// The password does not match.
    WrongPassword,
    /// The stored password is of a kind that can't be verified here: which kind, and perhaps why.
    UnknownAlgorithm(String),
    /// The account's home cannot be told.
    BadHome(String),
    /// The account may not be used in the clear.
    TlsRequired,
    /// The account may not be used from there.
    Network,
    /// The account's time is over.
    Expired,
    /// The password is another one than at the login.
    PasswordChanged,
    /// The account has as many sessions as it may.
    TooManySessions,
    /// Anything else.
    Other(String),
}

impl Denial {
    /// Whether the client may have been guessing. The others come only after a password that was right, and it is told.
    pub fn is_guess(&self) -> bool {
        !matches!(self, Denial::TlsRequired | Denial::TooManySessions)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::NoSuchAccount => f.write_str("no such account"),
            Denial::Inactive => f.write_str("the account is inactive"),
            Denial::UnusablePassword => f.write_str("the account has an unusable password"),
            Denial::WrongPassword => f.write_str("wrong password"),
            Denial::UnknownAlgorithm(name) => write!(f, "the stored password uses {name}"),
            Denial::BadHome(why) => write!(f, "home directory: {why}"),
            Denial::TlsRequired => f.write_str("the account may only be used in TLS"),
            Denial::Network => f.write_str("the account may not be used from there"),
            Denial::Expired => f.write_str("the account has expired"),
            Denial::PasswordChanged => f.write_str("the password was changed"),
            Denial::TooManySessions => f.write_str("the account has as many sessions as it may"),
            Denial::Other(why) => f.write_str(why),
        }
    }
}

/// Where accounts come from. The server calls, from several threads at once and in this order:
///
/// 1. [`recalled`](Accounts::recalled) for each PASS, in the session's own thread, and if that does not know,
///    [`remembered`](Accounts::remembered) in a thread for quick questions, and if that does not,
/// 2. [`attempt`](Accounts::attempt) in one of a few login threads, so it may take its time;
/// 3. [`logged_in`](Accounts::logged_in) when the server has let them in, which it does not have to;
/// 4. [`version`](Accounts::version) before each command of a session: it must be quick;
/// 5. [`current`](Accounts::current) when the version is not the one that the session has seen;
/// 6. [`refresh`](Accounts::refresh) when the administrator asks for it;
/// 7. [`finish`](Accounts::finish) when the server ends.
///
/// The documentation of the crate has an example.
pub trait Accounts: Send + Sync {
    /// Decides a login. Every denial should take the same time, or names can be guessed; one that is no guess (see
    /// [`Denial::is_guess`]) must not come before the proof was found right.
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal>;

    /// Decides a login from memory, where nobody has to be asked and little stack is needed; None: somebody has to be.
    fn recalled(&self, _attempt: &Attempt<'_>) -> Option<Account> {
        None
    }

    /// Decides a login where that costs next to nothing, as that of somebody who has logged in a moment ago; None: it has
    /// to be attempted. It must be quick.
    fn remembered(&self, _attempt: &Attempt<'_>) -> Option<Account> {
        None
    }

    /// Somebody is in. It must be quick, too.
    fn logged_in(&self, _account: &Account) {}

    /// Another number whenever an account may have changed since the last call.
    fn version(&self) -> u64 {
        0
    }

    /// Shows each account as it stands, for an administrator; none where they can't be told.
    fn survey(&self, _see: &mut dyn FnMut(Surveyed)) -> Result<Survey, String> {
        Ok(Survey::default())
    }

    /// What an administrator should know of, one line for each: rules about nobody, accounts that can't be used.
    fn faults(&self) -> Result<Vec<String>, String> {
        let mut faults = Vec::new();
        let survey = self.survey(&mut |account| faults.append(&mut account.faults()))?;
        Ok([survey.strangers, faults].concat())
    }

    /// Shows where homes are and may come to be, as far as that is known, for who keeps the server to these places.
    fn homes(&self, _visit: &mut dyn FnMut(HomePlace)) -> Result<(), String> {
        Ok(())
    }

    /// Looks at once whether accounts have changed, also where they could not be read a moment ago; why they can't be, if
    /// so. Called when the administrator asks for it.
    fn refresh(&self) -> Result<(), String> {
        Ok(())
    }

    /// Called once, when the server ends: what is still to be written should be.
    fn finish(&self) {}

    /// The account as it is now, for who comes from there: the one with the same id. A denial ends its sessions; while it
    /// is unavailable they go on as they were.
    fn current(&self, account: &Account, _remote: IpAddr) -> Result<Account, Refusal> {
        Ok(account.clone())
    }
}

/// Others may have them, too.
impl<A: Accounts + ?Sized> Accounts for Arc<A> {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        (**self).attempt(attempt)
    }

    fn logged_in(&self, account: &Account) {
        (**self).logged_in(account);
    }

    fn version(&self) -> u64 {
        (**self).version()
    }

    fn survey(&self, see: &mut dyn FnMut(Surveyed)) -> Result<Survey, String> {
        (**self).survey(see)
    }

    fn faults(&self) -> Result<Vec<String>, String> {
        (**self).faults()
    }

    fn homes(&self, visit: &mut dyn FnMut(HomePlace)) -> Result<(), String> {
        (**self).homes(visit)
    }

    fn refresh(&self) -> Result<(), String> {
        (**self).refresh()
    }

    fn finish(&self) {
        (**self).finish();
    }

    fn recalled(&self, attempt: &Attempt<'_>) -> Option<Account> {
        (**self).recalled(attempt)
    }

    fn remembered(&self, attempt: &Attempt<'_>) -> Option<Account> {
        (**self).remembered(attempt)
    }

    fn current(&self, account: &Account, remote: IpAddr) -> Result<Account, Refusal> {
        (**self).current(account, remote)
    }
}
