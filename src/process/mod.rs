//! The process itself: signals, limits, users of the system, the first process of a container.

pub mod init;
pub mod limits;
pub mod signals;
pub mod users;
