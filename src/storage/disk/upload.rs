//! Uploads. A whole one is written to a file that has no name yet, and gets it when it is complete; where the file
//! system has no such files, to a hidden one beside the target.

use super::beneath::{Beneath, Parent};
use super::hidden::Hidden;
use super::{magic_link, regular};
use crate::storage::{Error, Footprint, Result, Upload, VirtualPath, Write};
use rustix::fs::{Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write as _};
use std::os::fd::AsFd;

pub(super) struct DiskUpload {
    file: File,
    publish: Publish,
    sync: bool,
}

/// What the commit has to do.
enum Publish {
    /// Written in place; to be emptied before the first byte.
    InPlace { truncate: bool, append: bool },
    /// Give the nameless file its name.
    Nameless(Target),
    /// Rename the hidden file.
    Hidden { target: Target, hidden: Hidden },
}

struct Target {
    parent: Parent,
    name: OsString,
    replaces: bool,
}

/// A file that appears when it is complete. What it replaces keeps its mode and owner.
pub(super) fn whole(beneath: &Beneath, path: &VirtualPath, mode: u32, sync: bool) -> Result<DiskUpload> {
    let resolved;
    let (mut parent, mut name) = beneath.parent(path)?;
    let mut old = existing(&parent, name)?;
    if old.as_ref().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink) {
        if beneath.is_direct() {
            return Err(Error::Denied);
        }
        // What the link names is written; a link that leads out is in the way.
        resolved = beneath.without_links(path).map_err(|_| Error::Denied)?;
        (parent, name) = beneath.parent(&resolved)?;
        old = existing(&parent, name)?;
    }
    if let Some(stat) = &old {
        check_replaceable(stat, &parent, name)?;
    }
    let target = Target { name: name.to_os_string(), replaces: old.is_some(), parent };
    let (file, publish) = match create(target, Mode::from_raw_mode(mode)) {
        // The file may be written, only its directory may not: there is but one way.
        Err(Error::Denied) if old.is_some() => return in_place(beneath, path, Write::InPlace, mode, sync),
        result => result?,
    };
    if let Some(stat) = &old {
        inherit(&file, stat)?;
    }
    Ok(DiskUpload { file, publish, sync })
}

/// A file that is written where it is.
pub(super) fn in_place(beneath: &Beneath, path: &VirtualPath, how: Write, mode: u32, sync: bool) -> Result<DiskUpload> {
    let access = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let (flags, mode) = match how {
        Write::At(_) => (access, Mode::empty()),
        Write::Append => (access | OFlags::CREATE | OFlags::APPEND, Mode::from_raw_mode(mode)),
        Write::InPlace | Write::Whole => (access | OFlags::CREATE, Mode::from_raw_mode(mode)),
    };
    let mut file: File = beneath.open(path, flags, mode)?.into();
    regular(&file)?;
    if let Write::At(offset) = how {
        file.seek(SeekFrom::Start(offset))?;
    }
    Ok(DiskUpload {
        file,
        publish: Publish::InPlace { truncate: how == Write::InPlace, append: how == Write::Append },
        sync,
    })
}

fn existing(parent: &Parent, name: &OsStr) -> Result<Option<Stat>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// A rename would replace what an open for writing could not touch.
fn check_replaceable(old: &Stat, parent: &Parent, name: &OsStr) -> Result<()> {
    match FileType::from_raw_mode(old.st_mode) {
        FileType::RegularFile => Ok(rustix::fs::accessat(parent, name, Access::WRITE_OK, AtFlags::EACCESS)?),
        FileType::Directory => Err(Error::IsADirectory),
        _ => Err(Error::Denied),
    }
}

fn inherit(file: &File, old: &Stat) -> Result<()> {
    let new = rustix::fs::fstat(file)?;
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid) {
        // Only root can give files away; for everyone else the new file is theirs.
        let _ = rustix::fs::fchown(file, Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid)));
    }
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(old.st_mode & 0o777))?)
}

fn create(target: Target, mode: Mode) -> Result<(File, Publish)> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(&target.parent, ".", flags | OFlags::TMPFILE, mode) {
        // What can surely be given a name, see `link`.
        Ok(file) if magic_link::work() => Ok((file.into(), Publish::Nameless(target))),
        Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let parent = target.parent.as_fd().try_clone_to_owned()?;
            let (file, hidden) = Hidden::create(parent, mode)?;
            Ok((file, Publish::Hidden { target, hidden }))
        }
        Err(errno) => Err(errno.into()),
    }
}

