//! Connections and logins.

use super::super::super::value::{
    certificate_login, host, is_required, limit, line, networks, one_or_more, period, seconds, session_reuse,
    time_limit,
};
use super::super::Initial::{Is, Unset};
use super::super::Kind::{MaybeSwitch, Path, Switch, Value};
use super::super::{Opt, put};

pub(super) const OPTIONS: &[Opt] = &[
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
        name: "trusted_proxies",
        group: "Connections",
        kind: Value("NETWORKS", |c, v| put(&mut c.trusted_proxies, networks(v))),
        default: Unset("none", "10.0.0.2,10.0.0.3"),
        doc: "Proxies such as HAProxy, by their addresses or networks: what comes from there has to begin with a \
              PROXY header (send-proxy or send-proxy-v2), and counts as its client's; nobody else's header is \
              believed.",
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
        name: "login_cache_seconds",
        group: "Logins",
        kind: Value("SECONDS", |c, v| put(&mut c.login_cache_seconds, seconds(v))),
        default: Is("60"),
        doc: "Seconds for which a login that succeeded spares the next one the work of verifying the same password \
              (0 = none).",
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
        name: "legacy_hashes",
        group: "Logins",
        kind: Switch(|c| &mut c.legacy_hashes),
        default: Is("false"),
        doc: "Verify also passwords that are stored as sha1 or without a salt, which Django no longer does.",
    },
];
