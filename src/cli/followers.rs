//! The followers of the journal that the configuration names.

use super::programs;
use crate::config::Config;
use crate::events::followers::{Follower, Plan, Running, state_beside};
use crate::events::{Journal, Sink, Tide};
use std::time::{Duration, Instant};

/// What followers get to deal with the last events when the server has stopped.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Followers that run.
#[derive(Default)]
pub(super) struct Followers {
    running: Vec<Running>,
    tide: Tide,
}

/// A follower to be started.
pub(super) struct Planned {
    /// What it is called in the log, and its files.
    pub(super) name: String,
    /// Attempts with one event until it is set aside.
    pub(super) tries: u32,
    /// What it does.
    pub(super) follower: Box<dyn Follower>,
}

impl Planned {
    /// Why it can't do anything.
    pub(super) fn without_journal(&self) -> String {
        format!("{}: it follows the journal, and there is none; name one with journal", self.name)
    }
}

/// All that the configuration names, or why one can't be made.
fn planned(config: &Config, tide: &Tide) -> Result<Vec<Planned>, String> {
    programs::execs(config, tide)
}

impl Followers {
    /// Starts them behind the journal.
    pub(super) fn start(config: &Config, journal: Option<&Journal>) -> Result<Followers, String> {
        let tide = journal.map(Journal::tide).unwrap_or_default();
        let planned = planned(config, &tide)?;
        let (Some(path), Some(journal)) = (&config.journal, journal) else {
            return match planned.first() {
                Some(first) => Err(first.without_journal()),
                None => Ok(Followers::default()),
            };
        };
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
