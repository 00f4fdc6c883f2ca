//! Logins: what is remembered of them, and the threads that verify the others.

#[path = "../../../src/accounts/account.rs"]
mod account;
#[path = "../../../src/accounts/cache.rs"]
mod cache;
mod database;
#[path = "../../../src/accounts/home.rs"]
mod home;
mod password;
#[path = "../../../src/accounts/rules.rs"]
mod rules;
#[path = "../../../src/accounts/seam.rs"]
mod seam;
#[path = "../../../src/accounts/site.rs"]
mod site;
#[path = "../../../src/accounts/survey.rs"]
mod survey;
#[path = "../../../src/accounts/user.rs"]
mod user;
#[path = "../../../src/accounts/verifier.rs"]
mod verifier;

pub use crate::protocol::permission::Permissions;
pub use account::{Account, StorageKind};
pub use home::HomeTemplate;
pub use seam::{Accounts, Attempt, Denial, Proof, Refusal};

use database::{Database, State};
use rules::{AllUsers, Rules};
use shuttle::thread::{self, JoinHandle};
use site::Site;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use verifier::{Known, Login, Verifier};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whoever begins to log in with a password that is not the user's any more stays outside, whatever is remembered of
/// logins before and of those that were on their way; who was let in before learns of it; and the new one opens.
pub fn a_changed_password_opens_nothing() {
    let (database, verifier) = site();
    let clients = clients_with_the_old(&database, &verifier);
    let leaving = verifier.clone();
    let leaver = thread::spawn(move || drop(leaving.attempt(login("old"))));
    database.become_what_it_is_not(State::has_password("new"));
    for _ in 0..2 {
        let known = decided(&verifier, "new").expect("it is the password");
        assert!(verifier.current(&known.account, HERE).is_ok());
    }
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    leaver.join().expect("no panic");
    assert!(verifier.recalled(&login("old")).is_none());
    // Now the threads end; one that did not would hold the test up.
}

/// The same of an account that is switched off; and once it is on again, it is the account that it was.
pub fn a_closed_account_opens_to_nobody() {
    let (database, verifier) = site();
    let clients = clients_with_the_old(&database, &verifier);
    database.become_what_it_is_not(State { is_active: false, ..State::has_password("old") });
    assert!(decided(&verifier, "old").is_err());
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    database.become_what_it_is_not(State::has_password("old"));
    assert!(decided(&verifier, "old").is_ok());
}

/// Two who log in twice each.
fn clients_with_the_old(database: &Arc<Database>, verifier: &Verifier) -> Vec<JoinHandle<()>> {
    let client = |_| {
        let (database, verifier) = (database.clone(), verifier.clone());
        thread::spawn(move || (0..2).for_each(|_| log_in_with_the_old(&database, &verifier)))
    };
    (0..2).map(client).collect()
}

fn log_in_with_the_old(database: &Database, verifier: &Verifier) {
    let was_changed = database.was_changed();
    match decided(verifier, "old") {
        Ok(known) => {
            assert!(!was_changed, "a login that is not good any more was taken");
            let is_changed = database.was_changed();
            let is_known = verifier.version() == known.version;
            assert!(!is_changed || !is_known, "a session would go on and not hear of the change");
            // As a session asks before a command.
            let current = verifier.current(&known.account, HERE);
            assert!(!is_changed || matches!(current, Err(Refusal::Denied(_))), "{current:?}");
        }
        Err(Refusal::Denied(Denial::WrongPassword | Denial::Inactive)) => assert!(database.was_changed()),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

/// As a session does it.
fn decided(verifier: &Verifier, password: &str) -> Result<Known, Refusal> {
    let login = login(password);
    if let Some(known) = verifier.recalled(&login) {
        return Ok(known);
    }
    let pending = verifier.attempt(login);
    loop {
        if let Some(decided) = pending.wait(Duration::ZERO) {
            return decided;
        }
    }
}

fn login(password: &str) -> Login {
    Login { username: "ann".to_string(), password: Some(password.into()), remote: HERE }
}

fn site() -> (Arc<Database>, Verifier) {
    let database = Arc::new(Database::of(State::has_password("old")));
    let rules = Rules { all_users: AllUsers::Yes, home: HomeTemplate::parse("/").expect("a path"), ..Rules::default() };
    let site = Site::new(database.clone()).expect("it can be read").rules(rules);
    (database, Verifier::start(Arc::new(site)).expect("there are threads"))
}
