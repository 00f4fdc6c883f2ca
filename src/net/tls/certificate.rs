//! The certificate and its key: read from PEM files, found to belong together and to be in force.

use crate::files;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use x509_cert::certificate::{CertificateInner, Profile, Version};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::serial_number::SerialNumber;

/// A certificate that expires so soon is worth a warning.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(14 * 24);

/// Chains, and all authorities of a system, are smaller.
const MOST: u64 = 1 << 20;

pub(super) type Certificate = CertificateInner<Lenient>;

/// Serial numbers longer than RFC 5280 has them are on their way, and nobody minds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lenient;

impl Profile for Lenient {
    fn check_serial_number(_: &SerialNumber<Lenient>) -> x509_cert::der::Result<()> {
        Ok(())
    }
}

/// A chain and its key, and until when it is valid.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: CertifiedKey,
    pub(super) not_after: Timestamp,
}

/// Reads a certificate with its chain, and its key: from the same file if no other is named.
pub(super) fn load(certfile: &Path, keyfile: Option<&Path>, provider: &CryptoProvider) -> Result<Identity, String> {
    let chain = certificates("certfile", certfile)?;
    let (name, path) = keyfile.map_or(("certfile", certfile), |keyfile| ("keyfile", keyfile));
    let key = private_key(name, path)?;
    let wrong = |why: &str| format!("{name}: {}: {why}", path.display());
    let unfit = |why: String| format!("certfile: {}: {why}", certfile.display());
    let leaf = chain.first().map(parse).transpose().map_err(unfit)?;
    if leaf.as_ref().is_some_and(|leaf| leaf.tbs_certificate().version() != Version::V3) {
        return Err(unfit(
            "its certificate is not of X.509 version 3, as clients expect it; make it anew with `openssl req -x509`"
                .to_string(),
        ));
    }
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => wrong(&format!(
            "it is not the key of the certificate in {} (whose own certificate must be the first in it)",
            certfile.display()
        )),
        rustls::Error::InvalidCertificate(error) => unfit(format!("its certificate can't be used ({error})")),
        _ => wrong("its key is of a kind that is not supported; there are RSA from 2048 bits, ECDSA P-256 and P-384, and Ed25519"),
    })?;
    let (not_before, not_after) = leaf.map_or((Timestamp::MIN, Timestamp::MAX), |leaf| validity(&leaf));
    check_dates(certfile, not_before, not_after, Timestamp::now())?;
    if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        log::warn!("{}: everybody on this host can read the private key; chmod o= it", path.display());
    }
    Ok(Identity { key, not_after })
}

/// The authorities that vouch for clients.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", path)? {
        roots.add(certificate).map_err(|error| format!("client_ca: {}: {error}", path.display()))?;
    }
    Ok(roots)
}

/// The one common name of a certificate's subject, if it has just one. In other types of text than these (RFC 5280, 4.1.2.4)
/// the same bytes are another name.
pub(super) fn common_name(certificate: &CertificateDer) -> Option<String> {
    const COMMON_NAME: &str = "2.5.4.3";
    let certificate = parse(certificate).ok()?;
    let mut names = certificate.tbs_certificate().subject().iter().filter(|name| name.oid.to_string() == COMMON_NAME);
    let (name, None) = (names.next()?, names.next()) else { return None };
    let text = String::from_utf8(name.value.value().to_vec()).ok()?;
    match name.value.tag() {
        Tag::Utf8String => Some(text),
        Tag::PrintableString | Tag::Ia5String => Some(text).filter(|text| text.is_ascii()),
        _ => None,
    }
}

pub(super) fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!(
            "{option}: {}: there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)",
            path.display()
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{option}: {}: {}", path.display(), damaged(&error))),
    }
}

fn private_key(option: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(option, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = [b"BEGIN ENCRYPTED PRIVATE KEY".as_slice(), b"Proc-Type: 4,ENCRYPTED"];
        let is_encrypted = encrypted.iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark));
        let why = match error {
            _ if is_encrypted => {
                "its private key has a passphrase; remove it with `openssl pkey -in FILE -out NEW`".to_string()
            }
            pem::Error::NoItemsFound if option == "certfile" => {
                "there is no private key in it; name its file with keyfile".to_string()
            }
            pem::Error::NoItemsFound => "there is no private key in it (PEM: -----BEGIN PRIVATE KEY-----)".to_string(),
            error => damaged(&error),
        };
        format!("{option}: {}: {why}", path.display())
    })
}

fn damaged(error: &pem::Error) -> String {
    format!("its PEM text is damaged ({error})")
}

/// A file, without the mark that some editors put before the text.
fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    let text = files::read(path, MOST).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "no such file".to_string(),
            ErrorKind::IsADirectory => "is a directory, not a file".to_string(),
            ErrorKind::PermissionDenied => "this user may not read it; chgrp and chmod g+r let its group".to_string(),
            _ => error.to_string(),
        };
        format!("{option}: {}: {why}", path.display())
    })?;
    Ok(text.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(text))
}

pub(super) fn parse(certificate: &CertificateDer) -> Result<Certificate, String> {
    Certificate::from_der(certificate).map_err(|error| format!("its certificate can't be read ({error})"))
}

pub(super) fn validity(certificate: &Certificate) -> (Timestamp, Timestamp) {
    let validity = certificate.tbs_certificate().validity();
    let time = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    (time(validity.not_before), time(validity.not_after))
}

fn check_dates(certfile: &Path, not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Result<(), String> {
    let path = certfile.display();
    if now > not_after {
        return Err(format!("certfile: {path}: the certificate expired at {not_after}; renew it"));
    }
    if now < not_before {
        // A small host's clock may be wrong until the network has set it.
        log::error!("certfile: {path}: the certificate is not valid before {not_before}; is the clock right?");
    } else if now + SOON > not_after {
        log::warn!("certfile: {path}: the certificate expires at {not_after}; renew it");
    }
    Ok(())
}
