//! Limits that the system sets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Threads that have ended are gone after that.
const LAST_MOMENTS: Duration = Duration::from_millis(500);

/// Allows as many open files as the hard limit does: each session needs one, each transfer two more.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        log::warn!("the limit of open files stays at {:?}: {errno}", limit.current);
    }
}

/// How many threads there can be at once, as far as that can be told. Each needs four mappings, of which a process may
/// have so many and no more; where it has none left, the standard library ends the process.
pub fn most_threads() -> Option<usize> {
    static MAPPINGS: LazyLock<Option<usize>> =
        LazyLock::new(|| std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok());
    // An eighth of them is for everything else.
    MAPPINGS.map(|most| (most - most / 8) / 4)
}

/// Lets sessions decide about the mode of new files alone.
pub fn clear_umask() {
    rustix::process::umask(rustix::fs::Mode::empty());
}

/// How many threads this process has, as far as that can be told. One that was joined is seen for a moment longer.
pub fn threads_left() -> usize {
    let until = Instant::now() + LAST_MOMENTS;
    loop {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads <= 1 || Instant::now() >= until {
            return threads;
        }
        std::thread::sleep(LAST_MOMENTS / 100);
    }
}
