//! A home in a bucket. A directory is there if a key begins with its path and a slash; an empty one is marked by an
//! object of that very key, without bytes, as the consoles of the stores do it. What was a directory stays one when
//! the last file in it goes.

use super::bucket::{Bucket, Object, Question, Writer};
use super::keys::{Prefix, is_name};
use super::source::ObjectSource;
use crate::protocol::path::VirtualPath;
use crate::protocol::shown::Shown;
use crate::storage::{Detail, Entry, Error, Facts, Footprint, Home, Kind, Listing, Result, Source, Upload, Write};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// As many keys as stores tell at once.
const PAGE: u16 = 1000;
/// A directory with more in it can't be moved: that would take hours, and as much memory.
const MOST_MOVED: usize = 10_000;

#[derive(Clone)]
pub(super) struct ObjectHome {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) prefix: Prefix,
}

/// What a path names.
enum Found {
    File(Object),
    Directory,
}

impl ObjectHome {
    fn find(&self, path: &VirtualPath) -> Result<Found> {
        if path.is_root() {
            return Ok(Found::Directory);
        }
        match self.bucket.head(&self.prefix.file(path)?) {
            Ok(object) => Ok(Found::File(object)),
            Err(Error::NotFound) if self.is_directory(path)? => Ok(Found::Directory),
            Err(error) => Err(error),
        }
    }

    fn is_directory(&self, path: &VirtualPath) -> Result<bool> {
        Ok(path.is_root() || !self.peek(&self.prefix.directory(path)?, 1)?.is_empty())
    }

    /// The first keys that begin so.
    fn peek(&self, prefix: &str, most: u16) -> Result<Vec<String>> {
        let pages = Pages { most, ..self.all_below(prefix) };
        pages.take(most.into()).map(|found| found.map(|(key, _)| key)).collect()
    }

    /// What no other key of any bucket is called.
    fn unique(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket.name())
    }

    fn file(&self, path: &VirtualPath) -> Result<Object> {
        match self.find(path)? {
            Found::File(object) => Ok(object),
            Found::Directory => Err(Error::IsADirectory),
        }
    }

    /// What is to be made needs a directory to be in.
    fn check_parent(&self, path: &VirtualPath) -> Result<()> {
        let parent = path.parent();
        if self.is_directory(&parent)? {
            return Ok(());
        }
        match self.find(&parent)? {
            Found::File(_) => Err(Error::NotADirectory),
            Found::Directory => Ok(()),
        }
    }

    /// Marks the directory that something has just left, if nothing else is in it.
    fn keep(&self, directory: &VirtualPath) -> Result<()> {
        if self.is_directory(directory)? { Ok(()) } else { self.mark(directory) }
    }

    fn mark(&self, directory: &VirtualPath) -> Result<()> {
        self.bucket.write(&self.prefix.directory(directory)?)?.finish()
    }

    /// Every object below a prefix.
    fn all_below(&self, prefix: &str) -> Pages {
        Pages::new(self.bucket.clone(), prefix.to_string(), false)
    }

    fn rename_directory(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()> {
        if to.is_within(from) {
            return Err(Error::Unsupported("Can't move a directory into itself"));
        }
        let (from, to) = (self.prefix.directory(from)?, self.prefix.directory(to)?);
        let all: Vec<(String, Object)> = self.all_below(&from).take(MOST_MOVED + 1).collect::<Result<_>>()?;
        if all.len() > MOST_MOVED {
            return Err(Error::Unsupported("More than 10,000 files can't be moved at once in an object store"));
        }
        let target = |key: &str| Ok(format!("{to}{}", key.strip_prefix(&from).ok_or(Error::BadName)?));
        for (at, (key, object)) in all.iter().enumerate() {
            if let Err(error) = target(key).and_then(|target| self.bucket.copy(key, object, &target, None)) {
                // Nothing is gone yet: it is as it was once the copies are, and the one of which nothing is known.
                let copies = all.iter().take(at + 1).map(|(key, _)| target(key));
                if let Err(why) = copies.rev().try_for_each(|copy| self.bucket.delete(&copy?)) {
                    log::warn!("{}: copies are left below {}: {why}", self.bucket.name(), Shown(to.as_bytes()));
                }
                return Err(error);
            }
        }
        all.iter().try_for_each(|(key, _)| self.bucket.delete(key))
    }

    fn rename_file(&self, from: &VirtualPath, object: &Object, to: &VirtualPath) -> Result<()> {
        let (from, to) = (self.prefix.file(from)?, self.prefix.file(to)?);
        self.bucket.copy(&from, object, &to, None)?;
        self.bucket.delete(&from)
    }
}

