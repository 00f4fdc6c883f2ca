//! `django-ftpd serve`: the configuration becomes a server.

use super::control::{self, Doors};
use super::followers::Followers;
use super::{Failure, logging, parts, programs};
use crate::accounts::Accounts;
use crate::config::{Config, HostPort};
use crate::process::limits;
use crate::process::signals;
use crate::server::Server;
use crate::session::Settings;
use crate::storage::Disk;
use std::io::{self, ErrorKind};

/// So many of them the log tells.
const FAULTS: usize = 10;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let prepared = prepare(config)?;
    if let Some(address) = prepared.server.implicit_address() {
        log::info!("implicit TLS is on {address}");
    }
    log::info!("django-ftpd {} listens on {}", env!("CARGO_PKG_VERSION"), prepared.server.address());
    serve(prepared, Rereads::Yes)
}

/// A server that listens, with all that the configuration names opened.
pub(super) struct Prepared {
    pub(super) server: Server,
    followers: Followers,
    doors: Doors,
    signals: signals::Waiting,
    config: Config,
}

/// Whether it reads the configuration anew when it is asked to, as by SIGHUP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rereads {
    Yes,
    /// There is none that it could read.
    No,
}

/// Opens all that the configuration names.
pub(super) fn prepare(config: Config) -> Result<Prepared, Failure> {
    let signals = signals::survive_file_size_limit().and_then(|()| signals::wait()).map_err(failed)?;
    let accounts = parts::accounts(&config).map_err(Failure::Configuration)?;
    let faults = accounts.faults().map_err(Failure::Configuration)?;
    let tls = parts::tls(&config).map_err(Failure::Configuration)?;
    let gates = programs::gates(&config).map_err(Failure::Configuration)?;
    let mut server = Server::bind((config.address.host.as_str(), config.address.port))
        .map_err(|error| cannot_listen(&config.address, &error))?;
    if let Some(address) = &config.implicit_tls {
        server = server
            .implicit_tls((address.host.as_str(), address.port))
            .map_err(|error| cannot_listen(address, &error))?;
    }
    let doors = Doors::bind(&config)?;
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    // Only who has the address touches the journal: it may be that of a server that runs.
    let mut journal = parts::journal(&config).map_err(Failure::Configuration)?;
    let followers = Followers::start(&config, journal.as_mut()).map_err(Failure::Configuration)?;
    let (ban_failures, ban_seconds) = parts::ban_rules(&config);
    let server = server
        .accounts(accounts)
        .storage(Disk::new().sync_uploads(config.sync_uploads))
        .caps(parts::caps(&config))
        .ban_after(ban_failures, ban_seconds)
        .grace(config.stop_timeout)
        .settings(Settings { gates, ..parts::settings(config.clone()) });
    warn_of(&faults);
    let server = match journal {
        Some(journal) => server.sink(journal),
        None => server,
    };
    Ok(Prepared { server, followers, doors, signals, config })
}

/// Faults of accounts, which keep nobody else from being served.
pub(super) fn warn_of(faults: &[String]) {
    faults.iter().take(FAULTS).for_each(|fault| log::warn!("{fault}"));
    if faults.len() > FAULTS {
        log::warn!("and {} more like these; `django-ftpd check` tells them all", faults.len() - FAULTS);
    }
}

/// Serves until a signal stops it.
pub(super) fn serve(prepared: Prepared, rereads: Rereads) -> Result<(), Failure> {
    let Prepared { server, followers, doors, signals, config } = prepared;
    limits::raise_open_files();
    limits::clear_umask();
    let desk = control::desk(server.remote(), followers.watches(), config, rereads);
    let _open = doors.open(&desk).map_err(failed)?;
    signals.obey(control::duties(server.stopper(), desk, rereads).map_err(failed)?).map_err(failed)?;
    let result = server.run().map_err(failed);
    followers.finish();
    result
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
