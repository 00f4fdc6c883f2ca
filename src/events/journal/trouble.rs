//! A journal that can't be written: when to try again, and what the log is told meanwhile.

use super::JournalFull;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between attempts to write to a full or broken disk.
pub(super) const RETRY: Duration = Duration::from_millis(400);
/// Between complaints about it.
pub(super) const COMPLAIN: Duration = Duration::from_secs(60);

/// From the first attempt that failed to the first that does not.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    tried: Option<Instant>,
    complained: Option<Instant>,
    lost: u64,
    told_of_loss: Option<Instant>,
}

impl Trouble {
    /// Whether to try again.
    pub(super) fn is_over_due(&self) -> bool {
        self.tried.is_none_or(|tried| tried.elapsed() >= RETRY)
    }

    /// An attempt has failed.
    pub(super) fn note(&mut self, path: &Path, error: &io::Error, waiting: usize, full: JournalFull) {
        self.tried = Some(Instant::now());
        if is_time(&mut self.complained) {
            let consequence = match full {
                JournalFull::Block => "and sessions will",
                JournalFull::Refuse => "and logins, transfers and changes are refused",
                JournalFull::Continue => "and sessions go on; what memory can't hold will be lost",
            };
            log::error!("journal {}: {error}; {waiting} bytes wait, {consequence}", path.display());
        }
    }

    /// There was no room for an event.
    pub(super) fn lose(&mut self, path: &Path) {
        self.lost += 1;
        if is_time(&mut self.told_of_loss) {
            log::error!("journal {}: it can't be written; {} events are lost so far", path.display(), self.lost);
        }
    }

    /// It can be written again.
    pub(super) fn end(self, path: &Path) {
        match self.lost {
            0 => log::info!("journal {}: written again, nothing is lost", path.display()),
            lost => log::error!("journal {}: written again, but {lost} events were lost", path.display()),
        }
    }
}

/// Whether it was long ago; then it is now.
pub(super) fn is_time(last: &mut Option<Instant>) -> bool {
    let is_time = last.is_none_or(|last| last.elapsed() > COMPLAIN);
    if is_time {
        *last = Some(Instant::now());
    }
    is_time
}
