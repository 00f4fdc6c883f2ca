//! In the place of `src/locks.rs`: locks at which another thread may come first.

pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
