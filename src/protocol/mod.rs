//! The text of FTP, as pure functions and types: no sockets, no files, no clock.
//!
//! Everything above imports this; it imports nothing of ours.

pub mod address;
mod arguments;
pub mod ascii;
pub mod command;
pub mod digest;
pub mod facts;
pub mod glob;
pub mod json;
pub mod line;
pub mod listing;
pub mod network;
mod numbers;
pub mod path;
pub mod permission;
pub mod protection;
pub mod proxy;
pub mod reply;
pub mod request;
pub mod shown;
pub mod time;
pub mod verb;
