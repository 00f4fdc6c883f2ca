//! The process itself: its background, user, number, signals and supervisor, the limits and users of the system, and
//! what it is kept to.

pub mod activation;
pub mod daemon;
pub mod limits;
pub mod notify;
pub mod pidfile;
pub mod privileges;
pub mod sandbox;
pub mod signals;
pub mod users;
