//! The file that is written: whole lines at its end, under a name that others may change.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The first guess at how much of the end holds the last line.
const TAIL: u64 = 64 * 1024;
/// How each line begins.
const START: &[u8] = b"{\"seq\":";
/// How long a pipe may be full before that is an error.
const PIPE_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 400_000_000 };

/// The file that is written now.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    is_regular: bool,
    /// And it is named by its own name, not by a link such as /dev/stdout.
    is_plain: bool,
    length: u64,
    /// The directory on the disk has it.
    is_entered: bool,
    /// What is behind this is to be taken back before anything is written.
    valid: Option<u64>,
}

impl JournalFile {
    /// The file of this name, and the last number in it.
    pub(super) fn open(path: &Path) -> io::Result<(JournalFile, u64)> {
        let (file, metadata, last) = open(path)?;
        let (is_regular, length) = (metadata.is_file(), metadata.len());
        let is_plain = std::fs::symlink_metadata(path).is_ok_and(|named| named.is_file());
        let is_entered = length > 0 || !is_regular;
        let path = path.to_path_buf();
        Ok((JournalFile { path, file, is_regular, is_plain, length, is_entered, valid: None }, last))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it may be renamed, and have other files beside it.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the name still stands for this file; not if it was rotated, or deleted.
    pub(super) fn has_name(&mut self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        self.length = ours.len();
        let named = std::fs::metadata(&self.path);
        if self.is_regular && named.as_ref().is_ok_and(|named| !named.is_file()) {
            return Err(io::Error::new(ErrorKind::InvalidData, "the name stands for something else than a file now"));
        }
        Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())))
    }

    /// Opens what has the name now, or makes it.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (*self, _) = JournalFile::open(&self.path)?;
        Ok(())
    }

    /// Writes some of it at the end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.length += written as u64;
                    return Ok(written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.await_reader()?,
                Err(error) => return Err(error),
            }
        }
    }

    fn await_reader(&self) -> io::Result<()> {
        match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&PIPE_PATIENCE))? {
            0 => Err(io::Error::new(ErrorKind::WouldBlock, "the pipe is full, and nobody reads it")),
            _ => Ok(()),
        }
    }

    /// On the disk, as far as it is written.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.is_regular { self.file.sync_data() } else { Ok(()) }
    }

    /// A new file can be found after a power cut.
    pub(super) fn sync_entry(&mut self) -> io::Result<()> {
        if !self.is_entered {
            let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            self.is_entered = true;
        }
        Ok(())
    }

    /// Takes so many bytes off the end.
    pub(super) fn cut(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > 0 {
            self.file.set_len(self.length.saturating_sub(bytes))?;
            self.length = self.length.saturating_sub(bytes);
        }
        Ok(())
    }

    /// So many bytes at the end are to be written again.
    pub(super) fn take_back_later(&mut self, bytes: u64) {
        self.valid = Some(self.length.saturating_sub(bytes));
    }

    /// Now.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        if let Some(valid) = self.valid {
            self.cut(self.length.saturating_sub(valid))?;
            self.valid = None;
        }
        Ok(())
    }
}

/// The last number of a file, if it is a journal.
pub(super) fn last_number(path: &Path) -> u64 {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    let last = file.and_then(|mut file| {
        let is_regular = file.metadata()?.is_file();
        if is_regular { End::of(&mut file).map(|end| end.last.unwrap_or(0)) } else { Ok(0) }
    });
    last.unwrap_or(0)
}

/// The file, what it is, and its last number. A pipe that nobody reads holds nobody up.
fn open(path: &Path) -> io::Result<(File, Metadata, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o640).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok((file, metadata, 0));
    }
    let end = End::of(&mut file)?;
    if end.torn > 0 {
        log::warn!("journal {}: its last line was torn, {} bytes are cut off", path.display(), end.torn);
        file.set_len(metadata.len().saturating_sub(end.torn))?;
    }
    let metadata = file.metadata()?;
    Ok((file, metadata, end.last.unwrap_or(0)))
}

/// What the end of a journal tells.
struct End {
    /// The number of the last whole line.
    last: Option<u64>,
    /// The length of what follows it.
    torn: u64,
}

impl End {
    fn of(file: &mut File) -> io::Result<End> {
        let tail = read_tail(file)?;
        let whole = tail.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let (lines, torn) = tail.split_at(whole);
        let line = lines.strip_suffix(b"\n").map(|lines| lines.rsplit(|&b| b == b'\n').next().unwrap_or_default());
        let last = line.map(seq_of);
        // A power cut may leave zeros where the system had not written yet.
        let text = torn.iter().position(|&byte| byte == 0).map_or(torn, |end| torn.get(..end).unwrap_or_default());
        let is_zeros = torn.iter().skip(text.len()).all(|&byte| byte == 0);
        let is_ours = (text.starts_with(START) || START.starts_with(text)) && is_zeros;
        if last == Some(None) || !is_ours {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is something else than a journal; it was not touched",
            ));
        }
        Ok(End { last: last.flatten(), torn: torn.len() as u64 })
    }
}

/// As much of the end as holds a whole line: one between two line ends, or between the beginning and one.
fn read_tail(file: &mut File) -> io::Result<Vec<u8>> {
    let (length, mut size) = (file.metadata()?.len(), TAIL);
    loop {
        let start = length.saturating_sub(size);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        if start == 0 || tail.iter().filter(|&&b| b == b'\n').count() >= 2 {
            return Ok(tail);
        }
        size *= 2;
    }
}

fn seq_of(line: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(line.strip_prefix(START)?).ok()?;
    digits.split(',').next()?.parse().ok()
}
