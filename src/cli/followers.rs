//! The followers of the journal that the configuration names.

use crate::config::Config;
use crate::events::followers::{AuditDatabase, Follower, Plan, Running, Syslog, Xferlog, state_beside};
use crate::events::{Journal, Sink, Tide};
use std::path::Path;
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
fn planned(config: &Config) -> Result<Vec<Planned>, String> {
    let mut planned = Vec::new();
    let mut plan = |name: &str, follower: Result<Box<dyn Follower>, String>| {
        let follower = follower.map_err(|why| format!("{name}: {why}"))?;
        planned.push(Planned { name: name.to_string(), tries: TRIES, follower });
        Ok::<(), String>(())
    };
    if let Some(path) = &config.audit_database {
        plan("audit_database", AuditDatabase::open(path, config.audit_days).map(boxed))?;
    }
    if let Some(path) = &config.xferlog {
        plan("xferlog", Xferlog::open(path).map(boxed))?;
    }
    if config.syslog {
        let path = config.syslog_socket.as_deref().unwrap_or(Path::new("/dev/log"));
        plan("syslog", Syslog::new(path).map_err(|why| format!("syslog_socket: {why}")).map(boxed))?;
    }
    alone(config.audit_days.is_some() && config.audit_database.is_none(), "audit_days", "audit_database")?;
    alone(config.syslog_socket.is_some() && !config.syslog, "syslog_socket", "syslog")?;
    Ok(planned)
}

fn boxed(follower: impl Follower + 'static) -> Box<dyn Follower> {
    Box::new(follower)
}

/// Refuses an option that would do nothing without another.
fn alone(is_so: bool, option: &str, other: &str) -> Result<(), String> {
    if is_so { Err(format!("{option}: it does nothing without {other}")) } else { Ok(()) }
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
