//! What the administrator says of users and groups, beside what the site says.

use super::home::HomeTemplate;
use super::user::{Directory, Patience, User};
use super::{Account, Denial, Limits, Permissions};
use crate::protocol::network::Network;
use crate::protocol::path::VirtualPath;
use jiff::Timestamp;
use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroUsize};

/// Who may log in, and what holds for them. What a rule says of a user beats what rules say of groups, of those the
/// first that says something counts, and that beats what the site says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The home of who is given none otherwise.
    pub home: HomeTemplate,
    /// Users without an account of django-ftpserver may log in, too.
    pub all_users: bool,
    /// What those may do.
    pub read: Permissions,
    /// What superusers among them may do in addition.
    pub write: Permissions,
    /// Rules for users, by name.
    pub users: Vec<(String, Rule)>,
    /// Rules for groups: of an account of django-ftpserver its FTP group, of other users those of Django.
    pub groups: Vec<(String, Rule)>,
}

/// What is said of a user or a group; None: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// What they may do.
    pub permissions: Option<Permissions>,
    /// Their home.
    pub home: Option<HomeTemplate>,
    /// Where they may come from.
    pub networks: Option<Vec<Network>>,
    /// See [`Limits`].
    pub quota: Option<u64>,
    /// See [`Limits`].
    pub download_rate: Option<NonZeroU64>,
    /// See [`Limits`].
    pub upload_rate: Option<NonZeroU64>,
    /// See [`Limits`].
    pub max_sessions: Option<NonZeroUsize>,
    /// See [`Limits`].
    pub read_only: Option<Vec<VirtualPath>>,
    /// See [`Limits`].
    pub expires: Option<Timestamp>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            home: HomeTemplate::beside_own_home(),
            all_users: false,
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
        self.all_users || user.ftp.is_some()
    }

    /// Rules that are about nobody: most likely a slip of the pen, and they may be meant to keep people out.
    pub(super) fn strangers(&self, directory: &dyn Directory) -> Result<Vec<String>, String> {
        let mut strangers = Vec::new();
        let groups = if self.groups.is_empty() { Vec::new() } else { directory.groups()? };
        for (name, _) in self.groups.iter().filter(|(name, _)| !groups.contains(name)) {
            strangers.push(format!("[group.{name:?}]: there is no such group"));
        }
        for (name, _) in &self.users {
            if directory.find(name, Patience::Login)?.is_none() {
                strangers.push(format!("[user.{name:?}]: there is no such user"));
            }
        }
        Ok(strangers)
    }

    /// Whether they may come from there.
    pub(super) fn admit(&self, user: &User, remote: IpAddr) -> Result<(), Denial> {
        match self.said(user, |rule| rule.networks.as_ref()) {
            Some(networks) if !networks.iter().any(|network| network.contains(remote)) => Err(Denial::Network),
            _ => Ok(()),
        }
    }

    /// The account of a user.
    pub(super) fn account(&self, user: &User) -> Result<Account, Denial> {
        let own = user.ftp.as_ref().and_then(|ftp| ftp.home.as_deref());
        let own = own.map(HomeTemplate::parse).transpose().map_err(Denial::BadHome)?;
        let home = self.said(user, |rule| rule.home.as_ref()).or(own.as_ref()).unwrap_or(&self.home);
        let permissions = match &user.ftp {
            Some(ftp) => Permissions::from_letters(&ftp.permission),
            None if user.is_superuser => self.read.and(self.write),
            None => self.read,
        };
        let limits = Limits {
            quota: self.said(user, |rule| rule.quota.as_ref()).copied(),
            download_rate: self.said(user, |rule| rule.download_rate.as_ref()).copied(),
            upload_rate: self.said(user, |rule| rule.upload_rate.as_ref()).copied(),
            max_sessions: self.said(user, |rule| rule.max_sessions.as_ref()).copied(),
            read_only: self.said(user, |rule| rule.read_only.as_ref()).cloned().unwrap_or_default(),
            expires: self.said(user, |rule| rule.expires.as_ref()).copied(),
        };
        if limits.is_expired() {
            return Err(Denial::Expired);
        }
        Ok(Account {
            id: id(user),
            username: user.username.clone(),
            permissions: self.said(user, |rule| rule.permissions.as_ref()).copied().unwrap_or(permissions),
            home: home.expand(&user.username).map_err(Denial::BadHome)?,
            groups: groups(user).to_vec(),
            limits,
            proof: None,
        })
    }

    /// The first answer of the rules that are about this user.
    fn said<'a, T>(&'a self, user: &User, answer: impl Fn(&'a Rule) -> Option<&'a T>) -> Option<&'a T> {
        let own = self.users.iter().filter(|(name, _)| *name == user.username);
        let groups = groups(user);
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

    fn user(ftp: Option<FtpAccount>) -> User {
        User {
            id: "7".into(),
            username: "ann".into(),
            password: String::new(),
            is_active: true,
            is_superuser: false,
            groups: vec!["editors".into(), "staff".into()],
            ftp,
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
        let account = rules.account(&with_ftp()).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("e"), "/group".into()));
        rules.users = vec![("ann".into(), rule(None, Some("/own"))), ("bob".into(), rule(Some(""), None))];
        let account = rules.account(&with_ftp()).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("e"), "/own".into()));
    }

    #[test]
    fn without_rules_the_site_is_right() {
        let account = Rules::default().account(&with_ftp()).unwrap();
        assert_eq!((account.permissions, account.home), (Permissions::from_letters("elr"), "/site/ann".into()));
        assert_eq!((account.id.as_str(), account.groups), ("account 3", vec!["full".to_string()]));
    }

    #[test]
    fn who_has_no_ftp_account_is_only_let_in_where_all_are() {
        let mut rules = Rules::default();
        assert!(rules.have_account(&with_ftp()) && !rules.have_account(&user(None)));
        rules.all_users = true;
        assert!(rules.have_account(&user(None)));
        let account = rules.account(&user(None)).unwrap();
        assert_eq!((account.permissions, account.id.as_str()), (Permissions::from_letters("elr"), "user 7"));
        let superuser = User { is_superuser: true, ..user(None) };
        assert_eq!(rules.account(&superuser).unwrap().permissions, Permissions::all());
        rules.groups = vec![("staff".into(), rule(Some("w"), None)), ("editors".into(), rule(Some("r"), None))];
        assert_eq!(rules.account(&user(None)).unwrap().permissions, Permissions::from_letters("w"));
    }

    #[test]
    fn networks_and_dates_keep_people_out() {
        let networks = Some(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut rules = Rules { users: vec![("ann".into(), Rule { networks, ..Rule::default() })], ..Rules::default() };
        assert_eq!(rules.admit(&with_ftp(), "10.1.2.3".parse().unwrap()), Ok(()));
        assert_eq!(rules.admit(&with_ftp(), "192.0.2.1".parse().unwrap()), Err(Denial::Network));
        let expires = Some(Timestamp::UNIX_EPOCH);
        rules.users = vec![("ann".into(), Rule { expires, ..Rule::default() })];
        assert_eq!(rules.account(&with_ftp()), Err(Denial::Expired));
    }
}
