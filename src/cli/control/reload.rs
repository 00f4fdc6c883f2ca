//! Reads the configuration anew, as it was read at the start: what can change does, for sessions that begin from then
//! on, and all of it or nothing.

use super::super::serve::warn_of;
use super::super::{parts, places, sandbox, stores};
use crate::accounts::{Accounts, HomeTemplate, Verifier};
use crate::config::{Config, Loaded};
use crate::locks::lock;
use crate::server::{Remote, Server};
use crate::session::{Services, Settings};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Knows what is in force.
pub(in crate::cli) struct Reloader {
    in_force: Mutex<Config>,
    start: Start,
    remote: Remote,
}

/// What was found at the start, and stays as it is.
struct Start {
    usual_home: HomeTemplate,
    /// Directories in which the sandbox lets certificates be read.
    readable: Vec<PathBuf>,
    looks_up_names: bool,
    has_implicit_tls: bool,
}

impl Start {
    /// Whether the sandbox lets a file be read, wherever links lead. What is not there, is told as that.
    fn can_read(&self, path: &Path) -> bool {
        let is_known = |place: &PathBuf| self.readable.iter().any(|known| place.starts_with(known));
        !path.exists() || places::beside(path).iter().all(is_known)
    }
}

impl Reloader {
    pub(in crate::cli) fn new(config: Config, usual_home: HomeTemplate, server: &Server) -> Reloader {
        let start = Start {
            usual_home,
            readable: sandbox::readable(&config),
            looks_up_names: sandbox::looks_up_names(&config),
            has_implicit_tls: server.implicit_address().is_some(),
        };
        Reloader { in_force: Mutex::new(config), start, remote: server.remote() }
    }

    /// What is to be said of it in one line, or why nothing has changed.
    pub(in crate::cli) fn reload(&self) -> Result<String, String> {
        let mut in_force = lock(&self.in_force);
        let loaded =
            Config::load(std::env::args_os().skip(2), std::env::vars_os()).map_err(|error| error.to_string())?;
        let Loaded::Run(new) = loaded else { return Err("the command line asks for help".to_string()) };
        let (config, later) = merged(&self.start, &in_force, *new);
        let current = self.remote.services().ok_or("the server has not begun yet")?;
        let services = services(&self.start, &in_force, &config, &current)?;
        self.remote.set_services(services);
        self.remote.set_caps(parts::caps(&config));
        let (failures, period) = parts::ban_rules(&config);
        self.remote.set_ban_rules(failures, period);
        self.remote.set_grace(config.stop_timeout);
        *in_force = config;
        let later = match later.is_empty() {
            true => String::new(),
            false => format!("; takes effect at the next start: {}", later.join(", ")),
        };
        Ok(format!("the configuration was read anew{later}"))
    }
}

/// What sessions are given that begin from now on. What has not changed is shared with those that run.
fn services(start: &Start, old: &Config, new: &Config, current: &Services) -> Result<Services, String> {
    stores::check(new)?;
    let verifier = if accounts_differ(old, new) {
        let accounts = parts::accounts(new, None, &start.usual_home)?;
        warn_of(&accounts.faults()?);
        Verifier::start(accounts).map_err(|error| format!("no login threads: {error}"))?
    } else {
        current.verifier.refresh()?;
        current.verifier.clone()
    };
    let gates = current.settings.gates.clone();
    if !gates.is_empty() && !new.atomic_uploads {
        return Err("atomic_uploads: gates decide before an upload gets its name".to_string());
    }
    let mut wanted = new.clone();
    let is_elsewhere = old.masquerade_address != new.masquerade_address;
    wanted.masquerade_address = wanted.masquerade_address.filter(|_| is_elsewhere);
    let mut settings = Settings { gates, ..parts::settings(wanted) };
    if old.passive_ports == new.passive_ports {
        settings.passive_ports = current.settings.passive_ports.clone();
    }
    if !is_elsewhere {
        // A name need not be looked up again.
        settings.masquerade = current.settings.masquerade.clone();
    }
    if start.has_implicit_tls && new.certfile.is_none() {
        return Err(
            "certfile: implicit TLS has a port of its own, which can't do without a certificate; name one, or \
                    restart the server without that port"
                .to_string(),
        );
    }
    let tls = parts::tls(new)?.map(Arc::new);
    Ok(Services { settings, tls, verifier, ..current.clone() })
}

