//! `django-ftpd serve`: the configuration becomes a server, step by step.

use super::control::{self, Doors, Reloader};
use super::logging::{self, Log};
use super::programs::Programs;
use super::supervision::Supervision;
use super::{Failure, background, collisions, followers, leftovers, parts, privileges, sandbox, stores};
use crate::accounts::{Accounts, HomeTemplate};
use crate::config::{Config, HostPort};
use crate::control::Desk;
use crate::process::daemon::Herald;
use crate::process::notify::Notifier;
use crate::process::pidfile::{Pidfile, Refusal};
use crate::process::sandbox::Access;
use crate::process::signals;
use crate::process::users::Person;
use crate::process::{activation, limits};
use crate::server::Server;
use crate::session::Settings;
use crate::storage::Disk;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many of them the log tells.
const FAULTS: usize = 10;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let Some((config, herald)) = background::enter(config)? else { return Ok(()) };
    let is_log_elsewhere = herald.is_some() || config.log_file.is_some();
    let result = open_and_serve(config, herald.clone());
    if let Err(failure) = &result {
        let (status, why) = failure.told();
        if is_log_elsewhere {
            log::error!("{why}");
        }
        if let Some(herald) = &herald {
            herald.failed(status, why);
        }
    }
    result
}

fn open_and_serve(config: Config, herald: Option<Herald>) -> Result<(), Failure> {
    collisions::of_files(&config).map_err(|(_, why)| Failure::Configuration(why))?;
    let person = privileges::person(&config)?;
    let log = logging::start(&config, herald.is_some(), person.as_ref())?;
    let opened = open(config, person.as_ref(), &[])?;
    let address = opened.server.address();
    if let Some(address) = opened.server.implicit_address() {
        log::info!("implicit TLS is on {address}");
    }
    log::info!("django-ftpd {} listens on {address}", env!("CARGO_PKG_VERSION"));
    opened.serve(herald, Some(log))
}

/// A server with all that the configuration names opened, and kept to that. There is one thread yet.
pub(super) struct Opened {
    pub(super) server: Server,
    followers: followers::Prepared,
    accounts: Arc<dyn Accounts>,
    doors: Doors,
    config: Config,
    usual_home: HomeTemplate,
    pidfile: Option<Pidfile>,
    signals: signals::Waiting,
    notifier: Notifier,
}

/// Opens all of it, in an order that matters: sockets, pidfile and what starts programs while this may still be root and
/// touch everything; files as the user who serves; threads, of which each would have to become that user, later. From
/// then on it is kept to these files, and to the places beside.
pub(super) fn open(config: Config, person: Option<&Person>, beside: &[(PathBuf, Access)]) -> Result<Opened, Failure> {
    signals::survive_file_size_limit().map_err(failed)?;
    let signals = signals::wait().map_err(failed)?;
    let notifier = Notifier::from_env();
    let server = listen(&config)?;
    let doors = Doors::bind(&config)?;
    let pidfile = config.pidfile.as_deref().map(lock).transpose()?;
    let programs = Programs::prepare(&config).map_err(Failure::Configuration)?;
    if let Some(person) = person {
        privileges::become_user(person, &config)?;
    }
    let usual_home = parts::usual_home(person);
    let (server, followers, accounts) = equip(server, &config, &programs, &usual_home, beside)?;
    Ok(Opened { server, followers, accounts, doors, config, usual_home, pidfile, signals, notifier })
}

/// Where clients come: systemd's sockets, or our own.
fn listen(config: &Config) -> Result<Server, Failure> {
    let given = activation::take().map_err(|why| Failure::Configuration(format!("systemd: {why}")))?;
    let address = &config.address;
    let server = match given.ftp {
        Some(listener) => Server::listening(listener),
        None => Server::bind((address.host.as_str(), address.port)),
    };
    let server = server.map_err(|error| cannot_listen(address, &error))?;
    match (given.implicit, &config.implicit_tls) {
        (Some(_), _) if config.certfile.is_none() => Err(Failure::Configuration(
            "systemd: there is a socket for implicit TLS, but no certificate; name one with certfile".to_string(),
        )),
        (Some(listener), _) => server.implicit_listening(listener).map_err(failed),
        (None, Some(address)) => {
            server.implicit_tls((address.host.as_str(), address.port)).map_err(|error| cannot_listen(address, &error))
        }
        (None, None) => Ok(server),
    }
}

