//! The durable log of events: JSON lines in a file that grows, and becomes an old one when it is large.

mod file;
mod numbers;
mod rotation;
mod trouble;

use super::{Entry, Flushed, Sink, Tide};
use file::JournalFile;
use numbers::Numbers;
use rotation::Rotation;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use trouble::Trouble;

/// What events may take in memory while the journal can't be written.
const ROOM: usize = 16 << 20;

/// When an event counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalSync {
    /// The system has it: it survives the end of the process, not a power cut.
    Os,
    /// The disk has it; what an event tells of is acknowledged to nobody before.
    Always,
}

/// What is done while the journal can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalFull {
    /// Events wait, and sessions with them.
    Block,
    /// Nobody logs in, nothing is transferred or changed; what runs may end, and its events wait in memory.
    Refuse,
    /// Everything goes on; events wait in memory, and what memory can't hold is lost.
    Continue,
}

/// A file of JSON lines, one for each event.
#[derive(Debug)]
pub struct Journal {
    file: JournalFile,
    numbers: Numbers,
    /// Held for as long as we write: two who do so at once would cut each other's lines.
    _lock: Option<File>,
    tide: Tide,
    rotation: Rotation,
    sync: JournalSync,
    full: JournalFull,
    /// Lines that are not all safe, how much of them is written, and how much of that is safe.
    lines: Vec<u8>,
    written: usize,
    safe: usize,
    trouble: Option<Trouble>,
}

impl Journal {
    /// Opens the file, or makes it. A last line that a power cut has torn is cut off.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Journal> {
        let lock = lock(path.as_ref())?;
        let (file, last) = JournalFile::open(path.as_ref())?;
        let numbers = match file.is_plain() {
            true => Numbers::open(file.path(), last.max(file::last_number(&beside(file.path(), "1"))))?,
            false => Numbers::unkept(last), // beside a pipe or a device is no place for files
        };
        Ok(Journal {
            file,
            numbers,
            _lock: lock,
            tide: Tide::default(),
            rotation: Rotation::default(),
            sync: JournalSync::Os,
            full: JournalFull::Block,
            lines: Vec::new(),
            written: 0,
            safe: 0,
            trouble: None,
        })
    }

    /// Numbers go on behind this one, too: somebody has seen it.
    pub fn number_above(&mut self, number: u64) {
        if number > self.numbers.last() {
            self.numbers.reach(number);
        }
    }

    /// A file is as large as this before a new one is begun (None: of any size), and so many old ones are kept.
    /// If not told otherwise: 100 MB, and 10.
    pub fn rotate(mut self, size: Option<NonZeroU64>, keep: NonZeroUsize) -> Journal {
        self.rotation = Rotation::new(size, keep);
        self
    }

    /// When an event counts as written; [`JournalSync::Os`], if not told otherwise.
    pub fn sync(mut self, sync: JournalSync) -> Journal {
        self.sync = sync;
        self
    }

    /// What is done while it can't be written; [`JournalFull::Block`], if not told otherwise.
    pub fn when_full(mut self, full: JournalFull) -> Journal {
        self.full = full;
        self
    }

    /// Tells how far it has been written.
    pub fn tide(&self) -> Tide {
        self.tide.clone()
    }

    /// Writes what waits to the file that has the name now; the next attempt goes on where this one ends.
    fn write(&mut self) -> io::Result<()> {
        self.follow_name()?;
        self.file.take_back()?;
        while self.written < self.lines.len() {
            let end = self.portion()?;
            if let Err(error) = self.write_until(end) {
                self.tidy();
                return Err(error);
            }
        }
        self.make_safe()?;
        self.lines.clear();
        (self.written, self.safe) = (0, 0);
        Ok(())
    }

    fn write_until(&mut self, end: usize) -> io::Result<()> {
        while let Some(rest) = self.lines.get(self.written..end).filter(|rest| !rest.is_empty()) {
            self.written += self.file.write(rest)?;
        }
        Ok(())
    }

    /// After an error: the part of a line that was written is taken back, so that nobody reads a torn one.
    fn tidy(&mut self) {
        let start = self.line_start();
        if self.file.cut((self.written - start) as u64).is_ok() {
            self.written = start;
        }
    }

    /// What is written goes to the disk, if that is asked for. After a failure the system may have forgotten what it
    /// could not write, and say nothing of it the next time: all of it is written again.
    fn make_safe(&mut self) -> io::Result<()> {
        if self.sync == JournalSync::Always
            && self.written > self.safe
            && let Err(error) = self.file.sync().and_then(|()| self.file.sync_entry())
        {
            self.file.take_back_later((self.written - self.safe) as u64);
            self.written = self.safe;
            return Err(error);
        }
        self.safe = self.written;
        Ok(())
    }

    /// Goes to another file if the name stands for one now. A line that the old one has only in part is written again,
    /// whole, and so is what may not have reached its disk.
    fn follow_name(&mut self) -> io::Result<()> {
        if self.file.has_name()? {
            return Ok(());
        }
        // Whoever moved it away has the lines twice then, rather than not at all.
        if self.make_safe().is_err() {
            log::warn!("journal {}: events may be both in the old file and the new", self.file.path().display());
        }
        self.file.reopen()?;
        self.written = self.line_start();
        self.safe = self.written;
        Ok(())
    }

    /// Where the line begins that the next byte belongs to.
    fn line_start(&self) -> usize {
        let done = self.lines.get(..self.written).unwrap_or_default();
        done.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1)
    }

    /// Up to where this file may be written: whole lines that fit, at least one. Where none fits, a new one is begun.
    fn portion(&mut self) -> io::Result<usize> {
        if self.file.length() > 0 && self.line_start() == self.written && self.fitting().is_none() {
            self.begin_new_file()?;
        }
        let rest = self.lines.get(self.written..).unwrap_or_default();
        let first = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |end| end + 1);
        Ok(self.written + self.fitting().unwrap_or(first))
    }

    /// How much the file may still grow.
    fn room(&self) -> usize {
        match self.rotation.limit().filter(|_| self.file.is_plain()) {
            Some(limit) => usize::try_from(limit.saturating_sub(self.file.length())).unwrap_or(usize::MAX),
            None => usize::MAX,
        }
    }

    /// The length of the next lines that fit.
    fn fitting(&self) -> Option<usize> {
        let rest = self.lines.get(self.written..).unwrap_or_default();
        let fitting = rest.get(..self.room().min(rest.len())).unwrap_or_default();
        fitting.iter().rposition(|&b| b == b'\n').map(|end| end + 1)
    }

    /// A file that can't be renamed is no reason to stop: it goes on in the same one.
    fn begin_new_file(&mut self) -> io::Result<()> {
        self.make_safe()?;
        if self.rotation.rename(self.file.path()) {
            self.file.reopen()?;
        }
        Ok(())
    }

    fn state(&self) -> Flushed {
        match self.full {
            _ if self.trouble.is_none() => Flushed::Safe,
            JournalFull::Block => Flushed::Full,
            JournalFull::Refuse if self.lines.len() > ROOM => Flushed::Full,
            JournalFull::Refuse => Flushed::Refusing,
            JournalFull::Continue => Flushed::Behind,
        }
    }
}

