//! What the server holds of a session.

#[path = "../../../src/session/arrival.rs"]
mod arrival;
#[path = "../../../src/session/handle.rs"]
mod handle;
#[path = "../../../src/session/traffic.rs"]
mod traffic;

pub use arrival::Arrival;
pub use handle::{Ending, Handle};
