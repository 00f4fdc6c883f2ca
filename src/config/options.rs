//! The one table of options. Flags, variables, file keys, help, README and the example file all
//! come from here; it knows nothing of where a value was written.

use std::ffi::OsStr;
use std::path::PathBuf;

use self::Initial::{Is, Unset};
use self::Kind::{MaybeSwitch, Path, Switch, Value};
use super::Config;
use super::value::{
    certificate_login, file, host, is_required, limit, line, one_or_more, period, seconds, session_reuse, switch,
    time_limit, umask,
};

/// One option.
#[derive(Debug)]
pub struct Opt {
    /// `snake_case`: the key of the file, from which the other names follow.
    pub name: &'static str,
    /// Heading it stands under; neighbours share it.
    pub group: &'static str,
    /// How it is written, and its setter.
    pub kind: Kind,
    /// What holds when nobody says anything.
    pub default: Initial,
    /// One sentence for the administrator.
    pub doc: &'static str,
}

/// How an option is written, each with its setter.
#[derive(Debug)]
pub enum Kind {
    /// `--name` or `--no-name`.
    Switch(fn(&mut Config) -> &mut bool),
    /// The same, when saying nothing is a third answer.
    MaybeSwitch(fn(&mut Config) -> &mut Option<bool>),
    /// `--name FILE`, any bytes.
    Path(fn(&mut Config) -> &mut Option<PathBuf>),
    /// `--name PLACEHOLDER`.
    Value(&'static str, fn(&mut Config, &str) -> Result<(), String>),
}

/// What holds when nobody says anything.
#[derive(Debug)]
pub enum Initial {
    /// This value, as it would be written.
    Is(&'static str),
    /// No value: what that means, and an example of one.
    Unset(&'static str, &'static str),
}

/// Every option of the server, in the order of the help.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "address",
        group: "General",
        kind: Value("HOST:PORT", |c, v| put(&mut c.address, v.parse())),
        default: Is("127.0.0.1:21"),
        doc: "Address to listen on; 0.0.0.0:21 is every IPv4 address of this machine.",
    },
    Opt {
        name: "config",
        group: "General",
        kind: Path(|c| &mut c.config),
        default: Unset("none", "/etc/django-ftpd.conf"),
        doc: "File with options, one NAME = VALUE on each line.",
    },
    Opt {
        name: "database",
        group: "Accounts",
        kind: Path(|c| &mut c.database),
        default: Unset("none", "/srv/site/db.sqlite3"),
        doc: "SQLite database of the Django site.",
    },
    Opt {
        name: "home",
        group: "Accounts",
        kind: Value("TEMPLATE", |c, v| put(&mut c.home, line(v).map(Some))),
        default: Unset("<parent of the server user's home>/{username}", "/srv/ftp/{username}"),
        doc: "Home of an account when neither it nor its group names one.",
    },
    Opt {
        name: "timeout",
        group: "Connections",
        kind: Value("SECONDS", |c, v| put(&mut c.timeout, time_limit(v))),
        default: Is("300"),
        doc: "Seconds a session may be idle (0 = no limit).",
    },
    Opt {
        name: "login_timeout",
        group: "Connections",
        kind: Value("SECONDS", |c, v| put(&mut c.login_timeout, time_limit(v))),
        default: Is("60"),
        doc: "Seconds from connecting to a successful login, whatever the client sends (0 = no \
              limit).",
    },
    Opt {
        name: "banner",
        group: "Connections",
        kind: Value("TEXT", |c, v| put(&mut c.banner, line(v))),
        default: Is("django-ftpd ready."),
        doc: "Greeting of every new connection, one line.",
    },
    Opt {
        name: "max_cons",
        group: "Connections",
        kind: Value("NUMBER", |c, v| put(&mut c.max_cons, limit(v))),
        default: Is("512"),
        doc: "Connections at once (0 = no limit).",
    },
    Opt {
        name: "max_cons_per_ip",
        group: "Connections",
        kind: Value("NUMBER", |c, v| put(&mut c.max_cons_per_ip, limit(v))),
        default: Is("0"),
        doc: "Connections at once from one address (0 = no limit).",
    },
    Opt {
        name: "max_pending",
        group: "Connections",
        kind: Value("NUMBER", |c, v| put(&mut c.max_pending, limit(v))),
        default: Is("256"),
        doc: "Connections at once that have not logged in yet (0 = no limit).",
    },
    Opt {
        name: "data_timeout",
        group: "Data connections",
        kind: Value("SECONDS", |c, v| put(&mut c.data_timeout, time_limit(v))),
        default: Is("300"),
        doc: "Seconds a transfer may stand still (0 = no limit).",
    },
    Opt {
        name: "pasv_timeout",
        group: "Data connections",
        kind: Value("SECONDS", |c, v| put(&mut c.pasv_timeout, time_limit(v))),
        default: Is("30"),
        doc: "Seconds a passive port waits for its client (0 = no limit).",
    },
    Opt {
        name: "port_timeout",
        group: "Data connections",
        kind: Value("SECONDS", |c, v| put(&mut c.port_timeout, time_limit(v))),
        default: Is("30"),
        doc: "Seconds to reach the client in active mode (0 = no limit).",
    },
    Opt {
        name: "passive_ports",
        group: "Data connections",
        kind: Value("PORTS", |c, v| put(&mut c.passive_ports, v.parse().map(Some))),
        default: Unset("any free port", "12345,30000-30100"),
        doc: "Ports of passive mode; open them in the firewall.",
    },
    Opt {
        name: "masquerade_address",
        group: "Data connections",
        kind: Value("HOST", |c, v| put(&mut c.masquerade_address, host(v).map(Some))),
        default: Unset("the address the client reached", "ftp.example.com"),
        doc: "Public IPv4 address or DNS name to announce to PASV when the server is behind NAT; \
              clients on local networks are not told it.",
    },
    Opt {
        name: "masquerade_local",
        group: "Data connections",
        kind: Switch(|c| &mut c.masquerade_local),
        default: Is("false"),
        doc: "Announce masquerade_address to clients on local networks, too: where a proxy or Docker makes all \
              clients look local.",
    },
    Opt {
        name: "permit_foreign_addresses",
        group: "Data connections",
        kind: Switch(|c| &mut c.permit_foreign_addresses),
        default: Is("false"),
        doc: "Permit data connections with another host than the client's.",
    },
    Opt {
        name: "permit_privileged_ports",
        group: "Data connections",
        kind: Switch(|c| &mut c.permit_privileged_ports),
        default: Is("false"),
        doc: "Permit active mode to ports below 1024.",
    },
    Opt {
        name: "connect_from_data_port",
        group: "Data connections",
        kind: Switch(|c| &mut c.connect_from_data_port),
        default: Is("false"),
        doc: "Connect in active mode from the listening port minus one (20 for 21), where \
              privileges allow.",
    },
    Opt {
        name: "sendfile",
        group: "Data connections",
        kind: Switch(|c| &mut c.sendfile),
        default: Is("true"),
        doc: "Let the kernel send downloads, which is fastest.",
    },
    Opt {
        name: "certfile",
        group: "TLS",
        kind: Path(|c| &mut c.certfile),
        default: Unset("none", "/etc/letsencrypt/live/ftp.example.com/fullchain.pem"),
        doc: "Certificate and its chain (PEM), which turns TLS on; read anew when it changes.",
    },
    Opt {
        name: "keyfile",
        group: "TLS",
        kind: Path(|c| &mut c.keyfile),
        default: Unset("in certfile", "/etc/letsencrypt/live/ftp.example.com/privkey.pem"),
        doc: "Private key of the certificate (PEM).",
    },
    Opt {
        name: "implicit_tls",
        group: "TLS",
        kind: Value("HOST:PORT", |c, v| put(&mut c.implicit_tls, v.parse().map(Some))),
        default: Unset("none", "0.0.0.0:990"),
        doc: "Second address to listen on, where TLS comes before the greeting.",
    },
    Opt {
        name: "tls",
        group: "TLS",
        kind: Value("required|optional", |c, v| put(&mut c.tls, is_required(v).map(Some))),
        default: Unset("required, if there is a certfile", "optional"),
        doc: "Whether clients have to use TLS, for logins and for data; [group] and [network] make exceptions.",
    },
    Opt {
        name: "tls_control_required",
        group: "TLS",
        kind: MaybeSwitch(|c| &mut c.tls_control_required),
        default: Unset("as tls says", "true"),
        doc: "Require TLS for logins, whatever tls says.",
    },
    Opt {
        name: "tls_data_required",
        group: "TLS",
        kind: MaybeSwitch(|c| &mut c.tls_data_required),
        default: Unset("as tls says", "false"),
        doc: "Require TLS for data connections, whatever tls says.",
    },
    Opt {
        name: "tls_session_reuse",
        group: "TLS",
        kind: Value("off|warn|require", |c, v| put(&mut c.tls_session_reuse, session_reuse(v))),
        default: Is("warn"),
        doc: "Whether data connections have to resume the TLS session of their control connection, which proves \
              whose they are; warn writes a line to the log.",
    },
    Opt {
        name: "tls_strict_eof",
        group: "TLS",
        kind: Switch(|c| &mut c.tls_strict_eof),
        default: Is("false"),
        doc: "Take an upload in TLS for whole only if its end was announced (close_notify), which some clients omit.",
    },
    Opt {
        name: "tls_timeout",
        group: "TLS",
        kind: Value("SECONDS", |c, v| put(&mut c.tls_timeout, time_limit(v))),
        default: Is("30"),
        doc: "Seconds that a TLS handshake may take (0 = no limit).",
    },
    Opt {
        name: "client_ca",
        group: "TLS",
        kind: Path(|c| &mut c.client_ca),
        default: Unset("none", "/etc/django-ftpd/client-ca.pem"),
        doc: "Authorities (PEM) whose client certificates are accepted; without it, clients are not asked for one.",
    },
    Opt {
        name: "client_cert_required",
        group: "TLS",
        kind: Switch(|c| &mut c.client_cert_required),
        default: Is("false"),
        doc: "Refuse TLS to clients without a certificate.",
    },
    Opt {
        name: "client_cert_login",
        group: "TLS",
        kind: Value("off|cn", |c, v| put(&mut c.client_cert_login, certificate_login(v))),
        default: Is("off"),
        doc: "cn logs an account in without a password when the common name of the client's certificate is its name.",
    },
    Opt {
        name: "auth_failed_timeout",
        group: "Logins",
        kind: Value("SECONDS", |c, v| put(&mut c.auth_failed_timeout, seconds(v))),
        default: Is("3"),
        doc: "Seconds before a failed login is answered.",
    },
    Opt {
        name: "max_login_attempts",
        group: "Logins",
        kind: Value("NUMBER", |c, v| put(&mut c.max_login_attempts, one_or_more(v))),
        default: Is("3"),
        doc: "Failed logins after which a connection is closed.",
    },
    Opt {
        name: "ban_failures",
        group: "Logins",
        kind: Value("NUMBER", |c, v| put(&mut c.ban_failures, limit(v))),
        default: Is("30"),
        doc: "Failed logins within ban_seconds after which an address is refused (0 = never).",
    },
    Opt {
        name: "ban_seconds",
        group: "Logins",
        kind: Value("SECONDS", |c, v| put(&mut c.ban_seconds, period(v))),
        default: Is("600"),
        doc: "Seconds in which ban_failures are counted, and that a refusal lasts.",
    },
    Opt {
        name: "local_times",
        group: "Files",
        kind: Switch(|c| &mut c.local_times),
        default: Is("false"),
        doc: "Show local time instead of UTC in listings.",
    },
    Opt {
        name: "umask",
        group: "Files",
        kind: Value("OCTAL", |c, v| put(&mut c.umask, umask(v))),
        default: Is("022"),
        doc: "Permissions that new files and directories do not get.",
    },
    Opt {
        name: "atomic_uploads",
        group: "Files",
        kind: Switch(|c| &mut c.atomic_uploads),
        default: Is("true"),
        doc: "Give an upload its name when it is whole; false writes in place, so that a cut \
              upload can be resumed.",
    },
    Opt {
        name: "sync_uploads",
        group: "Files",
        kind: Switch(|c| &mut c.sync_uploads),
        default: Is("false"),
        doc: "Have an upload on the disk before it is acknowledged; safer in a power \
              cut, and slower.",
    },
    Opt {
        name: "create_parents",
        group: "Files",
        kind: Switch(|c| &mut c.create_parents),
        default: Is("false"),
        doc: "Create missing parent directories on STOR and MKD.",
    },
    Opt {
        name: "journal",
        group: "Events",
        kind: Path(|c| &mut c.journal),
        default: Unset("none", "/var/log/django-ftpd/events.jsonl"),
        doc: "File that gets every login, transfer and change as a line of JSON.",
    },
    Opt {
        name: "stop_timeout",
        group: "Stopping",
        kind: Value("SECONDS", |c, v| put(&mut c.stop_timeout, seconds(v))),
        default: Is("8"),
        doc: "Seconds that running transfers get when the server stops (0 = none).",
    },
];

