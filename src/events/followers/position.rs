//! Where a follower is, on disk: a number in a file of its own, replaced as a whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What was done within so short a time may be done again after kill -9.
const SAVED: Duration = Duration::from_millis(500);

/// A follower's position: all events up to it are dealt with.
#[derive(Debug)]
pub struct Position {
    path: PathBuf,
    at: Option<u64>,
    saved: Option<u64>,
    saved_at: Instant,
}

impl Position {
    /// Reads the position of a follower, if it has one; makes the directory.
    pub fn open(state: &Path, name: &str) -> io::Result<Position> {
        let described = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", state.display()));
        DirBuilder::new().recursive(true).mode(0o750).create(state).map_err(described)?;
        let path = state.join(format!("{name}.position"));
        let at = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().parse().map_err(|_| {
                let why = "holds no position; remove it, and the follower begins with the events that come then";
                io::Error::new(ErrorKind::InvalidData, format!("{} {why}", path.display()))
            })?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(described(error)),
        };
        Ok(Position { path, at, saved: at, saved_at: Instant::now() })
    }

    /// The last event that was dealt with.
    pub fn get(&self) -> Option<u64> {
        self.at
    }

    /// The event that is dealt with next.
    pub(super) fn next(&self) -> u64 {
        self.at.map_or(1, |at| at + 1)
    }

    /// Sets it, and saves it at once.
    pub fn set(&mut self, at: u64) -> io::Result<()> {
        self.at = Some(at);
        self.write()
    }

    pub(super) fn advance(&mut self, to: u64) {
        self.at = self.at.max(Some(to));
    }

    /// Saves it now and then.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if self.at != self.saved && self.saved_at.elapsed() >= SAVED { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("position.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
        writeln!(file, "{}", self.at.unwrap_or(0))?;
        file.sync_data()?; // or a power cut leaves an empty file under the name
        std::fs::rename(&new, &self.path)?;
        (self.saved, self.saved_at) = (self.at, Instant::now());
        Ok(())
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        if self.at != self.saved
            && let Err(error) = self.write()
        {
            log::error!("{}: {error}", self.path.display());
        }
    }
}

/// The highest of all positions: no event may have a lower number that is still to come.
pub fn highest(state: &Path) -> u64 {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten().map(|entry| entry.path());
    let positions = entries.filter(|path| path.extension().is_some_and(|extension| extension == "position"));
    positions.filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok()).max().unwrap_or(0)
}

/// Keeps an event that a follower can't deal with.
pub(super) fn set_aside(state: &Path, name: &str, json: &[u8]) -> io::Result<PathBuf> {
    let path = state.join(format!("{name}.aside.jsonl"));
    let mut file: File = OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?;
    file.write_all(&[json, b"\n"].concat())?;
    Ok(path)
}
