//! PBKDF2, which is what Django makes unless a site says otherwise: `pbkdf2_sha256$iterations$salt$hash`.

use super::recipe::{Fault, Hash, Recipe, parameter, text_salt};
use base64ct::{Base64, Encoding};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::Sha256;

const MOST_ITERATIONS: u32 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pbkdf2 {
    pub(super) digest: Digest,
    pub(super) iterations: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Digest {
    Sha1,
    Sha256,
}

/// Reads what stands behind the algorithm.
pub(super) fn parse(digest: Digest, text: &str) -> Result<Hash<'_>, Fault> {
    let [iterations, salt, expected] = *text.split('$').collect::<Vec<_>>() else { return Err(Fault::Broken) };
    let iterations = parameter(iterations, "iterations", MOST_ITERATIONS)?;
    Ok(Hash { recipe: Recipe::Pbkdf2(Pbkdf2 { digest, iterations }), salt: text_salt(salt)?, expected })
}

impl Pbkdf2 {
    /// Django's default of 5.2.
    pub(super) const DJANGO: Pbkdf2 = Pbkdf2 { digest: Digest::Sha256, iterations: 1_000_000 };

    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> String {
        match self.digest {
            Digest::Sha256 => {
                let mut key = [0; 32];
                pbkdf2_hmac::<Sha256>(password, salt, self.iterations, &mut key);
                Base64::encode_string(&key)
            }
            Digest::Sha1 => {
                let mut key = [0; 20];
                pbkdf2_hmac::<Sha1>(password, salt, self.iterations, &mut key);
                Base64::encode_string(&key)
            }
        }
    }

    pub(super) fn work(self) -> u64 {
        u64::from(self.iterations)
    }

    /// With so many iterations less, if any are left.
    pub(super) fn without(self, iterations: u32) -> Option<Pbkdf2> {
        let iterations = self.iterations.checked_sub(iterations).filter(|rest| *rest > 0)?;
        Some(Pbkdf2 { iterations, ..self })
    }
}

/// A password as Django would store it.
pub(in super::super) fn encode(password: &[u8], iterations: u32) -> std::io::Result<String> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678901";
    let mut random = [0; 22];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let salt: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect();
    let hash = Pbkdf2 { digest: Digest::Sha256, iterations }.hash(password, salt.as_bytes());
    Ok(format!("pbkdf2_sha256${iterations}${salt}${hash}"))
}