impl Home for ObjectHome {
    fn facts(&self, path: &VirtualPath, _: Detail) -> Result<Facts> {
        Ok(match self.find(path)? {
            Found::File(object) => file_facts(&self.unique(&self.prefix.file(path)?), object.size, object.modified),
            Found::Directory => directory_facts(&self.unique(&self.prefix.directory(path)?)),
        })
    }

    fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing> {
        let prefix = self.prefix.directory(path)?;
        let mut pages = Pages::new(self.bucket.clone(), prefix.clone(), true);
        pages.fill()?;
        if pages.is_over() && !path.is_root() && !pages.had_any {
            return match self.find(path)? {
                Found::File(_) => Err(Error::NotADirectory),
                Found::Directory => Err(Error::NotFound),
            };
        }
        let name = self.bucket.name().to_string();
        Ok(Box::new(pages.filter_map(move |found| match found {
            Err(error) => Some(Err(error)),
            Ok((key, object)) => entry(&name, &prefix, &key, &object, detail).map(Ok),
        })))
    }

    fn read(&self, path: &VirtualPath) -> Result<Box<dyn Source>> {
        let object = self.file(path)?;
        Ok(Box::new(ObjectSource::new(self.bucket.clone(), self.prefix.file(path)?, object)))
    }

    fn write(&self, path: &VirtualPath, how: Write, _: u32) -> Result<Box<dyn Upload>> {
        if path.is_root() {
            return Err(Error::IsADirectory);
        }
        let key = self.prefix.file(path)?;
        let old = match self.find(path) {
            Ok(Found::Directory) => return Err(Error::IsADirectory),
            Ok(Found::File(object)) => Some(object),
            Err(Error::NotFound) => {
                self.check_parent(path)?;
                None
            }
            Err(error) => return Err(error),
        };
        let (writer, replaces) = match (how, &old) {
            (Write::At(offset), None) if offset > 0 => return Err(Error::NotFound),
            (Write::At(offset), Some(object)) if offset != object.size => {
                return Err(Error::Unsupported("An object can be continued only at its end"));
            }
            (Write::At(_) | Write::Append, Some(object)) => (self.bucket.append(&key, object)?, 0),
            _ => (self.bucket.write(&key)?, old.map_or(0, |object| object.size)),
        };
        Ok(Box::new(ObjectUpload { writer, replaces }))
    }

