//! The state of the server for its log: a line for all, and one for each session and each follower.

use crate::events::followers::Watch;
use crate::protocol::shown::Shown;
use crate::server::Remote;
use crate::session::{Doing, Glance, Stage};
use std::fmt::Write;

/// The lines. What others have chosen stands in quotes, and nothing in it is a control character.
pub(super) fn lines(remote: &Remote, followers: &[Watch]) -> Vec<String> {
    let sessions = remote.who();
    let count = |stage| sessions.iter().filter(|glance| glance.stage == stage).count();
    let stages: Vec<String> = Stage::ALL.iter().map(|stage| format!("{} {}", count(*stage), stage.name())).collect();
    let ending = if remote.is_ending() { ", no more clients are taken" } else { "" };
    let summary = format!(
        "state: {} sessions ({}), {} banned addresses, since {:.0}{ending}",
        sessions.len(),
        stages.join(", "),
        remote.bans().len(),
        remote.started()
    );
    let followers = followers.iter().map(|follower| {
        let lag = follower.lag();
        format!("state: follower {}: {} events behind, {} set aside", lag.name, lag.events, lag.set_aside)
    });
    std::iter::once(summary).chain(sessions.iter().map(session)).chain(followers).collect()
}

fn session(glance: &Glance) -> String {
    let mut line = format!("state: session={} remote_ip={}", glance.id, glance.remote.ip().to_canonical());
    // Writing to a string can't fail.
    let _ = write!(line, " state={}", glance.stage.name());
    if let Some(tls) = glance.tls {
        let _ = write!(line, " tls={} cipher={}", tls.version, tls.cipher);
    }
    if let Some(username) = &glance.username {
        let _ = write!(line, " username=\"{}\"", Shown(username.as_bytes()));
    }
    match &glance.doing {
        None => drop(write!(line, " idle_seconds={}", glance.idle.as_secs())),
        Some(doing) => add_doing(&mut line, doing),
    }
    line
}

fn add_doing(line: &mut String, doing: &Doing) {
    let _ = write!(line, " command={:?}", doing.command);
    if let Some(path) = &doing.path {
        let _ = write!(line, " path=\"{}\"", Shown(path));
    }
    if let Some(flow) = &doing.flow {
        let _ = write!(line, " bytes={} duration_ms={}", flow.bytes, flow.lasts.as_millis());
    }
}
