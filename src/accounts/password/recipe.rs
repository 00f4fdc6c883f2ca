//! How a hash is made, what that costs, and whether a password gives the hash that is stored.

use super::digest::Digest;
use super::pbkdf2::Pbkdf2;
use super::slow::Slow;
use subtle::ConstantTimeEq;

/// An algorithm and its parameters, all but the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recipe {
    Digest(Digest),
    Pbkdf2(Pbkdf2),
    Slow(Slow),
}

/// A stored password that can be verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hash<'a> {
    pub(super) recipe: Recipe,
    pub(super) salt: Vec<u8>,
    /// The hash as Django writes it.
    pub(super) expected: &'a str,
}

/// Why a stored password of a known algorithm can't be verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Broken,
    /// It asks for more than a login may cost.
    TooMuch(String),
    /// The algorithm is known and not there.
    #[cfg_attr(feature = "all-hashers", expect(dead_code, reason = "this build has all of them"))]
    LeftOut,
}

/// A salt of the length that every algorithm takes.
const SALT: &[u8; 16] = b"0123456789abcdef";

impl Recipe {
    /// What Django does by default, as of 5.2.
    pub(super) const DJANGO: Recipe = Recipe::Pbkdf2(Pbkdf2::DJANGO);

    /// The hash as Django writes it, or why it could not be made.
    fn hash(self, password: &[u8], salt: &[u8]) -> Result<String, String> {
        match self {
            Recipe::Digest(digest) => Ok(digest.hash(password, salt)),
            Recipe::Pbkdf2(pbkdf2) => Ok(pbkdf2.hash(password, salt)),
            Recipe::Slow(slow) => slow.hash(password, salt),
        }
    }

    /// About how many rounds of PBKDF2 with SHA-256 take as long, on processors that have instructions for SHA-256.
    pub(super) fn work(self) -> u64 {
        match self {
            Recipe::Digest(_) => 0,
            Recipe::Pbkdf2(pbkdf2) => pbkdf2.work(),
            Recipe::Slow(slow) => slow.work(),
        }
    }

    /// Its name, if Django has given it up.
    pub(super) fn given_up(self) -> Option<&'static str> {
        match self {
            Recipe::Digest(digest) => digest.given_up(),
            _ => None,
        }
    }

    /// Takes the time of a verification.
    pub(super) fn spend(self, password: &[u8]) {
        // Where memory is short no time is spent, and nobody can log in anyway.
        let _ = std::hint::black_box(self.hash(password, SALT));
    }

    /// What is to be spent after `spent`, so that both together take about as long as this does.
    pub(super) fn rest_after(self, spent: Recipe) -> Vec<Recipe> {
        /// What takes less than one part in so many is as good as nothing.
        const NOTHING: u64 = 8;
        let (all, part) = (self.work(), spent.work());
        match (self, spent) {
            _ if self == spent => Vec::new(),
            (Recipe::Pbkdf2(all), Recipe::Pbkdf2(part)) if all.digest == part.digest => {
                all.without(part.iterations).map(Recipe::Pbkdf2).into_iter().collect()
            }
            _ if part.saturating_mul(NOTHING) < all => vec![self],
            _ => {
                let times = all.saturating_add(part / 2).checked_div(part).unwrap_or(0);
                (1..times).map(|_| spent).collect()
            }
        }
    }
}

impl Hash<'_> {
    /// Whether it is the hash of this password, or why that can't be told.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, String> {
        let hash = self.recipe.hash(password, &self.salt)?;
        Ok(hash.as_bytes().ct_eq(self.expected.as_bytes()).into())
    }
}

/// A parameter: a number from one to the most that a login may cost.
pub(super) fn parameter(text: &str, name: &str, most: u32) -> Result<u32, Fault> {
    let value: u64 = text.parse().map_err(|_| Fault::Broken)?;
    within(value, name, most.into())?;
    u32::try_from(value).ok().filter(|value| *value > 0).ok_or(Fault::Broken)
}

/// Refuses what a login must not cost.
pub(super) fn within(value: u64, name: &str, most: u64) -> Result<(), Fault> {
    if value > most {
        return Err(Fault::TooMuch(format!("{name} {value}, where {most} is the most that is verified")));
    }
    Ok(())
}

/// A salt as text, which Django never leaves empty.
pub(super) fn text_salt(salt: &str) -> Result<Vec<u8>, Fault> {
    if salt.is_empty() { Err(Fault::Broken) } else { Ok(salt.as_bytes().to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::super::pbkdf2;
    use super::*;

    fn sha256(iterations: u32) -> Recipe {
        Recipe::Pbkdf2(Pbkdf2 { digest: pbkdf2::Digest::Sha256, iterations })
    }

    fn sha1(iterations: u32) -> Recipe {
        Recipe::Pbkdf2(Pbkdf2 { digest: pbkdf2::Digest::Sha1, iterations })
    }

    #[test]
    fn the_rest_makes_up_for_what_was_not_spent() {
        assert_eq!(sha256(1000).rest_after(sha256(600)), [sha256(400)]);
        assert_eq!(sha256(1000).rest_after(sha256(1000)), []);
        assert_eq!(sha256(1000).rest_after(sha256(1001)), []);
        assert_eq!(sha256(1000).rest_after(Recipe::Digest(Digest::Md5)), [sha256(1000)]);
        assert_eq!(sha256(1000).rest_after(sha1(1)), [sha256(1000)]);
        assert_eq!(Recipe::Digest(Digest::Md5).rest_after(Recipe::Digest(Digest::Md5)), []);
        assert_eq!(Recipe::Digest(Digest::Md5).rest_after(sha256(10)), []);
        for (all, part) in [(1000, 500), (1000, 300), (1000, 130), (1500, 1000), (1000, 5000)] {
            let rest = sha256(all).rest_after(sha1(part));
            let both = sha1(part).work() + rest.iter().map(|recipe| recipe.work()).sum::<u64>();
            let wanted = u64::from(all).max(sha1(part).work());
            assert!((wanted * 2 / 3..=wanted * 4 / 3).contains(&both), "{all} after {part}: {both}");
        }
    }
}
