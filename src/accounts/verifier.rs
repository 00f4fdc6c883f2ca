//! The login threads. Sessions ask them, so that no more passwords are hashed at once than there are cores, a
//! session's own stack stays small, and a question about a running session never waits behind a hash.

use super::{Account, Accounts, Attempt, Denial, Proof, Refusal};
use crate::locks::thread;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Asks the login threads. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct Verifier {
    accounts: Arc<dyn Accounts>,
    logins: Sender<Job>,
    questions: Sender<Job>,
}

/// An account, and the version that it was read at.
#[derive(Debug)]
pub struct Known {
    /// The account; on the heap, for each session has one and a small stack.
    pub account: Box<Account>,
    /// What [`Verifier::version`] was before it was read.
    pub version: u64,
}

/// A login that is tried.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password; None: a certificate bears the name.
    pub password: Option<Vec<u8>>,
    /// Where from.
    pub remote: IpAddr,
}

/// A question that waits for its answer. Who drops it, does not want to know any more.
#[derive(Debug)]
pub struct Pending {
    answered: Receiver<Decided>,
    _wanted: Arc<()>,
}

type Decided = Result<Known, Refusal>;

struct Job {
    what: What,
    answer: Sender<Decided>,
    wanted: Weak<()>,
}

enum What {
    Login(Login),
    /// The same, if nothing has to be hashed for it; a denial means nothing.
    Remembered(Login),
    Current(Box<Account>, IpAddr),
}

impl Pending {
    /// The answer, if it comes within so long.
    pub fn wait(&self, most: Duration) -> Option<Result<Known, Refusal>> {
        match self.answered.recv_timeout(most) {
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(gone())),
            Ok(answer) => Some(answer),
        }
    }

    fn wait_for_ever(self) -> Decided {
        self.answered.recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Login {
    fn attempt(&self) -> Attempt<'_> {
        let proof = self.password.as_deref().map_or(Proof::Certificate, Proof::Password);
        Attempt { username: &self.username, proof, remote: self.remote }
    }
}

impl Verifier {
    /// Starts the threads.
    pub fn start(accounts: Arc<dyn Accounts>) -> io::Result<Verifier> {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let (logins, login_jobs) = unbounded();
        let (questions, question_jobs) = unbounded();
        for number in 0..cores {
            spawn(format!("login-{number}"), &accounts, &login_jobs)?;
        }
        spawn("accounts".to_string(), &accounts, &question_jobs)?;
        Ok(Verifier { accounts, logins, questions })
    }

    /// Decides a login from memory, if it can be.
    #[inline(never)]
    pub fn recalled(&self, login: &Login) -> Option<Known> {
        let version = self.version();
        let account = self.accounts.recalled(&login.attempt()).map(Box::new)?;
        Some(Known { account, version })
    }

    /// Decides a login by its password, or without one by a client certificate that bears the name. Who has to wait for
    /// a free login thread, may give up by dropping what is returned.
    pub fn attempt(&self, login: Login) -> Pending {
        // Who is remembered does not wait behind those who have to be hashed.
        match ask(&self.questions, What::Remembered(login.clone())).wait_for_ever() {
            Err(Refusal::Denied(_)) => ask(&self.logins, What::Login(login)),
            decided => decided_already(decided),
        }
    }

    /// The account as it is now, for who comes from there.
    pub fn current(&self, account: &Account, remote: IpAddr) -> Result<Known, Refusal> {
        ask(&self.questions, What::Current(Box::new(account.clone()), remote)).wait_for_ever()
    }

    /// See [`Accounts::logged_in`].
    pub fn logged_in(&self, account: &Account) {
        self.accounts.logged_in(account);
    }

    /// See [`Accounts::refresh`].
    pub fn refresh(&self) -> Result<(), String> {
        self.accounts.refresh()
    }

    /// Whom it asks.
    pub fn accounts(&self) -> &Arc<dyn Accounts> {
        &self.accounts
    }

    /// See [`Accounts::version`].
    pub fn version(&self) -> u64 {
        self.accounts.version()
    }
}

fn spawn(name: String, accounts: &Arc<dyn Accounts>, jobs: &Receiver<Job>) -> io::Result<()> {
    let (accounts, jobs) = (accounts.clone(), jobs.clone());
    thread::Builder::new().name(name).spawn(move || {
        for job in jobs {
            // Of a client that has gone, nobody need know who it was.
            if job.wanted.strong_count() == 0 {
                continue;
            }
            let result = catch_unwind(AssertUnwindSafe(|| work(&*accounts, job.what)));
            let panicked = |_| Err(Refusal::Unavailable("the accounts panicked".to_string()));
            // A session that has gone does not want the answer.
            let _ = job.answer.send(result.unwrap_or_else(panicked));
        }
    })?;
    Ok(())
}

fn work(accounts: &dyn Accounts, what: What) -> Decided {
    let version = accounts.version();
    let account = match what {
        What::Login(login) => accounts.attempt(&login.attempt())?,
        What::Remembered(login) => match accounts.remembered(&login.attempt()) {
            Some(account) => account,
            None => return Err(Refusal::Denied(Denial::NoSuchAccount)),
        },
        What::Current(account, remote) => accounts.current(&account, remote)?,
    };
    Ok(Known { account: Box::new(account), version })
}

fn ask(jobs: &Sender<Job>, what: What) -> Pending {
    let (answer, answered) = answer();
    let wanted = Arc::new(());
    // If they have ended, the answer's other end is dropped, which is an answer, too.
    let _ = jobs.send(Job { what, answer, wanted: Arc::downgrade(&wanted) });
    Pending { answered, _wanted: wanted }
}

/// A way for one answer. What it takes of the stack to make it is not needed any more when it is used.
#[inline(never)]
fn answer() -> (Sender<Decided>, Receiver<Decided>) {
    bounded(1)
}

fn decided_already(result: Decided) -> Pending {
    let (answer, answered) = answer();
    let _ = answer.send(result); // there is room for one
    Pending { answered, _wanted: Arc::default() }
}

fn gone() -> Refusal {
    Refusal::Unavailable("the login threads have ended".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics;

    impl Accounts for Panics {
        fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
            match attempt.username {
                "panic" => std::panic::panic_any("injected"),
                "nobody" => Err(Refusal::Denied(Denial::NoSuchAccount)),
                name => Ok(Account::new(name, "/")),
            }
        }
    }

    #[test]
    fn a_panic_in_the_accounts_refuses_that_login_only() {
        let verifier = Verifier::start(Arc::new(Panics)).unwrap();
        let remote = "127.0.0.1".parse().unwrap();
        let login = |name: &str| Login { username: name.into(), password: Some(vec![]), remote };
        let attempt = |name: &str| verifier.attempt(login(name)).wait(Duration::from_secs(10)).unwrap();
        for _ in 0..10 {
            assert!(matches!(attempt("panic"), Err(Refusal::Unavailable(_))));
        }
        assert!(matches!(attempt("nobody"), Err(Refusal::Denied(Denial::NoSuchAccount))));
        assert_eq!(attempt("ann").unwrap().account.username, "ann");
    }
}
