//! The entries of a directory, read as they are asked for: sorted where they fit into a little memory, in the
//! directory's own order where they don't.

use super::beneath::Beneath;
use super::hidden::{is_hidden, sweep};
use crate::storage::{Detail, Entry, Error, Result, VirtualPath};
use rustix::fs::{AtFlags, Dir, FileType};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// Names are held up to so many bytes.
const HELD: usize = 512 * 1024;

pub(super) struct Entries {
    directory: Dir,
    beneath: Beneath,
    path: VirtualPath,
    detail: Detail,
    names: Names,
    exhausted: bool,
}

/// Names in one piece of memory.
#[derive(Default)]
struct Names {
    text: Vec<u8>,
    ends: Vec<(Range<u32>, FileType)>,
    next: usize,
}

impl Entries {
    pub(super) fn new(directory: OwnedFd, beneath: Beneath, path: VirtualPath, detail: Detail) -> Result<Entries> {
        let directory = Dir::new(directory)?;
        let mut entries = Entries { directory, beneath, path, detail, names: Names::default(), exhausted: false };
        entries.read_ahead()?;
        if entries.exhausted {
            entries.names.sort();
        }
        Ok(entries)
    }

    /// Fills the held names from the directory.
    fn read_ahead(&mut self) -> Result<()> {
        self.names.clear();
        while self.names.text.len() < HELD {
            let Some(entry) = self.directory.read() else {
                self.exhausted = true;
                return Ok(());
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if is_hidden(name) {
                sweep(self.directory.fd()?, OsStr::from_bytes(name));
            } else if !matches!(name, b"." | b"..") {
                self.names.push(name, entry.file_type());
            }
        }
        Ok(())
    }

    /// An entry; none if it has gone meanwhile, or is a link that leads out.
    fn entry(&self, name: Vec<u8>, kind: FileType) -> Result<Option<Entry>> {
        let certain = !matches!(kind, FileType::Symlink | FileType::Unknown);
        if self.detail == Detail::Names && certain {
            return Ok(Some(Entry { name, facts: None }));
        }
        let facts = rustix::fs::statat(self.directory.fd()?, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::from)
            .and_then(|stat| self.beneath.facts_of_entry(&self.path.join(&name), &stat, self.detail));
        match facts {
            Ok(facts) => Ok(Some(Entry { name, facts: (self.detail != Detail::Names).then_some(facts) })),
            Err(Error::Io(error)) => Err(Error::Io(error)),
            Err(_) => Ok(None),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let Some((name, kind)) = self.names.pop() else {
                if self.exhausted {
                    return None;
                }
                match self.read_ahead() {
                    Ok(()) => continue,
                    Err(error) => {
                        self.exhausted = true;
                        return Some(Err(error));
                    }
                }
            };
            if let Some(entry) = self.entry(name, kind).transpose() {
                return Some(entry);
            }
        }
    }
}

impl Names {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.next = 0;
    }

    fn push(&mut self, name: &[u8], kind: FileType) {
        // HELD and NAME_MAX keep these far below 4 GiB.
        let start = self.text.len() as u32;
        self.text.extend_from_slice(name);
        self.ends.push((start..self.text.len() as u32, kind));
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.ends.sort_unstable_by_key(|(range, _)| &text[range.start as usize..range.end as usize]);
    }

    fn pop(&mut self) -> Option<(Vec<u8>, FileType)> {
        let (range, kind) = self.ends.get(self.next)?;
        self.next += 1;
        Some((self.text.get(range.start as usize..range.end as usize)?.to_vec(), *kind))
    }
}
