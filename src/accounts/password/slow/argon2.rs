//! `argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash`; the oldest have no version and mean 16.

use super::super::recipe::{Fault, parameter, within};
use super::{MOST_MEMORY, MOST_TRAFFIC, Slow, no_memory};
use argon2::{Algorithm, Error, Params, Version};
use base64ct::{Base64Unpadded, Encoding};

const KIBIBYTE: u32 = 1024;
const MOST_PASSES: u32 = 1000;
const MOST_LANES: u32 = Params::MAX_P_COST;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Argon2 {
    algorithm: Algorithm,
    version: Version,
    kibibytes: u32,
    passes: u32,
    lanes: u32,
    /// Bytes of the hash.
    length: usize,
}

/// Reads what stands behind `argon2$`: how it is made, its salt, its hash.
pub(super) fn parse(text: &str) -> Result<(Slow, Vec<u8>, &str), Fault> {
    let (algorithm, version, costs, salt, expected) = match *text.split('$').collect::<Vec<_>>() {
        [algorithm, version, costs, salt, expected] => (algorithm, version, costs, salt, expected),
        [algorithm, costs, salt, expected] => (algorithm, "v=16", costs, salt, expected),
        _ => return Err(Fault::Broken),
    };
    let version = match version {
        "v=16" => Version::V0x10,
        "v=19" => Version::V0x13,
        _ => return Err(Fault::Broken),
    };
    let [memory, passes, lanes] = *costs.split(',').collect::<Vec<_>>() else { return Err(Fault::Broken) };
    let cost = |text: &str, name, most| {
        let value = text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).ok_or(Fault::Broken)?;
        parameter(value, name, most)
    };
    let salt = Base64Unpadded::decode_vec(salt).map_err(|_| Fault::Broken)?;
    let argon2 = Argon2 {
        algorithm: algorithm.parse().map_err(|_| Fault::Broken)?,
        version,
        kibibytes: cost(memory, "m", MOST_MEMORY / KIBIBYTE)?,
        passes: cost(passes, "t", MOST_PASSES)?,
        lanes: cost(lanes, "p", MOST_LANES)?,
        length: Base64Unpadded::decode_vec(expected).map_err(|_| Fault::Broken)?.len(),
    };
    within(argon2.traffic(), "m·t bytes", MOST_TRAFFIC)?;
    let is_sound = argon2.params().is_ok() && salt.len() >= argon2::MIN_SALT_LEN;
    if is_sound { Ok((Slow::Argon2(argon2), salt, expected)) } else { Err(Fault::Broken) }
}

impl Argon2 {
    fn params(self) -> Result<Params, Error> {
        Params::new(self.kibibytes, self.passes, self.lanes, Some(self.length))
    }

    fn memory(self) -> u64 {
        u64::from(self.kibibytes) * u64::from(KIBIBYTE)
    }

    fn traffic(self) -> u64 {
        self.memory() * u64::from(self.passes)
    }

    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> Result<String, String> {
        let mut hash = vec![0; self.length];
        self.params()
            .map(|params| argon2::Argon2::new(self.algorithm, self.version, params))
            .and_then(|argon2| argon2.hash_password_into(password, salt, &mut hash))
            .map_err(|error| match error {
                Error::OutOfMemory => no_memory(self.memory()),
                other => format!("argon2: {other}"),
            })?;
        Ok(Base64Unpadded::encode_string(&hash))
    }

    pub(super) fn work(self) -> u64 {
        const BYTES_IN_A_ROUND: u64 = 150;
        self.traffic() / BYTES_IN_A_ROUND
    }
}
