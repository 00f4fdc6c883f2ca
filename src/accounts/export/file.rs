//! The file of an export: what stat(2) tells of it, and how it is opened.

use super::fault::Fault;
use super::text::explain;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A change so recent that another one may bear the same time stamp.
const SAME_STAMP: Duration = Duration::from_millis(100);

/// What stat(2) tells; another one after each change of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Is(Stamp),
    /// It is not there, or out of reach.
    Not(io::ErrorKind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    /// Of the file that has the name now.
    pub fn of(path: &Path) -> State {
        match std::fs::metadata(path) {
            Ok(metadata) => State::Is(Stamp::of(&metadata)),
            Err(error) => State::Not(error.kind()),
        }
    }

    /// Whether it was moved to where another one was: it came with its last write behind it, which sets both times.
    pub fn was_moved(&self, before: Option<State>) -> bool {
        let State::Is(stamp) = self else { return false };
        let is_other = !matches!(before, Some(State::Is(before)) if before.file() == stamp.file());
        is_other && stamp.modified != stamp.changed
    }

    /// Whether it was changed so recently that the next change may not show.
    pub fn is_fresh(&self) -> bool {
        let State::Is(Stamp { changed: (seconds, nanoseconds), .. }) = self else { return false };
        let since_epoch = Duration::new(seconds.unsigned_abs(), u32::try_from(*nanoseconds).unwrap_or(0));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.abs_diff(since_epoch) < SAME_STAMP
    }
}

impl Stamp {
    fn file(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Opens it, unless it is something that nobody could read to its end.
pub(super) fn open(path: &Path) -> Result<File, Fault> {
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| explain(&error))?;
    let metadata = file.metadata().map_err(|error| explain(&error))?;
    match metadata.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(Fault::new("it is a directory; name the file in it")),
        _ => Err(Fault::new("it is not a regular file")),
    }
}
