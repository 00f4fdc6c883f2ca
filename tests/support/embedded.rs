//! A server of the library, in the process of the tests, with accounts that a test can change.

use super::homes;
use super::{Builder, Client, Identity, TestServer, Tls, eventually};
use django_ftpd::accounts::{Account, Accounts, Attempt, Denial, Limits, Proof, Refusal};
use django_ftpd::events::{Entry, Event, Kind};
use django_ftpd::net::tls::{Files, Tls as Certificate};
use django_ftpd::server::{Server, Stopper};
use django_ftpd::session::Settings;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that ends when it is dropped.
pub struct Embedded {
    address: SocketAddr,
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
    people: People,
    told: Arc<Mutex<Vec<Event>>>,
    /// Only its directory.
    scratch: Builder,
}

/// Accounts by name; the password of each is `secret`.
#[derive(Clone, Default)]
struct People {
    accounts: Arc<Mutex<HashMap<String, Account>>>,
    version: Arc<AtomicU64>,
}

impl Accounts for People {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let denied = |denial| Err(Refusal::Denied(denial));
        match (self.accounts.lock().unwrap().get(attempt.username), &attempt.proof) {
            (Some(account), Proof::Password(b"secret")) if account.limits.is_expired() => denied(Denial::Expired),
            (Some(account), Proof::Password(b"secret")) => Ok(account.clone()),
            _ => denied(Denial::WrongPassword),
        }
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn current(&self, account: &Account, _: std::net::IpAddr) -> Result<Account, Refusal> {
        Ok(self.accounts.lock().unwrap()[&account.username].clone())
    }
}

impl Embedded {
    pub fn start() -> Embedded {
        Embedded::with(|server| server)
    }

    /// With something else about it.
    pub fn with(change: impl FnOnce(Server) -> Server) -> Embedded {
        let (people, told) = (People::default(), Arc::<Mutex<Vec<Event>>>::default());
        let (scratch, sink) = (TestServer::with(&[]), told.clone());
        let (certfile, keyfile) = (scratch.outside("cert.pem"), scratch.outside("key.pem"));
        Identity::server().save(&certfile, &keyfile);
        let files = Files { certfile, keyfile: Some(keyfile), ..Files::default() };
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .tls(Certificate::open(files).unwrap())
            .accounts(people.clone())
            .settings(Embedded::settings())
            .sink(move |entry: &Entry| sink.lock().unwrap().push(entry.event.clone()));
        let server = change(scratch.homes_anywhere().serve(server));
        let (address, stopper) = (server.address(), server.stopper());
        let running = Some(std::thread::spawn(move || server.run().unwrap()));
        Embedded { address, stopper, running, people, told, scratch }
    }

    /// As usual, but a failed login costs less time.
    pub fn settings() -> Settings {
        Settings { auth_failed_timeout: Duration::from_millis(50), ..Settings::default() }
    }

    /// Adds an account with a home of its name; the directory that it is on a disk.
    pub fn account(&self, name: &str, limits: Limits) -> PathBuf {
        self.account_in(name, name, limits)
    }

    /// Adds an account with the home of this name.
    pub fn account_in(&self, name: &str, home: &str, limits: Limits) -> PathBuf {
        let files = self.files(home);
        let account = Account { limits, ..Account::new(name, files.path()) };
        self.people.accounts.lock().unwrap().insert(name.to_string(), account);
        self.scratch.homes().join(home)
    }

    /// What is in a home, wherever it is.
    pub fn files(&self, home: &str) -> homes::Files {
        homes::Files::new(self.scratch.homes_anywhere(), home)
    }

    /// Other limits from now on.
    pub fn limit(&self, name: &str, limits: Limits) {
        self.people.accounts.lock().unwrap().get_mut(name).unwrap().limits = limits;
        self.people.version.fetch_add(1, Ordering::SeqCst);
    }

    /// A client that has heard the greeting.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        client.expect(220);
        client
    }

    /// A client that has logged in, in TYPE I.
    pub fn login(&self, name: &str) -> Client {
        let mut client = self.client();
        client.script(&[(&format!("USER {name}"), 331), ("PASS secret", 230), ("TYPE I", 200)]);
        client
    }

    /// The same in TLS, with PROT P.
    pub fn login_in_tls(&self, name: &str, tls: &Tls) -> Client {
        let mut client = self.client();
        client.auth_tls(tls).script(&[(&format!("USER {name}"), 331), ("PASS secret", 230), ("TYPE I", 200)]);
        client.protect(tls);
        client
    }

    /// Waits for so many events of this kind about which something is so.
    #[track_caller]
    pub fn expect_events(&self, kind: Kind, count: usize, is_so: impl Fn(&str) -> bool) {
        let matches = |event: &&Event| event.kind == kind && is_so(&format!("{:?}", event.subject));
        let told = || self.told.lock().unwrap().iter().filter(matches).count();
        eventually(&format!("{count} of {kind:?}"), || told() >= count);
        assert_eq!(told(), count, "{kind:?}");
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    pub fn outside(&self, name: &str) -> PathBuf {
        self.scratch.outside(name)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stopper.stop();
        let result = self.running.take().unwrap().join();
        assert!(std::thread::panicking() || result.is_ok());
    }
}
