//! What the administrator says of users and groups, beside what the site says.

use super::home::{HomePlace, HomeTemplate};
use super::user::{Directory, Groups, User};
use super::{Account, Denial, Permissions, StorageKind};
use crate::protocol::network::Network;
use crate::protocol::path::VirtualPath;
use jiff::Timestamp;
use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// Who may log in, and what holds for them. What a rule says of a user beats what rules say of groups, of those the
/// first that says something counts, and that beats what the site says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The home of who is given none otherwise.
    pub home: HomeTemplate,
    /// Whether users without an account of django-ftpserver may log in, too.
    pub all_users: AllUsers,
    /// What those may do.
    pub read: Permissions,
    /// What superusers among them may do in addition.
    pub write: Permissions,
    /// Rules for users, by name.
    pub users: Vec<(String, Rule)>,
    /// Rules for groups: of an account of django-ftpserver its FTP group, of other users those of Django.
    pub groups: Vec<(String, Rule)>,
}

/// Whether users without an account of django-ftpserver may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllUsers {
    /// They may not.
    No,
    /// They may while the site has no such accounts at all.
    WithoutAccounts,
    /// They may.
    Yes,
}

/// What is said of a user or a group; None: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// What they may do.
    pub permissions: Option<Permissions>,
    /// Their home.
    pub home: Option<HomeTemplate>,
    /// What kind of place that is in.
    pub storage: Option<StorageKind>,
    /// Where they may come from.
    pub networks: Option<Vec<Network>>,
    /// See [`Limits`](super::Limits).
    pub quota: Option<u64>,
    /// See [`Limits`](super::Limits).
    pub download_rate: Option<NonZeroU64>,
    /// See [`Limits`](super::Limits).
    pub upload_rate: Option<NonZeroU64>,
    /// See [`Limits`](super::Limits).
    pub session_download_rate: Option<NonZeroU64>,
    /// See [`Limits`](super::Limits).
    pub session_upload_rate: Option<NonZeroU64>,
    /// See [`Limits`](super::Limits).
    pub max_sessions: Option<NonZeroUsize>,
    /// See [`Limits`](super::Limits).
    pub read_only: Option<Vec<VirtualPath>>,
    /// See [`Limits`](super::Limits).
    pub expires: Option<Timestamp>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            home: HomeTemplate::beside_own_home(),
            all_users: AllUsers::No,
            read: Permissions::from_letters("elr"),
            write: Permissions::from_letters("adfmwMT"),
            users: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl Rules {
    /// Whether such a user may log in at all.
    pub(super) fn have_account(&self, user: &User) -> bool {
        match self.all_users {
            AllUsers::No => user.ftp.is_some(),
            AllUsers::WithoutAccounts => user.ftp.is_some() || !user.site_has_accounts,
            AllUsers::Yes => true,
        }
    }

    /// Whether any of them is about a group.
    pub(super) fn are_about_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Rules that are about nobody: most likely a slip of the pen, and they may be meant to keep people out.
    pub(super) fn strangers(&self, directory: &dyn Directory, groups: &Groups) -> Result<Vec<String>, String> {
        let mut strangers = Vec::new();
        for (name, _) in &self.groups {
            if !groups.ftp.contains(name) && !groups.django.contains(name) {
                strangers.push(format!("[group.{name:?}]: there is no such group"));
            } else if !groups.ftp.contains(name) && self.all_users == AllUsers::No {
                strangers.push(format!(
                    "[group.{name:?}]: it is a group of Django, and all who log in have an FTP account, whose FTP group counts"
                ));
            }
        }
        let mut unknown: Vec<&str> = self.users.iter().map(|(name, _)| name.as_str()).collect();
        if !unknown.is_empty() {
            directory.visit(&mut |user| unknown.retain(|name| *name != user.username))?;
        }
        strangers.extend(unknown.iter().map(|name| format!("[user.{name:?}]: there is no such user")));
        Ok(strangers)
    }

    /// Where the homes are that rules name.
    pub(super) fn homes(&self) -> impl Iterator<Item = HomePlace> {
        let place = |rule: &Rule, name: Option<&str>| {
            Some(HomePlace { storage: rule.storage, ..rule.home.as_ref()?.place(name) })
        };
        let users = self.users.iter().filter_map(move |(name, rule)| place(rule, Some(name)));
        users.chain(self.groups.iter().filter_map(move |(_, rule)| place(rule, None)))
    }

    /// The account of a user, for who comes from there.
    pub(super) fn account(&self, user: &User, remote: IpAddr) -> Result<Account, Denial> {
        let mut account = Account::new(&user.username, self.home(user)?);
        (account.id, account.permissions, account.groups) = (id(user), self.permissions(user), groups(user).to_vec());
        self.apply(&mut account, remote)?;
        Ok(account)
    }

    /// The home of a user.
    pub(super) fn home(&self, user: &User) -> Result<PathBuf, Denial> {
        self.template(user)?.expand(&user.username).map_err(Denial::BadHome)
    }

    /// Where that is and may come to be; None: nowhere.
    pub(super) fn place(&self, user: &User) -> Option<HomePlace> {
        let place = self.template(user).ok()?.place(Some(&user.username));
        Some(HomePlace { storage: self.storage(user), ..place })
    }

    /// What kind of place that is in.
    pub(super) fn storage(&self, user: &User) -> Option<StorageKind> {
        self.said(&user.username, groups(user), |rule| rule.storage.as_ref()).copied()
    }

    /// What a rule says need not be the site's, and then the site's need not make sense.
    fn template(&self, user: &User) -> Result<HomeTemplate, Denial> {
        if let Some(said) = self.said(&user.username, groups(user), |rule| rule.home.as_ref()) {
            return Ok(said.clone());
        }
        match user.ftp.as_ref().and_then(|ftp| ftp.home.as_deref()) {
            Some(own) => HomeTemplate::parse(own).map_err(Denial::BadHome),
            None => Ok(self.home.clone()),
        }
    }

    /// What a user may do.
    pub(super) fn permissions(&self, user: &User) -> Permissions {
        let said = self.said(&user.username, groups(user), |rule| rule.permissions.as_ref());
        said.copied().unwrap_or_else(|| match &user.ftp {
            Some(ftp) => Permissions::from_letters(&ftp.permission),
            None if user.is_superuser => self.read.and(self.write),
            None => self.read,
        })
    }

    /// Makes of an account what the rules for its user and its groups leave it, for who comes from there.
    pub(super) fn apply(&self, account: &mut Account, remote: IpAddr) -> Result<(), Denial> {
        let (username, groups) = (account.username.clone(), std::mem::take(&mut account.groups));
        if let Some(home) = self.said(&username, &groups, |rule| rule.home.as_ref()) {
            account.home = home.expand(&username).map_err(Denial::BadHome)?;
        }
        account.storage = self.said(&username, &groups, |rule| rule.storage.as_ref()).copied().or(account.storage);
        if let Some(networks) = self.said(&username, &groups, |rule| rule.networks.as_ref())
            && !networks.iter().any(|network| network.contains(remote))
        {
            return Err(Denial::Network);
        }
        if let Some(permissions) = self.said(&username, &groups, |rule| rule.permissions.as_ref()) {
            account.permissions = *permissions;
        }
        let limits = &mut account.limits;
        limits.quota = self.said(&username, &groups, |rule| rule.quota.as_ref()).copied().or(limits.quota);
        let rate = |known: Option<NonZeroU64>, rate: fn(&Rule) -> Option<&NonZeroU64>| {
            self.said(&username, &groups, rate).copied().or(known)
        };
        limits.download_rate = rate(limits.download_rate, |rule| rule.download_rate.as_ref());
        limits.upload_rate = rate(limits.upload_rate, |rule| rule.upload_rate.as_ref());
        limits.session_download_rate = rate(limits.session_download_rate, |rule| rule.session_download_rate.as_ref());
        limits.session_upload_rate = rate(limits.session_upload_rate, |rule| rule.session_upload_rate.as_ref());
        let max_sessions = self.said(&username, &groups, |rule| rule.max_sessions.as_ref()).copied();
        limits.max_sessions = max_sessions.or(limits.max_sessions);
        if let Some(read_only) = self.said(&username, &groups, |rule| rule.read_only.as_ref()) {
            limits.read_only.clone_from(read_only);
        }
        limits.expires = self.said(&username, &groups, |rule| rule.expires.as_ref()).copied().or(limits.expires);
        if limits.is_expired() {
            return Err(Denial::Expired);
        }
        account.groups = groups;
        Ok(())
    }

    /// The first answer of the rules that are about somebody.
    fn said<'a, T>(
        &'a self,
        username: &str,
        groups: &[String],
        answer: impl Fn(&'a Rule) -> Option<&'a T>,
    ) -> Option<&'a T> {
        let own = self.users.iter().filter(|(name, _)| name == username);
        let of_groups = self.groups.iter().filter(|(name, _)| groups.contains(name));
        own.chain(of_groups).find_map(|(_, rule)| answer(rule))
    }
}

