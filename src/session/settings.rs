//! What sessions do where there is a choice.

use super::{Gate, SessionReuse, TlsRules};
use crate::net::masquerade::Masquerade;
use crate::net::passive::PassivePorts;
use crate::protocol::network::Network;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

/// What sessions do where there is a choice. Timeouts that are None never come.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named and explained as the options of the command line")]
pub struct Settings {
    pub banner: String,
    pub timeout: Option<Duration>,
    pub login_timeout: Option<Duration>,
    pub data_timeout: Option<Duration>,
    pub pasv_timeout: Option<Duration>,
    pub port_timeout: Option<Duration>,
    pub auth_failed_timeout: Duration,
    pub max_login_attempts: usize,
    pub passive_ports: PassivePorts,
    pub masquerade: Option<Masquerade>,
    pub masquerade_local: bool,
    pub permit_foreign_addresses: bool,
    pub permit_privileged_ports: bool,
    pub connect_from_data_port: bool,
    pub sendfile: bool,
    pub server_download_rate: Option<NonZeroU64>,
    pub server_upload_rate: Option<NonZeroU64>,
    pub session_download_rate: Option<NonZeroU64>,
    pub session_upload_rate: Option<NonZeroU64>,
    pub tls_rules: TlsRules,
    pub tls_session_reuse: SessionReuse,
    pub tls_strict_eof: bool,
    pub tls_timeout: Option<Duration>,
    pub client_cert_login: bool,
    pub local_times: bool,
    pub umask: u32,
    pub atomic_uploads: bool,
    pub create_parents: bool,
    pub trusted_proxies: Vec<Network>,
    pub gates: Vec<Gate>,
}

impl Settings {
    /// Whether what comes from an address begins with a PROXY header, which is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Settings {
            banner: "django-ftpd ready.".to_string(),
            timeout: seconds(300),
            login_timeout: seconds(60),
            data_timeout: seconds(300),
            pasv_timeout: seconds(30),
            port_timeout: seconds(30),
            auth_failed_timeout: Duration::from_secs(3),
            max_login_attempts: 3,
            passive_ports: PassivePorts::any(),
            masquerade: None,
            masquerade_local: false,
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            connect_from_data_port: false,
            sendfile: true,
            server_download_rate: None,
            server_upload_rate: None,
            session_download_rate: None,
            session_upload_rate: None,
            tls_rules: TlsRules::default(),
            tls_session_reuse: SessionReuse::Warn,
            tls_strict_eof: false,
            tls_timeout: seconds(30),
            client_cert_login: false,
            local_times: false,
            umask: 0o022,
            atomic_uploads: true,
            create_parents: false,
            trusted_proxies: Vec::new(),
            gates: Vec::new(),
        }
    }
}
