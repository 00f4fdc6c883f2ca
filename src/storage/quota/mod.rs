//! A home whose files may have only so many bytes together. All its accounts and sessions share the count.

mod tracker;

use super::shared::Shared;
use super::{Detail, Error, Facts, Footprint, Home, Kind, Listing, Result, Source, Upload, Usage, VirtualPath, Write};
use crate::locks::lock;
use jiff::Timestamp;
use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracker::{Need, Tracker};

/// Which home it is, whatever name it is found under.
type Identity = (u64, u64);

/// The counts of all homes that have a quota and are used; a clone shares them.
#[derive(Clone, Default)]
pub struct Quotas(Shared<Identity, Tracker>);

/// A home with a quota.
pub struct Metered {
    inner: Box<dyn Home>,
    quotas: Quotas,
    limit: u64,
    known: Mutex<Option<(Identity, Arc<Tracker>)>>,
}

impl Metered {
    /// The same home, with at most so many bytes in it.
    pub fn new(inner: Box<dyn Home>, quotas: Quotas, limit: u64) -> Metered {
        Metered { inner, quotas, limit, known: Mutex::default() }
    }

    /// The count of the directory that is the home now.
    fn tracker(&self) -> Result<Arc<Tracker>> {
        let identity = self.inner.facts(&VirtualPath::root(), Detail::Follow)?.identity;
        let mut known = lock(&self.known);
        if let Some((same, tracker)) = &*known
            && *same == identity
        {
            return Ok(tracker.clone());
        }
        let tracker = self.quotas.0.get(identity, Tracker::default);
        *known = Some((identity, tracker.clone()));
        Ok(tracker)
    }

    fn used(&self) -> Result<u64> {
        let tracker = self.tracker()?;
        tracker.refresh(&*self.inner, Need::Exact)?;
        Ok(tracker.used())
    }

    /// Whether an upload adds to the home with its first byte.
    fn grows(&self, path: &VirtualPath, how: Write) -> bool {
        let offset = match how {
            Write::Whole | Write::Append => return true,
            Write::InPlace => 0,
            Write::At(offset) => offset,
        };
        let facts = self.inner.facts(path, Detail::Follow);
        !facts.is_ok_and(|facts| facts.kind == Kind::File && offset < facts.size)
    }
}

