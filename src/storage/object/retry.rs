//! Trying again what may go well later.

use crate::storage::{Error, Result};
use std::time::{Duration, Instant};

/// From the first attempt to the beginning of the last one.
const PATIENCE: Duration = Duration::from_secs(30);
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

/// Tries until it succeeds, until that is not to be expected any more, or until it has taken too long.
pub(super) fn retry<T>(mut attempt: impl FnMut() -> std::result::Result<T, Failure>) -> Result<T> {
    let began = Instant::now();
    let mut pause = PAUSE;
    loop {
        let why = match attempt() {
            Ok(value) => return Ok(value),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(why)) => why,
        };
        let wait = jittered(pause);
        if began.elapsed() + wait >= PATIENCE {
            return Err(Error::Unavailable(why));
        }
        log::debug!("{why}; once more in {} ms", wait.as_millis());
        std::thread::sleep(wait);
        pause = (pause * 2).min(LONGEST_PAUSE);
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

    #[test]
    fn what_passes_is_tried_again_and_what_is_final_is_not() {
        let mut attempts = 0;
        let result = retry(|| {
            attempts += 1;
            if attempts < 3 { Err(Failure::Passing("busy".to_string())) } else { Ok(attempts) }
        });
        assert_eq!(result.unwrap(), 3);
        let mut attempts = 0;
        let result: Result<()> = retry(|| {
            attempts += 1;
            Err(Failure::Final(Error::NotFound))
        });
        assert!(matches!(result, Err(Error::NotFound)) && attempts == 1);
    }

    #[test]
    fn pauses_are_between_half_and_all() {
        for _ in 0..50 {
            let pause = jittered(Duration::from_secs(1));
            assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&pause), "{pause:?}");
        }
    }
}
