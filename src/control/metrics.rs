//! What Prometheus is told of a server.

use super::page::{Page, Type};
use crate::events::followers::{Lag, Watch};
use crate::server::{Refused, Remote};
use crate::session::{Direction, Services, Stage};

/// All metrics, as they are now.
pub(super) fn text(remote: &Remote, followers: &[Watch]) -> String {
    let mut page = Page::default();
    page.family("django_ftpd_build_info", Type::Gauge, "The version of the server; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("django_ftpd_start_time_seconds", Type::Gauge, "When the server began, in seconds since 1970.")
        .sample(&[], remote.started().as_millisecond() as f64 / 1000.0);
    add_sessions(&mut page, remote);
    add_connections(&mut page, remote);
    add_transfers(&mut page, remote);
    add_events(&mut page, remote);
    if let Some(services) = remote.services() {
        add_services(&mut page, &services);
    }
    add_bans(&mut page, remote);
    let lags: Vec<Lag> = followers.iter().map(Watch::lag).collect();
    if !lags.is_empty() {
        add_followers(&mut page, &lags);
    }
    page.finish()
}

fn add_sessions(page: &mut Page, remote: &Remote) {
    let sessions = remote.who();
    let mut family = page.family("django_ftpd_sessions", Type::Gauge, "Sessions by what they do.");
    for stage in Stage::ALL {
        let count = sessions.iter().filter(|glance| glance.stage == stage).count();
        family.sample(&[("state", stage.name())], count);
    }
    let in_tls = sessions.iter().filter(|glance| glance.tls.is_some()).count();
    page.family("django_ftpd_tls_sessions", Type::Gauge, "Sessions whose control connection is in TLS.")
        .sample(&[], in_tls);
}

fn add_connections(page: &mut Page, remote: &Remote) {
    let tally = remote.tally();
    page.family("django_ftpd_connections_accepted_total", Type::Counter, "Clients that were admitted.")
        .sample(&[], tally.accepted());
    let help = "Clients that were turned away, by why.";
    let mut family = page.family("django_ftpd_connections_refused_total", Type::Counter, help);
    for why in Refused::ALL {
        family.sample(&[("reason", why.name())], tally.refused(why));
    }
    let (succeeded, failed) = tally.logins();
    page.family("django_ftpd_logins_total", Type::Counter, "Logins by their result.")
        .sample(&[("result", "success")], succeeded)
        .sample(&[("result", "failure")], failed);
}

fn add_transfers(page: &mut Page, remote: &Remote) {
    let tally = remote.tally();
    let help = "Transfers of files that ended, by direction and result.";
    let mut family = page.family("django_ftpd_transfers_total", Type::Counter, help);
    for direction in Direction::ALL {
        let (whole, incomplete, _) = tally.transfers(direction);
        let direction = ("direction", direction.name());
        family.sample(&[direction, ("result", "complete")], whole);
        family.sample(&[direction, ("result", "incomplete")], incomplete);
    }
    let help = "Bytes of files by direction, as they go.";
    let mut family = page.family("django_ftpd_transfer_bytes_total", Type::Counter, help);
    for direction in Direction::ALL {
        family.sample(&[("direction", direction.name())], remote.traffic().bytes(direction));
    }
    let help = "How long the transfers that ended took.";
    let mut family = page.family("django_ftpd_transfer_duration_seconds", Type::Summary, help);
    for direction in Direction::ALL {
        let (whole, incomplete, duration) = tally.transfers(direction);
        let labels = [("direction", direction.name())];
        family.suffixed("_sum", &labels, duration.as_secs_f64()).suffixed("_count", &labels, whole + incomplete);
    }
}

fn add_events(page: &mut Page, remote: &Remote) {
    let (events, last_seq) = remote.tally().events();
    page.family("django_ftpd_events_total", Type::Counter, "Events since the server began.").sample(&[], events);
    page.family("django_ftpd_last_event_number", Type::Gauge, "The number of the last event.").sample(&[], last_seq);
}

fn add_services(page: &mut Page, services: &Services) {
    let help = "Whether the journal can't be written at the moment.";
    page.family("django_ftpd_journal_trouble", Type::Gauge, help).sample(&[], u8::from(!services.bus.is_safe()));
    let Some((taken, size)) = services.settings.passive_ports.usage() else { return };
    page.family("django_ftpd_passive_ports", Type::Gauge, "Ports for passive data connections.").sample(&[], size);
    page.family("django_ftpd_passive_ports_in_use", Type::Gauge, "Those of them that are in use.").sample(&[], taken);
}

fn add_bans(page: &mut Page, remote: &Remote) {
    let bans = remote.bans();
    let ordered = bans.iter().filter(|ban| ban.is_ordered).count();
    page.family("django_ftpd_bans", Type::Gauge, "Addresses that are refused now, by why.")
        .sample(&[("reason", "failed_logins")], bans.len() - ordered)
        .sample(&[("reason", "ordered")], ordered);
}

fn add_followers(page: &mut Page, lags: &[Lag]) {
    let mut family =
        page.family("django_ftpd_follower_lag_events", Type::Gauge, "Events that a follower has not dealt with.");
    for lag in lags {
        family.sample(&[("follower", &lag.name)], lag.events);
    }
    let mut family = page.family("django_ftpd_follower_lag_seconds", Type::Gauge, "How old the first of them is.");
    for lag in lags {
        family.sample(&[("follower", &lag.name)], lag.age.unwrap_or_default().as_secs_f64());
    }
    let mut family = page.family("django_ftpd_follower_failures", Type::Gauge, "Failed attempts with that event.");
    for lag in lags {
        family.sample(&[("follower", &lag.name)], lag.failures);
    }
    let help = "Events that a follower has set aside since the server began.";
    let mut family = page.family("django_ftpd_follower_set_aside_total", Type::Counter, help);
    for lag in lags {
        family.sample(&[("follower", &lag.name)], lag.set_aside);
    }
}