impl Home for Metered {
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
        let tracker = self.tracker()?;
        tracker.refresh(&*self.inner, Need::Recent)?;
        if tracker.used() >= self.limit && self.grows(path, how) {
            tracker.refresh(&*self.inner, Need::Exact)?;
            if tracker.used() >= self.limit {
                return Err(Error::OverQuota);
            }
        }
        let inner = self.inner.write(path, how, mode)?;
        let is_apart = matches!(inner.footprint()?, Footprint::Apart { .. });
        let (home, limit) = (self.inner.direct(), self.limit);
        Ok(Box::new(MeteredUpload { inner: Some(inner), is_apart, home, tracker, limit, in_flight: 0 }))
    }

    fn make_directory(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        self.inner.make_directory(path, mode)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.inner.remove_directory(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<()> {
        let tracker = self.tracker()?;
        self.inner.remove_file(path)?;
        tracker.mark_stale();
        Ok(())
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()> {
        let tracker = self.tracker()?;
        let _between = tracker.between_walks();
        self.inner.rename(from, to)?;
        tracker.mark_stale();
        Ok(())
    }

    fn set_modified(&self, path: &VirtualPath, time: Timestamp) -> Result<()> {
        self.inner.set_modified(path, time)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        self.inner.set_mode(path, mode)
    }

    fn available(&self, path: &VirtualPath) -> Result<u64> {
        let free = match self.inner.available(path) {
            // What a store does not tell is no limit.
            Err(Error::Unsupported(_)) => u64::MAX,
            free => free?,
        };
        Ok(free.min(self.limit.saturating_sub(self.used()?)))
    }

    fn real_path(&self, path: &VirtualPath) -> Vec<u8> {
        self.inner.real_path(path)
    }

    fn used(&self) -> Result<u64> {
        Metered::used(self)
    }

    fn resolve(&self, path: &VirtualPath, detail: Detail) -> Result<VirtualPath> {
        self.inner.resolve(path, detail)
    }

    fn direct(&self) -> Box<dyn Home> {
        Box::new(Metered::new(self.inner.direct(), self.quotas.clone(), self.limit))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        Ok(Some(Usage { used: Metered::used(self)?, limit: self.limit }))
    }

    fn is_read_only(&self, path: &VirtualPath) -> bool {
        self.inner.is_read_only(path)
    }
}

/// An upload that is counted while it is written.
struct MeteredUpload {
    /// None once it is committed.
    inner: Option<Box<dyn Upload>>,
    is_apart: bool,
    home: Box<dyn Home>,
    tracker: Arc<Tracker>,
    limit: u64,
    /// Taken and not in the home yet.
    in_flight: u64,
}

impl Upload for MeteredUpload {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(mut inner) = self.inner.take() else { return Err(committed()) };
        let result = match self.is_apart {
            true => self.take(bytes.len() as u64).and_then(|()| inner.write(bytes)),
            false => self.write_in_place(&mut *inner, bytes),
        };
        self.inner = Some(inner);
        result
    }

    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool> {
        self.inner.as_mut().ok_or_else(committed)?.is_busy(bytes, patience)
    }

    fn prepare(&mut self, patience: Duration) -> Result<bool> {
        self.inner.as_mut().ok_or_else(committed)?.prepare(patience)
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        if !self.is_apart {
            self.write(&[])?; // it may still have to be emptied
        }
        let Some(inner) = self.inner.take() else { return Err(committed()) };
        let tracker = self.tracker.clone();
        // What is not there yet is nothing to wait for.
        let order = (replaced(&*inner)? > 0).then(|| tracker.in_order());
        let moment = tracker.moment();
        let freed = if order.is_some() { replaced(&*inner)? } else { 0 };
        inner.commit().inspect_err(|_| tracker.distrust())?;
        tracker.settle(std::mem::take(&mut self.in_flight), freed, moment);
        Ok(())
    }

    fn for_examination(&self) -> Result<Option<File>> {
        self.inner.as_ref().ok_or_else(committed)?.for_examination()
    }

    fn footprint(&self) -> Result<Footprint> {
        self.inner.as_ref().ok_or_else(committed)?.footprint()
    }
}

impl MeteredUpload {
    /// Takes bytes for what is about to be written.
    fn take(&mut self, bytes: u64) -> Result<()> {
        if !self.tracker.charge(bytes, self.limit) {
            self.tracker.refresh(&*self.home, Need::Exact)?;
            if !self.tracker.charge(bytes, self.limit) {
                return Err(Error::OverQuota);
            }
        }
        self.in_flight += bytes;
        Ok(())
    }

    /// Counts by how much the file grows, or shrinks; that stays as it is, whatever becomes of the upload.
    fn write_in_place(&mut self, inner: &mut dyn Upload, bytes: &[u8]) -> Result<()> {
        let tracker = self.tracker.clone();
        let mut order = tracker.in_order();
        let (mut size, mut growth) = growth(inner, bytes)?;
        if !tracker.charge(growth, self.limit) {
            drop(order); // a walk would keep others waiting
            tracker.refresh(&*self.home, Need::Exact)?;
            order = tracker.in_order();
            (size, growth) = self::growth(inner, bytes)?;
            if !tracker.charge(growth, self.limit) {
                return Err(Error::OverQuota);
            }
        }
        self.in_flight = growth;
        let moment = tracker.moment();
        let result = inner.write(bytes);
        let now = self::growth(inner, &[]).map_or(size + growth, |(now, _)| now);
        let added = now.saturating_sub(size).min(growth);
        tracker.settle(added, size.saturating_sub(now), moment);
        tracker.release(growth - added);
        self.in_flight = 0;
        drop(order);
        result
    }
}

impl Drop for MeteredUpload {
    fn drop(&mut self) {
        self.inner = None; // what it has written goes first
        self.tracker.release(self.in_flight);
        if !self.is_apart {
            self.tracker.mark_stale(); // its file may have been deleted meanwhile
        }
    }
}

/// The size of a file that is written in place, and by how much these bytes could make it grow.
fn growth(upload: &dyn Upload, bytes: &[u8]) -> Result<(u64, u64)> {
    match upload.footprint()? {
        Footprint::InPlace { size, next } => {
            // Nothing is written where there are no bytes, not even beyond the end.
            let end = if bytes.is_empty() { 0 } else { next.saturating_add(bytes.len() as u64) };
            Ok((size, end.saturating_sub(size)))
        }
        Footprint::Apart { .. } => Ok((0, bytes.len() as u64)),
    }
}

/// The bytes of the file that a commit would replace.
fn replaced(upload: &dyn Upload) -> Result<u64> {
    match upload.footprint()? {
        Footprint::Apart { replaces } => Ok(replaces),
        Footprint::InPlace { .. } => Ok(0),
    }
}

fn committed() -> Error {
    Error::Unsupported("The upload is complete already")
}
