//! Transfers that may send or receive only so many bytes a second.

use super::transfer::{Cut, Wire};
use crate::net::wait;
use crate::session::limits::bucket::Pace;
use crate::session::limits::lanes::Rates;
use crate::session::{Direction, Talk};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Who can't be woken up looks around so often.
const LOOK_AROUND: Duration = Duration::from_millis(200);

impl<'t, 'a> Wire<'t, 'a> {
    /// A file that goes this way, at these rates and that of the server.
    pub(in crate::session) fn at_rate(talk: &'t mut Talk<'a>, direction: Direction, rates: &Rates) -> Wire<'t, 'a> {
        let buckets = talk.services.limiter.buckets(direction, rates);
        let mut wire = Wire::new(talk);
        wire.direction = Some(direction);
        wire.pace = Pace::join(buckets);
        wire
    }

    /// How much may go at once, at most so much.
    pub(in crate::session) fn portion(&self, most: usize) -> usize {
        self.pace.as_ref().map_or(most, |pace| pace.portion(most))
    }

    /// So many bytes went.
    pub(in crate::session) fn count(&mut self, length: usize) {
        self.bytes += length as u64;
        self.talk.handle.set_bytes(self.bytes);
        if let Some(direction) = self.direction {
            self.talk.services.traffic.count(direction, length as u64);
        }
        if let Some(pace) = &mut self.pace {
            pace.spend(length);
        }
    }

    /// Waits until more may go, and hears meanwhile what the client says.
    pub(in crate::session) fn await_turn(&mut self) -> Result<(), Cut> {
        while let Some(pace) = &self.pace {
            let until = pace.until();
            if until <= Instant::now() {
                break;
            }
            self.rest(until)?;
        }
        Ok(())
    }

    fn rest(&mut self, until: Instant) -> Result<(), Cut> {
        self.heed()?;
        let now = Instant::now();
        if self.is_alone() {
            let until = self.draining.map_or(until, |end| end.min(until));
            std::thread::sleep(until.saturating_duration_since(now).min(LOOK_AROUND));
        } else if wait::one(self.talk.control.as_fd(), self.hearing(), Some(until)).map_err(Cut::Reset)? {
            self.hear()?;
        }
        Ok(())
    }
}
