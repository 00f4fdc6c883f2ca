//! The home of each account: whether it is there, whether the server can use it, and what must not be in it.

use super::access::Server;
use super::report::{Part, Report, State, number};
use crate::accounts::{Permission, StorageKind, Surveyed};
use crate::config::Config;
use crate::protocol::shown::Shown;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What changes something in a home.
const CHANGES: [Permission; 5] =
    [Permission::Append, Permission::Delete, Permission::Rename, Permission::MakeDirectory, Permission::Write];

pub(super) fn examine(config: &Config, accounts: &[Surveyed], server: &Server, report: &mut Report) {
    let mut homes: BTreeMap<&Path, Vec<&Surveyed>> = BTreeMap::new();
    let is_on_disk = |account: &&Surveyed| account.storage.unwrap_or(config.storage) == StorageKind::Disk;
    for account in accounts.iter().filter(|account| account.is_active).filter(is_on_disk) {
        if let Ok(home) = &account.home {
            homes.entry(home).or_default().push(account);
        }
    }
    let secrets = secrets(config);
    let mut part = report.part("homes");
    let mut good = 0;
    for (home, accounts) in &homes {
        let findings = findings(home, accounts, &secrets, server);
        good += usize::from(findings.is_empty());
        findings.into_iter().for_each(|(state, text)| part.add(state, format!("{}: {text}", whose(accounts))));
    }
    tell_good(good, homes.len(), &mut part);
}

fn tell_good(good: usize, all: usize, part: &mut Part<'_>) {
    if good == all && all > 0 {
        part.ok(format!("{}, all in order", number(all, "home")));
    } else if good > 0 {
        part.ok(format!("{good} of {} in order", number(all, "home")));
    }
}

fn findings(home: &Path, accounts: &[&Surveyed], secrets: &[(&str, PathBuf)], server: &Server) -> Vec<(State, String)> {
    let shown = home.display();
    let metadata = match server.metadata(home) {
        Err(why) => return vec![(State::Fault, format!("their home {why}"))],
        Ok(None) => {
            return vec![(
                State::Warning,
                format!("their home {shown} does not exist; who logs in finds nothing there; {}", server.making()),
            )];
        }
        Ok(Some(metadata)) => metadata,
    };
    if !metadata.is_dir() {
        return vec![(State::Fault, format!("their home {shown} is no directory"))];
    }
    let mut findings = Vec::new();
    if let Err(why) = server.can_list(home) {
        findings.push((State::Fault, format!("their home {why}")));
    } else if accounts.iter().any(|account| CHANGES.iter().any(|change| account.permissions.allow(*change)))
        && let Err(why) = server.can_make_files_in(home)
    {
        findings.push((State::Warning, format!("their home {why}, though they may")));
    }
    if home.parent().is_none() {
        findings.push((State::Warning, "their home is /: they see this whole system".to_string()));
    } else if let Ok(home) = fs::canonicalize(home) {
        let inside = secrets.iter().filter(|(_, secret)| secret.starts_with(&home));
        findings.extend(inside.map(|(option, secret)| {
            (State::Warning, format!("their home {shown} has {option} in it ({}); move one of them", secret.display()))
        }));
    }
    findings
}

/// `ann`, `ann and bob`, `ann and 7 others`.
fn whose(accounts: &[&Surveyed]) -> String {
    let name = |account: &Surveyed| Shown(account.username.as_bytes()).to_string();
    match accounts {
        [] => String::new(),
        [one] => name(one),
        [one, other] => format!("{} and {}", name(one), name(other)),
        [one, others @ ..] => format!("{} and {} others", name(one), others.len()),
    }
}

/// What nobody should find in their home, by the name of its option.
fn secrets(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("database", &config.database),
        ("export", &config.export),
        ("config", &config.config),
        ("certfile", &config.certfile),
        ("keyfile", &config.keyfile),
        ("journal", &config.journal),
        ("audit_database", &config.audit_database),
        ("log_file", &config.log_file),
    ];
    let real =
        |(option, path): (&'static str, &Option<PathBuf>)| Some((option, fs::canonicalize(path.as_ref()?).ok()?));
    files.into_iter().filter_map(real).collect()
}
