//! Reads the journal behind the one who writes it: line by line, on from a number, over rotations.

use super::line::Line;
use crate::locks::thread;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// While the writer gives its files other names, one can be overlooked: where events seem to be missing, it is looked
/// so many times,
const LOOKS: u32 = 4;
/// so long after one another.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// No line is longer; what is, is none.
const LONGEST: u64 = 1 << 20;

/// The events of a journal in their order, from the first behind a number.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    after: u64,
    open: Option<Open>,
    /// The file that goes on where the open one ends.
    next: Option<Open>,
    /// The open file is not the journal any more, and is read once more to its end.
    is_left: bool,
    /// Events behind this one are missing here, and were looked for elsewhere.
    searched: Option<u64>,
    /// So many lines were none.
    broken: u64,
}

#[derive(Debug)]
struct Open {
    file: BufReader<File>,
    identity: (u64, u64),
    /// Where the next line begins.
    at: u64,
}

/// What is found where a line should be.
enum Found {
    Whole(Vec<u8>),
    /// Nothing, or not all of it.
    End,
}

impl Reader {
    /// Reads what the journal has behind this number; 0 is all of it. It need not be there yet.
    pub fn new(path: impl Into<PathBuf>, after: u64) -> Reader {
        Reader { path: path.into(), after, open: None, next: None, is_left: false, searched: None, broken: 0 }
    }