/// What begins the name of every variable.
pub const ENV_PREFIX: &str = "FTPSERVER_";

impl Opt {
    /// `--kebab-case`; the positional has none and is known by its placeholder.
    pub fn flag(&self) -> String {
        match self.kind {
            Value(placeholder, _) if self.is_positional() => placeholder.into(),
            _ => format!("--{}", self.name.replace('_', "-")),
        }
    }

    /// `--no-kebab-case` of a switch.
    pub fn negated_flag(&self) -> Option<String> {
        matches!(self.kind, Switch(_) | MaybeSwitch(_)).then(|| format!("--no-{}", self.name.replace('_', "-")))
    }

    /// `FTPSERVER_UPPER_SNAKE`.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_uppercase())
    }

    /// What stands for the value in the help; `None` = a switch.
    pub fn placeholder(&self) -> Option<&'static str> {
        match self.kind {
            Switch(_) | MaybeSwitch(_) => None,
            Path(_) => Some("FILE"),
            Value(placeholder, _) => Some(placeholder),
        }
    }

    /// On the command line it stands alone, without a flag.
    pub fn is_positional(&self) -> bool {
        self.name == "address"
    }

    /// A file may set it; it cannot name another file.
    pub fn is_for_file(&self) -> bool {
        self.name != "config"
    }

    /// Sets it in `config`, or says what is wrong with `value`.
    pub fn set(&self, config: &mut Config, value: &OsStr) -> Result<(), String> {
        let text = || value.to_str().ok_or_else(|| "the value is not UTF-8 text".to_owned());
        match self.kind {
            Path(field) => put(field(config), file(value).map(Some)),
            Switch(field) => put(field(config), switch(text()?)),
            MaybeSwitch(field) => put(field(config), switch(text()?).map(Some)),
            Value(_, set) => set(config, text()?),
        }
    }
}

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_of_config_has_its_option() {
        let debug = format!("{:#?}", Config::default());
        let is_field = |line: &&str| line.starts_with("    ") && line[4..].starts_with(char::is_alphabetic);
        let fields = debug.lines().filter(is_field).filter_map(|line| line.trim().split_once(':'));
        let fields: Vec<_> = fields.map(|(name, _)| name).collect();
        // Sections stand in files alone.
        let names: Vec<_> = OPTIONS.iter().map(|o| o.name).chain(["sections"]).collect();
        assert_eq!(fields, names);
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_config() {
        // First every field gets another value, so that a setter of the wrong field shows.
        let mut config = Config::default();
        for option in OPTIONS {
            let other = match option.default {
                Is("true") => "false",
                Is("false") => "true",
                Is("127.0.0.1:21") => "localhost:1",
                Is("warn") => "off",
                Is("off") => "cn",
                Is(_) => "77",
                Unset(..) => continue,
            };
            let before = config.clone();
            option.set(&mut config, OsStr::new(other)).unwrap();
            assert_ne!(config, before, "{}", option.name);
        }
        for option in OPTIONS {
            if let Is(text) = option.default {
                option.set(&mut config, OsStr::new(text)).unwrap();
            }
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn examples_are_legal() {
        for option in OPTIONS {
            if let Unset(_, example) = option.default {
                let mut config = Config::default();
                option.set(&mut config, OsStr::new(example)).unwrap();
                assert_ne!(config, Config::default(), "{}", option.name);
            }
        }
    }

    #[test]
    fn names_are_unique_groups_are_together_and_docs_are_sentences() {
        let names: HashSet<_> = OPTIONS.iter().map(|o| o.name).collect();
        let groups: HashSet<_> = OPTIONS.iter().map(|o| o.group).collect();
        assert_eq!(names.len(), OPTIONS.len());
        assert_eq!(groups.len(), OPTIONS.chunk_by(|a, b| a.group == b.group).count());
        for option in OPTIONS {
            assert!(option.doc.ends_with('.') && !option.doc.contains(". "), "{}", option.name);
        }
    }

    #[test]
    fn only_paths_may_be_other_than_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let latin1 = OsStr::from_bytes(b"/srv/caf\xe9");
        let mut config = Config::default();
        let mut set = |name: &str| OPTIONS.iter().find(|o| o.name == name).unwrap().set(&mut config, latin1);

        assert_eq!(set("database"), Ok(()));
        assert_eq!(set("banner"), Err("the value is not UTF-8 text".into()));
        assert_eq!(config.database, Some(PathBuf::from(latin1)));
    }
}
