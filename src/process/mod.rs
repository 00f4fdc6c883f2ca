//! The process itself: signals, limits, users of the system.

pub mod limits;
pub mod signals;
pub mod users;
