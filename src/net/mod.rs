//! Sockets: the control connection, data connections and their ports, who may connect.

pub mod bans;
pub mod control;
pub mod data;
pub mod limited;
pub mod masquerade;
pub mod passive;
pub mod tls;
pub mod wait;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: what our locks guard is consistent between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
