//! RETR: by sendfile(2) where the bytes go as they are, through a buffer where they are encrypted or converted.

use crate::events::Kind;
use crate::net::data::DataStream;
use crate::protocol::ascii::ToNetwork;
use crate::protocol::command::TransferType;
use crate::protocol::path::RawPath;
use crate::protocol::reply::Reply;
use crate::session::data::transfer::{Cut, Room, Wire, beyond_the_end, opening, send_error};
use crate::session::workspace::Workspace;
use crate::session::{Direction, End, Talk, errors};
use crate::storage::{Error, Source};
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// How much one sendfile(2) is asked to send; behind each the control connection is looked at.
const PIECE: usize = 4 << 20;
/// The largest buffer for what sendfile(2) can't do. In TLS, half of it costs up to a tenth more CPU.
const BUFFER: usize = 512 << 10;
/// Less than this goes into any socket at once.
const BRIEF: u64 = 16 << 10;

/// RETR.
pub(super) fn retrieve(workspace: &Workspace, talk: &mut Talk<'_>, path: &RawPath) -> Result<Reply, End> {
    let path = workspace.at(path);
    let offset = std::mem::take(&mut talk.modes.restart);
    let mut source = match workspace.home.read(&path) {
        Ok(source) => source,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    if offset > source.size() {
        return Ok(beyond_the_end(offset, source.size()));
    }
    if let Some(reply) = talk.no_door() {
        return Ok(reply);
    }
    talk.handle.show(path.as_bytes(), Some(Direction::Download), Some(source.size() - offset));
    let mut wire = Wire::at_rate(talk, Direction::Download, &workspace.rates);
    wire.is_brief = source.size() - offset < BRIEF;
    let result = wire.send(&opening(), |wire, data| send_source(wire, data, &mut *source, offset));
    wire.conclude(result, workspace.place(&path), Kind::FileSent, Kind::FileSentIncomplete)
}

/// Sends a file from an offset to the end that it has now: what it grows by meanwhile is not part of it.
fn send_source(
    wire: &mut Wire<'_, '_>,
    data: &mut DataStream,
    source: &mut dyn Source,
    offset: u64,
) -> Result<(), Cut> {
    let mut part = offset..source.size();
    if wire.talk.settings().sendfile
        && wire.kind() == TransferType::Binary
        && let Some(file) = source.file()
        && send_file(wire, data, file, part.clone())?
    {
        return Ok(());
    }
    let (mut piece, mut converted) = (vec![0; at_most(BUFFER, &part)], Vec::new());
    let mut ascii = ToNetwork::default();
    while !part.is_empty() {
        let wanted = at_most(piece.len(), &part);
        let room = piece.get_mut(..wanted).unwrap_or_default();
        let length = source.read_at(room, part.start).map_err(Error::from)?;
        let Some(bytes) = room.get(..length).filter(|bytes| !bytes.is_empty()) else { return Err(shorter()) };
        part.start += length as u64;
        match wire.kind() {
            TransferType::Binary => wire.send_all(data, bytes)?,
            TransferType::Ascii => {
                converted.clear();
                ascii.convert(bytes, &mut converted);
                wire.send_all(data, &converted)?;
            }
        }
    }
    Ok(())
}

/// Sends by sendfile(2); false if the kernel can't do it with this file.
fn send_file(
    wire: &mut Wire<'_, '_>,
    data: &DataStream,
    file: BorrowedFd<'_>,
    mut part: Range<u64>,
) -> Result<bool, Cut> {
    let Some(socket) = data.clear() else { return Ok(false) };
    let mut room = Room::default();
    while !part.is_empty() {
        wire.await_turn()?;
        let wanted = at_most(wire.portion(PIECE), &part);
        match rustix::fs::sendfile(socket, file, Some(&mut part.start), wanted) {
            Ok(0) => return Err(shorter()),
            Ok(sent) => {
                wire.count(sent);
                room = Room::default();
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::INVAL | Errno::NOSYS) if wire.bytes == 0 => return Ok(false),
            Err(errno) => return Err(send_error(errno.into())),
        }
        if !part.is_empty() {
            wire.await_room(data, &mut room)?;
        }
    }
    Ok(true)
}

/// What is left, but no more than so much.
fn at_most(most: usize, part: &Range<u64>) -> usize {
    usize::try_from(part.end - part.start).unwrap_or(most).min(most)
}

/// The file has lost its end meanwhile: what was read is not whole.
pub(super) fn shorter() -> Cut {
    Cut::Storage(Error::Io(io::Error::new(ErrorKind::UnexpectedEof, "The file became shorter")))
}
