//! From the configuration to the parts of a server, each with the one line that says why it can't be made.

use super::sandbox;
use crate::accounts::{
    Accounts, AccountsCommand, AllUsers, Directory, DjangoDatabase, DjangoExport, FieldNames, HomeTemplate, Rules, Site,
};
use crate::config::{Config, Section};
use crate::events::Journal;
use crate::net::masquerade::Masquerade;
use crate::net::passive::PassivePorts;
use crate::net::tls::{Files, Tls};
use crate::process::limits;
use crate::process::users::Person;
use crate::programs::Program;
use crate::server::Caps;
use crate::session::{Needs, Settings, TlsRules};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where homes are that nobody names: beside that of the user who serves; None: of who has started us. It is found once,
/// for within the sandbox nobody can be looked up.
pub(super) fn usual_home(person: Option<&Person>) -> HomeTemplate {
    match person {
        Some(person) => HomeTemplate::beside(person.home.as_deref().unwrap_or(Path::new("/"))),
        None => HomeTemplate::beside_own_home(),
    }
}

/// Who may log in; the program decides, where one is configured.
pub(super) fn accounts(
    config: &Config,
    program: Option<Program>,
    usual_home: &HomeTemplate,
) -> Result<Arc<dyn Accounts>, String> {
    match (&config.database, &config.export, &config.accounts_command) {
        (Some(database), None, None) => {
            let directory = DjangoDatabase::open_with(database, names(config))?;
            let has_accounts = directory.has_ftp_accounts()?;
            let unsaid = if config.home.is_some() { AllUsers::WithoutAccounts } else { AllUsers::No };
            let rules = rules(config, unsaid, usual_home)?;
            if !has_accounts && rules.all_users == AllUsers::No {
                return Err(format!(
                    "database {}: the site has no FTP accounts (no table django_ftpserver_ftpuseraccount); to let \
                     every active user log in, give them homes, such as --home /srv/ftp/{{username}}",
                    database.display()
                ));
            }
            site(config, directory, rules)
        }
        (None, Some(export), None) => {
            let directory = DjangoExport::open(export, names(config))?;
            let rules = rules(config, AllUsers::No, usual_home)?;
            if !directory.has_ftp_accounts() && rules.all_users == AllUsers::No {
                return Err(format!(
                    "export {}: there are no FTP accounts in it; dump django_ftpserver, too, or let every active user \
                     log in with --all-users",
                    export.display()
                ));
            }
            site(config, directory, rules)
        }
        (None, None, Some(_)) => command_accounts(config, program, usual_home),
        (None, None, None) => Err("no accounts; name the site's SQLite database with --database FILE \
                                   (FTPSERVER_DATABASE, or database in the file), or what dumpdata wrote with \
                                   --export FILE"
            .to_string()),
        _ => {
            Err("database, export, accounts_command: accounts come from one of them; leave out the others".to_string())
        }
    }
}

/// How the site calls what the server looks for.
pub(super) fn names(config: &Config) -> FieldNames {
    FieldNames {
        user_table: config.user_table.clone(),
        username: config.username_field.clone(),
        password: config.password_field.clone(),
        active: config.active_field.clone(),
        superuser: config.superuser_field.clone(),
    }
}

fn site(config: &Config, directory: impl Directory + 'static, rules: Rules) -> Result<Arc<dyn Accounts>, String> {
    let site = Site::new(directory)?.rules(rules);
    Ok(Arc::new(site.legacy_hashes(config.legacy_hashes).remember_logins(config.login_cache_seconds)))
}

fn rules(config: &Config, unsaid: AllUsers, usual_home: &HomeTemplate) -> Result<Rules, String> {
    let of = |sections: &[(String, Section)]| {
        sections.iter().map(|(name, section)| (name.clone(), section.rule.clone())).collect()
    };
    let home = config.home.as_deref().map(HomeTemplate::parse).transpose().map_err(|why| format!("home: {why}"))?;
    Ok(Rules {
        all_users: config.all_users.map_or(unsaid, |all| if all { AllUsers::Yes } else { AllUsers::No }),
        home: home.unwrap_or_else(|| usual_home.clone()),
        read: config.read_perms,
        write: config.write_perms,
        users: of(&config.sections.users),
        groups: of(&config.sections.groups),
    })
}

