//! The accounts of a Django site: its users from a [`Directory`], their passwords, and the administrator's [`Rules`].

use super::cache::Cache;
use super::home::{HomePlace, HomeTemplate};
use super::password::Checker;
use super::rules::{self, Rules};
use super::survey::{Survey, Surveyed};
use super::user::{Directory, Patience, User};
use super::{Account, Accounts, Attempt, Denial, Proof, Refusal};

use std::net::IpAddr;
use std::time::Duration;

/// How long a login that succeeded is remembered, if nobody says anything.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The longest username that Django stores.
const MAX_USERNAME: usize = 254;

/// The accounts of a Django site.
#[derive(Debug)]
pub struct Site<D> {
    directory: D,
    rules: Rules,
    checker: Checker,
    cache: Cache,
}

impl<D: Directory> Site<D> {
    /// Accounts of these users.
    pub fn new(directory: D) -> Result<Site<D>, String> {
        let cache = Cache::new(REMEMBERED).map_err(|error| error.to_string())?;
        let mut checker = Checker::default();
        directory.visit(&mut |user| checker.learn(&user.password))?;
        Ok(Site { directory, rules: Rules::default(), checker, cache })
    }

    /// What the administrator says of them.
    pub fn rules(mut self, rules: Rules) -> Site<D> {
        self.rules = rules;
        self
    }

    /// Verifies also the hashes that Django has given up, which a thief of the database could turn into passwords.
    pub fn legacy_hashes(mut self, legacy: bool) -> Site<D> {
        self.checker = self.checker.legacy(legacy);
        self
    }

    /// For how long a login that succeeded spares the next one its hash.
    pub fn remember_logins(mut self, period: Duration) -> Site<D> {
        self.cache = self.cache.lasting(period);
        self
    }

    /// The users.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    fn find(&self, username: &str, patience: Patience) -> Result<Option<User>, Refusal> {
        match username.chars().count() {
            0 => Ok(None),
            length if length > MAX_USERNAME => Ok(None),
            _ => self.directory.find(username, patience).map_err(Refusal::Unavailable),
        }
    }

    /// Somebody who has logged in with this password a moment ago.
    fn recognise(&self, attempt: &Attempt<'_>, patience: Patience) -> Option<Account> {
        let Proof::Password(password) = attempt.proof else { return None };
        let user = self.directory.find(attempt.username, patience).ok()??;
        let knows = self.rules.have_account(&user) && user.is_active && self.cache.knows(&user, password);
        let mut account = if knows { self.rules.account(&user, attempt.remote).ok()? } else { return None };
        account.proof = Some(self.cache.digest(&user));
        Some(account)
    }

    /// Whether the password opens the account; each way to fail costs one verification.
    fn check(&self, user: Option<&User>, password: &[u8]) -> Result<(), Denial> {
        let Some(user) = user else {
            self.checker.pretend(password);
            return Err(Denial::NoSuchAccount);
        };
        let result = self.checker.check(&user.password, password);
        if !user.is_active {
            return Err(Denial::Inactive);
        }
        result.inspect(|()| self.cache.remember(user, password))
    }

    fn surveyed(&self, user: &User) -> Surveyed {
        // A visit shows no groups of Django, which rules may be about.
        let is_incomplete = user.ftp.is_none() && self.rules.are_about_groups();
        let found =
            is_incomplete.then(|| self.directory.find(&user.username, Patience::Login).ok().flatten()).flatten();
        let user = found.as_ref().unwrap_or(user);
        Surveyed {
            username: user.username.clone(),
            is_active: user.is_active,
            password: self.checker.fault(&user.password),
            home: self.rules.home(user),
            storage: self.rules.storage(user),
            permissions: self.rules.permissions(user),
        }
    }
}

impl<D: Directory> Accounts for Site<D> {
    fn recalled(&self, attempt: &Attempt<'_>) -> Option<Account> {
        self.recognise(attempt, Patience::None)
    }

    fn remembered(&self, attempt: &Attempt<'_>) -> Option<Account> {
        self.recognise(attempt, Patience::Session)
    }

    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let user = self.find(attempt.username, Patience::Login)?.filter(|user| self.rules.have_account(user));
        match (&attempt.proof, &user) {
            (Proof::Password(password), user) => self.check(user.as_ref(), password),
            (Proof::Certificate, Some(user)) if !user.is_active => Err(Denial::Inactive),
            (Proof::Certificate, _) => Ok(()),
        }
        .map_err(Refusal::Denied)?;
        let user = user.ok_or(Refusal::Denied(Denial::NoSuchAccount))?;
        let mut account = self.rules.account(&user, attempt.remote).map_err(Refusal::Denied)?;
        if matches!(attempt.proof, Proof::Password(_)) {
            account.proof = Some(self.cache.digest(&user));
        }
        Ok(account)
    }

    fn logged_in(&self, account: &Account) {
        if let Some(id) = rules::ftp_account(&account.id) {
            self.directory.logged_in(id);
        }
    }

    fn version(&self) -> u64 {
        self.directory.version()
    }

    fn survey(&self, see: &mut dyn FnMut(Surveyed)) -> Result<Survey, String> {
        let groups = self.directory.groups()?;
        let strangers = self.rules.strangers(&self.directory, &groups)?;
        let mut users = 0;
        self.directory.visit(&mut |user| {
            users += 1;
            if self.rules.have_account(user) {
                see(self.surveyed(user));
            }
        })?;
        Ok(Survey { users, groups, strangers })
    }

    fn homes(&self, visit: &mut dyn FnMut(HomePlace)) -> Result<(), String> {
        self.rules.homes().for_each(&mut *visit);
        let of_groups = self.directory.groups()?.homes;
        of_groups.iter().filter_map(|home| HomeTemplate::parse(home).ok()).for_each(|home| visit(home.place(None)));
        self.directory.visit(&mut |user| {
            if self.rules.have_account(user)
                && let Some(place) = self.rules.place(user)
            {
                visit(place);
            }
        })
    }

    fn refresh(&self) -> Result<(), String> {
        self.directory.refresh()
    }

    fn finish(&self) {
        self.directory.finish();
    }

    fn current(&self, account: &Account, remote: IpAddr) -> Result<Account, Refusal> {
        let denied = |denial| Err(Refusal::Denied(denial));
        let user = self.find(&account.username, Patience::Session)?;
        let Some(user) = user.filter(|user| self.rules.have_account(user) && rules::id(user) == account.id) else {
            return denied(Denial::NoSuchAccount);
        };
        if !user.is_active {
            return denied(Denial::Inactive);
        }
        if account.proof.is_some_and(|proof| proof != self.cache.digest(&user)) {
            return denied(Denial::PasswordChanged);
        }
        let mut now = self.rules.account(&user, remote).map_err(Refusal::Denied)?;
        now.proof = account.proof;
        Ok(now)
    }
}
