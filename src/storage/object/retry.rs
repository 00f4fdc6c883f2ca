//! Trying again what may go well later.

use crate::storage::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// From the first attempt to the end of the last one, be the store silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);
/// The same where somebody has waited so long already, and waits on.
pub(super) const LITTLE_PATIENCE: Duration = LAST_ATTEMPT;
/// The same where nobody waits.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// So much of it the last attempt has at least.
const LAST_ATTEMPT: Duration = Duration::from_secs(5);
/// The pause behind the first attempt, which doubles from one to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why an attempt has failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another one may succeed.
    Passing(String),
    /// Another one would fail, too.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Final(error)
    }
}

/// How long something is tried.
#[derive(Clone, Copy)]
pub(super) struct Effort<'a> {
    /// To the end of the last attempt.
    pub(super) patience: Duration,
    /// Nobody waits for it any more once this is set.
    pub(super) is_in_vain: Option<&'a AtomicBool>,
}

impl Default for Effort<'_> {
    fn default() -> Self {
        Effort { patience: PATIENCE, is_in_vain: None }
    }
}

impl Effort<'_> {
    /// Another patience.
    pub(super) fn of(patience: Duration) -> Effort<'static> {
        Effort { patience, is_in_vain: None }
    }

    /// Tries until it succeeds, until that is not to be expected any more, or until it has taken too long. Each attempt
    /// is told what time is left for it.
    pub(super) fn retry<T>(self, mut attempt: impl FnMut(Duration) -> std::result::Result<T, Failure>) -> Result<T> {
        let began = Instant::now();
        let mut pause = PAUSE;
        loop {
            let left = self.patience.saturating_sub(began.elapsed()).clamp(LAST_ATTEMPT, PATIENCE);
            let why = match attempt(left) {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(why)) => why,
            };
            let wait = jittered(pause);
            let is_in_vain = self.is_in_vain.is_some_and(|flag| flag.load(Ordering::Relaxed));
            if is_in_vain || began.elapsed() + wait + LAST_ATTEMPT > self.patience {
                return Err(Error::Unavailable(why));
            }
            log::debug!("{why}; once more in {} ms", wait.as_millis());
            std::thread::sleep(wait);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Between half of it and all: many who failed at once do not come again at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without chance it is all of it.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    pause - pause / 2 * u32::from(random[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Failure {
        Failure::Passing("busy".to_string())
    }

    #[test]
    fn what_passes_is_tried_again_and_what_is_final_is_not() {
        let mut attempts = 0;
        let result = Effort::default().retry(|_| {
            attempts += 1;
            if attempts < 3 { Err(busy()) } else { Ok(attempts) }
        });
        assert_eq!(result.unwrap(), 3);
        let mut attempts = 0;
        let result: Result<()> = Effort::default().retry(|_| {
            attempts += 1;
            Err(Failure::Final(Error::NotFound))
        });
        assert!(matches!(result, Err(Error::NotFound)) && attempts == 1);
    }

    #[test]
    fn the_last_attempt_ends_in_time_and_what_is_in_vain_is_the_last() {
        let patience = LAST_ATTEMPT + Duration::from_millis(400);
        let (began, mut least) = (Instant::now(), patience);
        let result: Result<()> = Effort::of(patience).retry(|left| {
            least = least.min(left);
            Err(busy())
        });
        assert!(matches!(result, Err(Error::Unavailable(why)) if why == "busy"));
        assert!(began.elapsed() < Duration::from_secs(2) && least >= LAST_ATTEMPT, "{least:?}");
        let (flag, mut attempts) = (AtomicBool::new(true), 0);
        let effort = Effort { is_in_vain: Some(&flag), ..Effort::default() };
        let result: Result<()> = effort.retry(|_| {
            attempts += 1;
            Err(busy())
        });
        assert!(result.is_err() && attempts == 1);
    }

    #[test]
    fn pauses_are_between_half_and_all() {
        for _ in 0..50 {
            let pause = jittered(Duration::from_secs(1));
            assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&pause), "{pause:?}");
        }
    }
}
