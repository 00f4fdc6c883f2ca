//! The text of an export: unpacked if it is gzipped, without a byte order mark, valid UTF-8, and not too long. What
//! it says is not known here.

use super::fault::Fault;
use flate2::bufread::MultiGzDecoder;
use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Cursor, Read};

/// Read at once.
const PIECE: usize = 64 * 1024;
/// Bytes of an object, of whatever model: a text in it, or how deep it is, is held in memory while it is read.
const MOST_OF_OBJECT: usize = 16 * 1024 * 1024;
const GZIP: &[u8] = &[0x1F, 0x8B];
const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// How to make a file that can be read, for every fault that a new one mends.
pub(super) const DUMP: &str = "manage.py dumpdata auth.user auth.group django_ftpserver";

/// How far a reader is, for those who don't have it in their hands, and why it can't go on.
#[derive(Debug)]
pub(super) struct Progress {
    line: Cell<u32>,
    /// Bytes that may still come before the object ends.
    room: Cell<usize>,
    fault: RefCell<Option<Fault>>,
}

impl Progress {
    pub fn new() -> Progress {
        Progress { line: Cell::new(1), room: Cell::new(usize::MAX), fault: RefCell::default() }
    }

    /// The line of the last byte that was read.
    pub fn line(&self) -> u32 {
        self.line.get()
    }

    /// What comes now is an object, which is not to be too long.
    pub fn begin_object(&self) {
        self.room.set(MOST_OF_OBJECT);
    }

    /// What comes now is none.
    pub fn end_object(&self) {
        self.room.set(usize::MAX);
    }

    fn use_room(&self, bytes: usize) -> Result<(), Fault> {
        self.room.set(self.room.get().checked_sub(bytes).ok_or_else(too_long_object)?);
        Ok(())
    }

    /// Why the reader failed, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.borrow().clone()
    }
}

/// Gives out valid UTF-8, as it gets it.
pub(super) struct Text<'p> {
    bytes: Box<dyn Read + 'p>,
    piece: Vec<u8>,
    /// What of the piece was given out.
    given: usize,
    /// What of it is known to be valid.
    valid: usize,
    /// Bytes that may still come.
    left: usize,
    /// What is to be said once the valid bytes have been given out.
    pending: Option<Fault>,
    progress: &'p Progress,
}

impl<'p> Text<'p> {
    /// The text of such a file, of which so many bytes are taken.
    pub fn new(file: impl Read + 'p, most: usize, progress: &'p Progress) -> Result<Text<'p>, Fault> {
        let (mut file, mut start) = (BufReader::with_capacity(PIECE, file), Vec::new());
        file.by_ref().take(GZIP.len() as u64).read_to_end(&mut start).map_err(|error| explain(&error))?;
        let is_gzip = start == GZIP;
        let file = Cursor::new(start).chain(file);
        let bytes: Box<dyn Read> = if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut text = Text { bytes, piece: Vec::new(), given: 0, valid: 0, left: most, pending: None, progress };
        text.fill()?;
        if text.piece.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            text.given = BYTE_ORDER_MARK.len();
        }
        Ok(text)
    }

    /// The first byte that means something to JSON; it stays to be read.
    pub fn first(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let rest = self.rest()?;
            if rest.is_empty() {
                return Ok(None);
            }
            let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let first = rest.get(blank).copied();
            self.give(blank);
            if first.is_some() {
                return Ok(first);
            }
        }
    }

    /// What can be given out; nothing at the end.
    fn rest(&mut self) -> Result<&[u8], Fault> {
        if self.given == self.valid {
            self.fill()?;
        }
        Ok(self.piece.get(self.given..self.valid).unwrap_or_default())
    }

    fn give(&mut self, count: usize) {
        let given = self.piece.get(self.given..self.given + count).unwrap_or_default();
        let lines = given.iter().filter(|&&byte| byte == b'\n').count();
        self.given += count;
        if lines > 0 {
            self.progress.line.set(self.progress.line() + u32::try_from(lines).unwrap_or(0));
        }
    }

    fn fill(&mut self) -> Result<(), Fault> {
        if self.pending.is_none() {
            self.read_piece();
        }
        match &self.pending {
            Some(fault) if self.given == self.valid => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// Reads a piece behind what is left of the last one: the beginning of a character.
    fn read_piece(&mut self) {
        self.piece.drain(..self.valid);
        self.given = 0;
        let kept = self.piece.len();
        let result = self.bytes.by_ref().take(PIECE as u64).read_to_end(&mut self.piece);
        let count = self.piece.len() - kept;
        let has_ended = result.is_ok() && count < PIECE;
        self.pending = result.err().map(|error| explain(&error));
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => self.pending = Some(too_long()),
        }
        self.valid = match std::str::from_utf8(&self.piece) {
            Ok(_) => self.piece.len(),
            Err(error) => {
                if error.error_len().is_some() || has_ended {
                    self.pending = Some(Fault::new("it is not UTF-8, as what dumpdata writes is"));
                }
                error.valid_up_to()
            }
        };
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let progress = self.progress;
        let fail = |fault: Fault| {
            let error = io::Error::other(fault.text.clone());
            *progress.fault.borrow_mut() = Some(fault);
            error
        };
        let count = self.rest().map_err(fail)?.read(buffer)?;
        progress.use_room(count).map_err(fail)?;
        self.give(count);
        Ok(count)
    }
}

/// What keeps a file from being read.
pub(super) fn explain(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(format!("it does not exist; write it with {DUMP}")),
        io::ErrorKind::PermissionDenied => {
            Fault::new("it can't be read; may this user read it, and enter its directory?")
        }
        _ if error.raw_os_error().is_some() => Fault::passing(format!("it can't be read: {error}")),
        io::ErrorKind::UnexpectedEof => Fault::new("the gzip file is cut off, or still being written"),
        _ => Fault::new(format!("the gzip file is damaged: {error}")),
    }
}

fn too_long() -> Fault {
    Fault::new(format!("it is longer than 512 MiB; dump no more than is needed: {DUMP}"))
}

fn too_long_object() -> Fault {
    Fault::new(format!("the object is longer than 16 MiB; dump no more than is needed: {DUMP}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// A byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn gzip_and_the_mark_are_known_in_whatever_pieces_they_come() {
        let plain = format!("{BYTE_ORDER_MARK}text").into_bytes();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&plain).unwrap();
        for bytes in [gzip.finish().unwrap(), plain] {
            let (progress, mut found) = (Progress::new(), String::new());
            let mut text = Text::new(Slow(&bytes), 100, &progress).unwrap();
            text.read_to_string(&mut found).unwrap();
            assert_eq!(found, "text");
        }
    }
}
