//! Transfers of an account that may send or receive only so many bytes a second.

use super::transfer::{Cut, Wire};
use super::{Direction, Ending, Talk};
use crate::locks::lock;
use crate::net::wait;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The least that may go at once after a pause, in bytes.
const LEAST_BURST: f64 = 16384.0;
/// What may go at once after a pause, in seconds. With a quarter it would be near to a tenth too much in three seconds.
const BURST: f64 = 0.2;
/// Nothing takes longer to be paid for, in seconds.
const LONGEST: f64 = 86400.0;
/// A burst has so many pieces: transfers that share a rate take turns.
const PIECES: f64 = 4.0;
/// Who can't be woken up looks around so often.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// The rate that some transfers share. Each pays for a piece after it, and waits until that is paid before the next.
pub(super) struct Bucket {
    state: Mutex<State>,
}

struct State {
    rate: NonZeroU64,
    /// Everything that went until now will have been paid for then.
    paid: Instant,
}

impl Bucket {
    pub(super) fn new(rate: NonZeroU64) -> Bucket {
        Bucket { state: Mutex::new(State { rate, paid: Instant::now() }) }
    }

    pub(super) fn set_rate(&self, rate: NonZeroU64) {
        self.lock().set_rate(rate, Instant::now());
    }

    /// How much may go between two waits.
    fn piece(&self) -> usize {
        (self.lock().burst() / PIECES) as usize
    }

    /// So much went: from when on more may go.
    fn spend(&self, bytes: usize) -> Instant {
        self.lock().spend(bytes, Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn burst(&self) -> f64 {
        (self.rate.get() as f64 * BURST).max(LEAST_BURST)
    }

    fn spend(&mut self, bytes: usize, now: Instant) -> Instant {
        // The first piece comes before its payment: it is part of the burst.
        let credit = self.burst() * (PIECES - 1.0) / PIECES;
        let earliest = now.checked_sub(self.time_for(credit)).unwrap_or(now);
        self.paid = self.paid.max(earliest) + self.time_for(bytes as f64);
        self.paid
    }

    /// What is not paid yet is paid at the new rate.
    fn set_rate(&mut self, rate: NonZeroU64, now: Instant) {
        if rate != self.rate {
            let owed = self.paid.saturating_duration_since(now).as_secs_f64() * self.rate.get() as f64;
            self.rate = rate;
            self.paid = now + self.time_for(owed);
        }
    }

    fn time_for(&self, bytes: f64) -> Duration {
        Duration::from_secs_f64((bytes / self.rate.get() as f64).min(LONGEST))
    }
}

/// A transfer's part in a rate.
pub(super) struct Pace {
    bucket: Arc<Bucket>,
    until: Instant,
}

impl Pace {
    fn new(bucket: &Arc<Bucket>) -> Pace {
        Pace { bucket: bucket.clone(), until: bucket.spend(0) }
    }
}

impl<'t, 'a> Wire<'t, 'a> {
    /// A file that goes this way, at this rate.
    pub(super) fn at_rate(talk: &'t mut Talk<'a>, direction: Direction, rate: Option<&Arc<Bucket>>) -> Wire<'t, 'a> {
        let mut wire = Wire::new(talk);
        wire.direction = Some(direction);
        wire.pace = rate.map(Pace::new);
        wire
    }

    /// How much may go at once, at most so much.
    pub(super) fn portion(&self, most: usize) -> usize {
        self.pace.as_ref().map_or(most, |pace| pace.bucket.piece().min(most))
    }

    /// So many bytes went.
    pub(super) fn count(&mut self, length: usize) {
        self.bytes += length as u64;
        self.talk.handle.set_bytes(self.bytes);
        if let Some(direction) = self.direction {
            self.talk.services.traffic.count(direction, length as u64);
        }
        if let Some(pace) = &mut self.pace {
            pace.until = pace.bucket.spend(length);
        }
    }

    /// Waits until more may go, and hears meanwhile what the client says.
    pub(super) fn await_turn(&mut self) -> Result<(), Cut> {
        while let Some(pace) = &self.pace {
            let until = pace.until;
            if until <= Instant::now() {
                break;
            }
            self.rest(until)?;
        }
        Ok(())
    }

    fn rest(&mut self, until: Instant) -> Result<(), Cut> {
        // Who has said QUIT is not heard any more; that the server stops has to be asked.
        match self.talk.handle.ending() {
            Some(Ending::Stop { transfers_until }) => self.draining = Some(transfers_until),
            Some(Ending::Kicked) => return Err(Cut::Kicked),
            Some(Ending::Evicted) | None => {}
        }
        let now = Instant::now();
        if self.draining.is_some_and(|end| end <= now) {
            return Err(Cut::Stopping);
        }
        if self.is_alone() {
            let until = self.draining.map_or(until, |end| end.min(until));
            std::thread::sleep(until.saturating_duration_since(now).min(LOOK_AROUND));
        } else if wait::one(self.talk.control.as_fd(), self.hearing(), Some(until)).map_err(Cut::Reset)? {
            self.hear()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the last of so many pieces has gone, in seconds, if each goes as soon as it may.
    fn seconds(rate: u64, pieces: usize) -> f64 {
        let start = Instant::now();
        let bucket = Bucket::new(NonZeroU64::new(rate).unwrap());
        let (piece, mut now) = (bucket.piece(), start + Duration::from_secs(3600));
        let begin = now;
        for _ in 0..pieces {
            now = now.max(bucket.lock().spend(piece, now));
        }
        now.duration_since(begin).as_secs_f64()
    }

    #[test]
    fn after_a_burst_the_rate_holds() {
        assert_eq!(Bucket::new(NonZeroU64::new(1_000_000).unwrap()).piece(), 50_000);
        assert_eq!(Bucket::new(NonZeroU64::new(10).unwrap()).piece(), 4096);
        assert!(seconds(1_000_000, 3) < 0.001, "the burst");
        let three = seconds(1_000_000, 60);
        assert!((2.8..3.0).contains(&three), "{three}");
    }

    #[test]
    fn no_rate_is_too_low_or_too_high() {
        for rate in [1, u64::MAX] {
            let bucket = Bucket::new(NonZeroU64::new(rate).unwrap());
            assert!(bucket.piece() >= 4096);
            bucket.spend(1 << 30);
            assert!(bucket.spend(0) <= Instant::now() + Duration::from_secs(86400));
        }
    }

    #[test]
    fn a_new_rate_holds_for_what_is_owed_too() {
        let rate = |rate| NonZeroU64::new(rate).unwrap();
        let bucket = Bucket::new(rate(1));
        bucket.spend(1_000_000);
        bucket.set_rate(rate(u64::MAX));
        assert!(bucket.spend(0) <= Instant::now());
        bucket.set_rate(rate(1));
        assert!(bucket.spend(0) <= Instant::now());
    }
}