impl Sink for Journal {
    fn record(&mut self, entry: &Entry) {
        self.numbers.reach(entry.seq);
        match &mut self.trouble {
            Some(trouble) if self.full == JournalFull::Continue && self.lines.len() > ROOM => {
                trouble.lose(self.file.path());
            }
            _ => self.lines.extend_from_slice(&entry.json_line()),
        }
    }

    fn flush(&mut self) -> Flushed {
        let is_idle = self.lines.is_empty() && self.trouble.is_none();
        if is_idle || self.trouble.as_ref().is_some_and(|trouble| !trouble.is_over_due()) {
            return self.state();
        }
        match self.write() {
            Ok(()) => {
                self.tide.rise(self.numbers.last());
                if let Some(trouble) = self.trouble.take() {
                    trouble.end(self.file.path());
                }
            }
            Err(error) => {
                let waiting = self.lines.len() - self.written;
                let trouble = self.trouble.get_or_insert_default();
                trouble.note(self.file.path(), &error, waiting, self.full);
            }
        }
        self.state()
    }

    fn last_seq(&self) -> u64 {
        self.numbers.last()
    }

    fn is_awaited(&self) -> bool {
        self.sync == JournalSync::Always
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.file.sync() {
            log::error!("journal {}: {error}", self.file.path().display());
        }
        self.numbers.settle();
    }
}

/// Makes sure that nobody else writes it; None for what is no plain file.
fn lock(path: &Path) -> io::Result<Option<File>> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Ok(None);
    }
    let path = beside(path, "lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(&path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => {
            Err(io::Error::new(ErrorKind::WouldBlock, "another server writes it; give each a journal of its own"))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// The name of a file that belongs to the journal: `events.jsonl.1`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
