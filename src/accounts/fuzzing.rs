//! Doors for the targets in `fuzz/`; no other build has them.

use super::export::users_of;
use super::password::{Checker, cost_of, encode};
use super::{Denial, FieldNames, User};
use std::io::Read;

/// What an export of these bytes says, or what is wrong with it.
pub fn export(bytes: impl Read) -> Result<Vec<User>, String> {
    users_of(bytes, &FieldNames::default())
}

/// About how many rounds of PBKDF2 it takes to verify a stored password; or why it can't be.
pub fn cost(stored: &str) -> Result<u64, Denial> {
    cost_of(stored)
}

/// Whether it is the stored password; the second answer is of who believes in what Django has given up.
pub fn check(stored: &str, password: &[u8]) -> [Result<(), Denial>; 2] {
    // What can't match takes the time of what is stored, which is not the default's million of rounds.
    let mut cheap = Checker::default();
    cheap.learn("pbkdf2_sha256$1$salt$");
    let strict = cheap.check(stored, password);
    [strict, cheap.legacy(true).check(stored, password)]
}

/// A password as Django would store it.
pub fn stored(password: &[u8], iterations: u32) -> std::io::Result<String> {
    encode(password, iterations)
}
