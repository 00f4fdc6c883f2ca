//! Transfers and deletions in the format of wu-ftpd, which many tools read: one line of words for each.

use super::{Follower, Trouble};
use crate::events::line::Line;
use crate::events::reader::identity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Lines that are written at once.
const BATCH: usize = 100;

/// A file that gets a line for each transfer and deletion.
#[derive(Debug)]
pub struct Xferlog {
    path: PathBuf,
    file: File,
}

impl Xferlog {
    /// Opens the file, or makes it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Xferlog, String> {
        let path = path.into();
        match open(&path) {
            Ok(file) => Ok(Xferlog { path, file }),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Writes to the file that has the name now. All of it or nothing: a part would be there twice.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let ours = self.file.metadata()?;
        if identity(&self.path)? != Some((ours.dev(), ours.ino())) {
            self.file = open(&self.path)?;
        }
        let length = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(lines) {
            // A pipe has no length; what was read is read.
            let _ = self.file.set_len(length);
            return Err(error);
        }
        Ok(())
    }

    /// Whether nobody will ever read what was written.
    fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

impl Follower for Xferlog {
    fn wants(&self, line: &Line) -> bool {
        action(line).is_some()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        let zone = TimeZone::system();
        let lines = lines.iter().map(|line| words(line, &zone)).collect::<Option<Vec<_>>>();
        let lines = lines.ok_or_else(|| Trouble::Event("it has no time".to_string()))?.concat();
        let outage = |error: io::Error, path: &PathBuf| Trouble::Outage(format!("{}: {error}", path.display()));
        self.append(&lines).map_err(|error| outage(error, &self.path))?;
        if self.is_deleted() {
            self.append(&lines).map_err(|error| outage(error, &self.path))?;
        }
        Ok(())
    }
}

/// Opens it for appending, behind the end of a line: kill -9 may have torn the last one.
fn open(path: &std::path::Path) -> io::Result<File> {
    // Who may read a FIFO does not wait for somebody who does.
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Direction and completion, of events that have them.
fn action(line: &Line) -> Option<(char, char)> {
    match &*line.event() {
        "ftp_file_received" => Some(('i', 'c')),
        "ftp_file_received_incomplete" => Some(('i', 'i')),
        "ftp_file_sent" => Some(('o', 'c')),
        "ftp_file_sent_incomplete" => Some(('o', 'i')),
        "ftp_file_deleted" => Some(('d', 'c')),
        _ => None,
    }
}

/// `Fri Jan  2 03:04:05 2026 1 192.0.2.7 48211 /srv/ftp/ann/a.jpg b _ i r ann ftp 0 * c`
fn words(line: &Line, zone: &TimeZone) -> Option<Vec<u8>> {
    let (direction, completion) = action(line)?;
    let time: Timestamp = line.shown("time")?.parse().ok()?;
    let time = zone.to_datetime(time).strftime("%a %b %e %H:%M:%S %Y");
    let seconds = match line.number("duration_ms") {
        Some(milliseconds) => milliseconds.div_ceil(1000).max(1),
        None => 0, // nothing was transferred
    };
    let (address, bytes) = (line.shown("remote_ip").unwrap_or("-".into()), line.number("bytes").unwrap_or(0));
    let mut words = format!("{time} {seconds} {address} {bytes} ").into_bytes();
    words.extend(word(line.text("path")));
    words.extend_from_slice(format!(" b _ {direction} r ").as_bytes());
    words.extend(word(line.text("username")));
    words.extend_from_slice(format!(" ftp 0 * {completion}\n").as_bytes());
    Some(words)
}

/// A name as one word: each blank and control character in it becomes `_`.
fn word(name: Option<Vec<u8>>) -> Vec<u8> {
    let name = name.filter(|name| !name.is_empty()).unwrap_or(b"-".to_vec());
    let mut word = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let c = if c.is_whitespace() || c.is_control() { '_' } else { c };
            word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        // What may be control characters of other encodings, too.
        word.extend(chunk.invalid().iter().map(|&byte| if byte < 0xA0 { b'_' } else { byte }));
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_words_of_the_format() {
        let head = r#"{"seq":1,"time":"2026-01-02T03:04:05.678901Z","event":"ftp_file_"#;
        let tail = r#"","username":"a b","remote_ip":"192.0.2.7","path":"/a\u000ab\udcff\udc9b ü\u00a0"#;
        let line = |event: &str, rest: &str| {
            let line = Line::parse(format!("{head}{event}{tail}\"{rest}}}").into_bytes()).unwrap();
            words(&line, &TimeZone::UTC).map(|words| String::from_utf8_lossy(&words).into_owned())
        };
        let expected = |seconds, bytes, direction, completion| {
            let place = format!("{seconds} 192.0.2.7 {bytes} /a_b\u{FFFD}__ü_");
            Some(format!("Fri Jan  2 03:04:05 2026 {place} b _ {direction} r a_b ftp 0 * {completion}\n"))
        };
        let transfer = r#","bytes":9,"duration_ms":1200"#;
        assert_eq!(line("received", transfer), expected(2, 9, 'i', 'c'));
        assert_eq!(line("received_incomplete", transfer), expected(2, 9, 'i', 'i'));
        assert_eq!(line("sent", r#","bytes":9,"duration_ms":0"#), expected(1, 9, 'o', 'c'));
        assert_eq!(line("sent_incomplete", transfer), expected(2, 9, 'o', 'i'));
        assert_eq!(line("deleted", ""), expected(0, 0, 'd', 'c'));
        assert_eq!(line("renamed", ""), None);
    }

    #[test]
    fn a_torn_line_is_ended_and_an_event_without_a_time_is_refused() {
        let path = std::env::temp_dir().join(format!("django-ftpd-xferlog-{}", std::process::id()));
        std::fs::write(&path, "Fri Jan").unwrap();
        let mut log = Xferlog::open(&path).unwrap();
        let line = |text: &str| Line::parse(text.as_bytes().to_vec()).unwrap();
        let event = line(r#"{"seq":1,"time":"2026-01-02T03:04:05.678901Z","event":"ftp_file_deleted","path":"/a"}"#);
        assert_eq!(log.deliver(std::slice::from_ref(&event)), Ok(()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("Fri Jan\n") && text.ends_with(" 0 - 0 /a b _ d r - ftp 0 * c\n"), "{text}");
        let timeless = line(r#"{"seq":2,"event":"ftp_file_deleted"}"#);
        assert!(matches!(log.deliver(&[event, timeless]), Err(Trouble::Event(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "all or none");
        std::fs::remove_file(&path).unwrap();
    }
}
