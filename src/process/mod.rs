//! The process itself: its background, user, number, signals, supervisor, and the limits and users of the system.

pub mod activation;
pub mod daemon;
pub mod limits;
pub mod notify;
pub mod pidfile;
pub mod privileges;
pub mod signals;
pub mod users;
