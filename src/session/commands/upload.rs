//! STOR, APPE, STOU: 226 only when the file is whole and has its name.

use super::{files, gate};
use crate::accounts::Permission;
use crate::events::Kind;
use crate::net::data::DataStream;
use crate::protocol::ascii::FromNetwork;
use crate::protocol::command::TransferType;
use crate::protocol::path::{RawPath, VirtualPath};
use crate::protocol::reply::Reply;
use crate::session::data::transfer::{Cut, Wire, beyond_the_end, opening};
use crate::session::workspace::Workspace;
use crate::session::{Direction, End, Talk, errors};
use crate::storage::{self, Detail, Error, Upload, Write};
use std::time::Duration;

/// Received at once; it exists only while a transfer runs, and only as much of it as came at once takes memory. A quarter
/// of it costs a sixth more CPU.
const BUFFER: usize = 1 << 20;
/// The same until it was full once: most files are small.
const FIRST: usize = 16 << 10;

/// So often the client is heard while the storage takes its time.
const HEARD: Duration = Duration::from_millis(250);

/// A name can have 255 bytes; so many are left for the wish.
const LONGEST_STEM: usize = 246;

/// STOR, also after REST.
pub(super) fn store(workspace: &Workspace, talk: &mut Talk<'_>, path: &RawPath) -> Result<Reply, End> {
    let path = workspace.at(path);
    let offset = std::mem::take(&mut talk.modes.restart);
    if offset == 0 {
        let how = if talk.settings().atomic_uploads { Write::Whole } else { Write::InPlace };
        return receive(workspace, talk, &path, how, &opening());
    }
    if !workspace.may(Permission::Append) {
        return Ok(errors::not_permitted());
    }
    match workspace.home.facts(&path, Detail::Follow) {
        Err(error) => Ok(errors::refusal(&error)),
        Ok(facts) if facts.kind != storage::Kind::File => Ok(errors::refusal(&Error::IsADirectory)),
        Ok(facts) if offset > facts.size => Ok(beyond_the_end(offset, facts.size)),
        Ok(_) => receive(workspace, talk, &path, Write::At(offset), &opening()),
    }
}

/// APPE.
pub(super) fn append(workspace: &Workspace, talk: &mut Talk<'_>, path: &RawPath) -> Result<Reply, End> {
    if talk.modes.restart != 0 {
        return Ok(Reply::new(450, "Can't APPE while REST request is pending."));
    }
    receive(workspace, talk, &workspace.at(path), Write::Append, &opening())
}

/// STOU: the name comes with 150 (RFC 1123, 4.1.2.9).
pub(super) fn store_unique(workspace: &Workspace, talk: &mut Talk<'_>, path: &RawPath) -> Result<Reply, End> {
    if talk.modes.restart != 0 {
        return Ok(Reply::new(450, "Can't STOU while REST request is pending."));
    }
    let wish = if path.is_empty() { workspace.cwd.join(b"ftpd") } else { workspace.at(path) };
    match unique(workspace, &wish) {
        Err(error) => Ok(Reply::new(450, format!("{error}."))),
        Ok(path) => {
            let opening = Reply::new(150, [b"FILE: ", path.name().unwrap_or_default()].concat());
            receive(workspace, talk, &path, Write::Whole, &opening)
        }
    }
}

/// A name that is free, made from the one wished for.
fn unique(workspace: &Workspace, wish: &VirtualPath) -> storage::Result<VirtualPath> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let name = wish.name().ok_or(Error::Denied)?;
    let stem = name.get(..LONGEST_STEM).unwrap_or(name);
    for _ in 0..100 {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let suffix = random.map(|byte| LETTERS[usize::from(byte % 32)]);
        let path = wish.parent().join(&[stem, b".", &suffix].concat());
        match workspace.home.facts(&path, Detail::ShowLinks) {
            Ok(_) => {}
            Err(Error::NotFound) => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Exists)
}

fn receive(
    workspace: &Workspace,
    talk: &mut Talk<'_>,
    path: &VirtualPath,
    how: Write,
    opening: &Reply,
) -> Result<Reply, End> {
    if let Some(reply) = talk.no_door() {
        // The file counts first, as for downloads, but none is made for nothing.
        return Ok(match workspace.home.facts(path, Detail::Follow) {
            Ok(facts) if facts.kind != storage::Kind::File => errors::refusal(&Error::IsADirectory),
            _ => reply,
        });
    }
    let has_gates = !talk.settings().gates.is_empty();
    if has_gates && how != Write::Whole {
        return Ok(only_whole());
    }
    let mode = 0o666 & !workspace.umask;
    let parents = files::make_parents(workspace, talk, path);
    let mut upload = match parents.and_then(|()| workspace.home.write(path, how, mode)) {
        Ok(upload) => upload,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    if has_gates && !gate::can_be_examined(&*upload) {
        return Ok(only_whole());
    }
    talk.handle.show(path.as_bytes(), Some(Direction::Upload), None);
    let mut wire = Wire::at_rate(talk, Direction::Upload, &workspace.rates);
    let received = wire.open(opening).and_then(|mut data| {
        let received = copy(&mut wire, &mut data, &mut *upload);
        data.cut(true); // of us, nothing more comes in any case
        received
    });
    // A client that was killed ends both connections: what it sent is not a whole file.
    let received = received.and_then(|()| prepare(&mut wire, &mut *upload));
    let place = workspace.place(path);
    let received = received.and_then(|()| gate::pass_all(&mut wire, &*upload, path, &place.real));
    let result = match received {
        Ok(()) => upload.commit().map_err(Cut::Storage),
        Err(cut) => {
            drop(upload); // before anything is said, nothing is left
            Err(cut)
        }
    };
    wire.conclude(result, place, Kind::FileReceived, Kind::FileReceivedIncomplete)
}

/// Waits until the file lacks nothing but its name, and hears the client until then.
fn prepare(wire: &mut Wire<'_, '_>, upload: &mut dyn Upload) -> Result<(), Cut> {
    while !upload.prepare(HEARD)? {
        wire.catch_up()?;
    }
    wire.catch_up()
}

/// The reply where gates decide, and would see a file only after everybody else.
fn only_whole() -> Reply {
    Reply::new(550, "Uploads are examined here, so only whole files are taken: no APPE, no REST.")
}

fn copy(wire: &mut Wire<'_, '_>, data: &mut DataStream, upload: &mut dyn Upload) -> Result<(), Cut> {
    let (mut buffer, mut converted) = (vec![0; FIRST], Vec::new());
    let mut ascii = FromNetwork::default();
    let is_ascii = wire.kind() == TransferType::Ascii;
    loop {
        let length = wire.receive(data, &mut buffer)?;
        while upload.is_busy(length, HEARD)? {
            wire.catch_up()?;
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        if !is_ascii {
            upload.write(bytes)?;
        } else {
            converted.clear();
            ascii.convert(bytes, &mut converted);
            if length == 0 {
                ascii.finish(&mut converted);
            }
            upload.write(&converted)?;
        }
        if length == 0 {
            return Ok(());
        }
        if length == FIRST && buffer.len() == FIRST {
            buffer = vec![0; BUFFER];
        }
    }
}
