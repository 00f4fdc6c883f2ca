//! `django-ftpd serve`: the configuration becomes a server.

use super::{Failure, logging};
use crate::accounts::{DjangoDatabase, HomeTemplate};
use crate::config::{Config, HostPort};
use crate::events::Journal;
use crate::net::masquerade::Masquerade;
use crate::net::passive::PassivePorts;
use crate::net::tls::{Files, Tls};
use crate::process::limits;
use crate::process::signals::{self, HangUp};
use crate::server::{Caps, Server};
use crate::session::{Needs, Settings, TlsRules};
use crate::storage::Disk;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let server = prepare(config)?;
    if let Some(address) = server.implicit_address() {
        log::info!("implicit TLS is on {address}");
    }
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
    let tls = tls(&config)?;
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

/// The certificate. Without one, nothing that needs it may be asked for.
fn tls(config: &Config) -> Result<Option<Tls>, Failure> {
    let wrong = |text: &str| Err(Failure::Configuration(text.to_string()));
    let with_client_ca = [
        (config.client_cert_required, "client_cert_required: there is no client_ca to tell good certificates from bad"),
        (config.client_cert_login, "client_cert_login: there is no client_ca to tell good certificates from bad"),
    ];
    if let Some((_, text)) = with_client_ca.iter().find(|(given, _)| *given && config.client_ca.is_none()) {
        return wrong(text);
    }
    let Some(certfile) = config.certfile.clone() else {
        let with_certificate = [
            (config.keyfile.is_some(), "keyfile"),
            (config.implicit_tls.is_some(), "implicit_tls"),
            (config.client_ca.is_some(), "client_ca"),
            (config.tls.is_some(), "tls"),
            (config.tls_control_required.is_some(), "tls_control_required"),
            (config.tls_data_required.is_some(), "tls_data_required"),
            (!config.sections.groups.is_empty(), "tls in a [group] section"),
            (!config.sections.networks.is_empty(), "tls in a [network] section"),
        ];
        return match with_certificate.iter().find(|(given, _)| *given) {
            Some((_, option)) => {
                wrong(&format!("{option}: there is no certificate to go with it; name one with certfile"))
            }
            None => Ok(None),
        };
    };
    let files = Files {
        certfile,
        keyfile: config.keyfile.clone(),
        client_ca: config.client_ca.clone(),
        client_cert_required: config.client_cert_required,
    };
    Tls::open(files).map(Some).map_err(Failure::Configuration)
}

fn tls_rules(config: &Config) -> TlsRules {
    let required = config.certfile.is_some() && config.tls.unwrap_or(true);
    TlsRules {
        general: Needs {
            control: config.tls_control_required.unwrap_or(required),
            data: config.tls_data_required.unwrap_or(required),
        },
        groups: config.sections.groups.clone(),
        networks: config.sections.networks.clone(),
    }
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
        tls_rules: tls_rules(&config),
        tls_session_reuse: config.tls_session_reuse,
        tls_strict_eof: config.tls_strict_eof,
        tls_timeout: config.tls_timeout,
        client_cert_login: config.client_cert_login,
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
