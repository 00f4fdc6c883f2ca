//! `django-ftpd serve`: the configuration becomes a server.

use super::followers::Followers;
use super::{Failure, logging, parts, programs, stores};
use crate::accounts::Accounts;
use crate::config::{Config, HostPort};
use crate::process::limits;
use crate::process::signals::{self, HangUp};
use crate::server::Server;
use crate::session::Settings;
use std::io::{self, ErrorKind};

/// Faults of accounts that the log tells at the start; the others do well without them.
const FAULTS: usize = 10;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let (server, followers) = prepare(config)?;
    if let Some(address) = server.implicit_address() {
        log::info!("implicit TLS is on {address}");
    }
    log::info!("django-ftpd {} listens on {}", env!("CARGO_PKG_VERSION"), server.address());
    serve(server, followers, HangUp::Ignored)
}

/// A server that listens, with all that the configuration names opened.
pub(super) fn prepare(config: Config) -> Result<(Server, Followers), Failure> {
    let accounts = parts::accounts(&config).map_err(Failure::Configuration)?;
    let faults = accounts.faults().map_err(Failure::Configuration)?;
    let tls = parts::tls(&config).map_err(Failure::Configuration)?;
    let gates = programs::gates(&config).map_err(Failure::Configuration)?;
    let stores = stores::stores(&config).map_err(Failure::Configuration)?;
    let mut server = Server::bind((config.address.host.as_str(), config.address.port))
        .map_err(|error| cannot_listen(&config.address, &error))?;
    if let Some(address) = &config.implicit_tls {
        server = server
            .implicit_tls((address.host.as_str(), address.port))
            .map_err(|error| cannot_listen(address, &error))?;
    }
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    // Only who has the address touches the journal: it may be that of a server that runs.
    let mut journal = parts::journal(&config).map_err(Failure::Configuration)?;
    let followers = Followers::start(&config, journal.as_mut()).map_err(Failure::Configuration)?;
    let server = server
        .accounts(accounts)
        .storage(stores)
        .caps(parts::caps(&config))
        .ban_after(config.ban_failures.map_or(0, |most| most.get().try_into().unwrap_or(u32::MAX)), config.ban_seconds)
        .grace(config.stop_timeout)
        .settings(Settings { gates, ..parts::settings(config) });
    faults.iter().take(FAULTS).for_each(|fault| log::warn!("{fault}"));
    if faults.len() > FAULTS {
        log::warn!("and {} more like these; `django-ftpd check` tells them all", faults.len() - FAULTS);
    }
    let server = match journal {
        Some(journal) => server.sink(journal),
        None => server,
    };
    Ok((server, followers))
}

/// Serves until a signal stops it.
pub(super) fn serve(server: Server, followers: Followers, hang_up: HangUp) -> Result<(), Failure> {
    limits::raise_open_files();
    limits::clear_umask();
    let failed = |error: io::Error| Failure::Runtime(error.to_string());
    let stopper = server.stopper();
    signals::survive_file_size_limit().map_err(failed)?;
    signals::on_stop(hang_up, move || stopper.stop()).map_err(failed)?;
    let result = server.run().map_err(failed);
    followers.finish();
    result
}

fn cannot_listen(address: &HostPort, error: &io::Error) -> Failure {
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
