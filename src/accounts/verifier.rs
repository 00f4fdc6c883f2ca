//! The login threads. Sessions ask them, so that no more passwords are hashed at once than there are cores, a
//! session's own stack stays small, and a question about a running session never waits behind a hash.

use super::{Account, Accounts, Attempt, Proof, Refusal};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
    /// The account.
    pub account: Account,
    /// What [`Verifier::version`] was before it was read.
    pub version: u64,
}

struct Job {
    what: What,
    answer: Sender<Result<Known, Refusal>>,
}

enum What {
    Login { username: String, password: Option<Vec<u8>>, remote: IpAddr },
    Current(Account),
}

impl Verifier {
    /// Starts the threads.
    pub fn start(accounts: Arc<dyn Accounts>) -> io::Result<Verifier> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (logins, login_jobs) = unbounded();
        let (questions, question_jobs) = unbounded();
        for number in 0..cores {
            spawn(format!("login-{number}"), &accounts, &login_jobs)?;
        }
        spawn("accounts".to_string(), &accounts, &question_jobs)?;
        Ok(Verifier { accounts, logins, questions })
    }

    /// Decides a login by its password, or without one by a client certificate that bears the name; waits for a free
    /// login thread.
    pub fn attempt(&self, username: String, password: Option<Vec<u8>>, remote: IpAddr) -> Result<Known, Refusal> {
        ask(&self.logins, What::Login { username, password, remote })
    }

    /// The account as it is now.
    pub fn current(&self, account: &Account) -> Result<Known, Refusal> {
        ask(&self.questions, What::Current(account.clone()))
    }

    /// See [`Accounts::logged_in`].
    pub fn logged_in(&self, account: &Account) {
        self.accounts.logged_in(account);
    }

    /// See [`Accounts::version`].
    pub fn version(&self) -> u64 {
        self.accounts.version()
    }
}

fn spawn(name: String, accounts: &Arc<dyn Accounts>, jobs: &Receiver<Job>) -> io::Result<()> {
    let (accounts, jobs) = (accounts.clone(), jobs.clone());
    std::thread::Builder::new().name(name).spawn(move || {
        for job in jobs {
            let result = catch_unwind(AssertUnwindSafe(|| work(&*accounts, job.what)));
            let panicked = |_| Err(Refusal::Unavailable("the accounts panicked".to_string()));
            // A session that has gone does not want the answer.
            let _ = job.answer.send(result.unwrap_or_else(panicked));
        }
    })?;
    Ok(())
}

fn work(accounts: &dyn Accounts, what: What) -> Result<Known, Refusal> {
    let version = accounts.version();
    let account = match what {
        What::Login { username, password, remote } => {
            let proof = password.as_deref().map_or(Proof::Certificate, Proof::Password);
            accounts.attempt(&Attempt { username: &username, proof, remote })?
        }
        What::Current(account) => accounts.current(&account)?,
    };
    Ok(Known { account, version })
}

fn ask(jobs: &Sender<Job>, what: What) -> Result<Known, Refusal> {
    let gone = || Refusal::Unavailable("the login threads have ended".to_string());
    let (answer, answered) = bounded(1);
    jobs.send(Job { what, answer }).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::super::Denial;
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
        let attempt = |name: &str| verifier.attempt(name.into(), Some(vec![]), "127.0.0.1".parse().unwrap());
        for _ in 0..10 {
            assert!(matches!(attempt("panic"), Err(Refusal::Unavailable(_))));
        }
        assert!(matches!(attempt("nobody"), Err(Refusal::Denied(Denial::NoSuchAccount))));
        assert_eq!(attempt("ann").unwrap().account.username, "ann");
    }
}
