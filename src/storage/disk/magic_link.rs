//! The kernel's own name for an open file, whether it has another one or not: where /proc is mounted.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::OnceLock;

/// Whether there are such names. An appliance or a bare chroot may have none.
pub(super) fn work() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    *WORK.get_or_init(|| Path::new("/proc/self/fd").exists())
}

/// It stands for the file as long as that is open.
pub(super) fn of(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
