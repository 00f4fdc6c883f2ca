//! What certificates say of themselves, for who looks after them.

use super::certificate::{Certificate, certificates, parse, validity};
use jiff::Timestamp;
use std::net::IpAddr;
use std::path::Path;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Whose it is.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// When it begins to be good.
    pub not_before: Timestamp,
    /// When that ends.
    pub not_after: Timestamp,
}

impl Described {
    /// Whether nobody else vouches for it.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// The certificates of the file that this option names, in their order.
pub fn describe(option: &str, path: &Path) -> Result<Vec<Described>, String> {
    let described = |certificate| {
        let certificate = parse(certificate).map_err(|why| format!("{option}: {}: {why}", path.display()))?;
        let names = certificate.tbs_certificate();
        let (not_before, not_after) = validity(&certificate);
        Ok(Described {
            subject: names.subject().to_string(),
            issuer: names.issuer().to_string(),
            hosts: hosts(&certificate),
            not_before,
            not_after,
        })
    };
    certificates(option, path)?.iter().map(described).collect()
}

fn hosts(certificate: &Certificate) -> Vec<String> {
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let names = names.ok().flatten().map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    names.iter().filter_map(host).collect()
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