/// Whether who may log in, and what as, is decided in another way.
fn accounts_differ(old: &Config, new: &Config) -> bool {
    let rules = |config: &Config| {
        let Config { all_users, home, read_perms, write_perms, .. } = config.clone();
        (all_users, home, read_perms, write_perms, config.sections.users.clone(), config.sections.groups.clone())
    };
    let names = |config: &Config| {
        let Config { user_table, username_field, password_field, active_field, superuser_field, .. } = config.clone();
        (user_table, username_field, password_field, active_field, superuser_field)
    };
    let logins = |config: &Config| (config.legacy_hashes, config.login_cache_seconds);
    rules(old) != rules(new) || names(old) != names(new) || logins(old) != logins(new)
}

/// The new configuration with what can't change now as it was, and the names of what waits for the next start.
fn merged(start: &Start, old: &Config, mut new: Config) -> (Config, Vec<&'static str>) {
    let mut later = Vec::new();
    macro_rules! keep {
        ($($name:literal: $($field:ident).+;)*) => {$(
            if new.$($field).+ != old.$($field).+ {
                new.$($field).+.clone_from(&old.$($field).+);
                later.push($name);
            }
        )*};
    }
    keep! {
        "address": address;
        "config": config;
        "database": database;
        "export": export;
        "accounts_command": accounts_command;
        "accounts_command_timeout": accounts_command_timeout;
        "accounts_command_user": accounts_command_user;
        "implicit_tls": implicit_tls;
        "sync_uploads": sync_uploads;
        "storage": storage;
        "[s3]": sections.s3;
        "[gcs]": sections.gcs;
        "journal": journal;
        "journal_size": journal_size;
        "journal_keep": journal_keep;
        "journal_sync": journal_sync;
        "journal_full": journal_full;
        "audit_database": audit_database;
        "audit_days": audit_days;
        "xferlog": xferlog;
        "syslog": syslog;
        "syslog_socket": syslog_socket;
        "log_level": log_level;
        "log_format": log_format;
        "log_file": log_file;
        "daemonize": daemonize;
        "pidfile": pidfile;
        "file_access_user": file_access_user;
        "sandbox": sandbox;
        "sandbox_paths": sandbox_paths;
        "control": control;
        "metrics_listen": metrics_listen;
        "[[exec]]": sections.execs;
        "[[gate]]": sections.gates;
        "[[webhook]]": sections.webhooks;
    }
    // The sandbox lets it bind the ports that it knew of at the start.
    let is_known =
        |port: &u16| old.passive_ports.as_ref().is_some_and(|known| known.as_slice().binary_search(port).is_ok());
    if old.sandbox && !new.passive_ports.iter().flat_map(|ports| ports.as_slice()).all(is_known) {
        keep! { "passive_ports": passive_ports; }
    }
    if old.sandbox && new.connect_from_data_port {
        keep! { "connect_from_data_port": connect_from_data_port; }
    }
    if old.sandbox && !start.looks_up_names && sandbox::looks_up_names(&new) {
        keep! { "masquerade_address": masquerade_address; }
    }
    let certificates = [&new.certfile, &new.keyfile, &new.client_ca];
    if old.sandbox && !certificates.into_iter().flatten().all(|path| start.can_read(path)) {
        // They go together.
        keep! {
            "certfile": certfile;
            "keyfile": keyfile;
            "client_ca": client_ca;
        }
    }
    // The program may need rights that the server has no more.
    if old.accounts_command.is_some() {
        keep! {
            "home": home;
            "all_users": all_users;
            "read_perms": read_perms;
            "write_perms": write_perms;
            "legacy_hashes": legacy_hashes;
            "login_cache_seconds": login_cache_seconds;
            "[user]": sections.users;
            "[group]": sections.groups;
        }
    }
    (new, later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{Initial, OPTIONS};
    use std::ffi::OsStr;

    #[test]
    fn every_option_changes_now_or_is_named() {
        let old = Config::default();
        let start = Start {
            usual_home: parts::usual_home(None),
            readable: Vec::new(),
            looks_up_names: false,
            has_implicit_tls: false,
        };
        for option in OPTIONS {
            let mut new = old.clone();
            let values =
                ["7", "false", "true", "off", "e", "always", "refuse", "debug", "json", "/x", "h:1", "cn", "s3"];
            let example = match option.default {
                Initial::Unset(_, example) => example,
                Initial::Is(default) => values
                    .into_iter()
                    .find(|value| *value != default && option.set(&mut new.clone(), OsStr::new(value)).is_ok())
                    .unwrap(),
            };
            option.set(&mut new, OsStr::new(example)).unwrap();
            let (merged, later) = merged(&start, &old, new.clone());
            match *later {
                [] => assert_eq!(merged, new, "{}", option.name),
                [name] => assert!(name == option.name && merged == old, "{name}"),
                _ => panic!("{later:?}"),
            }
        }
    }
}
