//! The bytes of a home with a quota.

#[path = "../../../src/storage/shared.rs"]
mod shared;
#[path = "../../../src/storage/quota/tracker.rs"]
mod tracker;

pub(crate) use shared::Shared;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;
use std::sync::Arc;
use tracker::{Need, Tracker};

/// As far as the tracker knows them.
#[derive(Debug)]
pub enum Error {
    Unavailable(String),
}

pub type Result<T> = std::result::Result<T, Error>;

pub trait Home {
    fn used(&self) -> Result<u64>;
}

/// Bytes that are there.
#[derive(Default)]
struct Files(AtomicU64);

impl Home for Files {
    fn used(&self) -> Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

const LIMIT: u64 = 100;
const BYTES: u64 = 40;

/// Uploads, deletions and walks in any order: never are there more bytes than may be, and none are counted for ever.
pub fn no_quota_is_exceeded() {
    let (tracker, files) = (Arc::<Tracker>::default(), Arc::<Files>::default());
    tracker.refresh(&*files, Need::Recent).expect("it can be walked through");
    let mut threads: Vec<_> =
        (0..3).map(|number| of(&tracker, &files, move |tracker, files| upload(tracker, files, number == 0))).collect();
    threads.push(of(&tracker, &files, |tracker, files| {
        tracker.mark_stale();
        tracker.refresh(files, Need::Exact).expect("it can be walked through");
    }));
    threads.push(of(&tracker, &files, |tracker, files| {
        let _order = tracker.in_order();
        let held = files.0.load(Ordering::SeqCst);
        if held >= BYTES {
            files.0.fetch_sub(BYTES, Ordering::SeqCst);
            tracker.mark_stale();
        }
    }));
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert!(tracker.used() >= files.0.load(Ordering::SeqCst), "something is not counted");
    tracker.mark_stale();
    tracker.refresh(&*files, Need::Exact).expect("it can be walked through");
    assert_eq!(tracker.used(), files.0.load(Ordering::SeqCst), "something is counted for ever");
}

/// As a home with a quota does it where nothing is replaced.
fn upload(tracker: &Tracker, files: &Files, fails: bool) {
    if !tracker.charge(BYTES, LIMIT) {
        return;
    }
    if fails {
        return tracker.release(BYTES);
    }
    let since = tracker.moment();
    let there = files.0.fetch_add(BYTES, Ordering::SeqCst) + BYTES;
    assert!(there <= LIMIT, "{there} bytes are there");
    tracker.settle(BYTES, 0, since);
}

fn of(
    tracker: &Arc<Tracker>,
    files: &Arc<Files>,
    deed: impl FnOnce(&Tracker, &Files) + Send + 'static,
) -> thread::JoinHandle<()> {
    let (tracker, files) = (tracker.clone(), files.clone());
    thread::spawn(move || deed(&tracker, &files))
}
