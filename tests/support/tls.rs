//! TLS as clients speak it, and certificates. A client believes every certificate: what it is for is the server.

use base64ct::{Base64, Encoding};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, SignatureScheme, SupportedProtocolVersion};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// A client's TLS: what it offers, and the sessions that it can resume.
#[derive(Clone)]
pub struct Tls {
    config: ClientConfig,
}

/// A certificate and its key, perhaps those of an authority.
pub struct Identity {
    params: CertificateParams,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Tls {
    /// TLS 1.3 and 1.2. Sessions are resumed: with TLS 1.3 once for each ticket, with TLS 1.2 as often as one likes.
    pub fn new() -> Tls {
        Tls::of(rustls::ALL_VERSIONS)
    }

    /// One version alone.
    pub fn only(version: &'static SupportedProtocolVersion) -> Tls {
        Tls::of(&[version])
    }

    /// The versions, each with tickets and without.
    pub fn all() -> Vec<(String, Tls)> {
        let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
        let both = |version| [("resumed", Tls::only(version)), ("anew", Tls::only(version).forgetful())];
        let named = |version: &'static SupportedProtocolVersion| {
            both(version).map(|(how, tls)| (format!("{:?} {how}", version.version), tls))
        };
        versions.into_iter().flat_map(named).collect()
    }

    fn of(versions: &[&'static SupportedProtocolVersion]) -> Tls {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(8);
        Tls { config }
    }

    /// Never resumes a session.
    pub fn forgetful(mut self) -> Tls {
        self.config.resumption = Resumption::disabled();
        self
    }

    /// Offers these protocols (ALPN).
    pub fn protocols(mut self, names: &[&str]) -> Tls {
        self.config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Shows this certificate, if asked for one.
    pub fn showing(self, identity: &Identity) -> Tls {
        self.showing_chain(identity, &[])
    }

    /// The same with others behind it.
    pub fn showing_chain(mut self, identity: &Identity, others: &[&Identity]) -> Tls {
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
        let chain = [&[identity], others].concat().iter().map(|identity| identity.certificate.clone()).collect();
        let certified = rustls::sign::CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap();
        self.config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
        self
    }

    /// A connection, before its first byte.
    pub fn begin(&self) -> Box<ClientConnection> {
        let name = ServerName::try_from("localhost").unwrap();
        Box::new(ClientConnection::new(Arc::new(self.config.clone()), name).unwrap())
    }
}

impl Identity {
    /// For this server, signed by itself.
    pub fn server() -> Identity {
        Identity::signed(Identity::params("localhost"), None)
    }

    /// The same, in force from one year to another.
    pub fn valid(from: i32, until: i32) -> Identity {
        Identity::server_with(|params| {
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        })
    }

    /// An authority.
    pub fn authority() -> Identity {
        let mut params = Identity::params("An authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Identity::signed(params, None)
    }

    /// A client's certificate, by this authority.
    pub fn issue(&self, common_name: &str) -> Identity {
        Identity::signed(Identity::params(common_name), Some(self))
    }

    /// The same with something special about it.
    pub fn issue_with(&self, common_name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = Identity::params(common_name);
        change(&mut params);
        Identity::signed(params, Some(self))
    }

    /// For a server, signed by itself, with something special about it.
    pub fn server_with(change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = Identity::params("localhost");
        change(&mut params);
        Identity::signed(params, None)
    }

    fn params(common_name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params
    }

    fn signed(params: CertificateParams, by: Option<&Identity>) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            None => params.self_signed(&key),
            Some(authority) => params.signed_by(&key, &Issuer::from_params(&authority.params, &authority.key)),
        };
        Identity { certificate: certificate.unwrap().der().clone(), params, key }
    }

    /// What a server needs that is not ours.
    pub fn server_config(&self) -> rustls::ServerConfig {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        builder.with_single_cert(vec![self.certificate.clone()], key).unwrap()
    }

    /// The certificate as it goes over the line.
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate as files have it.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The key as files have it.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key.serialize_der())
    }

    /// Puts both in place of what is there, each at once.
    pub fn save(&self, certfile: &Path, keyfile: &Path) {
        replace(keyfile, &self.key_pem());
        replace(certfile, &self.pem());
    }
}

/// Puts another file in the place of one, so that nobody sees half of it.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

/// Bytes in the armour of RFC 7468.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