    fn make_directory(&self, path: &VirtualPath, _: u32) -> Result<()> {
        match self.find(path) {
            Ok(_) => Err(Error::Exists),
            Err(Error::NotFound) => {
                self.check_parent(path)?;
                self.mark(path)
            }
            Err(error) => Err(error),
        }
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<()> {
        if path.is_root() {
            return Err(Error::Denied);
        }
        let marker = self.prefix.directory(path)?;
        let keys = self.peek(&marker, 2)?;
        if keys.iter().any(|key| *key != marker) {
            return Err(Error::NotEmpty);
        }
        if keys.is_empty() {
            self.file(path)?;
            return Err(Error::NotADirectory);
        }
        self.bucket.delete(&marker)?;
        self.keep(&path.parent())
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<()> {
        self.file(path)?;
        self.bucket.delete(&self.prefix.file(path)?)?;
        self.keep(&path.parent())
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()> {
        if from.is_root() || to.is_root() {
            return Err(Error::Denied);
        }
        let found = self.find(from)?;
        if from == to {
            return Ok(());
        }
        let taken = match self.find(to) {
            Ok(taken) => Some(taken),
            Err(Error::NotFound) => {
                self.check_parent(to)?;
                None
            }
            Err(error) => return Err(error),
        };
        match (found, taken) {
            (Found::File(object), None | Some(Found::File(_))) => self.rename_file(from, &object, to)?,
            (Found::File(_), Some(Found::Directory)) => return Err(Error::IsADirectory),
            (Found::Directory, None) => self.rename_directory(from, to)?,
            (Found::Directory, Some(_)) => return Err(Error::Exists),
        }
        self.keep(&from.parent())
    }

    fn set_modified(&self, path: &VirtualPath, time: Timestamp) -> Result<()> {
        match self.find(path)? {
            Found::File(object) => {
                let key = self.prefix.file(path)?;
                self.bucket.copy(&key, &object, &key, Some(time))
            }
            Found::Directory => Err(Error::Unsupported("Directories of an object store have no time")),
        }
    }

    fn set_mode(&self, path: &VirtualPath, _: u32) -> Result<()> {
        self.find(path)?;
        Err(Error::Unsupported("An object store keeps no permission bits"))
    }

    fn available(&self, path: &VirtualPath) -> Result<u64> {
        self.find(path)?;
        Err(Error::Unsupported("An object store does not tell what room it has"))
    }

    fn real_path(&self, path: &VirtualPath) -> Vec<u8> {
        let key = self.prefix.file(path).unwrap_or_else(|_| String::from_utf8_lossy(path.as_bytes()).into_owned());
        self.unique(&key).into_bytes()
    }

    fn used(&self) -> Result<u64> {
        let everything = self.prefix.directory(&VirtualPath::root())?;
        self.all_below(&everything).try_fold(0, |sum: u64, found| Ok(sum.saturating_add(found?.1.size)))
    }

    fn resolve(&self, path: &VirtualPath, _: Detail) -> Result<VirtualPath> {
        Ok(path.clone())
    }

    fn direct(&self) -> Box<dyn Home> {
        Box::new(self.clone())
    }
}

/// Keys page by page, in the order of the store: one request for each page, and none for each key.
struct Pages {
    bucket: Arc<dyn Bucket>,
    prefix: String,
    is_shallow: bool,
    ready: VecDeque<(String, Object)>,
    most: u16,
    next: Option<String>,
    had_any: bool,
    is_complete: bool,
}

impl Pages {
    fn new(bucket: Arc<dyn Bucket>, prefix: String, is_shallow: bool) -> Pages {
        let ready = VecDeque::new();
        Pages { bucket, prefix, is_shallow, ready, most: PAGE, next: None, had_any: false, is_complete: false }
    }

    fn fetch(&mut self) -> Result<()> {
        let question = Question {
            prefix: &self.prefix,
            is_shallow: self.is_shallow,
            after: self.next.as_deref(),
            most: self.most,
        };
        let page = self.bucket.page(&question)?;
        if page.next.is_some() && page.next == self.next {
            return Err(Error::Unavailable(format!("{}: a listing that does not end", self.bucket.name())));
        }
        self.had_any |= !page.is_empty();
        let nothing = Object { size: 0, modified: Timestamp::UNIX_EPOCH, version: String::new() };
        let directories = page.prefixes.into_iter().map(|prefix| (prefix, nothing.clone()));
        let mut all: Vec<_> = page.objects.into_iter().chain(directories).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        self.ready = all.into();
        self.is_complete = page.next.is_none();
        self.next = page.next;
        Ok(())
    }

    /// Fetches until something is there. Pages may be empty though there are more.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && !self.is_complete {
            self.fetch().inspect_err(|_| self.is_complete = true)?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ready.is_empty() && self.is_complete
    }
}

impl Iterator for Pages {
    type Item = Result<(String, Object)>;

    fn next(&mut self) -> Option<Result<(String, Object)>> {
        match self.fill() {
            Ok(()) => self.ready.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

/// What a key is in the listing of a directory; None for what marks it, and for what no path can name.
fn entry(bucket: &str, prefix: &str, key: &str, object: &Object, detail: Detail) -> Option<Entry> {
    let rest = key.strip_prefix(prefix)?;
    let directory = rest.strip_suffix('/');
    let name = directory.unwrap_or(rest);
    if !is_name(name) {
        return None;
    }
    let unique = format!("{bucket}/{key}");
    let facts = match (detail, directory) {
        (Detail::Names, _) => None,
        (_, Some(_)) => Some(directory_facts(&unique)),
        (_, None) => Some(file_facts(&unique, object.size, object.modified)),
    };
    Some(Entry { name: name.as_bytes().to_vec(), facts })
}

fn file_facts(key: &str, size: u64, modified: Timestamp) -> Facts {
    facts(Kind::File, key, size, modified, 0o644)
}

/// Nobody knows when a prefix came to be.
fn directory_facts(key: &str) -> Facts {
    facts(Kind::Directory, key, 0, Timestamp::UNIX_EPOCH, 0o755)
}

fn facts(kind: Kind, key: &str, size: u64, modified: Timestamp, mode: u32) -> Facts {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Facts { kind, size, modified, mode, uid: 0, gid: 0, links: 1, identity: (hasher.finish(), 0), link_target: None }
}

struct ObjectUpload {
    writer: Box<dyn Writer>,
    replaces: u64,
}

impl Upload for ObjectUpload {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write(bytes)
    }

    fn footprint(&self) -> Result<Footprint> {
        Ok(Footprint::Apart { replaces: self.replaces })
    }

    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool> {
        self.writer.is_busy(bytes, patience)
    }

    fn prepare(&mut self, patience: Duration) -> Result<bool> {
        self.writer.prepare(patience)
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.writer.finish()
    }
}
