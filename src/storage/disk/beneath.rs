//! Opening beneath a home. Links that stay inside are followed, also absolute ones; those that lead out don't exist.

use super::hidden::is_hidden;
use super::{facts_of, wide};
use crate::events::Complaints;
use crate::locks::lock;
use crate::storage::{Detail, Error, Facts, Result, VirtualPath};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// As many links as the kernel itself follows.
const MAX_LINKS: usize = 40;

/// A home's handle; a clone shares it.
#[derive(Debug, Clone)]
pub(super) struct Beneath {
    home: Arc<Path>,
    root: Arc<Mutex<Option<Arc<Root>>>>,
    complaints: Arc<Complaints>,
    /// No link leads anywhere.
    is_direct: bool,
    is_sandboxed: bool,
}

#[derive(Debug)]
pub(super) struct Root {
    handle: OwnedFd,
    /// Which directory it is.
    id: (u64, u64),
    /// The home's path without links, to recognise absolute links into it.
    canonical: PathBuf,
}

/// Whether a directory that this user may read can't be read by this process.
fn is_closed(directory: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, ".", flags, Mode::empty()).is_err_and(|errno| errno == Errno::ACCESS)
        && rustix::fs::accessat(directory, ".", Access::READ_OK, AtFlags::EACCESS).is_ok()
}

/// The directory that holds a name.
pub(super) enum Parent {
    Home(Arc<Root>),
    Other(OwnedFd),
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Parent::Home(root) => root.handle.as_fd(),
            Parent::Other(handle) => handle.as_fd(),
        }
    }
}

impl Beneath {
    pub(super) fn new(home: PathBuf, complaints: Arc<Complaints>) -> Beneath {
        Beneath { home: home.into(), root: Arc::default(), complaints, is_direct: false, is_sandboxed: false }
    }

    /// The same, where the kernel keeps the process to some places.
    pub(super) fn sandboxed(self, is_sandboxed: bool) -> Beneath {
        Beneath { is_sandboxed, ..self }
    }

    /// The same home, in which no link leads anywhere.
    pub(super) fn direct(&self) -> Beneath {
        Beneath { is_direct: true, ..self.clone() }
    }

    pub(super) fn is_direct(&self) -> bool {
        self.is_direct
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The handle of the home: opened at the first use, and again when the name stands for another directory.
    fn root(&self) -> Result<Arc<Root>> {
        let mut slot = lock(&self.root);
        let id = rustix::fs::stat(&*self.home).map(|stat| (wide(stat.st_dev), wide(stat.st_ino)));
        if let Some(root) = &*slot
            && id == Ok(root.id)
        {
            return Ok(root.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&*self.home, flags, Mode::empty()).map_err(|errno| {
            self.complaints.note(|| format!("home directory {}: {errno}", self.home.display()));
            Error::from(errno)
        })?;
        if self.is_sandboxed && is_closed(&handle) {
            self.complaints.note(|| {
                let home = self.home.display();
                format!(
                    "home directory {home} is outside of what the sandbox allows; name its parent in sandbox_paths, or \
                     restart"
                )
            });
            return Err(Error::NotFound);
        }
        let stat = rustix::fs::fstat(&handle)?;
        let canonical = std::fs::canonicalize(&self.home)?;
        let id = (wide(stat.st_dev), wide(stat.st_ino));
        Ok(slot.insert(Arc::new(Root { handle, id, canonical })).clone())
    }

    /// Opens a path, following links that stay inside.
    pub(super) fn open(&self, path: &VirtualPath, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        if path.components().any(is_hidden) {
            return Err(Error::NotFound);
        }
        let root = self.root()?;
        if self.is_direct {
            return Ok(open_beneath(&root, path, flags, mode, ResolveFlags::NO_SYMLINKS)?);
        }
        match open_beneath(&root, path, flags, mode, ResolveFlags::empty()) {
            // Some link leads out, or is absolute and perhaps leads back in.
            Err(Errno::XDEV) => Ok(open_beneath(&root, &resolve(&root, path)?, flags, mode, ResolveFlags::empty())?),
            result => Ok(result?),
        }
    }

    /// The directory that holds a path's last name, and that name. The home itself has none.
    pub(super) fn parent<'a>(&self, path: &'a VirtualPath) -> Result<(Parent, &'a OsStr)> {
        let name = OsStr::from_bytes(path.name().ok_or(Error::Denied)?);
        let parent = path.parent();
        if is_hidden(name.as_bytes()) {
            return Err(Error::NotFound);
        }
        if parent.is_root() {
            return Ok((Parent::Home(self.root()?), name));
        }
        Ok((Parent::Other(self.open(&parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?), name))
    }

    /// The same path with every link in it resolved.
    pub(super) fn without_links(&self, path: &VirtualPath) -> Result<VirtualPath> {
        resolve(&*self.root()?, path)
    }

    /// What a listing tells of a name whose own attributes are known.
    pub(super) fn facts_of_entry(
        &self,
        stat: &Stat,
        detail: Detail,
        path: impl FnOnce() -> VirtualPath,
    ) -> Result<Facts> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => self.facts_behind(&path(), stat, detail),
            _ => Ok(facts_of(stat)),
        }
    }

