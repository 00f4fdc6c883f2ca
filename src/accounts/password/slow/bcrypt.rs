//! `bcrypt_sha256$$2b$12$salt-and-hash`, and `bcrypt$…`, of whose passwords 72 bytes count.

use super::super::digest::hex;
use super::super::recipe::{Fault, parameter};
use super::Slow;
use base64ct::{Base64Bcrypt, Encoding};
use sha2::{Digest, Sha256};

const LEAST_COST: u32 = 4;
const MOST_COST: u32 = 18;
/// Bytes of a password that count.
const COUNTED: usize = 72;
const SALT_LETTERS: usize = 22;
const HASH_LETTERS: usize = 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Bcrypt {
    /// Rounds, as a power of two.
    cost: u32,
    /// It is the SHA-256 of the password that is hashed.
    digested: bool,
}

/// Reads what stands behind `bcrypt$` or `bcrypt_sha256$`: how it is made, its salt, its hash.
pub(super) fn parse(text: &str, digested: bool) -> Result<(Slow, Vec<u8>, &str), Fault> {
    // What the versions differ in, Python's bcrypt never had.
    let ["", "2a" | "2b" | "2x" | "2y", cost, letters] = *text.split('$').collect::<Vec<_>>() else {
        return Err(Fault::Broken);
    };
    let (salt, expected) = letters.split_at_checked(SALT_LETTERS).ok_or(Fault::Broken)?;
    let salt = Base64Bcrypt::decode_vec(salt).map_err(|_| Fault::Broken)?;
    let bcrypt = Bcrypt { cost: parameter(cost, "cost", MOST_COST)?, digested };
    let is_sound = cost.len() == 2 && bcrypt.cost >= LEAST_COST && expected.len() == HASH_LETTERS;
    if is_sound { Ok((Slow::Bcrypt(bcrypt), salt, expected)) } else { Err(Fault::Broken) }
}

impl Bcrypt {
    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> Result<String, String> {
        let salt = salt.try_into().map_err(|_| "bcrypt: the salt has not 16 bytes".to_string())?;
        let mut key = if self.digested { hex(&Sha256::digest(password)).into_bytes() } else { password.to_vec() };
        key.push(0);
        key.truncate(COUNTED);
        // The last byte is not stored.
        let [hash @ .., _] = bcrypt::bcrypt(self.cost, salt, &key);
        Ok(Base64Bcrypt::encode_string(&hash))
    }

    pub(super) fn work(self) -> u64 {
        const ROUNDS_IN_A_ROUND: u64 = 420;
        ROUNDS_IN_A_ROUND << self.cost
    }
}