/// The number of this process, and nobody else's.
fn lock(path: &Path) -> Result<Pidfile, Failure> {
    Pidfile::lock(path).map_err(|refusal| match refusal {
        Refusal::Taken(why) => Failure::Runtime(format!("pidfile: {why}")),
        Refusal::Unusable(why) => Failure::Configuration(format!("pidfile: {why}")),
    })
}

/// Accounts, certificate, gates, journal and its followers. Only who has the address touches the journal: it may be
/// that of a server that runs.
fn equip(
    mut server: Server,
    config: &Config,
    programs: &Programs,
    usual_home: &HomeTemplate,
    beside: &[(PathBuf, Access)],
) -> Result<(Server, followers::Prepared, Arc<dyn Accounts>), Failure> {
    let accounts = parts::accounts(config, programs.accounts.clone(), usual_home).map_err(Failure::Configuration)?;
    let faults = accounts.faults().map_err(Failure::Configuration)?;
    let tls = parts::tls(config).map_err(Failure::Configuration)?;
    let gates = programs.gates(config).map_err(Failure::Configuration)?;
    let objects = stores::objects(config).map_err(Failure::Configuration)?;
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    let mut journal = parts::journal(config).map_err(Failure::Configuration)?;
    let followers = followers::Prepared::open(config, programs, journal.as_mut()).map_err(Failure::Configuration)?;
    let addresses: Vec<SocketAddr> = std::iter::once(server.address()).chain(server.implicit_address()).collect();
    let is_sandboxed = sandbox::enter(config, &accounts, &addresses, beside)?;
    let disk = Disk::new().sync_uploads(config.sync_uploads).sandboxed(is_sandboxed);
    let (ban_failures, ban_seconds) = parts::ban_rules(config);
    let server = server
        .accounts(accounts.clone())
        .storage(stores::with_disk(objects, disk, config.storage))
        .caps(parts::caps(config))
        .ban_after(ban_failures, ban_seconds)
        .grace(config.stop_timeout)
        .settings(Settings { gates, ..parts::settings(config.clone()) });
    warn_of(&faults);
    let server = match journal {
        Some(journal) => server.sink(journal),
        None => server,
    };
    Ok((server, followers, accounts))
}

/// Faults of accounts, which keep nobody else from being served.
pub(super) fn warn_of(faults: &[String]) {
    faults.iter().take(FAULTS).for_each(|fault| log::warn!("{fault}"));
    if faults.len() > FAULTS {
        log::warn!("and {} more like these; `django-ftpd check` tells them all", faults.len() - FAULTS);
    }
}

impl Opened {
    /// Starts threads, serves until a signal stops it, and leaves nothing behind. With a log there is a configuration, too,
    /// which is read anew at SIGHUP; without one SIGHUP stops, as the end of a terminal does.
    pub(super) fn serve(self, herald: Option<Herald>, log: Option<Log>) -> Result<(), Failure> {
        let Opened { server, followers, accounts, doors, config, usual_home, pidfile, signals, notifier } = self;
        let followers = followers.start().map_err(Failure::Configuration)?;
        leftovers::start_removing(config.clone(), accounts);
        limits::raise_open_files();
        limits::clear_umask();
        let status = format!("serves on {}", server.address());
        let reload = log.map(|log| {
            let reloader = Reloader::new(config, usual_home, &server);
            control::rereading(reloader, log, notifier.messenger(), &status)
        });
        let desk = Desk::new(server.remote(), followers.watches(), reload);
        let _open = doors.open(&desk).map_err(failed)?;
        signals.obey(control::duties(server.stopper(), desk, pidfile.clone()).map_err(failed)?).map_err(failed)?;
        let result = server.supervisor(Supervision { herald, notifier, status }).run().map_err(failed);
        followers.finish();
        pidfile.iter().for_each(Pidfile::remove);
        result
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::Runtime(error.to_string())
}

pub(super) fn cannot_listen(address: &HostPort, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; ports below 1024 need root, or once: setcap cap_net_bind_service=+ep /path/to/django-ftpd"
        }
        ErrorKind::AddrInUse => "; is another FTP server running?",
        ErrorKind::AddrNotAvailable => "; no interface of this host has that address",
        _ => "",
    };
    Failure::Runtime(format!("can't listen on {address}: {error}{advice}"))
}
