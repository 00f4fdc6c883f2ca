//! The process itself: its background, user, number, signals and supervisor, the limits and users of the system, what it
//! is kept to, and the first process of a container.

pub mod activation;
pub mod daemon;
pub mod init;
pub mod itself;
pub mod limits;
pub mod notify;
pub mod pidfile;
pub mod privileges;
pub mod sandbox;
pub mod signals;
pub mod users;
