//! Who waits for the server, or looks after it: whoever had it go to the background, and systemd.

use crate::process::daemon::Herald;
use crate::process::notify::Notifier;
use crate::server::Supervisor;
use std::time::Instant;

/// Both, if they are there.
pub(super) struct Supervision {
    pub(super) herald: Option<Herald>,
    pub(super) notifier: Notifier,
    /// What systemctl shows.
    pub(super) status: String,
}

impl Supervisor for Supervision {
    fn ready(&mut self) {
        self.notifier.ready(&self.status);
        if let Some(herald) = &self.herald {
            herald.ready();
        }
    }

    fn alive(&mut self) -> Option<Instant> {
        self.notifier.alive()
    }

    fn stopping(&mut self) {
        self.notifier.stopping();
    }
}