impl Upload for DiskUpload {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.empty()?;
        Ok(self.file.write_all(bytes)?)
    }

    fn footprint(&self) -> Result<Footprint> {
        match &self.publish {
            Publish::InPlace { append, .. } => {
                let size = rustix::fs::fstat(&self.file)?.st_size.unsigned_abs();
                Ok(Footprint::InPlace { size, next: if *append { size } else { rustix::fs::tell(&self.file)? } })
            }
            Publish::Nameless(target) | Publish::Hidden { target, .. } => {
                let old = existing(&target.parent, &target.name)?;
                let old = old.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
                Ok(Footprint::Apart { replaces: old.map_or(0, |stat| stat.st_size.unsigned_abs()) })
            }
        }
    }

    /// Opened anew: whoever gets it can neither write nor move the place where we write.
    fn for_examination(&self) -> Result<Option<File>> {
        match &self.publish {
            Publish::InPlace { .. } => Ok(None),
            Publish::Nameless(_) => open_anew(&self.file, || Ok(File::open(magic_link::of(&self.file))?)).map(Some),
            Publish::Hidden { hidden, .. } => open_anew(&self.file, || hidden.open()).map(Some),
        }
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.empty()?;
        if self.sync {
            self.file.sync_all()?;
        }
        match self.publish {
            Publish::InPlace { .. } => Ok(()),
            Publish::Nameless(target) => target.appear(self.sync, || give_name(&self.file, &target)),
            Publish::Hidden { target, hidden } => {
                target.appear(self.sync, || hidden.rename(&target.parent, &target.name).map(|()| false))
            }
        }
    }
}

impl Target {
    /// Gives the file its name, which must be on the disk, too, before the upload counts as one that was synced.
    /// `give_name` tells whether nothing had the name.
    fn appear(&self, sync: bool, give_name: impl FnOnce() -> Result<bool>) -> Result<()> {
        // While nothing has the name, this may still fail. An O_PATH handle can't be synced.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&self.parent, ".", flags, Mode::empty());
        let directory = sync.then(open).transpose()?;
        let is_new = give_name()?;
        let Some(Err(errno)) = directory.map(rustix::fs::fsync) else { return Ok(()) };
        if is_new {
            // Nobody is told that it is there, so it is not. What it may have replaced can't be brought back.
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty());
        }
        Err(errno.into())
    }
}

impl DiskUpload {
    fn empty(&mut self) -> Result<()> {
        if let Publish::InPlace { truncate, .. } = &mut self.publish
            && std::mem::take(truncate)
        {
            self.file.set_len(0)?;
        }
        Ok(())
    }
}

/// Links the nameless file: straight to its name, or beside it and then over what is there. Whether nothing was there.
fn give_name(file: &File, target: &Target) -> Result<bool> {
    if !target.replaces {
        match link(file, &target.parent, &target.name) {
            Err(Errno::EXIST) => {}
            result => return Ok(result.map(|()| true)?),
        }
    }
    let parent = target.parent.as_fd().try_clone_to_owned()?;
    let hidden = Hidden::name(parent, file, |name| link(file, &target.parent, name))?;
    hidden.rename(&target.parent, &target.name).map(|()| false)
}

fn link(file: &File, parent: &Parent, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::linkat(file, "", parent, name, AtFlags::EMPTY_PATH) {
        // Without CAP_DAC_READ_SEARCH older kernels say so; the way through /proc is open to everybody.
        Err(Errno::NOENT | Errno::PERM) => {
            rustix::fs::linkat(CWD, magic_link::of(file), parent, name, AtFlags::SYMLINK_FOLLOW)
        }
        result => result,
    }
}

/// Opens a file of ours to read it, also where its mode would not let us: the client has chosen that.
fn open_anew(file: &File, open: impl Fn() -> Result<File>) -> Result<File> {
    match open() {
        Err(Error::Denied) => {
            let mode = Mode::from_raw_mode(rustix::fs::fstat(file)?.st_mode & 0o777);
            rustix::fs::fchmod(file, mode | Mode::RUSR)?;
            let opened = open();
            rustix::fs::fchmod(file, mode)?;
            opened
        }
        opened => opened,
    }
}
