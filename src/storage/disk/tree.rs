//! What all files of a home have together: a walk through its tree that needs little memory and few handles, however
//! deep and wide the tree is.

use super::beneath::Beneath;
use super::hidden::is_hidden;
use super::wide;
use crate::storage::{Error, Result, VirtualPath};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// So many directories on the way down stay open; those above are opened again on the way back.
const OPEN: usize = 16;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that is being read.
struct Level {
    entries: Option<Dir>,
    /// Which directory it is.
    id: (u64, u64),
    /// Whether it is this process's own.
    is_ours: bool,
    /// Where reading goes on.
    next: i64,
}

/// The bytes of all regular files. Uploads under way are not among them.
pub(super) fn bytes(beneath: &Beneath) -> Result<u64> {
    let home = beneath.open(&VirtualPath::root(), DIRECTORY, Mode::empty())?;
    let mut levels = vec![Level::open(home)?];
    let mut total = 0;
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.read(&mut total)? {
            levels.push(child);
            let above = levels.len().checked_sub(OPEN + 1).and_then(|index| levels.get_mut(index));
            if let Some(level) = above {
                level.entries = None;
            }
        } else if let Some(done) = levels.pop()
            && let Some(parent) = levels.last_mut()
            && parent.entries.is_none()
        {
            parent.reopen(&done)?;
        }
    }
    Ok(total)
}

impl Level {
    fn open(directory: OwnedFd) -> Result<Level> {
        let stat = rustix::fs::fstat(&directory)?;
        Ok(Level {
            id: (wide(stat.st_dev), wide(stat.st_ino)),
            is_ours: stat.st_uid == rustix::process::geteuid().as_raw(),
            next: 0,
            entries: Some(Dir::new(directory)?),
        })
    }

    /// Adds up files until a directory comes; None at the end.
    fn read(&mut self, total: &mut u64) -> Result<Option<Level>> {
        let Some(entries) = &mut self.entries else { return Err(moved()) };
        while let Some(entry) = entries.read() {
            let entry = match entry {
                Err(Errno::NOENT) => return Ok(None), // it was removed
                entry => entry?,
            };
            self.next = entry.offset();
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || is_hidden(name.to_bytes()) {
                continue;
            }
            let child = match entry.file_type() {
                FileType::Directory => enter(entries.fd()?, name),
                FileType::RegularFile | FileType::Unknown => look(entries.fd()?, name, total),
                _ => continue,
            };
            match child {
                Ok(None) | Err(Error::NotFound | Error::NotADirectory) => {}
                // Nobody could look into it but who owns it, who must not hide anything in this way.
                Err(Error::Denied) if !self.is_ours => {}
                child => return child,
            }
        }
        Ok(None)
    }

    /// Opens it again from a directory in it.
    fn reopen(&mut self, child: &Level) -> Result<()> {
        let entries = child.entries.as_ref().ok_or_else(moved)?;
        let again = Level::open(rustix::fs::openat(entries.fd()?, "..", DIRECTORY, Mode::empty())?)?;
        let mut entries = again.entries.filter(|_| again.id == self.id).ok_or_else(moved)?;
        entries.seek(self.next)?;
        self.entries = Some(entries);
        Ok(())
    }
}

/// A directory; none that somebody else has closed to us.
fn enter(parent: impl AsFd, name: &CStr) -> Result<Option<Level>> {
    match rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty()) {
        Ok(directory) => Ok(Some(Level::open(directory)?)),
        Err(Errno::ACCESS | Errno::PERM) => {
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_ours = stat.st_uid == rustix::process::geteuid().as_raw();
            if is_ours { Err(Error::Unsupported("A directory in the home can't be read")) } else { Ok(None) }
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Adds a file, or enters what turns out to be a directory.
fn look(parent: impl AsFd, name: &CStr, total: &mut u64) -> Result<Option<Level>> {
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => *total = total.saturating_add(stat.st_size.unsigned_abs()),
        FileType::Directory => return enter(parent, name),
        _ => {}
    }
    Ok(None)
}

fn moved() -> Error {
    Error::Io(io::Error::other("A directory was moved while its files were counted"))
}
