//! Sockets: the control connection, data connections and their ports, who may connect.

pub mod bans;
pub mod control;
pub mod data;
pub mod introduction;
pub mod limited;
pub mod masquerade;
pub mod passive;
pub mod tls;
pub mod wait;