fn command_accounts(
    config: &Config,
    program: Option<Program>,
    usual_home: &HomeTemplate,
) -> Result<Arc<dyn Accounts>, String> {
    let program = program.ok_or("accounts_command: no program is named")?;
    if !sandbox::knows_homes(config) {
        return Err(sandbox::HOMES_UNKNOWN.to_string());
    }
    let command = AccountsCommand::with(program, config.accounts_command_timeout);
    Ok(Arc::new(command.rules(rules(config, AllUsers::No, usual_home)?)))
}

/// Where events are kept.
pub(super) fn journal(config: &Config) -> Result<Option<Journal>, String> {
    let Some(path) = &config.journal else { return Ok(None) };
    let journal = Journal::append(path).map_err(|error| format!("journal: {}: {error}", path.display()))?;
    let journal = journal.rotate(config.journal_size, config.journal_keep);
    Ok(Some(journal.sync(config.journal_sync).when_full(config.journal_full)))
}

/// The certificate. Without one, nothing that needs it may be asked for.
pub(super) fn tls(config: &Config) -> Result<Option<Tls>, String> {
    let wrong = |text: &str| Err(text.to_string());
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
            (!of_sections(&config.sections.users).is_empty(), "tls in a [user] section"),
            (!of_sections(&config.sections.groups).is_empty(), "tls in a [group] section"),
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
    Tls::open(files).map(Some)
}

/// What sections say of TLS.
fn of_sections(sections: &[(String, Section)]) -> Vec<(String, bool)> {
    sections.iter().filter_map(|(name, section)| Some((name.clone(), section.tls?))).collect()
}

fn tls_rules(config: &Config) -> TlsRules {
    let required = config.certfile.is_some() && config.tls.unwrap_or(true);
    TlsRules {
        general: Needs {
            control: config.tls_control_required.unwrap_or(required),
            data: config.tls_data_required.unwrap_or(required),
        },
        users: of_sections(&config.sections.users),
        groups: of_sections(&config.sections.groups),
        networks: config.sections.networks.clone(),
    }
}

/// How many may be there at once; never more than the system has threads for.
pub(super) fn caps(config: &Config) -> Caps {
    let (asked, most) = (config.max_cons.map(NonZeroUsize::get), limits::most_threads());
    if let (Some(asked), Some(most)) = (asked, most)
        && asked > most
    {
        log::warn!("max_cons: the system has threads for {most} connections, not for {asked}; raise vm.max_map_count");
    }
    Caps {
        total: asked.into_iter().chain(most).min(),
        per_address: config.max_cons_per_ip.map(NonZeroUsize::get),
        pending: config.max_pending.map(NonZeroUsize::get),
    }
}

/// After how many failed logins within which time an address is refused for that time.
pub(super) fn ban_rules(config: &Config) -> (u32, Duration) {
    let failures = config.ban_failures.map_or(0, |most| most.get().try_into().unwrap_or(u32::MAX));
    (failures, config.ban_seconds)
}

pub(super) fn settings(config: Config) -> Settings {
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
        server_download_rate: config.server_download_rate,
        server_upload_rate: config.server_upload_rate,
        session_download_rate: config.session_download_rate,
        session_upload_rate: config.session_upload_rate,
        local_times: config.local_times,
        umask: config.umask,
        atomic_uploads: config.atomic_uploads,
        create_parents: config.create_parents,
        trusted_proxies: config.trusted_proxies,
        gates: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::users;

    #[test]
    fn there_are_never_more_sessions_than_threads_can_be() {
        let most = limits::most_threads().unwrap();
        let total = |max_cons| caps(&Config { max_cons: NonZeroUsize::new(max_cons), ..Config::default() }).total;
        assert_eq!((total(0), total(most + 1), total(7)), (Some(most), Some(most), Some(7)));
    }

    #[test]
    fn the_library_and_the_command_line_have_the_same_defaults() {
        let ours = settings(Config::default());
        assert_eq!(format!("{ours:?}"), format!("{:?}", Settings::default()));
        assert_eq!(format!("{:?}", caps(&Config::default())), format!("{:?}", Caps::default()));
    }

    #[test]
    fn homes_that_nobody_names_are_beside_that_of_the_user_who_serves() {
        let home = |user: &str| {
            let usual = usual_home(Some(&users::person(user).unwrap()));
            rules(&Config::default(), AllUsers::No, &usual).unwrap().home.expand("ann").unwrap()
        };
        assert_eq!(home("root"), Path::new("/ann"));
        assert_eq!(home("4000001:4000001"), Path::new("/ann"), "who has no home");
        assert_eq!(HomeTemplate::beside("/srv/ftp/own".as_ref()).expand("ann"), Ok("/srv/ftp/ann".into()));
    }
}
