//! What looks after the server from outside, such as systemd.

use std::time::Instant;

/// Is told by the accept loop how the server fares. Nothing in it may take long: nobody is accepted meanwhile.
pub trait Supervisor: Send {
    /// Clients are accepted.
    fn ready(&mut self);

    /// The accept loop turns. It does so again at the moment that is returned, if not earlier.
    fn alive(&mut self) -> Option<Instant>;

    /// No more clients are accepted; transfers may go on for a while.
    fn stopping(&mut self);
}

/// Nobody.
impl Supervisor for () {
    fn ready(&mut self) {}

    fn alive(&mut self) -> Option<Instant> {
        None
    }

    fn stopping(&mut self) {}
}
