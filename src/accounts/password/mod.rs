//! Passwords as Django stores them, `algorithm$parameters$salt$hash`: which of them can be verified, and what those
//! cost that can't match. Each family of algorithms has its own file.

mod digest;
mod pbkdf2;
mod recipe;
#[cfg_attr(not(feature = "all-hashers"), path = "left_out.rs")]
mod slow;

pub(super) use pbkdf2::encode;

use super::Denial;
use recipe::{Fault, Hash, Recipe};
use std::collections::BTreeMap;

/// Verifies passwords, and spends as much time on those that cannot match.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// How many stored passwords are made in which way.
    seen: BTreeMap<Recipe, usize>,
    legacy: bool,
}

impl Checker {
    /// Learns from a stored password what this site's passwords cost; no login can teach it otherwise.
    pub(super) fn learn(&mut self, stored: &str) {
        if let Ok(hash) = parse(stored) {
            *self.seen.entry(hash.recipe).or_default() += 1;
        }
    }

    /// Believes also what Django has given up.
    pub(super) fn legacy(self, legacy: bool) -> Checker {
        Checker { legacy, ..self }
    }

    /// Whether it is the stored password. Each denial takes the time of a verification.
    pub(super) fn check(&self, stored: &str, password: &[u8]) -> Result<(), Denial> {
        let hash = match self.believed(stored) {
            Ok(hash) => hash,
            Err(denial) => {
                self.pretend(password);
                return Err(denial);
            }
        };
        if hash.matches(password).map_err(Denial::Other)? {
            return Ok(());
        }
        for recipe in self.usual().rest_after(hash.recipe) {
            recipe.spend(password);
        }
        Err(Denial::WrongPassword)
    }

    /// Why no password could ever match, if that is the case.
    pub(super) fn fault(&self, stored: &str) -> Option<Denial> {
        self.believed(stored).err()
    }

    /// Takes the time of a verification.
    pub(super) fn pretend(&self, password: &[u8]) {
        self.usual().spend(password);
    }

    fn believed<'a>(&self, stored: &'a str) -> Result<Hash<'a>, Denial> {
        let hash = parse(stored)?;
        match hash.recipe.given_up().filter(|_| !self.legacy) {
            Some(name) => Err(Denial::UnknownAlgorithm(format!("{name}, which only the option legacy_hashes permits"))),
            None => Ok(hash),
        }
    }

    /// How most of the passwords are made; of two that are as many, the costlier.
    fn usual(&self) -> Recipe {
        let believed = self.seen.iter().filter(|(recipe, _)| self.legacy || recipe.given_up().is_none());
        let most = believed.max_by_key(|(recipe, count)| (**count, recipe.work()));
        most.map_or(Recipe::DJANGO, |(recipe, _)| *recipe)
    }
}

/// What it takes to verify a stored password.
#[cfg(fuzzing)]
pub(super) fn cost_of(stored: &str) -> Result<u64, Denial> {
    parse(stored).map(|hash| hash.recipe.work())
}

fn parse(stored: &str) -> Result<Hash<'_>, Denial> {
    if stored.starts_with('!') {
        return Err(Denial::UnusablePassword);
    }
    let unknown = |what: String| Err(Denial::UnknownAlgorithm(what));
    let Some((name, rest)) = stored.split_once('$') else {
        return digest::parse_bare(stored).ok_or(()).or_else(|()| unknown("no known format".to_string()));
    };
    let hash = match name {
        "pbkdf2_sha256" => pbkdf2::parse(pbkdf2::Digest::Sha256, rest),
        "pbkdf2_sha1" => pbkdf2::parse(pbkdf2::Digest::Sha1, rest),
        "md5" => digest::parse_md5(rest),
        "sha1" => digest::parse_sha1(rest),
        "argon2" | "bcrypt" | "bcrypt_sha256" | "scrypt" => {
            slow::parse(name, rest).map(|(slow, salt, expected)| Hash { recipe: Recipe::Slow(slow), salt, expected })
        }
        _ => return unknown(format!("{name}, which is not supported")),
    };
    hash.or_else(|fault| {
        unknown(match fault {
            Fault::Broken => format!("a broken {name} format"),
            Fault::TooMuch(what) => format!("{name} with {what}"),
            Fault::LeftOut => format!("{name}, which this build leaves out"),
        })
    })
}

#[cfg(test)]
mod tests;
