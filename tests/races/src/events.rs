//! Events of several sessions: numbered, written, safe, and followed.

#[path = "../../../src/events/bus.rs"]
mod bus;
#[path = "../../../src/events/django.rs"]
mod django;
#[path = "../../../src/events/event.rs"]
mod event;
#[path = "../../../src/events/journal/mod.rs"]
mod journal;
#[path = "../../../src/events/json.rs"]
mod json;
#[path = "../../../src/events/line.rs"]
mod line;
#[path = "../../../src/events/reader.rs"]
mod reader;
#[path = "../../../src/events/sink.rs"]
mod sink;
#[path = "../../../src/events/tide.rs"]
mod tide;

pub use bus::{Audit, Bus};
pub use event::{Entry, Event, Kind, Place, SessionTag, Subject};
pub use journal::{Journal, JournalSync};
pub use reader::Reader;
pub use sink::{Flushed, Sink};
pub use tide::Tide;

use crate::channels::{Sender, unbounded};
use shuttle::rand::Rng;
use shuttle::thread;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SESSIONS: u64 = 3;
/// Of each session.
const EVENTS: u64 = 2;

/// A directory for journals, in memory where there is such.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let path = place.join(format!("django-ftpd-races-{}", std::process::id()));
        fs::create_dir(&path).expect("it is new");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// However sessions, the journal and its followers take turns: numbers rise by one, each session's events keep their
/// order, what is acknowledged is in the journal, and each follower is woken for everything, over rotations, to the end.
pub fn every_event_reaches_every_follower(scratch: &Scratch) {
    let path = scratch.0.join("journal");
    clear(&scratch.0);
    let journal = Journal::append(&path).expect("a file").sync(JournalSync::Always);
    // Three events fill a file.
    let journal = journal.rotate(NonZeroU64::new(400), NonZeroUsize::MAX);
    let tide = journal.tide();
    let (bus, audit) = Audit::start(vec![Box::new(journal)]).expect("a thread");
    let (tell, told) = unbounded();
    let followers: Vec<_> = (0..2)
        .map(|_| {
            let (path, tide, tell) = (path.clone(), tide.clone(), tell.clone());
            thread::spawn(move || follow(&path, &tide, &tell))
        })
        .collect();
    let sessions: Vec<_> = (1..=SESSIONS)
        .map(|id| {
            let (bus, path, tide) = (bus.clone(), path.clone(), tide.clone());
            thread::spawn(move || session(id, &bus, &path, &tide))
        })
        .collect();
    sessions.into_iter().for_each(|session| session.join().expect("no panic"));
    assert!(audit.finish(Event::now(Kind::ServerStopped, None, Subject::Session)));
    assert_eq!(tide.height(), SESSIONS * EVENTS + 1);
    // Not by the end: who is not woken for the last event before would hold the test up here.
    (0..2).for_each(|_| told.recv().expect("they follow"));
    tide.end();
    for follower in followers {
        let seen = follower.join().expect("no panic");
        let numbers: Vec<u64> = seen.iter().map(|(seq, ..)| *seq).collect();
        assert_eq!(numbers, (1..=SESSIONS * EVENTS + 1).collect::<Vec<_>>());
        let mut of_sessions = BTreeMap::<u64, Vec<String>>::new();
        seen.into_iter().for_each(|(_, session, event)| of_sessions.entry(session).or_default().push(event));
        let expected = [Kind::Login, Kind::Logout].map(|kind| kind.name().to_string());
        assert!((1..=SESSIONS).all(|id| of_sessions[&id] == expected), "{of_sessions:?}");
    }
}

fn session(id: u64, bus: &Bus, path: &Path, tide: &Tide) {
    bus.tell(event(Kind::Login, id));
    assert!(bus.tell_and_wait(event(Kind::Logout, id)));
    let mut reader = Reader::new(path, 0);
    let mut events = 0;
    while let Some(line) = reader.next_line().expect("it can be read") {
        events += u64::from(line.number("session") == Some(id));
    }
    assert_eq!(events, EVENTS, "it is acknowledged, and not there");
    assert!(tide.height() >= EVENTS);
}

