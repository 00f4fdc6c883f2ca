//! `scrypt$n$salt$r$p$hash`.

use super::super::recipe::{Fault, parameter, text_salt, within};
use super::{MOST_MEMORY, MOST_TRAFFIC, Slow, no_memory};
use crate::memory;
use base64ct::{Base64, Encoding};
use scrypt::Params;

/// Bytes of a block with r = 1.
const BLOCK: u64 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Scrypt {
    n: u32,
    r: u32,
    p: u32,
}

/// Reads what stands behind `scrypt$`: how it is made, its salt, its hash.
pub(super) fn parse(text: &str) -> Result<(Slow, Vec<u8>, &str), Fault> {
    let [n, salt, r, p, expected] = *text.split('$').collect::<Vec<_>>() else { return Err(Fault::Broken) };
    let cost = |text, name| parameter(text, name, MOST_MEMORY);
    let scrypt = Scrypt { n: cost(n, "n")?, r: cost(r, "r")?, p: cost(p, "p")? };
    within(scrypt.memory(), "bytes of memory", MOST_MEMORY.into())?;
    within(scrypt.traffic(), "n·r·p bytes", MOST_TRAFFIC)?;
    let is_sound = scrypt.n.is_power_of_two() && scrypt.n > 1 && scrypt.params().is_ok();
    if is_sound { Ok((Slow::Scrypt(scrypt), text_salt(salt)?, expected)) } else { Err(Fault::Broken) }
}

impl Scrypt {
    fn params(self) -> Result<Params, String> {
        let log_n = u8::try_from(self.n.ilog2()).map_err(|error| error.to_string())?;
        Params::new(log_n, self.r, self.p).map_err(|error| error.to_string())
    }

    fn memory(self) -> u64 {
        let blocks = u64::from(self.n).saturating_add(self.p.into());
        blocks.saturating_mul(self.r.into()).saturating_mul(BLOCK)
    }

    fn traffic(self) -> u64 {
        u64::from(self.n).saturating_mul(self.r.into()).saturating_mul(self.p.into()).saturating_mul(BLOCK)
    }

    pub(super) fn hash(self, password: &[u8], salt: &[u8]) -> Result<String, String> {
        let params = self.params()?;
        self.find_memory()?;
        let mut hash = [0; 64];
        scrypt::scrypt(password, salt, &params, &mut hash).map_err(|error| format!("scrypt: {error}"))?;
        Ok(Base64::encode_string(&hash))
    }

    /// The crate ends the process where memory is short, so it is asked for before. Twice as much, for another thread
    /// may take some meanwhile.
    fn find_memory(self) -> Result<(), String> {
        let bytes = self.memory();
        let enough = usize::try_from(bytes.saturating_mul(2)).is_ok_and(|twice| memory::find(twice).is_ok());
        if enough { Ok(()) } else { Err(no_memory(bytes)) }
    }

    pub(super) fn work(self) -> u64 {
        const BYTES_IN_A_ROUND: u64 = 48;
        self.traffic() / BYTES_IN_A_ROUND
    }
}