    /// The number of the last event that was read, or that reading began behind.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// How many lines could not be read, and were left out.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// The next event; None if there is none yet.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            if self.open.is_none() {
                self.open = self.first()?;
                self.searched = Some(self.after);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            match open.read_line()? {
                Found::Whole(bytes) => match Line::parse(bytes) {
                    Some(line) if line.seq() > self.after => {
                        if self.is_elsewhere(line.seq())? {
                            continue;
                        }
                        self.after = line.seq();
                        return Ok(Some(line));
                    }
                    Some(_) => {}
                    None => self.broken += 1,
                },
                // Since there is another file, nothing comes to this one any more: its end is its end.
                Found::End if self.next.is_some() => self.open = self.next.take(),
                Found::End if open.was_cut()? => self.open = None,
                Found::End if self.leave()? => {}
                Found::End => return Ok(None),
            }
        }
    }

    /// The open file has no more; whether to read on, there or behind it.
    fn leave(&mut self) -> io::Result<bool> {
        if identity(&self.path)? == self.open.as_ref().map(|open| open.identity) {
            return Ok(false);
        }
        // What came to it before it got another name is read first. What follows that would seem to have a gap before it.
        self.is_left = !self.is_left;
        if !self.is_left {
            self.next = self.following()?;
            self.searched = Some(self.after);
        }
        Ok(self.is_left || self.next.is_some())
    }

    /// The file to begin with: the last one that begins at the next event or before it, or else the first of all.
    fn first(&self) -> io::Result<Option<Open>> {
        for look in 1.. {
            let files = self.files()?;
            let before = files.iter().rposition(|(first, _)| *first <= self.after.saturating_add(1));
            if before.is_some() || files.is_empty() || look == LOOKS {
                return Ok(files.into_iter().nth(before.unwrap_or(0)).map(|(_, open)| open));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(None)
    }

    /// The first file that begins behind where we are; if there is none, the one that is written now.
    fn following(&self) -> io::Result<Option<Open>> {
        for look in 1.. {
            let files = self.files()?;
            let Some((first, open)) = files.into_iter().find(|(first, _)| *first > self.after) else { break };
            if first == self.after.saturating_add(1) || look == LOOKS {
                if first > self.after.saturating_add(1) {
                    log::warn!(
                        "journal {}: there are no events {} to {}; they were removed, or never given out",
                        self.path.display(),
                        self.after + 1,
                        first - 1
                    );
                }
                return Ok(Some(open));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(Open::journal(&self.path)?.map(|(_, open)| open))
    }

    /// Whether events before this one, which are missing where we read, are elsewhere: in another file, or further up in
    /// this one, which was begun anew. Then it goes on there. That is asked once: a kill -9 leaves out numbers, too.
    fn is_elsewhere(&mut self, found: u64) -> io::Result<bool> {
        if found == self.after.saturating_add(1) || self.searched == Some(self.after) {
            return Ok(false);
        }
        self.searched = Some(self.after);
        let Some(mut other) = self.first()? else { return Ok(false) };
        while let Found::Whole(bytes) = other.read_line()? {
            let seq = Line::parse(bytes).map_or(0, |line| line.seq());
            if seq > self.after {
                other.go_to(0)?;
                let is_before = seq < found;
                if is_before {
                    (self.open, self.next) = (Some(other), None);
                }
                return Ok(is_before);
            }
        }
        Ok(false)
    }

    /// All files that have an event, with the number of their first, the oldest first: the journal, and what it has
    /// become by rotation, here (`.1`) or by logrotate (`.1`, `-20260102`).
    fn files(&self) -> io::Result<Vec<(u64, Open)>> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default().as_encoded_bytes();
        let mut files: Vec<(u64, Open)> = Open::journal(&self.path)?.into_iter().collect();
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?.file_name();
            let Some(suffix) = entry.as_encoded_bytes().strip_prefix(name) else { continue };
            let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let is_old = suffix.strip_prefix(b".").is_some_and(is_number)
                || suffix.strip_prefix(b"-").and_then(|date| date.first()).is_some_and(u8::is_ascii_digit);
            if is_old
                && let Some((first, open)) = Open::journal(&directory.join(&entry))?
                && !files.iter().any(|(_, known)| known.identity == open.identity)
            {
                files.push((first, open));
            }
        }
        files.sort_by_key(|(first, _)| *first);
        Ok(files)
    }
}

impl Open {
    /// A file with at least one event, and the number of that.
    fn journal(path: &Path) -> io::Result<Option<(u64, Open)>> {
        // Who opens a FIFO waits for a writer.
        if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        let mut open = Open { file: BufReader::with_capacity(64 << 10, file), identity, at: 0 };
        while let Found::Whole(bytes) = open.read_line()? {
            if let Some(line) = Line::parse(bytes) {
                open.go_to(0)?;
                return Ok(Some((line.seq(), open)));
            }
        }
        Ok(None)
    }

    /// The next line without its end. One that is not all there yet is read anew the next time, for a power cut may have
    /// torn it, and then another comes in its place.
    fn read_line(&mut self) -> io::Result<Found> {
        let mut line = Vec::new();
        let length = (&mut self.file).take(LONGEST).read_until(b'\n', &mut line)? as u64;
        if line.pop_if(|end| *end == b'\n').is_some() || length == LONGEST {
            self.at += length;
            return Ok(Found::Whole(line));
        }
        self.go_to(self.at)?;
        Ok(Found::End)
    }

    fn go_to(&mut self, at: u64) -> io::Result<()> {
        self.at = at;
        self.file.seek(SeekFrom::Start(at)).map(drop)
    }

    /// Whether it has become shorter than what was read of it.
    fn was_cut(&self) -> io::Result<bool> {
        Ok(self.file.get_ref().metadata()?.len() < self.at)
    }
}

/// Which file has the name now.
pub(super) fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{OpenOptions, remove_file, rename, write};
    use std::io::Write;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let directory = std::env::temp_dir().join(format!("django-ftpd-reader-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&directory);
            std::fs::create_dir(&directory).unwrap();
            Scratch(directory)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            for number in (1..5).rev() {
                let _ = rename(self.path(&format!("j.{number}")), self.path(&format!("j.{}", number + 1)));
            }
            rename(self.path("j"), self.path("j.1")).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn lines(numbers: std::ops::RangeInclusive<u64>) -> String {
        numbers.map(|seq| format!("{{\"seq\":{seq},\"event\":\"x\"}}\n")).collect()
    }

    fn rest(reader: &mut Reader) -> Vec<u64> {
        std::iter::from_fn(|| reader.next_line().unwrap()).map(|line| line.seq()).collect()
    }

    #[test]
    fn it_goes_on_behind_a_number_and_as_lines_come() {
        let scratch = Scratch::new("on");
        let mut reader = Reader::new(scratch.path("j"), 2);
        assert!(rest(&mut reader).is_empty());
        scratch.append("j", &lines(1..=4));
        assert_eq!(rest(&mut reader), [3, 4]);
        scratch.append("j", "{\"seq\":5,\"ev");
        assert!(rest(&mut reader).is_empty());
        scratch.append("j", "ent\":\"x\"}\n");
        assert_eq!((rest(&mut reader), reader.position()), (vec![5], 5));
    }

    #[test]
    fn rotations_lose_nothing_however_far_behind_it_is() {
        let scratch = Scratch::new("rotations");
        scratch.append("j", &lines(1..=2));
        let mut quick = Reader::new(scratch.path("j"), 0);
        assert_eq!(rest(&mut quick), [1, 2]);
        scratch.append("j", &lines(3..=3));
        scratch.rotate();
        assert_eq!(rest(&mut quick), [3], "the end of the old file");
        scratch.append("j", "");
        assert!(rest(&mut quick).is_empty());
        scratch.append("j.1", &lines(4..=4));
        assert_eq!(rest(&mut quick), [4], "what the writer had in hand");
        scratch.append("j", &lines(5..=6));
        scratch.rotate();
        scratch.append("j", &lines(7..=8));
        assert_eq!(rest(&mut quick), [5, 6, 7, 8]);
        for after in 0..=8 {
            let expected: Vec<u64> = (after + 1..=8).collect();
            assert_eq!(rest(&mut Reader::new(scratch.path("j"), after)), expected);
        }
        remove_file(scratch.path("j.1")).unwrap();
        assert_eq!(rest(&mut Reader::new(scratch.path("j"), 0)), [1, 2, 3, 4, 7, 8]);
        assert_eq!(rest(&mut Reader::new(scratch.path("j"), 4)), [7, 8]);
        assert!(rest(&mut Reader::new(scratch.path("j"), 100)).is_empty());
    }

    #[test]
    fn what_came_between_the_end_and_the_rotation_does_not_seem_to_be_missing() {
        let scratch = Scratch::new("between");
        scratch.append("j", &lines(1..=5));
        let mut reader = Reader::new(scratch.path("j"), 0);
        assert_eq!(rest(&mut reader), [1, 2, 3, 4, 5]);
        scratch.append("j", &lines(6..=6));
        scratch.rotate();
        scratch.append("j", &lines(7..=7));
        // As if it had seen the end before all that.
        assert!(reader.leave().unwrap() && reader.next.is_none(), "it looks for what is there");
        assert_eq!(rest(&mut reader), [6, 7]);
    }

    #[test]
    fn torn_and_broken_lines_do_no_harm() {
        let scratch = Scratch::new("torn");
        scratch.append("j", &(lines(1..=1) + "rubbish\n\n" + &lines(2..=2) + "{\"seq\":3,\"eve"));
        let mut reader = Reader::new(scratch.path("j"), 0);
        assert_eq!((rest(&mut reader), reader.broken()), (vec![1, 2], 2));
        // The torn line is cut off, and others come in its place.
        write(scratch.path("j"), lines(1..=1) + "rubbish\n\n" + &lines(2..=9)).unwrap();
        assert_eq!(rest(&mut reader), [3, 4, 5, 6, 7, 8, 9]);
        // Begun anew in the same file.
        write(scratch.path("j"), lines(10..=11)).unwrap();
        assert_eq!(rest(&mut reader), [10, 11]);
        write(scratch.path("j"), "").unwrap();
        assert!(rest(&mut reader).is_empty());
        scratch.append("j", &lines(12..=12));
        assert_eq!(rest(&mut reader), [12]);
    }

    #[test]
    fn gaps_among_the_files_hide_nothing_behind_them() {
        let scratch = Scratch::new("gaps");
        for (name, numbers) in [("j.9", 1..=2), ("j.3", 3..=4), ("j-20260102", 5..=6), ("j.1", 7..=8), ("j", 9..=9)] {
            scratch.append(name, &lines(numbers));
        }
        write(scratch.path("j.2.gz"), "compressed").unwrap();
        write(scratch.path("j.seq"), "100").unwrap();
        assert_eq!(rest(&mut Reader::new(scratch.path("j"), 0)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        remove_file(scratch.path("j.3")).unwrap();
        assert_eq!(rest(&mut Reader::new(scratch.path("j"), 1)), [2, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_copy_that_was_cut_off_behind_us_is_read_to_its_end() {
        let scratch = Scratch::new("copytruncate");
        scratch.append("j", &lines(1..=3));
        let mut reader = Reader::new(scratch.path("j"), 0);
        assert_eq!(reader.next_line().unwrap().unwrap().seq(), 1);
        std::fs::copy(scratch.path("j"), scratch.path("j.1")).unwrap();
        write(scratch.path("j"), lines(4..=9)).unwrap();
        assert_eq!(rest(&mut reader), [2, 3, 4, 5, 6, 7, 8, 9]);
        // Numbers that were left out are no reason to look for ever.
        scratch.append("j", &lines(100_009..=100_010));
        assert_eq!(rest(&mut reader), [100_009, 100_010]);
    }

    #[test]
    fn what_is_no_file_is_no_journal() {
        let scratch = Scratch::new("none");
        assert!(rest(&mut Reader::new(&scratch.0, 0)).is_empty());
        rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("j"), rustix::fs::Mode::RWXU).unwrap_or(());
        assert!(rest(&mut Reader::new(scratch.path("j"), 0)).is_empty());
    }
}
