//! What the administrator asked for, as one typed [`Config`].
//!
//! Flags beat environment beats file; `options.rs` is the one table all three share. Only the
//! command line reads a `Config`: the rest of the house takes small structs of its own and never
//! sees this module.

mod control;
mod file;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod help;
pub mod manual;
pub mod options;
pub mod programs;
pub mod sections;
mod sources;
pub mod stores;
mod suggest;
pub mod value;
pub mod webhooks;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

pub use self::control::control_socket;
use self::options::Opt;
pub use self::programs::{ExecTable, GateTable};
pub use self::sections::{Section, Sections};
use self::sources::Flags;
pub(crate) use self::sources::value as flag_value;
pub use self::value::{HostPort, LogFormat, PortSet};
use crate::accounts::{Permissions, StorageKind};
pub use crate::events::{JournalFull, JournalSync};
pub use crate::protocol::network::Network;
pub use crate::session::SessionReuse;

/// Every option of the server, parsed; [`options::OPTIONS`] explains them to administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub address: HostPort,
    /// The file that was read; `None` = there was none.
    pub config: Option<PathBuf>,
    /// The site's SQLite database.
    pub database: Option<PathBuf>,
    /// What dumpdata wrote, in the place of the database.
    pub export: Option<PathBuf>,
    /// Users without an FTP account may log in; `None` = where the site has none, and `home` is set.
    pub all_users: Option<bool>,
    /// Home template; `None` = beside the home of the user who runs the server.
    pub home: Option<String>,
    /// What users without an FTP account may do.
    pub read_perms: Permissions,
    /// What superusers among them may do in addition.
    pub write_perms: Permissions,
    /// The table of users; `None` = looked for.
    pub user_table: Option<String>,
    /// Its column of usernames.
    pub username_field: String,
    /// Its column of passwords.
    pub password_field: String,
    /// Its column of who may log in.
    pub active_field: String,
    /// Its column of superusers.
    pub superuser_field: String,
    /// A program that decides logins, and its arguments.
    pub accounts_command: Option<Vec<String>>,
    /// What it has for an answer.
    pub accounts_command_timeout: Duration,
    /// Who it runs as; `None` = as the server.
    pub accounts_command_user: Option<String>,
    /// Idle time of a session; `None` = no limit, as for every other limit here.
    pub timeout: Option<Duration>,
    /// From connecting to a successful login.
    pub login_timeout: Option<Duration>,
    /// Text of the greeting: one line without control characters.
    pub banner: String,
    /// Sessions at once.
    pub max_cons: Option<NonZeroUsize>,
    /// Sessions at once from one address.
    pub max_cons_per_ip: Option<NonZeroUsize>,
    /// Sessions at once that have not logged in yet.
    pub max_pending: Option<NonZeroUsize>,
    /// Whose PROXY headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Standstill of a data connection.
    pub data_timeout: Option<Duration>,
    /// Wait of a passive port for its client.
    pub pasv_timeout: Option<Duration>,
    /// Connecting to the client in active mode.
    pub port_timeout: Option<Duration>,
    /// Ports of passive data connections; `None` = whichever are free.
    pub passive_ports: Option<PortSet>,
    /// IPv4 address or DNS name that PASV announces; `None` = the one the client reached.
    pub masquerade_address: Option<String>,
    /// `masquerade_address` also for clients on local networks.
    pub masquerade_local: bool,
    /// Data connections with another host than the client's.
    pub permit_foreign_addresses: bool,
    /// Active connections to ports below 1024.
    pub permit_privileged_ports: bool,
    /// Active connections leave from the listening port minus one.
    pub connect_from_data_port: bool,
    /// Downloads by sendfile(2).
    pub sendfile: bool,
    /// Bytes a second that all sessions together may download.
    pub server_download_rate: Option<NonZeroU64>,
    /// Bytes a second that all sessions together may upload.
    pub server_upload_rate: Option<NonZeroU64>,
    /// Bytes a second that each session may download.
    pub session_download_rate: Option<NonZeroU64>,
    /// Bytes a second that each session may upload.
    pub session_upload_rate: Option<NonZeroU64>,
    /// The certificate and its chain; `None` = no TLS.
    pub certfile: Option<PathBuf>,
    /// Its key; `None` = in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// Where TLS comes before the greeting.
    pub implicit_tls: Option<HostPort>,
    /// Whether TLS is required; `None` = it is where there is a certificate.
    pub tls: Option<bool>,
    /// For logins; `None` = as `tls` says.
    pub tls_control_required: Option<bool>,
    /// For data connections; `None` = as `tls` says.
    pub tls_data_required: Option<bool>,
    /// Data connections that do not resume the TLS session.
    pub tls_session_reuse: SessionReuse,
    /// No upload without close_notify.
    pub tls_strict_eof: bool,
    /// Length of a handshake.
    pub tls_timeout: Option<Duration>,
    /// Who vouches for clients.
    pub client_ca: Option<PathBuf>,
    /// No TLS without a client certificate.
    pub client_cert_required: bool,
    /// A client certificate with the account's name is enough.
    pub client_cert_login: bool,
    /// Delay of the answer to a failed login.
    pub auth_failed_timeout: Duration,
    /// Failed logins after which a session ends.
    pub max_login_attempts: NonZeroUsize,
    /// How long a login that succeeded is remembered.
    pub login_cache_seconds: Duration,
    /// Failed logins within `ban_seconds` after which an address is refused; `None` = never.
    pub ban_failures: Option<NonZeroUsize>,
    /// The window of `ban_failures`, never zero.
    pub ban_seconds: Duration,
    /// Passwords are believed also where Django has given up how they are stored.
    pub legacy_hashes: bool,
    /// What kind of place homes are in.
    pub storage: StorageKind,
    /// Listings in local time instead of UTC.
    pub local_times: bool,
    /// Permission bits that new files and directories do not get, at most 0o777.
    pub umask: u32,
    /// An upload gets its name when it is whole.
    pub atomic_uploads: bool,
    /// An upload is on the disk before it is acknowledged.
    pub sync_uploads: bool,
    /// STOR and MKD create missing parent directories.
    pub create_parents: bool,
    /// The JSON lines file of events.
    pub journal: Option<PathBuf>,
    /// How large it becomes before a new one is begun.
    pub journal_size: Option<NonZeroU64>,
    /// How many old ones are kept.
    pub journal_keep: NonZeroUsize,
    /// When an event counts as written.
    pub journal_sync: JournalSync,
    /// What is done while it can't be written.
    pub journal_full: JournalFull,
    /// The SQLite database of events.
    pub audit_database: Option<PathBuf>,
    /// Days that its rows are kept; `None` = for ever.
    pub audit_days: Option<NonZeroUsize>,
    /// The file of transfers in the format of wu-ftpd.
    pub xferlog: Option<PathBuf>,
    /// Events go to the system's log, too.
    pub syslog: bool,
    /// The socket of that; `None` = /dev/log.
    pub syslog_socket: Option<PathBuf>,
    /// What the log tells.
    pub log_level: log::LevelFilter,
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// Where the log goes; `None` = standard error.
    pub log_file: Option<PathBuf>,
    /// Go to the background.
    pub daemonize: bool,
    /// Where the number of the process stands.
    pub pidfile: Option<PathBuf>,
    /// Whom the server becomes.
    pub file_access_user: Option<String>,
    /// The kernel keeps the server to its files.
    pub sandbox: bool,
    /// And to these directories.
    pub sandbox_paths: Vec<PathBuf>,
    /// The socket of the commands that speak with the server.
    pub control: Option<PathBuf>,
    /// Where metrics are read by HTTP.
    pub metrics_listen: Option<HostPort>,
    /// What running transfers get when the server stops.
    pub stop_timeout: Duration,
    /// What stands in the file alone.
    pub sections: Sections,
}

