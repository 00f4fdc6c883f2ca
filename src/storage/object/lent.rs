//! What is lent for a while, such as a token: asked for once for all who need it, and not again at once where it was
//! refused.

use crate::locks::lock;
use jiff::{SignedDuration, Timestamp};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A refusal stands for so long: many sessions do not ask one after the other.
const REFUSED: Duration = Duration::from_secs(5);

/// What is lent, and until when.
pub(super) struct Lent<T> {
    now: Mutex<State<T>>,
    /// It is given back so long before it expires.
    ahead: SignedDuration,
}

struct State<T> {
    there: Option<(T, Timestamp)>,
    refused: Option<(String, Instant)>,
}

impl<T: Clone + PartialEq> Lent<T> {
    pub(super) fn new(ahead: SignedDuration) -> Lent<T> {
        Lent { now: Mutex::new(State { there: None, refused: None }), ahead }
    }

    /// What is there, or else what is lent now.
    pub(super) fn get(&self, lend: impl FnOnce() -> Result<(T, Timestamp), String>) -> Result<T, String> {
        let mut state = lock(&self.now);
        let now = Timestamp::now();
        let soon = now.saturating_add(self.ahead).unwrap_or(Timestamp::MAX);
        let usable = |until| state.there.as_ref().filter(|there| there.1 > until).map(|there| there.0.clone());
        if let Some(value) = usable(soon) {
            return Ok(value);
        }
        // Until it has really expired, the old one does.
        let old = usable(now);
        if let Some((why, when)) = &state.refused
            && when.elapsed() < REFUSED
        {
            return old.ok_or_else(|| why.clone());
        }
        match lend() {
            Ok((value, until)) => {
                *state = State { there: Some((value.clone(), until)), refused: None };
                Ok(value)
            }
            Err(why) => {
                state.refused = Some((why.clone(), Instant::now()));
                old.ok_or(why)
            }
        }
    }

    /// Takes no more of this, which was lent; what somebody else has lent since then stays.
    pub(super) fn forget(&self, used: &T) {
        let mut state = lock(&self.now);
        if state.there.as_ref().is_some_and(|there| there.0 == *used) {
            state.there = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_seconds(seconds: i64) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn it_is_lent_once_and_again_before_it_expires() {
        let lent = Lent::new(SignedDuration::from_secs(60));
        let never = || -> Result<(u8, Timestamp), String> { panic!("lent again") };
        assert_eq!(lent.get(|| Ok((1, in_seconds(100)))), Ok(1));
        assert_eq!(lent.get(never), Ok(1));
        lent.forget(&2);
        assert_eq!(lent.get(never), Ok(1));
        lent.forget(&1);
        assert_eq!(lent.get(|| Ok((2, in_seconds(30)))), Ok(2));
        assert_eq!(lent.get(|| Err("down".to_string())), Ok(2), "it holds until it has expired");
        assert_eq!(lent.get(never), Ok(2), "and nobody asks again at once");
    }

    #[test]
    fn a_refusal_stands_for_all_who_ask_at_once() {
        let lent: Lent<u8> = Lent::new(SignedDuration::ZERO);
        assert_eq!(lent.get(|| Err("no role".to_string())), Err("no role".to_string()));
        assert_eq!(lent.get(|| Ok((1, in_seconds(100)))), Err("no role".to_string()));
    }
}
