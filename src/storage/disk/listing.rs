//! The entries of a directory, read as they are asked for: sorted where they fit into a little memory, in the
//! directory's own order where they don't.

use super::beneath::Beneath;
use super::hidden::{Swept, is_hidden, sweep};
use crate::storage::{Detail, Entry, Error, Result, VirtualPath};
use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// Names are held up to so many bytes to be sorted.
const HELD: usize = 512 << 10;
/// What the kernel tells at once; of more names than are held, what it still has at hand when they are looked at.
const READ: usize = 16 << 10;

pub(super) struct Entries {
    directory: OwnedFd,
    beneath: Beneath,
    path: VirtualPath,
    detail: Detail,
    names: Names,
    exhausted: bool,
}

/// Names in one piece of memory, each with the NUL that the kernel wants.
#[derive(Default)]
struct Names {
    text: Vec<u8>,
    ends: Vec<(Range<u32>, FileType)>,
    next: usize,
}

impl Entries {
    pub(super) fn new(directory: OwnedFd, beneath: Beneath, path: VirtualPath, detail: Detail) -> Result<Entries> {
        let mut entries = Entries { directory, beneath, path, detail, names: Names::default(), exhausted: false };
        entries.read_ahead(HELD)?;
        if entries.exhausted {
            entries.names.sort();
        }
        Ok(entries)
    }

    /// Fills the held names from the directory until they are so many bytes.
    fn read_ahead(&mut self, held: usize) -> Result<()> {
        self.names.clear();
        let mut buffer = Vec::with_capacity(READ);
        let mut directory = RawDir::new(&self.directory, buffer.spare_capacity_mut());
        // What the kernel has told is taken in full.
        while self.names.text.len() < held || !directory.is_buffer_empty() {
            let entry = match directory.next() {
                Some(Err(Errno::INTR)) => continue,
                // The directory itself may be gone.
                None | Some(Err(Errno::NOENT)) => {
                    self.exhausted = true;
                    return Ok(());
                }
                Some(entry) => entry?,
            };
            let name = entry.file_name().to_bytes();
            if is_hidden(name) {
                let name = OsStr::from_bytes(name);
                if sweep(&self.directory, name) == Swept::Removed {
                    log::info!("removed {}, which an upload that was cut has left", name.display());
                }
            } else if !matches!(name, b"." | b"..") {
                self.names.push(entry.file_name(), entry.file_type());
            }
        }
        Ok(())
    }

    /// An entry; none if it has gone meanwhile, or is a link that leads out.
    fn entry(&self, name: &CStr, kind: FileType) -> Result<Option<Entry>> {
        let entry = |facts| Ok(Some(Entry { name: name.to_bytes().to_vec(), facts }));
        let certain = !matches!(kind, FileType::Symlink | FileType::Unknown);
        if self.detail == Detail::Names && certain {
            return entry(None);
        }
        let facts = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::from)
            .and_then(|stat| self.beneath.facts_of_entry(&stat, self.detail, || self.path.join(name.to_bytes())));
        match facts {
            Ok(facts) => entry((self.detail != Detail::Names).then_some(facts)),
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
                match self.read_ahead(READ) {
                    Ok(()) => continue,
                    Err(error) => {
                        self.exhausted = true;
                        return Some(Err(error));
                    }
                }
            };
            if let Some(entry) = self.entry(self.names.at(name), kind).transpose() {
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

    fn push(&mut self, name: &CStr, kind: FileType) {
        // HELD and READ keep these far below 4 GiB.
        let start = self.text.len() as u32;
        self.text.extend_from_slice(name.to_bytes_with_nul());
        self.ends.push((start..self.text.len() as u32, kind));
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.ends.sort_unstable_by_key(|(range, _)| &text[range.start as usize..range.end as usize]);
    }

    fn pop(&mut self) -> Option<(Range<u32>, FileType)> {
        let next = self.ends.get(self.next)?;
        self.next += 1;
        Some(next.clone())
    }

    fn at(&self, name: Range<u32>) -> &CStr {
        let text = self.text.get(name.start as usize..name.end as usize).unwrap_or_default();
        CStr::from_bytes_with_nul(text).unwrap_or_default()
    }
}
