//! Logins that succeeded a moment ago: a camera that logs in for each picture need not cost a million rounds of SHA-256
//! each time.

use super::user::User;
use crate::locks::{Mutex, MutexGuard, lock};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// More than this are not remembered.
const MOST: usize = 10_000;

type Digest = [u8; 32];

/// What is remembered: digests under a key that nobody else has, of the stored hash and the password together. Another
/// hash makes another digest, so who changes a password need not tell us.
pub(super) struct Cache {
    key: Digest,
    period: Duration,
    known: Mutex<HashMap<String, (Digest, Instant)>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("period", &self.period).finish_non_exhaustive()
    }
}

impl Cache {
    /// Remembers for so long; zero: not at all.
    pub(super) fn new(period: Duration) -> std::io::Result<Cache> {
        let mut key = Digest::default();
        rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
        Ok(Cache { key, period, known: Mutex::default() })
    }

    /// The same with another period.
    pub(super) fn lasting(self, period: Duration) -> Cache {
        Cache { period, ..self }
    }

    /// Whether the user has logged in with this password a moment ago, and its hash is still the same.
    pub(super) fn knows(&self, user: &User, password: &[u8]) -> bool {
        let digest = self.hmac(&[user.password.as_bytes(), password]);
        let known = self.lock().get(&user.username).copied();
        // Comparing digests under a secret key tells nobody anything.
        known.is_some_and(|(known, until)| known == digest && Instant::now() < until)
    }

    /// The password is the user's.
    pub(super) fn remember(&self, user: &User, password: &[u8]) {
        if self.period.is_zero() {
            return;
        }
        let digest = self.hmac(&[user.password.as_bytes(), password]);
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() < MOST || known.contains_key(&user.username) {
            known.insert(user.username.clone(), (digest, now + self.period));
        }
    }

    /// Another number for another stored hash.
    pub(super) fn digest(&self, user: &User) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.hmac(&[user.password.as_bytes()]);
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    fn hmac(&self, parts: &[&[u8]]) -> Digest {
        // HMAC takes keys of every length.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Digest::default() };
        for part in parts {
            hmac.update(&part.len().to_le_bytes());
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Digest, Instant)>> {
        lock(&self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        User::plain("1", name, password)
    }

    #[test]
    fn the_same_password_of_the_same_hash_is_known() {
        let cache = Cache::new(Duration::from_secs(60)).unwrap();
        assert!(!cache.knows(&user("ann", "hash"), b"secret"));
        cache.remember(&user("ann", "hash"), b"secret");
        assert!(cache.knows(&user("ann", "hash"), b"secret"));
        assert!(!cache.knows(&user("ann", "hash"), b"guess"));
        assert!(!cache.knows(&user("bob", "hash"), b"secret"));
        assert!(!cache.knows(&user("ann", "another"), b"secret"));
        assert!(!cache.knows(&user("ann", "hashsecret"), b""));
        assert_ne!(cache.digest(&user("ann", "hash")), cache.digest(&user("ann", "another")));
    }

    #[test]
    fn nothing_is_remembered_for_ever() {
        let cache = Cache::new(Duration::ZERO).unwrap();
        cache.remember(&user("ann", "hash"), b"secret");
        assert!(!cache.knows(&user("ann", "hash"), b"secret"));
        let cache = cache.lasting(Duration::from_millis(1));
        cache.remember(&user("ann", "hash"), b"secret");
        std::thread::sleep(Duration::from_millis(2));
        assert!(!cache.knows(&user("ann", "hash"), b"secret"));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::new(Duration::from_secs(60)).unwrap();
        (0..MOST + 10).for_each(|number| cache.remember(&user(&number.to_string(), "hash"), b""));
        assert_eq!(cache.lock().len(), MOST);
        cache.remember(&user("7", "another hash"), b"");
        assert!(cache.knows(&user("7", "another hash"), b""), "who is in it may change the password");
        assert_eq!(cache.lock().len(), MOST);
    }
}