/// The groups that count.
fn groups(user: &User) -> &[String] {
    match &user.ftp {
        Some(ftp) => std::slice::from_ref(&ftp.group),
        None => &user.groups,
    }
}

/// What identifies the account of a user.
pub(super) fn id(user: &User) -> String {
    match &user.ftp {
        Some(ftp) => format!("account {}", ftp.id),
        None => format!("user {}", user.id),
    }
}

/// The primary key of the account of django-ftpserver that such an id is about.
pub(super) fn ftp_account(id: &str) -> Option<i64> {
    id.strip_prefix("account ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::user::FtpAccount;
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn user(ftp: Option<FtpAccount>) -> User {
        User {
            groups: vec!["editors".into(), "staff".into()],
            site_has_accounts: ftp.is_some(),
            ftp,
            ..User::plain("7", "ann", "")
        }
    }

    fn with_ftp() -> User {
        let home = Some("/site/{username}".into());
        user(Some(FtpAccount { id: 3, group: "full".into(), permission: "elr".into(), home }))
    }

    fn rule(letters: Option<&str>, home: Option<&str>) -> Rule {
        Rule {
            permissions: letters.map(Permissions::from_letters),
            home: home.map(|home| HomeTemplate::parse(home).unwrap()),
            ..Rule::default()
        }
    }

    #[test]
    fn users_beat_groups_and_groups_beat_the_site() {
        let groups = vec![("full".into(), rule(Some("e"), Some("/group"))), ("editors".into(), rule(Some("l"), None))];
        let mut rules = Rules { groups, ..Rules::default() };
        let account = rules.account(&with_ftp(), HERE).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("e"), "/group".into()));
        rules.users = vec![("ann".into(), rule(None, Some("/own"))), ("bob".into(), rule(Some(""), None))];
        let account = rules.account(&with_ftp(), HERE).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("e"), "/own".into()));
    }

    #[test]
    fn without_rules_the_site_is_right() {
        let account = Rules::default().account(&with_ftp(), HERE).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("elr"), "/site/ann".into()));
        assert_eq!((account.id.as_str(), account.groups), ("account 3", vec!["full".to_string()]));
    }

    #[test]
    fn who_has_no_ftp_account_is_only_let_in_where_all_are() {
        let mut rules = Rules::default();
        assert!(rules.have_account(&with_ftp()) && !rules.have_account(&user(None)));
        rules.all_users = AllUsers::WithoutAccounts;
        assert!(rules.have_account(&user(None)));
        assert!(!rules.have_account(&User { site_has_accounts: true, ..user(None) }));
        rules.all_users = AllUsers::Yes;
        assert!(rules.have_account(&User { site_has_accounts: true, ..user(None) }));
        let account = rules.account(&user(None), HERE).unwrap();
        assert_eq!((account.permissions, account.id.as_str()), (Permissions::from_letters("elr"), "user 7"));
        let superuser = User { is_superuser: true, ..user(None) };
        assert_eq!(rules.account(&superuser, HERE).unwrap().permissions, Permissions::all());
        rules.groups = vec![("staff".into(), rule(Some("w"), None)), ("editors".into(), rule(Some("r"), None))];
        assert_eq!(rules.account(&user(None), HERE).unwrap().permissions, Permissions::from_letters("w"));
    }

    #[test]
    fn networks_and_dates_keep_people_out() {
        let networks = Some(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut rules = Rules { users: vec![("ann".into(), Rule { networks, ..Rule::default() })], ..Rules::default() };
        assert!(rules.account(&with_ftp(), "10.1.2.3".parse().unwrap()).is_ok());
        assert_eq!(rules.account(&with_ftp(), HERE), Err(Denial::Network));
        let expires = Some(Timestamp::UNIX_EPOCH);
        rules.users = vec![("ann".into(), Rule { expires, ..Rule::default() })];
        assert_eq!(rules.account(&with_ftp(), HERE), Err(Denial::Expired));
    }
}
