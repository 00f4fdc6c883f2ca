//! The algorithms that need a crate each, which the feature `all-hashers` brings in.

mod argon2;
mod bcrypt;
mod scrypt;

use super::recipe::Fault;
use argon2::Argon2;
use bcrypt::Bcrypt;
use scrypt::Scrypt;

/// Bytes that a login may fill: a gibibyte.
const MOST_MEMORY: u32 = 1 << 30;
/// Bytes that a login may go through, many times over the same ones.
const MOST_TRAFFIC: u64 = 32 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slow {
    Argon2(Argon2),
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
}

/// Reads what stands behind the name of one of these algorithms: how it is made, its salt, its hash.
pub(super) fn parse<'a>(name: &str, text: &'a str) -> Result<(Slow, Vec<u8>, &'a str), Fault> {
    match name {
        "argon2" => argon2::parse(text),
        "scrypt" => scrypt::parse(text),
        _ => bcrypt::parse(text, name == "bcrypt_sha256"),
    }
}

impl Slow {
    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> Result<String, String> {
        match self {
            Slow::Argon2(argon2) => argon2.hash(password, salt),
            Slow::Bcrypt(bcrypt) => bcrypt.hash(password, salt),
            Slow::Scrypt(scrypt) => scrypt.hash(password, salt),
        }
    }

    pub(super) fn work(self) -> u64 {
        match self {
            Slow::Argon2(argon2) => argon2.work(),
            Slow::Bcrypt(bcrypt) => bcrypt.work(),
            Slow::Scrypt(scrypt) => scrypt.work(),
        }
    }
}

/// Memory is short; the login fails, and the server goes on.
fn no_memory(bytes: u64) -> String {
    format!("not enough memory to verify the stored password, which takes {} MiB", bytes >> 20)
}
