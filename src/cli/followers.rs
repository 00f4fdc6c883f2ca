//! The followers of the journal that the configuration names.

use crate::config::Config;
use crate::events::followers::{Follower, Plan, Running, state_beside};
use crate::events::{Journal, Sink, Tide};
use std::time::{Duration, Instant};

/// Attempts with one event until it is set aside, where nothing else is said.
const TRIES: u32 = 5;
/// What followers get to deal with the last events when the server has stopped.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Followers that run.
#[derive(Default)]
pub(super) struct Followers {
    running: Vec<Running>,
    tide: Tide,
}

/// A follower to be started.
struct Planned {
    name: String,
    tries: u32,
    follower: Box<dyn Follower>,
}

/// All that the configuration names, or why one can't be made.
fn planned(_config: &Config) -> Result<Vec<Planned>, String> {
    Ok(Vec::new())
}

impl Followers {
    /// Starts them behind the journal.
    pub(super) fn start(config: &Config, journal: Option<&Journal>) -> Result<Followers, String> {
        let planned = planned(config)?;
        let (Some(path), Some(journal)) = (&config.journal, journal) else {
            return match planned.first() {
                Some(first) => {
                    Err(format!("{}: it follows the journal, and there is none; name one with journal", first.name))
                }
                None => Ok(Followers::default()),
            };
        };
        let tide = journal.tide();
        let start = |Planned { name, tries, follower }| {
            let plan = Plan { name, journal: path.clone(), state: state_beside(path), tries };
            let named = plan.name.clone();
            Running::start(follower, plan, tide.clone(), journal.last_seq())
                .map_err(|error| format!("{named}: {error}"))
        };
        let running = planned.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Followers { running, tide })
    }

    /// Lets them deal with the last events, and waits for that, but not for ever.
    pub(super) fn finish(self) {
        self.tide.end();
        let deadline = Instant::now() + LAST_EVENTS;
        for follower in self.running {
            follower.join_until(deadline);
        }
    }
}
