//! One round of a digest, as Django did in its first years: `md5$salt$hex`, which it still verifies, and what it has
//! given up: SHA-1, and both without salt.

use super::recipe::{Fault, Hash, Recipe, text_salt};
use md5::Md5;
use sha1::{Digest as _, Sha1};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Digest {
    Md5,
    UnsaltedMd5,
    Sha1,
}

/// Hexadecimal digits of an MD5.
const MD5_DIGITS: usize = 32;
/// Hexadecimal digits of a SHA-1.
const SHA1_DIGITS: usize = 40;

/// Reads what stands behind `md5$`.
pub(super) fn parse_md5(text: &str) -> Result<Hash<'_>, Fault> {
    match text.split_once('$').ok_or(Fault::Broken)? {
        ("", expected) => parse_bare(expected).ok_or(Fault::Broken),
        (salt, expected) => hash(Digest::Md5, text_salt(salt)?, expected, MD5_DIGITS).ok_or(Fault::Broken),
    }
}

/// Reads what stands behind `sha1$`. The oldest have no salt.
pub(super) fn parse_sha1(text: &str) -> Result<Hash<'_>, Fault> {
    let (salt, expected) = text.split_once('$').ok_or(Fault::Broken)?;
    hash(Digest::Sha1, salt.as_bytes().to_vec(), expected, SHA1_DIGITS).ok_or(Fault::Broken)
}

/// Reads an MD5 without anything else.
pub(super) fn parse_bare(text: &str) -> Option<Hash<'_>> {
    hash(Digest::UnsaltedMd5, Vec::new(), text, MD5_DIGITS)
}

fn hash(digest: Digest, salt: Vec<u8>, expected: &str, digits: usize) -> Option<Hash<'_>> {
    let is_hex = expected.len() == digits && expected.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then_some(Hash { recipe: Recipe::Digest(digest), salt, expected })
}

impl Digest {
    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> String {
        match self {
            Digest::Md5 | Digest::UnsaltedMd5 => hex(&Md5::new().chain_update(salt).chain_update(password).finalize()),
            Digest::Sha1 => hex(&Sha1::new().chain_update(salt).chain_update(password).finalize()),
        }
    }

    pub(super) fn given_up(self) -> Option<&'static str> {
        match self {
            Digest::Md5 => None,
            Digest::UnsaltedMd5 => Some("unsalted md5"),
            Digest::Sha1 => Some("sha1"),
        }
    }
}

/// In lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
