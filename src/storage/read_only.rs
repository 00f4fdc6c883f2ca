//! A home in parts of which nothing can be changed: each method that writes is refused there, whatever the way to it.

use super::{Detail, Error, Facts, Home, Listing, Result, Source, Upload, Usage, VirtualPath, Write};
use jiff::Timestamp;

/// A home with parts that are as they are.
pub struct ReadOnly {
    inner: Box<dyn Home>,
    /// The same without links: what was judged by its real path can't become a way to elsewhere before it is done.
    direct: Box<dyn Home>,
    parts: Vec<VirtualPath>,
}

impl ReadOnly {
    /// The same home, but nothing changes at and below these paths.
    pub fn new(inner: Box<dyn Home>, parts: Vec<VirtualPath>) -> ReadOnly {
        ReadOnly { direct: inner.direct(), inner, parts }
    }

    /// The parts under the names they were given, and where they really are.
    fn any_part(&self, mut is_so: impl FnMut(&VirtualPath) -> bool) -> bool {
        self.parts
            .iter()
            .any(|part| is_so(part) || self.inner.resolve(part, Detail::Follow).is_ok_and(|real| is_so(&real)))
    }

    fn covers(&self, path: &VirtualPath) -> bool {
        self.any_part(|part| path.is_within(part))
    }

    /// Where a path really leads, if something can be changed there.
    fn changeable(&self, path: &VirtualPath, detail: Detail) -> Result<VirtualPath> {
        let real = self.inner.resolve(path, detail)?;
        if self.covers(path) || self.covers(&real) { Err(Error::Denied) } else { Ok(real) }
    }

    /// The same for a name that is to go, or to be taken; none that a part needs.
    fn removable(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let real = self.changeable(path, Detail::ShowLinks)?;
        let is_needed = self.any_part(|part| part.is_within(path) || part.is_within(&real));
        if is_needed { Err(Error::Denied) } else { Ok(real) }
    }
}

impl Home for ReadOnly {
    fn facts(&self, path: &VirtualPath, detail: Detail) -> Result<Facts> {
        self.inner.facts(path, detail)
    }

    fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing> {
        self.inner.list(path, detail)
    }

    fn read(&self, path: &VirtualPath) -> Result<Box<dyn Source>> {
        self.inner.read(path)
    }

    fn write(&self, path: &VirtualPath, how: Write, mode: u32) -> Result<Box<dyn Upload>> {
        self.direct.write(&self.changeable(path, Detail::Follow)?, how, mode)
    }

    fn make_directory(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        self.direct.make_directory(&self.changeable(path, Detail::ShowLinks)?, mode)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.direct.remove_directory(&self.removable(path)?)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<()> {
        self.direct.remove_file(&self.removable(path)?)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()> {
        self.direct.rename(&self.removable(from)?, &self.removable(to)?)
    }

    fn set_modified(&self, path: &VirtualPath, time: Timestamp) -> Result<()> {
        self.direct.set_modified(&self.changeable(path, Detail::Follow)?, time)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        self.direct.set_mode(&self.changeable(path, Detail::Follow)?, mode)
    }

    fn available(&self, path: &VirtualPath) -> Result<u64> {
        self.inner.available(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Vec<u8> {
        self.inner.real_path(path)
    }

    fn used(&self) -> Result<u64> {
        self.inner.used()
    }

    fn resolve(&self, path: &VirtualPath, detail: Detail) -> Result<VirtualPath> {
        self.inner.resolve(path, detail)
    }

    fn direct(&self) -> Box<dyn Home> {
        Box::new(ReadOnly::new(self.inner.direct(), self.parts.clone()))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.inner.usage()
    }

    fn is_read_only(&self, path: &VirtualPath) -> bool {
        self.covers(path) || self.inner.resolve(path, Detail::Follow).is_ok_and(|real| self.covers(&real))
    }
}
