//! TLS: what the server offers, taken anew from its files when they change, and each connection's own part of it.

mod certificate;
mod chain;
mod clients;
mod framing;
mod records;
mod secured;
mod tickets;

pub use chain::{Described, describe};
pub use records::Records;
pub use secured::Secured;

use crate::locks::lock;
use crate::protocol::protection::Protection;
use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::server::ProducesTickets;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, CipherSuite, InvalidMessage, ProtocolVersion, ServerConfig};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// For clients that use each ticket once: so many data connections can resume before one can't.
const TICKETS: usize = 8;
/// Between two attempts to read files that were found broken.
const RETRY: Duration = Duration::from_secs(1);
/// Between two complaints that the certificate has expired.
const COMPLAIN: Duration = Duration::from_secs(3600);

/// Where the certificate is, and who vouches for clients.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The server's certificate and those between it and the authority, PEM.
    pub certfile: PathBuf,
    /// Its key; None: it is in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// The authorities of client certificates; None: clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is refused.
    pub client_cert_required: bool,
}

/// What the server offers. Changed files are noticed at the next handshake; broken ones change nothing.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    offer: Arc<Offer>,
    stamps: Stamps,
    failed: Option<(Stamps, Instant)>,
    complained: Option<Instant>,
}

/// One certificate, and what belongs to it.
#[derive(Debug)]
struct Offer {
    config: ServerConfig,
    tickets: Arc<dyn ProducesTickets>,
    /// A client's certificate counts for the connection on which it is shown, or what has expired would be good for ever.
    resumes: bool,
    not_after: Timestamp,
}

/// What stat(2) tells of the files.
type Stamps = [Option<(u64, u64, u64, i64, i64)>; 3];

impl Tls {
    /// Reads the files; an error names the file and what is wrong with it.
    pub fn open(files: Files) -> Result<Tls, String> {
        let stamps = files.stamps();
        let current = Current { offer: Arc::new(files.load()?), stamps, failed: None, complained: None };
        Ok(Tls { files, current: Mutex::new(current) })
    }

    /// Begins TLS on a control connection.
    pub fn secure(&self) -> io::Result<Secured> {
        Secured::new(self.offer())
    }

    /// What the files have now, or had when they were last in order.
    fn offer(&self) -> Arc<Offer> {
        let mut current = lock(&self.current);
        let stamps = self.files.stamps();
        let tried = current.failed.is_some_and(|(failed, at)| failed == stamps && at.elapsed() < RETRY);
        if stamps != current.stamps && !tried {
            match self.files.load() {
                Ok(offer) => {
                    log::info!(
                        "certificate {}: read anew, valid until {}",
                        self.files.certfile.display(),
                        offer.not_after
                    );
                    *current = Current { offer: Arc::new(offer), stamps, failed: None, complained: None };
                }
                Err(why) => {
                    if current.failed.is_none_or(|(failed, _)| failed != stamps) {
                        log::error!("{why}; the certificate that was read before stays in use");
                    }
                    current.failed = Some((stamps, Instant::now()));
                }
            }
        }
        if current.offer.not_after < Timestamp::now() && current.complained.is_none_or(|at| at.elapsed() > COMPLAIN) {
            log::error!(
                "certificate {}: expired at {}; renew it",
                self.files.certfile.display(),
                current.offer.not_after
            );
            current.complained = Some(Instant::now());
        }
        current.offer.clone()
    }
}

/// The file, and until when it is good.
impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, valid until {}", self.files.certfile.display(), lock(&self.current).offer.not_after)
    }
}

impl Files {
    fn load(&self) -> Result<Offer, String> {
        let provider = Arc::new(ring::default_provider());
        let identity = certificate::load(&self.certfile, self.keyfile.as_deref(), &provider)?;
        let failed = |error: &dyn fmt::Display| format!("certfile: {}: {error}", self.certfile.display());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                builder.with_client_cert_verifier(clients::verifier(path, self.client_cert_required, provider)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
        config.alpn_protocols = vec![b"ftp".to_vec()];
        config.send_tls13_tickets = TICKETS;
        let tickets = ring::Ticketer::new().map_err(|error| failed(&error))?;
        Ok(Offer { config, tickets, resumes: self.client_ca.is_none(), not_after: identity.not_after })
    }

    fn stamps(&self) -> Stamps {
        let stamp = |path: &Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        };
        [Some(&self.certfile), self.keyfile.as_ref(), self.client_ca.as_ref()].map(|path| stamp(path?))
    }
}

/// How a connection is protected, once its handshake is done.
fn protection(connection: &rustls::CommonState) -> Option<Protection> {
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        other => other.as_str()?,
    };
    let cipher = match connection.negotiated_cipher_suite()?.suite() {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str()?,
    };
    Some(Protection { version, cipher })
}

/// Has the kernel acknowledge at once what came: many clients hold the second half of their last flight back until the
/// first is acknowledged, which would take 40 ms for every data connection.
fn acknowledge(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
}

/// What went wrong, in words for an administrator.
fn explain(error: &rustls::Error) -> io::Error {
    use rustls::PeerIncompatible::{
        ServerDoesNotSupportTls12Or13, ServerTlsVersionIsDisabledByOurConfig, SignatureAlgorithmsExtensionRequired,
        SupportedVersionsExtensionRequired, Tls12NotOffered, Tls12NotOfferedOrEnabled,
    };
    let text = match error {
        rustls::Error::PeerIncompatible(
            ServerDoesNotSupportTls12Or13
            | ServerTlsVersionIsDisabledByOurConfig
            | SignatureAlgorithmsExtensionRequired
            | SupportedVersionsExtensionRequired
            | Tls12NotOffered
            | Tls12NotOfferedOrEnabled,
        ) => "the client is too old; it offers neither TLS 1.2 nor 1.3".to_string(),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "what the client sent is not TLS".to_string()
        }
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            format!("the client's certificates have more than {} KiB", clients::LARGEST_CHAIN >> 10)
        }
        rustls::Error::NoCertificatesPresented => "the client has no certificate".to_string(),
        rustls::Error::NoApplicationProtocol => "the client wants another protocol than FTP".to_string(),
        error => error.to_string(),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}
