//! LIST, NLST, MLSD, and STAT of a path: entries go out as they are read.

use crate::protocol::facts;
use crate::protocol::glob::{self, Pattern};
use crate::protocol::listing::{write_line, write_name};
use crate::protocol::path::{RawPath, VirtualPath};
use crate::protocol::reply::{Reply, quoted};
use crate::protocol::time::ListingClock;
use crate::session::data::transfer::{Wire, opening};
use crate::session::workspace::Workspace;
use crate::session::{End, Talk, errors};
use crate::storage::{Detail, Entry, Error, Facts, Kind, Listing, Result as StorageResult};

/// Text is sent when there is so much of it.
const PIECE: usize = 32 << 10;
/// The client is heard after so many entries, also where none is listed.
const QUIET: usize = 1000;
/// `LIST -R` goes so deep, lists so many entries, and remembers so many bytes of directories to come.
const MAX_DEPTH: usize = 32;
const MAX_ENTRIES: usize = 100_000;
const MAX_AHEAD: usize = 1 << 20;

/// Appends the next line; none when there is no more.
type Lines<'a> = dyn FnMut(&mut Vec<u8>) -> Option<StorageResult<()>> + 'a;

/// What a path stands for in LIST and NLST.
enum Found {
    Directory(Listing),
    One(Box<Facts>),
    /// No such name, but a pattern that some may match.
    Matches(Listing, Pattern),
}

