//! What sessions share because it is limited, and what the server holds of each.

#[path = "../../../src/session/arrival.rs"]
mod arrival;
#[path = "../../../src/session/limits/bucket.rs"]
mod bucket;
#[path = "../../../src/session/handle.rs"]
mod handle;
#[path = "../../../src/session/limits/lanes.rs"]
mod lanes;
#[path = "../../../src/session/limits/seats.rs"]
mod seats;
#[path = "../../../src/session/traffic.rs"]
mod traffic;

pub use arrival::Arrival;
pub use handle::{Ending, Handle};

use bucket::Pace;
use handle::Login;
use lanes::Lane;
use seats::Seats;
use shuttle::thread;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// As far as a thread of sessions knows them.
#[derive(Default)]
pub struct Services {
    pub served: AtomicUsize,
}

/// In the place of a whole session.
pub fn run(services: &Services, handle: &Arc<Handle>) {
    thread::yield_now();
    assert!(!handle.is_ending());
    services.served.fetch_add(1, Ordering::SeqCst);
}

/// As a session logs in; true if it has not been sent away before.
pub fn log_in(handle: &Handle) -> bool {
    handle.set_login(Login::Verifying);
    let is_welcome = !handle.is_ending();
    thread::yield_now();
    handle.set_login(Login::Done);
    is_welcome
}

/// However many log in, no account has more sessions than it may, and each seat is free again.
pub fn no_account_has_too_many_sessions() {
    let (seats, on) = (Seats::default(), Arc::<AtomicUsize>::default());
    let most = NonZeroUsize::new(2);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (seats, on) = (seats.clone(), on.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let Some(seat) = seats.take("ann", most) else { continue };
                    assert!(on.fetch_add(1, Ordering::SeqCst) < 2, "there are too many");
                    thread::yield_now();
                    on.fetch_sub(1, Ordering::SeqCst);
                    drop(seat);
                }
            })
        })
        .collect();
    let other = seats.take("bob", NonZeroUsize::new(1));
    assert!(other.is_some(), "another's sessions are others");
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let held = [seats.take("ann", most), seats.take("ann", most)];
    assert!(held.iter().all(Option::is_some) && seats.take("ann", most).is_none());
}

const RATE: u64 = 1_000_000;
/// What that is in a minute: far more than a try may take.
const MINUTE: usize = 60_000_000;

/// All transfers of an account pay into the same bucket, and nothing that any of them sent goes unpaid; a reload that says
/// the same changes nothing; and who has ended takes part no more.
pub fn nothing_goes_unpaid() {
    let rate = NonZeroU64::new(RATE);
    let (lane, sent, began) = (Arc::<Lane>::default(), Arc::<AtomicU64>::default(), Instant::now());
    lane.set_server_rate(rate);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (lane, sent) = (lane.clone(), sent.clone());
            thread::spawn(move || {
                let own = lane.rates("ann", rate, None);
                let mut pace = Pace::join(lane.buckets(&own)).expect("there is a rate");
                for _ in 0..2 {
                    let portion = pace.portion(MINUTE);
                    assert!((1024..=200_000).contains(&portion), "{portion}");
                    pace.spend(MINUTE);
                    let sent = sent.fetch_add(MINUTE as u64, Ordering::SeqCst) + MINUTE as u64;
                    assert!(pace.until() >= began + Duration::from_mins(1), "after {sent} bytes");
                }
            })
        })
        .collect();
    lane.set_server_rate(rate);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let sent = sent.load(Ordering::SeqCst);
    // Of the account, and of the server.
    for buckets in [lane.rates("ann", rate, None), lane.buckets(&[])] {
        let pace = Pace::join(buckets).expect("there is a rate");
        let due = began + Duration::from_secs_f64(sent as f64 / RATE as f64);
        assert!(pace.until() >= due, "{:?} before {sent} bytes are paid", due - pace.until());
        assert_eq!(pace.portion(MINUTE), 25_000, "somebody still takes part");
    }
}
