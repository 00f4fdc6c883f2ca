//! Homes on a disk. Every operation is relative to a handle of the home and resolved by openat2(2) beneath it:
//! no path is ever joined and handed to the kernel, so neither `..` nor a link swapped in time leads out.

mod beneath;
mod hidden;
mod listing;
mod magic_link;
mod tree;
mod upload;

use super::{Detail, Error, Facts, Home, Kind, Listing, Result, Source, Storage, Upload, VirtualPath, Write};
use crate::accounts::Account;
use crate::events::Complaints;
use beneath::Beneath;
use hidden::Swept;
use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, Timestamps};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tree::Found;

/// What a look for temporary files has come to.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pub(crate) removed: usize,
    /// There may be more in a while.
    pub(crate) is_unsure: bool,
}

/// The disk of this host.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    sync: bool,
    is_sandboxed: bool,
    complaints: Arc<Complaints>,
}

impl Disk {
    /// The disk, leaving it to the system when uploads are written out.
    pub fn new() -> Disk {
        Disk::default()
    }

    /// Whether an upload is on the disk before it is acknowledged.
    pub fn sync_uploads(mut self, sync: bool) -> Disk {
        self.sync = sync;
        self
    }

    /// Whether the kernel keeps the process to some places: the log names homes that are elsewhere.
    pub fn sandboxed(mut self, is_sandboxed: bool) -> Disk {
        self.is_sandboxed = is_sandboxed;
        self
    }

    /// From this age on a temporary file that nobody writes is known to be left.
    pub(crate) const SURE: Duration = hidden::AGE;

    /// Removes what uploads that were cut by the end of a server have left below a directory.
    pub(crate) fn sweep(directory: &Path) -> Result<Sweep> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(directory, flags, Mode::empty())?;
        let mut sweep = Sweep::default();
        tree::walk(root, |directory, name, found| {
            match found {
                Found::Hidden => match hidden::sweep(directory, OsStr::from_bytes(name.to_bytes())) {
                    Swept::Removed => sweep.removed += 1,
                    Swept::TooYoung => sweep.is_unsure = true,
                    Swept::Kept => {}
                },
                Found::Failed(_) => sweep.is_unsure = true,
                Found::File | Found::Closed => {}
            }
            Ok(())
        })?;
        Ok(sweep)
    }
}

impl Storage for Disk {
    fn home(&self, account: &Account) -> Box<dyn Home> {
        let beneath = Beneath::new(account.home.clone(), self.complaints.clone()).sandboxed(self.is_sandboxed);
        Box::new(DiskHome { beneath, sync: self.sync })
    }
}

struct DiskHome {
    beneath: Beneath,
    sync: bool,
}

impl DiskHome {
    /// What exists, for a change of its attributes: a handle that needs no right to read or write it.
    fn handle(&self, path: &VirtualPath) -> Result<OwnedFd> {
        self.beneath.open(path, OFlags::PATH, Mode::empty())
    }

    /// The same opened for real, which needs a right: where there is no /proc to name the handle by.
    fn opened(&self, path: &VirtualPath) -> Result<OwnedFd> {
        match self.facts(path, Detail::Follow)?.kind {
            // To open a device can do something.
            Kind::Other => Err(Error::Denied),
            Kind::File | Kind::Directory => {
                let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
                let read = self.beneath.open(path, flags | OFlags::RDONLY, Mode::empty());
                read.or_else(|_| self.beneath.open(path, flags | OFlags::WRONLY, Mode::empty()))
            }
        }
    }
}

impl Home for DiskHome {
    fn facts(&self, path: &VirtualPath, detail: Detail) -> Result<Facts> {
        if detail == Detail::ShowLinks && !path.is_root() {
            let (parent, name) = self.beneath.parent(path)?;
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            return self.beneath.facts_of_entry(&stat, detail, || path.clone());
        }
        let handle = self.beneath.open(path, OFlags::PATH, Mode::empty())?;
        Ok(facts_of(&rustix::fs::fstat(handle)?))
    }

    fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing> {
        let directory = self.beneath.open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Box::new(listing::Entries::new(directory, self.beneath.clone(), path.clone(), detail)?))
    }

    fn read(&self, path: &VirtualPath) -> Result<Box<dyn Source>> {
        // NONBLOCK: opening a FIFO must not wait for its other end.
        let file = self.beneath.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
        let stat = regular(&file)?;
        Ok(Box::new(DiskSource { size: stat.st_size.unsigned_abs(), file: file.into() }))
    }

    fn write(&self, path: &VirtualPath, how: Write, mode: u32) -> Result<Box<dyn Upload>> {
        let upload = match how {
            Write::Whole => upload::whole(&self.beneath, path, mode, self.sync)?,
            Write::InPlace | Write::At(_) | Write::Append => {
                upload::in_place(&self.beneath, path, how, mode, self.sync)?
            }
        };
        Ok(Box::new(upload))
    }

    fn make_directory(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        if path.is_root() {
            return Err(Error::Exists);
        }
        let (parent, name) = self.beneath.parent(path)?;
        Ok(rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode))?)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<()> {
        let (parent, name) = self.beneath.parent(path)?;
        self.beneath.check_visible(path, &parent, name)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            // What keeps it may be something that nobody sees: to list it sweeps it up.
            Err(Errno::NOTEMPTY) => {
                self.list(path, Detail::Names)?.for_each(drop);
                Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
            }
            result => Ok(result?),
        }
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<()> {
        let (parent, name) = self.beneath.parent(path)?;
        self.beneath.check_visible(path, &parent, name)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Err(Errno::PERM) if self.facts(path, Detail::Follow).is_ok_and(|facts| facts.kind == Kind::Directory) => {
                Err(Error::IsADirectory)
            }
            result => Ok(result?),
        }
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()> {
        let (from_parent, from_name) = self.beneath.parent(from)?;
        let (to_parent, to_name) = self.beneath.parent(to)?;
        self.beneath.check_visible(from, &from_parent, from_name)?;
        match self.beneath.check_visible(to, &to_parent, to_name) {
            // A link that leads out is in the way.
            Err(Error::NotFound) if rustix::fs::statat(&to_parent, to_name, AtFlags::SYMLINK_NOFOLLOW).is_ok() => {
                return Err(Error::Denied);
            }
            _ => {}
        }
        match rustix::fs::renameat(&from_parent, from_name, &to_parent, to_name) {
            Err(Errno::XDEV) => Err(Error::Unsupported("Can't rename across file systems")),
            Err(Errno::INVAL) => Err(Error::Unsupported("Can't move a directory into itself")),
            result => Ok(result?),
        }
    }

    fn set_modified(&self, path: &VirtualPath, time: Timestamp) -> Result<()> {
        let time = rustix::fs::Timespec { tv_sec: time.as_second(), tv_nsec: time.subsec_nanosecond().into() };
        let times = Timestamps { last_access: time, last_modification: time };
        let handle = self.handle(path)?;
        match rustix::fs::utimensat(&handle, "", &times, AtFlags::EMPTY_PATH) {
            // Linux before 5.8
            Err(Errno::INVAL) => Ok(rustix::fs::utimensat(CWD, magic_link::of(&handle), &times, AtFlags::empty())?),
            result => Ok(result?),
        }
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        if !magic_link::work() {
            return Ok(rustix::fs::fchmod(self.opened(path)?, mode)?);
        }
        let handle = self.handle(path)?;
        Ok(rustix::fs::chmod(magic_link::of(&handle), mode)?)
    }

    fn available(&self, path: &VirtualPath) -> Result<u64> {
        let handle = self.beneath.open(path, OFlags::PATH, Mode::empty())?;
        let stat = rustix::fs::fstatvfs(handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn real_path(&self, path: &VirtualPath) -> Vec<u8> {
        let home = self.beneath.home();
        let real = if path.is_root() { home.to_path_buf() } else { home.join(path.relative()) };
        real.into_os_string().into_vec()
    }

    fn used(&self) -> Result<u64> {
        tree::bytes(&self.beneath)
    }

    fn resolve(&self, path: &VirtualPath, detail: Detail) -> Result<VirtualPath> {
        match (detail, path.name()) {
            (Detail::ShowLinks, Some(name)) => Ok(self.beneath.without_links(&path.parent())?.join(name)),
            _ => self.beneath.without_links(path),
        }
    }

    fn direct(&self) -> Box<dyn Home> {
        Box::new(DiskHome { beneath: self.beneath.direct(), sync: self.sync })
    }
}

struct DiskSource {
    file: File,
    size: u64,
}

impl Source for DiskSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// A handle's attributes, if it is of a regular file.
fn regular(file: impl AsFd) -> Result<Stat> {
    let stat = rustix::fs::fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat),
        FileType::Directory => Err(Error::IsADirectory),
        _ => Err(Error::Denied),
    }
}

fn facts_of(stat: &Stat) -> Facts {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        _ => Kind::Other,
    };
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Facts {
        kind,
        size: stat.st_size.unsigned_abs(),
        // A time that no calendar has is shown as the epoch.
        modified: Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: wide(stat.st_nlink),
        identity: (wide(stat.st_dev), wide(stat.st_ino)),
        link_target: None,
    }
}

/// The width of some fields is the architecture's.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::time::SystemTime;

    const LEFT: &str = ".django-ftpd-upload-84f68c3d442c9e00";

    fn home(name: &str) -> PathBuf {
        let home = std::env::temp_dir().join(format!("django-ftpd-{}-{name}", std::process::id()));
        fs::create_dir_all(home.join("a/b")).unwrap();
        home
    }

    #[test]
    fn a_temporary_file_is_removed_once_it_is_surely_nobodys() {
        let home = home("sweep");
        let file = fs::File::create(home.join("a/b").join(LEFT)).unwrap();
        let told = |home: &Path| Disk::sweep(home).map(|sweep| (sweep.removed, sweep.is_unsure)).unwrap();
        assert_eq!(told(&home), (0, true));
        file.set_modified(SystemTime::now() - 2 * Disk::SURE).unwrap();
        file.lock().unwrap();
        assert_eq!(told(&home), (0, false));
        file.unlock().unwrap();
        assert_eq!(told(&home), (1, false));
        assert_eq!(told(&home), (0, false));
        fs::remove_dir_all(&home).unwrap();
        assert!(matches!(Disk::sweep(&home), Err(Error::NotFound)));
    }

    #[test]
    fn what_nobody_sees_does_not_count() {
        let home = home("bytes");
        fs::write(home.join("a/b/file"), "12345").unwrap();
        fs::write(home.join("a").join(LEFT), "not yet").unwrap();
        fs::create_dir(home.join(LEFT)).unwrap();
        fs::write(home.join(LEFT).join("file"), "never").unwrap();
        assert_eq!(tree::bytes(&Beneath::new(home.clone(), Arc::default())).unwrap(), 5);
        fs::remove_dir_all(&home).unwrap();
    }
}