/// As a follower does it.
fn follow(path: &Path, tide: &Tide, tell: &Sender<()>) -> Vec<(u64, u64, String)> {
    let (mut reader, mut events, mut seen) = (Reader::new(path, 0), Vec::new(), 0);
    loop {
        let has_ended = tide.has_ended();
        while let Some(line) = reader.next_line().expect("it can be read") {
            events.push((line.seq(), line.number("session").unwrap_or(0), line.event().to_string()));
            thread::yield_now();
        }
        if events.len() as u64 == SESSIONS * EVENTS + 1 && !has_ended {
            tell.send(()).expect("it is awaited");
        }
        if has_ended {
            return events;
        }
        seen = tide.wait(seen, Duration::from_secs(1));
    }
}

/// A disk that fails now and then. What it holds, others may look at.
struct Disk {
    waiting: Vec<u64>,
    safe: Arc<Mutex<Vec<u64>>>,
    failing: Flushed,
    /// So often before it goes well again.
    failures: usize,
    is_full: bool,
}

impl Sink for Disk {
    fn record(&mut self, entry: &Entry) {
        assert!(!self.is_full, "it can take no more");
        assert_eq!(entry.seq, (self.waiting.len() + locked(&self.safe).len()) as u64 + 1);
        self.waiting.push(entry.event.session.as_ref().map_or(0, |tag| tag.id));
    }

    fn flush(&mut self) -> Flushed {
        if self.failures > 0 && !self.waiting.is_empty() {
            self.failures -= 1;
            self.is_full = self.failing == Flushed::Full;
            return self.failing;
        }
        self.failures = shuttle::rand::thread_rng().gen_range(0..3);
        self.is_full = false;
        locked(&self.safe).append(&mut self.waiting);
        Flushed::Safe
    }

    fn is_awaited(&self) -> bool {
        true
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody is told that something is safe that is not; where all have to wait for the disk, nobody is told anything else;
/// and in the end everything is written, and nobody is refused any more.
pub fn nothing_is_acknowledged_that_is_not_safe() {
    let failing = [Flushed::Behind, Flushed::Refusing, Flushed::Full][shuttle::rand::thread_rng().gen_range(0..3)];
    let safe = Arc::<Mutex<Vec<u64>>>::default();
    let disk = Disk { waiting: Vec::new(), safe: safe.clone(), failing, failures: 1, is_full: false };
    let (bus, audit) = Audit::start(vec![Box::new(disk)]).expect("a thread");
    let sessions: Vec<_> = (1..=SESSIONS)
        .map(|id| {
            let (bus, safe) = (bus.clone(), safe.clone());
            thread::spawn(move || {
                for count in 1..=EVENTS as usize {
                    let is_safe = bus.tell_and_wait(event(Kind::FileReceived, id));
                    let there = locked(&safe).iter().filter(|of| **of == id).count();
                    assert!(!is_safe || there == count, "{there} of {count} are safe");
                    assert!(is_safe || failing != Flushed::Full, "it was to wait");
                }
            })
        })
        .collect();
    sessions.into_iter().for_each(|session| session.join().expect("no panic"));
    assert!(audit.finish(event(Kind::ServerStopped, 0)));
    assert_eq!(locked(&safe).len() as u64, SESSIONS * EVENTS + 1);
    assert!(bus.is_safe() && !bus.is_refusing());
}

fn event(kind: Kind, id: u64) -> Event {
    let remote = SocketAddr::from(([127, 0, 0, 1], 1));
    Event::now(kind, Some(SessionTag { id, remote, username: None, tls: None }), Subject::Session)
}

fn clear(directory: &Path) {
    let entries = fs::read_dir(directory).expect("it is there");
    entries.for_each(|entry| fs::remove_file(entry.expect("it can be read").path()).expect("it is ours"));
}
