//! `django-ftpd serve`: the configuration becomes a server.

use super::{Failure, logging};
use crate::accounts::{DjangoDatabase, HomeTemplate};
use crate::config::{Config, HostPort};
use crate::events::Journal;
use crate::net::masquerade::Masquerade;
use crate::net::passive::PassivePorts;
use crate::process::limits;
use crate::process::signals::{self, HangUp};
use crate::server::{Caps, Server};
use crate::session::Settings;
use crate::storage::Disk;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let server = prepare(config)?;
    log::info!("django-ftpd {} listens on {}", env!("CARGO_PKG_VERSION"), server.address());
    serve(server, HangUp::Ignored)
}

/// A server that listens, with all that the configuration names opened.
pub(super) fn prepare(config: Config) -> Result<Server, Failure> {
    let wrong = |option: &str, why: &dyn std::fmt::Display| Failure::Configuration(format!("{option}: {why}"));
    let database = config.database.as_ref().ok_or_else(|| {
        let text = "no accounts; name the site's SQLite database with --database FILE (FTPSERVER_DATABASE, or database in the file)";
        Failure::Configuration(text.to_string())
    })?;
    let mut accounts = DjangoDatabase::open(database).map_err(Failure::Configuration)?;
    if let Some(template) = &config.home {
        accounts = accounts.default_home(HomeTemplate::parse(template).map_err(|why| wrong("home", &why))?);
    }
    let server = Server::bind((config.address.host.as_str(), config.address.port))
        .map_err(|error| cannot_listen(&config.address, &error))?;
    // Only who has the address touches the journal: it may be that of a server that runs.
    let journal = config.journal.as_ref().map(Journal::append).transpose().map_err(|error| {
        let path = config.journal.as_deref().unwrap_or("".as_ref());
        wrong("journal", &format_args!("{}: {error}", path.display()))
    })?;
    let server = server
        .accounts(accounts)
        .storage(Disk::new().sync_uploads(config.sync_uploads))
        .caps(caps(&config))
        .ban_after(config.ban_failures.map_or(0, |most| most.get().try_into().unwrap_or(u32::MAX)), config.ban_seconds)
        .grace(config.stop_timeout)
        .settings(settings(config));
    Ok(match journal {
        Some(journal) => server.sink(journal),
        None => server,
    })
}

/// Serves until a signal stops it.
pub(super) fn serve(server: Server, hang_up: HangUp) -> Result<(), Failure> {
    limits::raise_open_files();
    limits::clear_umask();
    let failed = |error: io::Error| Failure::Runtime(error.to_string());
    let stopper = server.stopper();
    signals::survive_file_size_limit().map_err(failed)?;
    signals::on_stop(hang_up, move || stopper.stop()).map_err(failed)?;
    server.run().map_err(failed)
}

fn caps(config: &Config) -> Caps {
    Caps {
        total: config.max_cons.map(NonZeroUsize::get),
        per_address: config.max_cons_per_ip.map(NonZeroUsize::get),
        pending: config.max_pending.map(NonZeroUsize::get),
    }
}

fn settings(config: Config) -> Settings {
    Settings {
        banner: config.banner,
        timeout: config.timeout,
        login_timeout: config.login_timeout,
        data_timeout: config.data_timeout,
        pasv_timeout: config.pasv_timeout,
        port_timeout: config.port_timeout,
        auth_failed_timeout: config.auth_failed_timeout,
        max_login_attempts: config.max_login_attempts.get(),
        passive_ports: match config.passive_ports {
            Some(ports) => PassivePorts::of(ports.as_slice().to_vec()),
            None => PassivePorts::any(),
        },
        masquerade: config.masquerade_address.as_deref().map(Masquerade::new),
        masquerade_local: config.masquerade_local,
        permit_foreign_addresses: config.permit_foreign_addresses,
        permit_privileged_ports: config.permit_privileged_ports,
        connect_from_data_port: config.connect_from_data_port,
        sendfile: config.sendfile,
        local_times: config.local_times,
        umask: config.umask,
        atomic_uploads: config.atomic_uploads,
        create_parents: config.create_parents,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_and_the_command_line_have_the_same_defaults() {
        let ours = settings(Config::default());
        assert_eq!(format!("{ours:?}"), format!("{:?}", Settings::default()));
        assert_eq!(format!("{:?}", caps(&Config::default())), format!("{:?}", Caps::default()));
    }
}
