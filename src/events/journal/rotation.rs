//! Old files: `events.jsonl` becomes `events.jsonl.1`, that `.2`, and the oldest is removed.

use super::beside;
use super::trouble::is_time;
use std::fs;
use std::io::{self, ErrorKind};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::Instant;

const SIZE: u64 = 100_000_000;
const KEEP: usize = 10;

/// How large a file becomes, and how many are kept.
#[derive(Debug)]
pub(super) struct Rotation {
    size: Option<NonZeroU64>,
    keep: usize,
    /// Renaming failed then; it is tried again later.
    failed: Option<Instant>,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { size: NonZeroU64::new(SIZE), keep: KEEP, failed: None }
    }
}

impl Rotation {
    pub(super) fn new(size: Option<NonZeroU64>, keep: NonZeroUsize) -> Rotation {
        Rotation { size, keep: keep.get(), failed: None }
    }

    /// The size at which a new file is begun; None: this one goes on.
    pub(super) fn limit(&self) -> Option<u64> {
        let has_failed = self.failed.is_some_and(|failed| failed.elapsed() <= super::trouble::COMPLAIN);
        self.size.map(NonZeroU64::get).filter(|_| !has_failed)
    }

    /// Renames all; false if that can't be done.
    pub(super) fn rename(&mut self, path: &Path) -> bool {
        match self.shift(path) {
            Ok(()) => {
                self.failed = None;
                true
            }
            Err(why) => {
                if is_time(&mut self.failed) {
                    log::error!("journal {}: no new file can be begun, so it grows on: {why}", path.display());
                }
                false
            }
        }
    }

    fn shift(&self, path: &Path) -> Result<(), String> {
        let old = |number: usize| beside(path, &number.to_string());
        // Up to the first gap; without one, the last is overwritten by the one before it.
        let mut last = 1;
        while is_file(&old(last))? && last < self.keep {
            last += 1;
        }
        if !is_file(path)? {
            return Err("it is gone".to_string());
        }
        for number in (1..last).rev() {
            fs::rename(old(number), old(number + 1)).map_err(|error| cannot(&old(number), &error))?;
        }
        fs::rename(path, old(1)).map_err(|error| cannot(&old(1), &error))
    }
}

/// False if there is nothing of the name; what is no file is nobody's to rename.
fn is_file(path: &Path) -> Result<bool, String> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(format!("{} is no file", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot(path, &error)),
    }
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
