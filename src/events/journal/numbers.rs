//! The numbers of events, kept beside the journal: none is given twice, also where the journal was moved away.

use super::beside;
use super::trouble::is_time;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file is written once for so many events. It holds a number that none of them goes beyond: after a kill -9 the
/// next run begins behind it, and so leaves a gap rather than give a number again that somebody may have seen. An
/// orderly stop writes the very last number, and leaves none.
const AHEAD: u64 = 100_000;
/// After so many events it is tried again, if it could not be written.
const AGAIN: u64 = 1000;

/// Numbers that are reserved, and the last one given.
#[derive(Debug)]
pub(super) struct Numbers {
    /// None: they are not kept.
    path: Option<PathBuf>,
    last: u64,
    reserved: u64,
    failed: Option<Instant>,
}

impl Numbers {
    /// Goes on behind what is kept, and behind this number.
    pub(super) fn open(journal: &Path, last: u64) -> io::Result<Numbers> {
        let path = beside(journal, "seq");
        let kept = match fs::read_to_string(&path) {
            Ok(text) => text.trim_end().parse().map_err(|_| no_number(&path))?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(no_number(&path)),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        };
        let last = last.max(kept);
        Ok(Numbers { path: Some(path), last, reserved: last, failed: None })
    }

    /// Goes on behind this number, and keeps none.
    pub(super) fn unkept(last: u64) -> Numbers {
        Numbers { path: None, last, reserved: u64::MAX, failed: None }
    }

    /// The last one that was given.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// This one is given now.
    pub(super) fn reach(&mut self, number: u64) {
        self.last = number;
        if number > self.reserved {
            let ahead = number.saturating_add(AHEAD);
            self.reserved = if self.keep(ahead) { ahead } else { number.saturating_add(AGAIN) };
        }
    }

    /// The last one was given.
    pub(super) fn settle(&mut self) {
        if self.reserved > self.last {
            self.keep(self.last);
        }
    }

    /// The file has the old number or the new one, whatever happens. False if it can't be written.
    fn keep(&mut self, number: u64) -> bool {
        let Some(path) = &self.path else { return true };
        let new = beside(path, "new");
        let Err(error) = write(&new, number).and_then(|()| fs::rename(&new, path)) else { return true };
        // On a full disk it could not be made, or has nothing in it.
        let _ = fs::remove_file(new);
        if is_time(&mut self.failed) {
            let path = path.display();
            log::warn!("journal: {path}: {error}; no number is kept here, which matters if the journal is moved away");
        }
        false
    }
}

fn write(path: &Path, number: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(format!("{number}\n").as_bytes())?;
    file.sync_data()
}

fn no_number(path: &Path) -> io::Error {
    let text = format!("{} holds no number; remove it, and they go on from those in the journal", path.display());
    io::Error::new(ErrorKind::InvalidData, text)
}
