//! The file of the log: it grows at its end, and is opened anew when its name stands for another one.

use super::shape::Shape;
use crate::process::privileges;
use crate::process::users::Person;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the name stands for another file.
const GLANCE: Duration = Duration::from_secs(1);

/// A file that lines are appended to, for as long as it takes them.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    shape: Shape,
    file: File,
    looked: Instant,
    /// Whether it has been told that a new file can't be opened.
    has_complained: bool,
    /// Lines that it did not take.
    lost: u64,
    /// Whether it has but a part of the last line.
    is_torn: bool,
}

impl LogFile {
    /// Opens it, or makes it, as the user who serves: a link that this user has made there leads root nowhere.
    pub(super) fn open(path: &Path, shape: Shape, person: Option<&Person>) -> io::Result<LogFile> {
        let file = match person {
            Some(person) => privileges::doing(person, || open(path))?,
            None => open(path)?,
        };
        Ok(LogFile {
            path: path.to_path_buf(),
            shape,
            file,
            looked: Instant::now(),
            has_complained: false,
            lost: 0,
            is_torn: false,
        })
    }

    /// Opens what has the name now.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        (self.is_torn, self.has_complained) = (false, false);
        Ok(())
    }

    /// Appends a line. What the disk has no room for is counted, and told when there is room again.
    pub(super) fn append(&mut self, line: &[u8]) {
        self.follow_name();
        let mut bytes = Vec::with_capacity(line.len());
        if self.is_torn {
            bytes.push(b'\n');
        }
        if self.lost > 0 {
            let lost = format!("{} lines of the log could not be written", self.lost);
            bytes.extend_from_slice(&self.shape.warning(&lost));
        }
        bytes.extend_from_slice(line);
        match self.file.write(&bytes) {
            Ok(length) if length == bytes.len() => (self.lost, self.is_torn) = (0, false),
            Ok(length) => (self.lost, self.is_torn) = (self.lost.saturating_add(1), self.is_torn || length > 0),
            Err(_) => self.lost = self.lost.saturating_add(1),
        }
    }

    /// A name that stands for nothing we may open leaves us with the file that we have.
    fn follow_name(&mut self) {
        if self.looked.elapsed() < GLANCE {
            return;
        }
        self.looked = Instant::now();
        let has_name = match (self.file.metadata(), std::fs::metadata(&self.path)) {
            (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
            (Ok(_), Err(error)) => error.kind() != ErrorKind::NotFound,
            (Err(_), _) => true,
        };
        if !has_name
            && let Err(error) = self.reopen()
            && !self.has_complained
        {
            let trouble = format!("the log goes on in the old file: {}: {error}", self.path.display());
            self.has_complained = self.file.write_all(&self.shape.warning(&trouble)).is_ok();
        }
    }
}

/// A pipe that nobody reads is no place for a log, and one that is full has no room.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}
