//! How web servers are asked: whom to trust, and what holds for every request.

use crate::files;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;

/// No list of authorities is larger.
const MOST: u64 = 16 << 20;
/// Where systems keep the certificates that they trust.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Who vouches for servers.
pub enum Authorities {
    /// Nobody: they are not spoken to in TLS.
    None,
    /// These.
    Some(Vec<Certificate<'static>>),
}

impl Authorities {
    /// Those of a file, or else those that the system trusts.
    pub fn of(file: Option<&Path>) -> Result<Authorities, String> {
        let path = file.map(Path::to_path_buf).or_else(of_system);
        let path = path.ok_or("this system has no list of authorities; name one")?;
        let wrong = |why: String| format!("{}: {why}", path.display());
        let found = files::read(&path, MOST).map_err(|error| wrong(error.to_string()))?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&found)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        match found.is_empty() {
            true => Err(wrong("there is no certificate in it".to_string())),
            false => Ok(Authorities::Some(
                found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect(),
            )),
        }
    }

    fn tls(&self) -> TlsConfig {
        let Authorities::Some(certificates) = self else { return TlsConfig::default() };
        let provider = Arc::new(ring::default_provider());
        let roots = RootCerts::new_with_certs(certificates);
        TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build()
    }
}

fn of_system() -> Option<PathBuf> {
    TRUSTED.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// What asks, after this choice of how long it waits for what.
pub fn agent(
    authorities: &Authorities,
    patience: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
) -> Agent {
    let config = Agent::config_builder()
        .max_redirects(0)
        .proxy(None) // what the environment says of one is for others
        .http_status_as_error(false)
        .user_agent(concat!("django-ftpd/", env!("CARGO_PKG_VERSION")))
        .tls_config(authorities.tls());
    patience(config).build().into()
}
