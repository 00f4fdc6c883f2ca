//! Limits that the system sets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// Lets sessions decide about the mode of new files alone.
pub fn clear_umask() {
    rustix::process::umask(rustix::fs::Mode::empty());
}