/// LIST.
pub(super) fn list(workspace: &Workspace, talk: &mut Talk<'_>, raw: &RawPath) -> Result<Reply, End> {
    let (recursive, raw) = target(workspace, raw);
    let path = workspace.at(&raw);
    talk.handle.show(path.as_bytes(), None, None);
    let found = match find(workspace, &path, Detail::ShowLinks) {
        Ok(found) => found,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    let clock = ListingClock::new(talk.settings().local_times);
    if recursive && let Found::Directory(listing) = found {
        let mut tree =
            Tree { workspace, clock, listing, at: path, depth: 0, ahead: Vec::new(), ahead_bytes: 0, entries: 0 };
        return send(talk, &mut |out| tree.next(out));
    }
    let mut entries = entries(found, &path);
    send(talk, &mut |out| {
        entries.next().map(|entry| {
            entry?.iter().for_each(|entry| line(entry, &clock, out));
            Ok(())
        })
    })
}

/// NLST: bare names; where a file or a pattern was asked for, as it was asked for.
pub(super) fn names(workspace: &Workspace, talk: &mut Talk<'_>, raw: &RawPath) -> Result<Reply, End> {
    let (_, raw) = target(workspace, raw);
    let path = workspace.at(&raw);
    talk.handle.show(path.as_bytes(), None, None);
    let found = match find(workspace, &path, Detail::Names) {
        Ok(found) => found,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    let asked = raw.as_bytes();
    let prefix = match &found {
        Found::Directory(_) => &[],
        Found::One(_) | Found::Matches(..) => {
            let slash = asked.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
            asked.get(..slash).unwrap_or_default()
        }
    };
    let mut entries = entries(found, &path);
    send(talk, &mut |out| {
        entries.next().map(|entry| {
            if let Some(entry) = entry? {
                out.extend_from_slice(prefix);
                write_name(&entry.name, out);
            }
            Ok(())
        })
    })
}

/// MLSD.
pub(super) fn machine_list(workspace: &Workspace, talk: &mut Talk<'_>, raw: &RawPath) -> Result<Reply, End> {
    let mut path = workspace.at(raw);
    talk.handle.show(path.as_bytes(), None, None);
    let mut listing = match workspace.home.list(&path, Detail::Follow) {
        Ok(listing) => listing,
        Err(Error::NotADirectory) if workspace.home.facts(&path, Detail::Follow).is_ok() => {
            return Ok(Reply::new(501, "Not a directory."));
        }
        Err(error) => return Ok(errors::refusal(&error)),
    };
    let permissions = workspace.account.permissions;
    let writer = |permissions| facts::Writer::new(talk.modes.facts, permissions);
    let (usual, read_only) = (writer(permissions), writer(permissions.for_reading()));
    send(talk, &mut |out| {
        listing.next().map(|entry| {
            let entry = entry?;
            if let Some(found) = &entry.facts {
                path.push(&entry.name);
                let writer = if workspace.home.is_read_only(&path) { &read_only } else { &usual };
                path.pop();
                writer.write(found, out);
                write_name(&entry.name, out);
            }
            Ok(())
        })
    })
}

/// STAT of a path: the lines of LIST on the control connection, each behind a blank.
pub(in crate::session) fn status(workspace: &Workspace, talk: &mut Talk<'_>, raw: &RawPath) -> Result<Reply, End> {
    let (_, raw) = target(workspace, raw);
    let path = workspace.at(&raw);
    if glob::is_pattern(path.name().unwrap_or_default()) {
        return Ok(Reply::new(550, "Globbing not supported."));
    }
    let found = match find(workspace, &path, Detail::ShowLinks) {
        Ok(found) => found,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    let clock = ListingClock::new(talk.settings().local_times);
    let first = [b"Status of ".as_slice(), &quoted(path.as_bytes()), b":"].concat();
    let mut piece = Reply::begin(213, first);
    let mut text = Vec::new();
    let mut end = "End of status.".to_string();
    for entry in entries(found, &path) {
        let entry = match entry {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(error) => {
                end = format!("This is not all: {error}.");
                break;
            }
        };
        text.clear();
        line(&entry, &clock, &mut text);
        piece.middle(text.trim_ascii_end());
        if piece.as_bytes().len() > PIECE {
            talk.control.send(&piece)?;
            piece.clear();
        }
    }
    talk.control.send(&piece)?;
    Ok(Reply::new(213, end))
}

/// An argument such as `-la /x` is taken for flags and a path, unless a file has that very name.
fn target(workspace: &Workspace, raw: &RawPath) -> (bool, RawPath) {
    let is_name =
        raw.as_bytes().starts_with(b"-") && workspace.home.facts(&workspace.at(raw), Detail::ShowLinks).is_ok();
    if is_name { (false, raw.clone()) } else { raw.without_flags() }
}

fn find(workspace: &Workspace, path: &VirtualPath, detail: Detail) -> StorageResult<Found> {
    let home = &workspace.home;
    let name = path.name().unwrap_or_default();
    let error = match home.list(path, detail) {
        Ok(listing) => return Ok(Found::Directory(listing)),
        Err(Error::NotFound | Error::BadName) if glob::is_pattern(name) => {
            return Ok(Found::Matches(home.list(&path.parent(), detail)?, Pattern::parse(name)));
        }
        // Who does not answer is not asked again.
        Err(Error::Unavailable(why)) => return Err(Error::Unavailable(why)),
        Err(error) => error,
    };
    let facts = home.facts(path, Detail::ShowLinks)?;
    if facts.kind == Kind::Directory { Err(error) } else { Ok(Found::One(Box::new(facts))) }
}

/// The entries of what was found; None for each that does not match, so that the client is heard among many of them.
fn entries(found: Found, path: &VirtualPath) -> Box<dyn Iterator<Item = StorageResult<Option<Entry>>>> {
    match found {
        Found::Directory(listing) => Box::new(listing.map(|entry| entry.map(Some))),
        Found::One(facts) => {
            let name = path.name().unwrap_or_default().to_vec();
            Box::new(std::iter::once(Ok(Some(Entry { name, facts: Some(*facts) }))))
        }
        Found::Matches(listing, pattern) => {
            Box::new(listing.map(move |entry| entry.map(|entry| pattern.matches(&entry.name).then_some(entry))))
        }
    }
}

fn line(entry: &Entry, clock: &ListingClock, out: &mut Vec<u8>) {
    if let Some(facts) = &entry.facts {
        write_line(facts, &entry.name, clock, out);
    }
}

/// Sends lines over a data connection.
fn send(talk: &mut Talk<'_>, lines: &mut Lines<'_>) -> Result<Reply, End> {
    if let Some(reply) = talk.no_door() {
        return Ok(reply);
    }
    let mut wire = Wire::new(talk);
    let result = wire.send(&opening(), |wire, data| {
        let (mut text, mut quiet) = (Vec::with_capacity(4 << 10), 0);
        while let Some(more) = lines(&mut text) {
            more?;
            quiet += 1;
            if text.len() >= PIECE {
                wire.send_all(data, &text)?;
                text.clear();
                quiet = 0;
            } else if quiet >= QUIET {
                wire.catch_up()?;
                quiet = 0;
            }
        }
        wire.send_all(data, &text)
    });
    wire.reply(result)
}

/// `LIST -R`: one directory after the other, without recursion and without end to neither.
struct Tree<'a> {
    workspace: &'a Workspace,
    clock: ListingClock,
    listing: Listing,
    at: VirtualPath,
    depth: usize,
    ahead: Vec<(VirtualPath, usize)>,
    ahead_bytes: usize,
    entries: usize,
}

impl Tree<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<StorageResult<()>> {
        match self.listing.next() {
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(entry)) if self.entries < MAX_ENTRIES => {
                self.entries += 1;
                let is_directory = |facts: &Facts| facts.kind == Kind::Directory && facts.link_target.is_none();
                if self.depth < MAX_DEPTH
                    && self.ahead_bytes < MAX_AHEAD
                    && entry.facts.as_ref().is_some_and(is_directory)
                {
                    let path = self.at.join(&entry.name);
                    self.ahead_bytes += path.as_bytes().len();
                    self.ahead.push((path, self.depth + 1));
                }
                line(&entry, &self.clock, out);
                return Some(Ok(()));
            }
            _ => {}
        }
        let (path, depth) = self.ahead.pop().filter(|_| self.entries < MAX_ENTRIES)?;
        self.ahead_bytes -= path.as_bytes().len();
        // One that has gone, or may not be read, is passed over.
        self.listing = match self.workspace.home.list(&path, Detail::ShowLinks) {
            Ok(listing) => listing,
            Err(_) => Box::new(std::iter::empty()),
        };
        out.extend_from_slice(b"\r\n");
        write_name(&[path.as_bytes(), b":"].concat(), out);
        (self.at, self.depth) = (path, depth);
        Some(Ok(()))
    }
}