    fn facts_behind(&self, path: &VirtualPath, stat: &Stat, detail: Detail) -> Result<Facts> {
        match (self.open(path, OFlags::PATH, Mode::empty()), detail) {
            (Ok(handle), Detail::Follow | Detail::Names) => Ok(facts_of(&rustix::fs::fstat(handle)?)),
            (Ok(_), Detail::ShowLinks) => self.facts_of_link(path, stat),
            // A link to nothing, inside: it is there, and can be deleted.
            (Err(Error::NotFound), Detail::Names) if self.without_links(path).is_ok() => Ok(facts_of(stat)),
            (Err(Error::NotFound), Detail::ShowLinks) if self.without_links(path).is_ok() => {
                self.facts_of_link(path, stat)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn facts_of_link(&self, path: &VirtualPath, stat: &Stat) -> Result<Facts> {
        let root = self.root()?;
        let (parent, name) = self.parent(path)?;
        let target = rustix::fs::readlinkat(&parent, name, Vec::new())?.into_bytes();
        let target = match inside(&root, &target) {
            Some(rest) => VirtualPath::root().join(rest).as_bytes().to_vec(),
            None => target,
        };
        Ok(Facts { link_target: Some(target), ..facts_of(stat) })
    }

    /// Not found, if the name is a link that leads out.
    pub(super) fn check_visible(&self, path: &VirtualPath, parent: &Parent, name: &OsStr) -> Result<()> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            self.without_links(path)?;
        }
        Ok(())
    }
}

fn open_beneath(
    root: &Root,
    path: &VirtualPath,
    flags: OFlags,
    mode: Mode,
    stricter: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | stricter;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(&root.handle, path.relative(), flags | OFlags::CLOEXEC, mode, resolve) {
            // A rename somewhere made the kernel unsure about a `..` in a link.
            Err(Errno::AGAIN | Errno::INTR) if tries < 64 => tries += 1,
            result => return result,
        }
    }
}

/// The path without links. It is only a name: whoever opens it does so beneath the home again.
fn resolve(root: &Root, path: &VirtualPath) -> Result<VirtualPath> {
    let mut done = VirtualPath::root();
    let mut ahead: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == b".." {
            if done.is_root() {
                return Err(Error::NotFound);
            }
            done = done.parent();
            continue;
        }
        let next = done.join(&name);
        let parent = open_beneath(root, &done, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), ResolveFlags::empty());
        match parent.and_then(|parent| rustix::fs::readlinkat(parent, OsStr::from_bytes(&name), Vec::new())) {
            Ok(target) => {
                links += 1;
                let target = target.into_bytes();
                let rest = match (target.first() == Some(&b'/'), inside(root, &target)) {
                    (false, _) => target.as_slice(),
                    (true, Some(rest)) => {
                        done = VirtualPath::root();
                        rest
                    }
                    (true, None) => return Err(Error::NotFound),
                };
                if links > MAX_LINKS {
                    return Err(Error::NotFound);
                }
                let names = rest.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b"."));
                names.rev().for_each(|name| ahead.push_front(name.to_vec()));
            }
            // Not a link, or nothing yet.
            Err(Errno::INVAL | Errno::NOENT) => done = next,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(done)
}

/// What follows the home's own path in an absolute target.
fn inside<'a>(root: &Root, target: &'a [u8]) -> Option<&'a [u8]> {
    let home = root.canonical.as_os_str().as_bytes();
    let rest = target.strip_prefix(home.strip_suffix(b"/").unwrap_or(home))?;
    (rest.is_empty() || rest.first() == Some(&b'/')).then_some(rest)
}
