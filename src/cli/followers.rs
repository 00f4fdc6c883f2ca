//! The followers of the journal that the configuration names.

use super::programs::Programs;
use crate::config::Config;
use crate::config::webhooks::WebhookTable;
use crate::events::followers::{
    AuditDatabase, Follower, Plan, Running, Syslog, Watch, Webhook, Xferlog, highest, state_beside,
};
use crate::events::{Journal, Sink, Tide};
use crate::syslog;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Attempts with one event until it is set aside, where nothing else is said.
const TRIES: u32 = 5;
/// What followers get to deal with the last events when the server has stopped.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Followers that can run.
#[derive(Default)]
pub(super) struct Prepared {
    planned: Vec<Planned>,
    journal: PathBuf,
    /// The number of the last event.
    latest: u64,
    tide: Tide,
}

/// Followers that run.
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
        without_journal(&self.name)
    }
}

/// Why a follower can't do anything.
pub(super) fn without_journal(name: &str) -> String {
    format!("{name}: it follows the journal, and there is none; name one with journal")
}

/// All that the configuration names, or why one can't be made.
fn planned(config: &Config, programs: &Programs, tide: &Tide) -> Result<Vec<Planned>, String> {
    let mut planned = programs.execs(config, tide);
    for table in &config.sections.webhooks {
        planned.push(webhook(table)?);
    }
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
        let path = config.syslog_socket.as_deref().unwrap_or(Path::new(syslog::SOCKET));
        plan("syslog", Syslog::new(path).map_err(|why| format!("syslog_socket: {why}")).map(boxed))?;
    }
    contradictions(config)?;
    Ok(planned)
}

/// Options that would do nothing.
pub(super) fn contradictions(config: &Config) -> Result<(), String> {
    alone(config.audit_days.is_some() && config.audit_database.is_none(), "audit_days", "audit_database")?;
    alone(config.syslog_socket.is_some() && !config.syslog, "syslog_socket", "syslog")
}

fn webhook(table: &WebhookTable) -> Result<Planned, String> {
    let follower = post_to(table)?
        .signed(table.secret.clone().map(|secret| secret.0.into_bytes()))
        .only(table.events.clone())
        .batch(table.batch.map(NonZeroUsize::get));
    let tries = u32::try_from(table.tries.get()).unwrap_or(u32::MAX);
    Ok(Planned { name: name_of(table), tries, follower: Box::new(follower) })
}

fn name_of(table: &WebhookTable) -> String {
    format!("webhook-{}", table.name.as_deref().unwrap_or_default())
}

fn post_to(table: &WebhookTable) -> Result<Webhook, String> {
    let url = table.url.as_deref().unwrap_or_default();
    Webhook::new(url, table.timeout, table.ca.as_deref()).map_err(|why| format!("{}: {why}", name_of(table)))
}

/// What `check` says of each `[[webhook]]`; nothing is posted.
pub(super) fn webhook_findings(config: &Config) -> Vec<(&'static str, Result<String, String>)> {
    let finding = |table: &WebhookTable| {
        let shown = || post_to(table).map(|webhook| webhook.shown().to_string());
        let made = webhook(table).and_then(|planned| match config.journal {
            Some(_) => shown(),
            None => Err(planned.without_journal()),
        });
        ("webhook", made)
    };
    config.sections.webhooks.iter().map(finding).collect()
}

fn boxed(follower: impl Follower + 'static) -> Box<dyn Follower> {
    Box::new(follower)
}

/// Refuses an option that would do nothing without another.
fn alone(is_so: bool, option: &str, other: &str) -> Result<(), String> {
    if is_so { Err(format!("{option}: it does nothing without {other}")) } else { Ok(()) }
}

impl Prepared {
    /// Opens all that the configuration names.
    pub(super) fn open(
        config: &Config,
        programs: &Programs,
        journal: Option<&mut Journal>,
    ) -> Result<Prepared, String> {
        let tide = journal.as_ref().map(|journal| journal.tide()).unwrap_or_default();
        let mut planned = planned(config, programs, &tide)?;
        let (Some(path), Some(journal)) = (&config.journal, journal) else {
            return match planned.first() {
                Some(first) => Err(first.without_journal()),
                None => Ok(Prepared::default()),
            };
        };
        // Who removes the journal with its numbers, may have left the positions: events must not seem to be old ones.
        let seen = planned.iter_mut().map(|planned| planned.follower.highest()).max().unwrap_or(0);
        journal.number_above(seen.max(highest(&state_beside(path))));
        Ok(Prepared { planned, journal: path.clone(), latest: journal.last_seq(), tide })
    }

    /// Starts them behind the journal.
    pub(super) fn start(self) -> Result<Followers, String> {
        let Prepared { planned, journal, latest, tide } = self;
        let start = |Planned { name, tries, follower }| {
            let plan = Plan { name, state: state_beside(&journal), journal: journal.clone(), tries };
            let named = plan.name.clone();
            Running::start(follower, plan, tide.clone(), latest).map_err(|error| format!("{named}: {error}"))
        };
        let running = planned.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Followers { running, tide })
    }
}

impl Followers {
    /// What tells how far each is behind.
    pub(super) fn watches(&self) -> Vec<Watch> {
        self.running.iter().map(Running::watch).collect()
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
