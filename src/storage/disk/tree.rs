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
use std::os::fd::{BorrowedFd, OwnedFd};

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

/// What a walk comes to.
pub(super) enum Found {
    File,
    /// A temporary name of ours.
    Hidden,
    /// A directory that is this process's own, and can't be read.
    Closed,
    /// What can't be looked at for any other reason.
    Failed(Error),
}

/// The bytes of all regular files. Uploads under way are not among them.
pub(super) fn bytes(beneath: &Beneath) -> Result<u64> {
    let home = beneath.open(&VirtualPath::root(), DIRECTORY, Mode::empty())?;
    let mut total: u64 = 0;
    walk(home, |directory, name, found| {
        match found {
            Found::File => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                total = total.saturating_add(stat.st_size.unsigned_abs());
            }
            Found::Hidden => {}
            // Nobody could look into it but who owns it, who must not hide anything in this way.
            Found::Closed => return Err(Error::Unsupported("A directory in the home can't be read")),
            Found::Failed(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(total)
}

/// Shows all regular files below a directory, each by its own directory and its name. What goes meanwhile is passed over.
pub(super) fn walk(root: OwnedFd, mut see: impl FnMut(BorrowedFd<'_>, &CStr, Found) -> Result<()>) -> Result<()> {
    let mut levels = vec![Level::open(root)?];
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.read(&mut see)? {
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
    Ok(())
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

    /// Shows files until a directory comes; None at the end.
    fn read(&mut self, see: &mut impl FnMut(BorrowedFd<'_>, &CStr, Found) -> Result<()>) -> Result<Option<Level>> {
        let Some(entries) = &mut self.entries else { return Err(moved()) };
        while let Some(entry) = entries.read() {
            let entry = match entry {
                Err(Errno::NOENT) => return Ok(None), // it was removed
                Err(errno) => {
                    see(entries.fd()?, c".", Found::Failed(errno.into()))?;
                    return Ok(None);
                }
                Ok(entry) => entry,
            };
            self.next = entry.offset();
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match enter_or_see(entries.fd()?, name, entry.file_type(), see) {
                Ok(None) | Err(Error::NotFound | Error::NotADirectory) => {}
                // Who owns it could look into it, and nobody else.
                Err(Error::Denied) if self.is_ours => see(entries.fd()?, name, Found::Closed)?,
                Err(Error::Denied) => {}
                Err(error) => see(entries.fd()?, name, Found::Failed(error))?,
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

/// A directory is entered, but for one that is closed to us; a file is seen.
fn enter_or_see(
    parent: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    see: &mut impl FnMut(BorrowedFd<'_>, &CStr, Found) -> Result<()>,
) -> Result<Option<Level>> {
    let stat = || rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    let kind = if kind == FileType::Unknown { FileType::from_raw_mode(stat()?.st_mode) } else { kind };
    if is_hidden(name.to_bytes()) && kind != FileType::RegularFile {
        return Ok(None);
    }
    match kind {
        FileType::Directory => match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
            Ok(directory) => return Ok(Some(Level::open(directory)?)),
            Err(Errno::ACCESS | Errno::PERM) => {
                if stat()?.st_uid == rustix::process::geteuid().as_raw() {
                    see(parent, name, Found::Closed)?;
                }
            }
            Err(errno) => return Err(errno.into()),
        },
        FileType::RegularFile if is_hidden(name.to_bytes()) => see(parent, name, Found::Hidden)?,
        FileType::RegularFile => see(parent, name, Found::File)?,
        _ => {}
    }
    Ok(None)
}

fn moved() -> Error {
    Error::Io(io::Error::other("A directory was moved while it was looked through"))
}