impl Default for Config {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Config {
            address: HostPort { host: "127.0.0.1".into(), port: 21 },
            config: None,
            database: None,
            export: None,
            all_users: None,
            home: None,
            read_perms: Permissions::from_letters("elr"),
            write_perms: Permissions::from_letters("adfmwMT"),
            user_table: None,
            username_field: "username".into(),
            password_field: "password".into(),
            active_field: "is_active".into(),
            superuser_field: "is_superuser".into(),
            accounts_command: None,
            accounts_command_timeout: seconds(5),
            accounts_command_user: None,
            timeout: Some(seconds(300)),
            login_timeout: Some(seconds(60)),
            banner: "django-ftpd ready.".into(),
            max_cons: NonZeroUsize::new(512),
            max_cons_per_ip: None,
            max_pending: NonZeroUsize::new(256),
            trusted_proxies: Vec::new(),
            data_timeout: Some(seconds(300)),
            pasv_timeout: Some(seconds(30)),
            port_timeout: Some(seconds(30)),
            passive_ports: None,
            masquerade_address: None,
            masquerade_local: false,
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            connect_from_data_port: false,
            sendfile: true,
            server_download_rate: None,
            server_upload_rate: None,
            session_download_rate: None,
            session_upload_rate: None,
            certfile: None,
            keyfile: None,
            implicit_tls: None,
            tls: None,
            tls_control_required: None,
            tls_data_required: None,
            tls_session_reuse: SessionReuse::Warn,
            tls_strict_eof: false,
            tls_timeout: Some(seconds(30)),
            client_ca: None,
            client_cert_required: false,
            client_cert_login: false,
            auth_failed_timeout: seconds(3),
            max_login_attempts: NonZeroUsize::MIN.saturating_add(2),
            login_cache_seconds: seconds(60),
            ban_failures: NonZeroUsize::new(30),
            ban_seconds: seconds(600),
            legacy_hashes: false,
            storage: StorageKind::Disk,
            local_times: false,
            umask: 0o022,
            atomic_uploads: true,
            sync_uploads: false,
            create_parents: false,
            journal: None,
            journal_size: NonZeroU64::new(100_000_000),
            journal_keep: NonZeroUsize::MIN.saturating_add(9),
            journal_sync: JournalSync::Os,
            journal_full: JournalFull::Block,
            audit_database: None,
            audit_days: None,
            xferlog: None,
            syslog: false,
            syslog_socket: None,
            log_level: log::LevelFilter::Info,
            log_format: LogFormat::Text,
            log_file: None,
            daemonize: false,
            pidfile: None,
            file_access_user: None,
            sandbox: true,
            sandbox_paths: Vec::new(),
            control: None,
            metrics_listen: None,
            stop_timeout: seconds(8),
            sections: Sections::default(),
        }
    }
}

