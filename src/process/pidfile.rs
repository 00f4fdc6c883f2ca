//! The file with the number of the process. A lock on it tells whether that process runs: a file that was left behind
//! by one that was killed does no harm.

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Pid;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who looks may meet a server that ends and removes the file.
const ATTEMPTS: usize = 10;
/// Between two attempts with a file that somebody else has locked.
const PAUSE: Duration = Duration::from_millis(100);
/// No number of a process is longer.
const LONGEST: usize = 20;

/// Ours, for as long as this or a clone is there.
#[derive(Debug, Clone)]
pub struct Pidfile(Arc<Locked>);

#[derive(Debug)]
struct Locked {
    path: PathBuf,
    file: File,
}

/// Why it can't be had.
#[derive(Debug)]
pub enum Refusal {
    /// Another server has it.
    Taken(String),
    /// It is no place for a number.
    Unusable(String),
}

impl Pidfile {
    /// Locks the file and writes the number of this process.
    pub fn lock(path: &Path) -> Result<Pidfile, Refusal> {
        let wrong = |why: String| Refusal::Unusable(format!("{}: {why}", path.display()));
        for attempt in 1..=ATTEMPTS {
            let mut file = open(path).map_err(|error| wrong(reason(&error)))?;
            let number = number(&mut file).map_err(wrong)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if runs(&number) => return Err(Refusal::Taken(taken(path, &number))),
                Err(TryLockError::WouldBlock) => {
                    // Whoever may read a file can lock it. A server would have written its number by now.
                    std::thread::sleep(PAUSE);
                    if attempt == ATTEMPTS / 2 && has_name(&file, path) {
                        std::fs::remove_file(path).map_err(|error| wrong(error.to_string()))?;
                    }
                    continue;
                }
                Err(TryLockError::Error(error)) => return Err(wrong(error.to_string())),
            }
            if has_name(&file, path) {
                write(&file).map_err(|error| wrong(error.to_string()))?;
                return Ok(Pidfile(Arc::new(Locked { path: path.to_path_buf(), file })));
            }
        }
        Err(wrong(
            "somebody has it, or it comes and goes; are there servers that start and end all the time?".to_string(),
        ))
    }

    /// Removes it; where that is not allowed any more, empties it.
    pub fn remove(&self) {
        self.0.remove();
    }
}

impl Locked {
    fn remove(&self) {
        if !has_name(&self.file, &self.path) || std::fs::remove_file(&self.path).is_ok() {
            return;
        }
        if let Err(error) = self.file.set_len(0) {
            log::warn!("pidfile {}: it can't be removed: {error}", self.path.display());
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Opens it, or makes it. Nothing behind a symbolic link is touched, and nothing that is no file is waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o644).custom_flags(flags);
    let made = options.clone().create_new(true).open(path);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        made => {
            let file = made?;
            file.set_permissions(Permissions::from_mode(0o644))?; // whatever the umask says
            Ok(file)
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            "is a symbolic link; name the file itself".to_string()
        }
        ErrorKind::IsADirectory => "is a directory, not a file".to_string(),
        _ => error.to_string(),
    }
}

/// The number that stands there, if any. A file of something else is refused.
fn number(file: &mut File) -> Result<String, String> {
    let is_file = file.metadata().map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("is no plain file".to_string());
    }
    let mut text = Vec::new();
    file.take(LONGEST as u64 + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let number = text.trim_ascii_end();
    match text.len() <= LONGEST && number.iter().all(u8::is_ascii_digit) {
        true => Ok(String::from_utf8_lossy(number).into_owned()),
        false => Err("holds something else than the number of a process; it is left as it is".to_string()),
    }
}

/// Whether there is a process of that number.
fn runs(number: &str) -> bool {
    let pid = number.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

fn taken(path: &Path, number: &str) -> String {
    let process = if number.is_empty() { "another process".to_string() } else { format!("process {number}") };
    format!("{}: {process} runs with it; stop that one first, or name another file", path.display())
}

fn write(mut file: &File) -> io::Result<()> {
    use std::io::Seek;
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Whether the name still stands for this file.
fn has_name(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => identity(ours) == identity(named),
        _ => false,
    }
}
