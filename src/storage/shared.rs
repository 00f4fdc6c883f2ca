//! What several users of one thing have in common, for as long as there is one of them and a little longer.

use crate::locks::{Mutex, lock};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who comes again so soon finds what was there: a camera that logs in for each picture.
const KEPT: Duration = Duration::from_secs(60);

/// Values by key, each forgotten a while after nobody uses it any more; a clone shares them.
pub(crate) struct Shared<K, V>(Arc<Mutex<HashMap<K, Asked<V>>>>);

/// A value, and when it was asked for last.
type Asked<V> = (Arc<V>, Instant);

impl<K: Eq + Hash, V> Shared<K, V> {
    /// The value of a key, new if there is none.
    pub(crate) fn get(&self, key: K, new: impl FnOnce() -> V) -> Arc<V> {
        let mut known = lock(&self.0);
        let now = Instant::now();
        if let Some((value, asked)) = known.get_mut(&key) {
            *asked = now;
            return value.clone();
        }
        known.retain(|_, (value, asked)| Arc::strong_count(value) > 1 || now.duration_since(*asked) < KEPT);
        let value = Arc::new(new());
        known.insert(key, (value.clone(), now));
        value
    }
}

impl<K, V> Clone for Shared<K, V> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Shared(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_as_long_as_somebody_uses_it_and_a_little_longer() {
        let shared = Shared::default();
        let first = shared.get("a", || 1);
        assert_eq!(*shared.clone().get("a", || 2), 1);
        drop(first);
        assert_eq!(*shared.get("a", || 3), 1);
        let used = shared.get("b", || 4);
        for (_, asked) in shared.0.lock().unwrap().values_mut() {
            *asked -= KEPT;
        }
        shared.get("c", || 5);
        assert_eq!(shared.0.lock().unwrap().len(), 2, "what nobody uses is not remembered");
        assert_eq!((*used, *shared.get("a", || 6)), (4, 6));
    }
}
