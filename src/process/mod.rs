//! The process itself: signals, limits, users of the system, and what it is kept to.

pub mod limits;
pub mod sandbox;
pub mod signals;
pub mod users;
