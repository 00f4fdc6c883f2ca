//! Temporary names in a home: hidden from clients, removed when an upload is cut, and swept up where a server that
//! was killed has left one. Whoever writes such a file holds a lock on it, so nobody else's is taken for a leftover.

use crate::storage::Result;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

const PREFIX: &str = ".django-ftpd-upload-";

/// Younger ones may have been made a moment before they are locked.
pub(super) const AGE: Duration = Duration::from_secs(60);
/// No clock is ahead of another one by so much, unless ours was set back.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Whether a name is one of ours: not listed, and not found by any command.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    let suffix = name.strip_prefix(PREFIX.as_bytes());
    suffix.is_some_and(|suffix| suffix.len() == 16 && suffix.iter().all(u8::is_ascii_hexdigit))
}

/// What became of a hidden file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Swept {
    Removed,
    /// It is somebody's who writes it, or can't be removed.
    Kept,
    /// Somebody may be about to write it.
    TooYoung,
}

/// Removes a hidden file that nobody writes any more.
pub(super) fn sweep(directory: impl AsFd, name: &OsStr) -> Swept {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(&directory, name, flags, Mode::empty()) else { return Swept::Kept };
    let file = File::from(file);
    let Ok(modified) = file.metadata().and_then(|metadata| metadata.modified()) else { return Swept::Kept };
    let is_old = match SystemTime::now().duration_since(modified) {
        Ok(age) => age > AGE,
        Err(ahead) => ahead.duration() > AHEAD,
    };
    if !is_old {
        return Swept::TooYoung;
    }
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Swept::Kept;
    }
    match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) => Swept::Removed,
        Err(errno) => {
            if errno != Errno::NOENT {
                log::warn!("the temporary file {}, which was left, can't be removed: {errno}", name.display());
            }
            Swept::Kept
        }
    }
}

/// A hidden name; removed when dropped.
pub(super) struct Hidden {
    parent: OwnedFd,
    name: Option<OsString>,
}

impl Hidden {
    /// A new file under a hidden name.
    pub(super) fn create(parent: OwnedFd, mode: Mode) -> Result<(File, Hidden)> {
        let name = random_name()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&parent, &name, flags, mode)?);
        let hidden = Hidden { parent, name: Some(name) };
        lock(&file);
        Ok((file, hidden))
    }

    /// A hidden name for a file that has none yet.
    pub(super) fn name(
        parent: OwnedFd,
        file: &File,
        link: impl FnOnce(&OsStr) -> rustix::io::Result<()>,
    ) -> Result<Hidden> {
        lock(file);
        let name = random_name()?;
        link(&name)?;
        Ok(Hidden { parent, name: Some(name) })
    }

    /// Opens what has the name, to read it.
    pub(super) fn open(&self) -> Result<File> {
        let name = self.name.as_deref().unwrap_or_default();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.parent, name, flags, Mode::empty())?.into())
    }

    /// Gives the file its real name, over what is there.
    pub(super) fn rename(mut self, parent: impl AsFd, to: &OsStr) -> Result<()> {
        if let Some(name) = &self.name {
            rustix::fs::renameat(&self.parent, name, parent, to)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(name) = self.name.take()
            && let Err(errno) = rustix::fs::unlinkat(&self.parent, &name, AtFlags::empty())
        {
            log::warn!("the temporary file {} can't be removed: {errno}", name.display());
        }
    }
}

/// Where the file system has no locks, nothing is swept up either.
fn lock(file: &File) {
    if let Err(errno) = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        log::debug!("a temporary file can't be locked: {errno}");
    }
}

fn random_name() -> Result<OsString> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{PREFIX}{:016x}", u64::from_ne_bytes(random)).into())
}