/// What the arguments after the subcommand ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Print [`help::help_text`] and stop.
    Help,
    /// Print the version and stop.
    Version,
    /// Run with this.
    Run(Box<Config>),
}

impl Config {
    /// Reads `args` (those after the subcommand), `env` and the file that one of them names.
    pub fn load(
        args: impl Iterator<Item = OsString>,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Problem> {
        Config::default().overlaid(args, env)
    }

    /// As [`Config::load`], for a command with defaults of its own.
    pub fn overlaid(
        self,
        args: impl Iterator<Item = OsString>,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Problem> {
        let flags = match sources::command_line(args)? {
            Flags::Help => return Ok(Loaded::Help),
            Flags::Version => return Ok(Loaded::Version),
            Flags::Given(flags) => flags,
        };
        let env: Vec<_> = env.collect();
        let directory = sources::directory(&env);
        let mut outside = sources::environment(env.into_iter())?;
        outside.extend(flags);

        // Whether there is a file is known only from what beats it.
        let without_file = self.clone().with(&outside)?.resolved(&directory);
        let config = match &without_file.config {
            None => without_file,
            Some(path) => {
                let file = file::read(path)?;
                Config { sections: file.sections, ..self.with(&file.settings)?.with(&outside)? }.resolved(&directory)
            }
        };
        Ok(Loaded::Run(Box::new(config)))
    }

    fn with(mut self, settings: &[Setting]) -> Result<Config, Problem> {
        for Setting { origin, option, value } in settings {
            option.set(&mut self, value).map_err(|why| Problem::new(format!("{origin}: {why}")))?;
        }
        Ok(self)
    }
}

/// One option as somebody wrote it: `origin` says where, in words for [`Problem`].
struct Setting {
    origin: String,
    option: &'static Opt,
    value: OsString,
}

/// What is wrong with the configuration and where, in one line without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    /// A problem in these words.
    pub fn new(words: impl AsRef<str>) -> Problem {
        let escaped = |c: char| match c.is_control() {
            true => c.escape_default().to_string(),
            false => c.to_string(),
        };
        Problem(words.as_ref().chars().map(escaped).collect())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of options that is gone when the test is over.
    pub(super) struct OptionsFile(PathBuf);

    impl OptionsFile {
        pub(super) fn new(name: &str, text: &str) -> OptionsFile {
            let path = std::env::temp_dir().join(format!("django-ftpd-{}-{name}.conf", std::process::id()));
            std::fs::write(&path, text).unwrap();
            OptionsFile(path)
        }

        pub(super) fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for OptionsFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn load(args: &[&str], env: &[(&str, &str)]) -> Result<Loaded, Problem> {
        let env = env.iter().map(|(name, value)| (name.into(), value.into()));
        Config::load(args.iter().map(OsString::from), env)
    }

    fn run(args: &[&str], env: &[(&str, &str)]) -> Config {
        match load(args, env) {
            Ok(Loaded::Run(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_said_is_the_defaults() {
        assert_eq!(run(&[], &[("PATH", "/bin")]), Config::default());
    }

    #[test]
    fn flags_beat_environment_beats_file() {
        let file =
            OptionsFile::new("precedence", "timeout = 1\nlogin_timeout = 1\ndata_timeout = 1\naddress = 'f:1'\n");
        let env = [("FTPSERVER_LOGIN_TIMEOUT", "2"), ("FTPSERVER_DATA_TIMEOUT", "2"), ("FTPSERVER_ADDRESS", "e:2")];
        let config = run(&["--config", file.path(), "--data-timeout=3", "g:3"], &env);

        assert_eq!(config.timeout, Some(Duration::from_secs(1)));
        assert_eq!(config.login_timeout, Some(Duration::from_secs(2)));
        assert_eq!(config.data_timeout, Some(Duration::from_secs(3)));
        assert_eq!(config.address.to_string(), "g:3");
        assert_eq!(config.config.as_ref(), Some(&file.0));
    }

    #[test]
    fn the_environment_may_name_the_file_and_a_flag_another() {
        let (one, two) = (OptionsFile::new("one", "umask = '027'"), OptionsFile::new("two", "umask = '077'"));
        let env = [("FTPSERVER_CONFIG", one.path())];
        assert_eq!(run(&[], &env).umask, 0o027);
        assert_eq!(run(&["--config", two.path()], &env).umask, 0o077);
    }

    #[test]
    fn a_command_may_have_defaults_of_its_own() {
        let demo = Config { address: "127.0.0.1:2121".parse().unwrap(), ..Config::default() };
        let loaded = demo.clone().overlaid(std::iter::empty(), std::iter::empty());
        assert_eq!(loaded, Ok(Loaded::Run(Box::new(demo))));
    }

    #[test]
    fn help_and_version_come_before_everything_else() {
        let broken = [("FTPSERVER_TIMEOUT", "x")];
        assert_eq!(load(&["--config", "/nowhere", "--help"], &broken), Ok(Loaded::Help));
        assert_eq!(load(&["-h"], &broken), Ok(Loaded::Help));
        assert_eq!(load(&["--version"], &broken), Ok(Loaded::Version));
        assert_eq!(load(&["-V"], &broken), Ok(Loaded::Version));
    }

    #[test]
    fn bad_values_name_the_place_where_they_stand() {
        let file = OptionsFile::new("bad", "\npassive_ports = '30000-'\n");
        let problem = |args: &[&str], env: &[(&str, &str)]| load(args, env).unwrap_err().to_string();

        assert_eq!(problem(&["--max-cons", "many"], &[]), "--max-cons: \"many\" is not a whole number");
        assert_eq!(problem(&[], &[("FTPSERVER_TIMEOUT", "x")]), "FTPSERVER_TIMEOUT: \"x\" is not a number of seconds");
        assert_eq!(
            problem(&["nowhere"], &[]),
            "HOST:PORT: \"nowhere\" is not an address such as 127.0.0.1:2121 or [::1]:2121"
        );
        assert_eq!(
            problem(&["--config", file.path()], &[]),
            format!("{}:2: passive_ports: \"30000-\" is not a list of ports such as 12345,30000-30100", file.path())
        );
        assert_eq!(problem(&["--config", "/nowhere/x.conf"], &[]), "/nowhere/x.conf: no such file");
        assert_eq!(problem(&[], &[("FTPSERVER_CONFIG", "")]), "FTPSERVER_CONFIG: \"\" is not the name of a file");
    }

    #[test]
    fn a_problem_is_always_one_line() {
        assert_eq!(Problem::new("a\nb\u{1b}[31m").to_string(), "a\\nb\\u{1b}[31m");
    }
}
