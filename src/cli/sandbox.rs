//! From the configuration to what the server may touch, and into that for good.

use super::Failure;
use super::places::{self, Homes, beside};
use crate::accounts::{Accounts, StorageKind};
use crate::config::Config;
use crate::net::passive;
use crate::process::sandbox::{Access, Sandbox};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What libraries read now and then: times, and how much memory and how many processors there are.
const ODDS_AND_ENDS: &[(&str, Access)] = &[
    ("/dev/null", Access::Write),
    ("/dev/urandom", Access::Read),
    ("/etc/localtime", Access::Read),
    ("/usr/share/zoneinfo", Access::Look),
    ("/proc/self", Access::Look),
    ("/proc/meminfo", Access::Read),
    ("/proc/sys/kernel/hostname", Access::Read),
    ("/proc/sys/vm/overcommit_memory", Access::Read),
    ("/sys/devices/system/cpu/online", Access::Read),
    ("/sys/fs/cgroup", Access::Read),
];

/// Where the resolver looks. These files are replaced by others while the server runs, so nothing less would do.
const RESOLVER: &str = "/etc";

/// Why a program's homes can't be guessed.
pub(super) const HOMES_UNKNOWN: &str = "accounts_command: only the program knows where homes are, and the sandbox has \
     to know, too: name the directories that they are in with sandbox_paths, or go without it (--no-sandbox)";

/// Whether the sandbox knows where homes are, or may come to be.
pub(super) fn knows_homes(config: &Config) -> bool {
    let is_free = !config.sandbox || config.accounts_command.is_none() || config.storage != StorageKind::Disk;
    is_free || config.home.is_some() || !config.sandbox_paths.is_empty()
}

/// Keeps the server to what it needs; true if that is in force. `more` is what this command needs beside.
pub(super) fn enter(
    config: &Config,
    accounts: &dyn Accounts,
    addresses: &[SocketAddr],
    more: &[(PathBuf, Access)],
) -> Result<bool, Failure> {
    if !config.sandbox {
        log::info!("sandbox: off");
        return Ok(false);
    }
    let mut sandbox = Sandbox::default();
    homes(config, accounts, &mut sandbox).map_err(Failure::Configuration)?;
    files(config, &mut sandbox);
    ports(config, addresses, &mut sandbox);
    for (path, access) in ODDS_AND_ENDS {
        sandbox.allow(*path, *access);
    }
    for (path, access) in more {
        sandbox.allow(path, *access);
    }
    if std::env::var_os("NOTIFY_SOCKET").is_some_and(|name| name.as_encoded_bytes().starts_with(b"@")) {
        sandbox.abstract_sockets();
    }
    let entered = sandbox.enter().map_err(|why| {
        Failure::Runtime(format!("the sandbox can't be put in force ({why}); --no-sandbox does without it"))
    })?;
    match entered.is_in_force() {
        true => log::info!("sandbox: {entered}"),
        false => log::warn!("sandbox: {entered}"),
    }
    Ok(entered.is_in_force())
}

fn homes(config: &Config, accounts: &dyn Accounts, sandbox: &mut Sandbox) -> Result<(), String> {
    let mut homes = Homes::default();
    places::on_disk(config, accounts, |place| homes.add(place))?;
    missing(config).for_each(|warning| log::warn!("{warning}"));
    for path in &config.sandbox_paths {
        sandbox.allow(path, Access::Home);
    }
    for path in homes.united() {
        if path == Path::new("/") {
            log::warn!("sandbox: a home is /, so no file is kept from the server");
        }
        sandbox.allow(path, Access::Home);
    }
    Ok(())
}

/// Directories that are named for nothing.
pub(super) fn missing(config: &Config) -> impl Iterator<Item = String> {
    let missing = config.sandbox_paths.iter().filter(|path| !path.exists());
    missing.map(|path| {
        let path = path.display();
        format!("sandbox_paths: {path} does not exist, and stays closed also when it is made: start the server then")
    })
}

/// What the configuration names. A file may become another one of its name, so its directory counts.
fn files(config: &Config, sandbox: &mut Sandbox) {
    let mut allow = |path: Option<&PathBuf>, access: Access| {
        for place in path.into_iter().flat_map(|path| beside(path)) {
            sandbox.allow(place, access);
        }
    };
    // SQLite writes beside a database even to read it, and last_login is written.
    allow(config.database.as_ref(), Access::Keep);
    allow(config.audit_database.as_ref(), Access::Keep);
    allow(config.journal.as_ref(), Access::Keep);
    for path in [&config.xferlog, &config.log_file] {
        allow(path.as_ref(), Access::Append);
    }
    for path in only_read(config) {
        allow(Some(path), Access::Read);
    }
    for path in config.sections.webhooks.iter().filter_map(|table| table.ca.as_ref()) {
        allow(Some(path), Access::Read);
    }
    if config.sections.s3.is_some() {
        // It is another one each hour.
        allow(std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from).as_ref(), Access::Read);
    }
    for path in [&config.pidfile, &config.control] {
        allow(path.as_ref(), Access::Remove);
    }
    if let Some(path) = &config.pidfile {
        sandbox.allow(path, Access::Write);
    }
    if looks_up_names(config) {
        sandbox.allow(RESOLVER, Access::Read);
        for place in beside(&Path::new(RESOLVER).join("resolv.conf")) {
            sandbox.allow(place, Access::Read);
        }
    }
}

fn only_read(config: &Config) -> impl Iterator<Item = &PathBuf> {
    [&config.config, &config.export, &config.certfile, &config.keyfile, &config.client_ca].into_iter().flatten()
}

/// Where certificates of other names can be read: beside those of the start, and beside what is read otherwise.
pub(super) fn readable(config: &Config) -> Vec<PathBuf> {
    only_read(config).flat_map(|path| beside(path)).chain(config.sandbox_paths.iter().cloned()).collect()
}

/// Whether the resolver's files are open.
pub(super) fn looks_up_names(config: &Config) -> bool {
    let is_name = |text: &String| text.parse::<Ipv4Addr>().is_err();
    let sections = &config.sections;
    let has_servers = !sections.webhooks.is_empty() || sections.s3.is_some() || sections.gcs.is_some();
    has_servers || config.masquerade_address.as_ref().is_some_and(is_name)
}

/// Those of passive mode, or those that are tried first; one that the system chooses for active mode, and the one below
/// each that it listens on, if active connections are to come from there.
fn ports(config: &Config, addresses: &[SocketAddr], sandbox: &mut Sandbox) {
    sandbox.bind(0);
    let passive = config.passive_ports.as_ref().map_or(passive::usual(), |ports| ports.as_slice());
    passive.iter().for_each(|port| sandbox.bind(*port));
    if config.connect_from_data_port {
        addresses.iter().for_each(|address| sandbox.bind(address.port().saturating_sub(1)));
    }
}
