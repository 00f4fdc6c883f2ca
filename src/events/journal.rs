//! The durable log of events: JSON lines in a file that only grows.

use super::{Entry, Sink, Tide};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first guess at how much of the end holds the last line.
const TAIL: u64 = 64 * 1024;
/// How each line begins.
const START: &[u8] = b"{\"seq\":";
/// Between attempts to write to a full or broken disk.
const RETRY: Duration = Duration::from_millis(500);
/// Between complaints about it.
const COMPLAIN: Duration = Duration::from_secs(60);

/// A file of JSON lines, one for each event. While it can't be written, events wait and then sessions do:
/// none is dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    last_seq: u64,
    tide: Tide,
    /// Lines that are not all written, and how much of them is.
    lines: Vec<u8>,
    written: usize,
}

impl Journal {
    /// Opens the file, or makes it. A last line that a power cut has torn is cut off.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Journal> {
        let path = path.as_ref().to_path_buf();
        let mut file = open(&path)?;
        let last_seq = repair(&mut file, &path)?;
        Ok(Journal { path, file, last_seq, tide: Tide::default(), lines: Vec::new(), written: 0 })
    }

    /// Tells how far it has been written.
    pub fn tide(&self) -> Tide {
        self.tide.clone()
    }

    /// Writes what waits to the file that has the name now; the next attempt goes on where this one ends.
    fn write(&mut self) -> io::Result<()> {
        self.follow_name()?;
        while let Some(rest) = self.lines.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.lines.clear();
        self.written = 0;
        Ok(())
    }

    /// Opens the file anew if the name stands for another one, or for none: it was rotated, or deleted. A line that
    /// the old one has only in part is written again, whole.
    fn follow_name(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let named = std::fs::metadata(&self.path);
        if !named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
            self.file = open(&self.path)?;
            let done = self.lines.get(..self.written).unwrap_or_default();
            self.written = done.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        }
        Ok(())
    }
}

impl Sink for Journal {
    fn record(&mut self, entry: &Entry) {
        self.lines.extend_from_slice(&entry.json_line());
        self.last_seq = entry.seq;
    }

    /// Returns when all is written. While it is not, events wait, and then sessions do.
    fn flush(&mut self) {
        let mut complained: Option<Instant> = None;
        while !self.lines.is_empty()
            && let Err(error) = self.write()
        {
            if complained.is_none_or(|at| at.elapsed() > COMPLAIN) {
                let waiting = self.lines.len() - self.written;
                log::error!("journal {}: {error}; {waiting} bytes wait, and sessions will", self.path.display());
                complained = Some(Instant::now());
            }
            std::thread::sleep(RETRY);
        }
        self.tide.rise(self.last_seq);
        if complained.is_some() {
            log::info!("journal {}: written again, nothing is lost", self.path.display());
        }
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.file.sync_all() {
            log::error!("journal {}: {error}", self.path.display());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)
}

/// Cuts a torn last line off and finds the last number.
fn repair(file: &mut File, path: &Path) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(0); // a pipe or a terminal remembers nothing
    }
    let (length, mut size) = (metadata.len(), TAIL);
    let (start, tail) = loop {
        let start = length.saturating_sub(size);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        // A whole line is between two line ends, or between the beginning and one.
        if start == 0 || tail.iter().filter(|&&b| b == b'\n').count() >= 2 {
            break (start, tail);
        }
        size *= 2;
    };
    let whole = tail.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    let (lines, torn) = tail.split_at(whole);
    let last = lines.strip_suffix(b"\n").map(|lines| lines.rsplit(|&b| b == b'\n').next().unwrap_or_default());
    let last_seq = last.map(seq_of);
    let is_ours = torn.starts_with(START) || START.starts_with(torn);
    if last_seq == Some(None) || !is_ours {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is something else than a journal; it was not touched",
        ));
    }
    if !torn.is_empty() {
        log::warn!("journal {}: its last line was torn, {} bytes are cut off", path.display(), torn.len());
        file.set_len(start + whole as u64)?;
    }
    Ok(last_seq.flatten().unwrap_or(0))
}

fn seq_of(line: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(line.strip_prefix(START)?).ok()?;
    digits.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Kind, Subject};
    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry { seq, event: Event::now(Kind::Login, None, Subject::Session) }
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("django-ftpd-journal-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn numbers_go_on_after_a_torn_line() {
        let path = scratch("torn");
        let mut journal = Journal::append(&path).unwrap();
        (1..=3).for_each(|seq| journal.record(&entry(seq)));
        journal.flush();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole, b"{\"seq\":4,\"ti".as_slice()].concat()).unwrap();
        let journal = Journal::append(&path).unwrap();
        assert_eq!(journal.last_seq(), 3);
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_rotated_file_is_left_and_a_new_one_begun() {
        let (path, old) = (scratch("rotated"), scratch("rotated.1"));
        let mut journal = Journal::append(&path).unwrap();
        journal.record(&entry(1));
        journal.flush();
        std::fs::rename(&path, &old).unwrap();
        journal.record(&entry(2));
        journal.flush();
        let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&old), lines(&path)), (1, 1));
        drop(journal);
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&old).unwrap();
    }

    #[test]
    fn what_is_no_journal_is_refused_and_not_touched() {
        assert!(Journal::append(std::env::temp_dir()).is_err());
        let path = scratch("precious");
        for precious in ["line\nrest", "rest", "{\"seq\":1,\"time\"\nrest", "line\n{\"seq\":"] {
            std::fs::write(&path, precious).unwrap();
            assert!(Journal::append(&path).is_err(), "{precious:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), precious);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
