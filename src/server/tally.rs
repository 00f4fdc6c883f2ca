//! What the server counts of its life, for who measures it.

use crate::events::{Entry, Kind, Sink, Subject};
use crate::session::Direction;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a client is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its address is banned.
    Banned,
    /// There are too many from its address.
    TooManyThere,
    /// There are too many.
    TooMany,
    /// No thread could be started for it.
    Overloaded,
    /// The proxy did not say who it is.
    NotIntroduced,
}

/// Counters that only grow.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    refused: [AtomicU64; 5],
    logins: AtomicU64,
    failed_logins: AtomicU64,
    /// Of downloads and of uploads: whole ones, others, and how long they took together, in microseconds.
    transfers: [[AtomicU64; 3]; 2],
    events: AtomicU64,
    last_seq: AtomicU64,
}

impl Refused {
    /// All of them.
    pub const ALL: [Refused; 5] =
        [Refused::Banned, Refused::TooManyThere, Refused::TooMany, Refused::Overloaded, Refused::NotIntroduced];

    /// What the client is told.
    pub fn text(self) -> &'static str {
        match self {
            Refused::Banned => "Too many failed logins; try again later.",
            Refused::TooManyThere => "Too many connections from the same IP address.",
            Refused::TooMany => "Too many connections. Service temporarily unavailable.",
            Refused::Overloaded => "The server is overloaded; try again later.",
            Refused::NotIntroduced => "The proxy does not say who connects; try again later.",
        }
    }

    /// In a word, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Banned => "banned",
            Refused::TooManyThere => "max_cons_per_ip",
            Refused::TooMany => "max_cons",
            Refused::Overloaded => "overloaded",
            Refused::NotIntroduced => "proxy_header",
        }
    }
}

impl Tally {
    pub(super) fn note_accepted(&self) {
        add(&self.accepted, 1);
    }

    pub(super) fn note_refused(&self, why: Refused) {
        self.refused.get(why as usize).into_iter().for_each(|counter| add(counter, 1));
    }

    /// Clients that were admitted.
    pub fn accepted(&self) -> u64 {
        get(&self.accepted)
    }

    /// Clients that were not.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused.get(why as usize).map_or(0, get)
    }

    /// Logins that succeeded, and those that did not.
    pub fn logins(&self) -> (u64, u64) {
        (get(&self.logins), get(&self.failed_logins))
    }

    /// Transfers that were whole, those that were not, and how long all of them took together.
    pub fn transfers(&self, direction: Direction) -> (u64, u64, Duration) {
        let [whole, incomplete, microseconds] = self.transfers_of(direction);
        (get(whole), get(incomplete), Duration::from_micros(get(microseconds)))
    }

    /// Events of this run, and the number of the last one.
    pub fn events(&self) -> (u64, u64) {
        (get(&self.events), get(&self.last_seq))
    }

    fn transfers_of(&self, direction: Direction) -> &[AtomicU64; 3] {
        let [downloads, uploads] = &self.transfers;
        match direction {
            Direction::Download => downloads,
            Direction::Upload => uploads,
        }
    }

    fn note_transfer(&self, direction: Direction, is_whole: bool, duration: Duration) {
        let [whole, incomplete, microseconds] = self.transfers_of(direction);
        add(if is_whole { whole } else { incomplete }, 1);
        add(microseconds, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Counts events.
pub(super) struct Counting(pub(super) Arc<Tally>);

impl Sink for Counting {
    fn record(&mut self, entry: &Entry) {
        let tally = &self.0;
        add(&tally.events, 1);
        tally.last_seq.store(entry.seq, Ordering::Relaxed);
        let (direction, is_whole) = match entry.event.kind {
            Kind::Login => return add(&tally.logins, 1),
            Kind::LoginFailed => return add(&tally.failed_logins, 1),
            Kind::FileSent => (Direction::Download, true),
            Kind::FileSentIncomplete => (Direction::Download, false),
            Kind::FileReceived => (Direction::Upload, true),
            Kind::FileReceivedIncomplete => (Direction::Upload, false),
            _ => return,
        };
        if let Subject::Transfer { duration, .. } = &entry.event.subject {
            tally.note_transfer(direction, is_whole, *duration);
        }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
