//! Rates that transfers share: how much may go at once, and when more.

use crate::locks::{Mutex, MutexGuard, lock};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What goes at once, in seconds: transfers that share a rate take turns.
const PIECE: f64 = 0.025;
/// The least that is worth while to go at once, in bytes.
const LEAST_PIECE: f64 = 1024.0;
/// So many pieces may go at once to make up for a transfer that was held up.
const BURST: f64 = 8.0;
/// And so many after a pause, of which there may be many; then the rate holds within a few hundredths in three seconds.
const START: f64 = 2.0;
/// Nothing takes longer to be paid for, in seconds.
const LONGEST: f64 = 86400.0;
/// The rate that some transfers share. Each pays for a piece after it, and waits until that is paid before the next.
pub(in crate::session) struct Bucket {
    state: Mutex<State>,
}

struct State {
    rate: NonZeroU64,
    /// Everything that went until now will have been paid for then.
    paid: Instant,
    /// How many transfers share it now.
    payers: usize,
}

impl Bucket {
    pub(super) fn new(rate: NonZeroU64) -> Bucket {
        Bucket { state: Mutex::new(State { rate, paid: Instant::now(), payers: 0 }) }
    }

    pub(super) fn set_rate(&self, rate: NonZeroU64) {
        self.lock().set_rate(rate, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// One more transfer: from when on it may go.
    fn join(&mut self, now: Instant) -> Instant {
        if self.payers == 0 {
            self.forget_credit(START, now);
        }
        self.payers += 1;
        self.paid
    }

    fn piece(&self) -> f64 {
        (self.rate.get() as f64 * PIECE).max(LEAST_PIECE)
    }

    /// How much may go at once: an equal part of a piece, and of what was not used.
    fn portion(&self, now: Instant) -> usize {
        let credit = now.saturating_duration_since(self.paid).as_secs_f64() * self.rate.get() as f64;
        let all = (self.piece() + credit).min(self.piece() * BURST);
        (all / self.payers.max(1) as f64).max(LEAST_PIECE) as usize
    }

    /// So much went: from when on more may go.
    fn spend(&mut self, bytes: usize, now: Instant) -> Instant {
        self.forget_credit(BURST, now);
        self.paid += self.time_for(bytes as f64);
        self.paid
    }

    /// No more may go at once than so many pieces, of which the first comes before its payment.
    fn forget_credit(&mut self, pieces: f64, now: Instant) {
        let credit = self.time_for(self.piece() * (pieces - 1.0));
        self.paid = self.paid.max(now.checked_sub(credit).unwrap_or(now));
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

/// A transfer's part in some rates, of which the slowest decides.
pub(in crate::session) struct Pace {
    buckets: Vec<Arc<Bucket>>,
    until: Instant,
}

impl Pace {
    /// None: there is nothing to keep to.
    pub(in crate::session) fn join(buckets: Vec<Arc<Bucket>>) -> Option<Pace> {
        let now = Instant::now();
        let until = buckets.iter().map(|bucket| bucket.lock().join(now)).max()?;
        Some(Pace { buckets, until })
    }

    /// When more may go.
    pub(in crate::session) fn until(&self) -> Instant {
        self.until
    }

    /// How much may go at once, at most so much.
    pub(in crate::session) fn portion(&self, most: usize) -> usize {
        let now = Instant::now();
        self.buckets.iter().fold(most, |most, bucket| most.min(bucket.lock().portion(now)))
    }

    /// So much went.
    pub(in crate::session) fn spend(&mut self, bytes: usize) {
        let now = Instant::now();
        self.until = self.buckets.iter().fold(now, |until, bucket| until.max(bucket.lock().spend(bytes, now)));
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.buckets.iter().for_each(|bucket| bucket.lock().payers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate: u64) -> Bucket {
        Bucket::new(NonZeroU64::new(rate).unwrap())
    }

    /// When so many bytes have gone, in seconds, if they go as soon as they may after an hour's pause.
    fn seconds(rate: u64, bytes: usize) -> f64 {
        let (bucket, begin) = (bucket(rate), Instant::now() + Duration::from_secs(3600));
        let (mut state, mut left) = (bucket.lock(), bytes);
        let mut now = begin.max(state.join(begin));
        while left > 0 {
            let portion = state.portion(now).min(left);
            left -= portion;
            now = state.spend(portion, now).max(now);
        }
        now.duration_since(begin).as_secs_f64()
    }

    #[test]
    fn from_the_beginning_the_rate_holds() {
        for rate in [50_000, 1_000_000, 100_000_000] {
            for (length, least) in [(3.0, 2.94), (10.0, 9.94)] {
                let seconds = seconds(rate, (rate as f64 * length) as usize);
                assert!((least..=length).contains(&seconds), "{seconds} for {length} at {rate}");
            }
        }
    }

    #[test]
    fn who_was_held_up_makes_up_for_a_little() {
        let (bucket, begin) = (bucket(1_000_000), Instant::now());
        let mut state = bucket.lock();
        let now = state.join(begin) + Duration::from_millis(100);
        assert_eq!(state.portion(now), 125_000);
        assert!(state.spend(125_000, now) > now);
        let late = now + Duration::from_secs(3600);
        assert_eq!(state.portion(late), 200_000);
        assert!(state.spend(200_000, late) >= late + Duration::from_millis(25));
    }

    #[test]
    fn each_of_many_gets_an_equal_part_at_once() {
        let bucket = Arc::new(bucket(1_000_000));
        let paces: Vec<_> = (0..10).filter_map(|_| Pace::join(vec![bucket.clone()])).collect();
        assert!((2_500..10_000).contains(&paces[0].portion(1 << 20)), "{}", paces[0].portion(1 << 20));
        drop(paces);
        assert!(bucket.lock().portion(Instant::now()) >= 25_000);
        assert!(Pace::join(Vec::new()).is_none());
    }

    #[test]
    fn the_slowest_of_several_rates_decides() {
        let buckets = [1_000_000, 100_000, 10_000_000].map(|rate| Arc::new(bucket(rate)));
        let mut pace = Pace::join(buckets.to_vec()).unwrap();
        assert!(pace.portion(1 << 20) <= 10_000);
        let before = Instant::now();
        pace.spend(100_000);
        let wait = pace.until.duration_since(before);
        assert!((0.9..1.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn no_rate_is_too_low_or_too_high() {
        for rate in [1, u64::MAX] {
            let (bucket, now) = (bucket(rate), Instant::now());
            let mut state = bucket.lock();
            assert!(state.portion(now) >= 1024);
            state.spend(1 << 30, now);
            assert!(state.paid <= now + Duration::from_secs(86400));
        }
    }

    #[test]
    fn a_new_rate_holds_for_what_is_owed_too() {
        let rate = |rate| NonZeroU64::new(rate).unwrap();
        let (bucket, now) = (bucket(1), Instant::now());
        let mut state = bucket.lock();
        state.spend(1_000_000, now);
        state.set_rate(rate(u64::MAX), now);
        assert!(state.paid <= now);
        state.set_rate(rate(1), now);
        assert!(state.paid <= now);
    }
}
