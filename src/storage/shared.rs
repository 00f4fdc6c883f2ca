//! What several users of one thing have in common, for as long as there is one of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Values by key, each forgotten when nobody uses it any more; a clone shares them.
pub(crate) struct Shared<K, V>(Arc<Mutex<HashMap<K, Weak<V>>>>);

impl<K: Eq + Hash, V> Shared<K, V> {
    /// The value of a key, new if nobody uses one.
    pub(crate) fn get(&self, key: K, new: impl FnOnce() -> V) -> Arc<V> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        known.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(new());
        known.insert(key, Arc::downgrade(&value));
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
    fn a_value_lives_as_long_as_somebody_uses_it() {
        let shared = Shared::default();
        let first = shared.get("a", || 1);
        assert_eq!(*shared.clone().get("a", || 2), 1);
        drop(first);
        assert_eq!(*shared.get("a", || 3), 3);
        shared.get("b", || 4);
        assert_eq!(shared.0.lock().unwrap().len(), 1, "what nobody uses is not remembered");
    }
}
