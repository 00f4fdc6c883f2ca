//! Locks that a panic does not close: what ours guard is consistent between statements, so who comes next can go on.
//! `tests/races` has others in the place of this file, and threads, which try who may come first.

use std::sync::PoisonError;
pub use std::sync::{Condvar, Mutex, MutexGuard};
pub use std::thread;

/// Locks, also after a panic elsewhere.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
