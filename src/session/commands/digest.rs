//! HASH, XCRC, XMD5 and their like: what a file's bytes come to, without sending them.

use super::download::shorter;
use crate::net::wait::{self, For};
use crate::protocol::command::DigestForm;
use crate::protocol::digest::Algorithm;
use crate::protocol::path::{RawPath, VirtualPath};
use crate::protocol::reply::Reply;
use crate::session::data::transfer::{Cut, Wire};
use crate::session::workspace::Workspace;
use crate::session::{End, Talk, errors};
use crate::storage::{Error, Source};
use flate2::Crc;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Instant;

/// Read at once; behind each the control connection is looked at.
const PIECE: usize = 512 << 10;

/// A digest that is being made.
enum Digest {
    Crc32(Crc),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

/// Answers with the digest of a file, or of a part of it. The client is heard meanwhile, and its ABOR ends it.
pub(super) fn answer(
    workspace: &Workspace,
    talk: &mut Talk<'_>,
    raw: &RawPath,
    form: &DigestForm,
) -> Result<Reply, End> {
    let path = workspace.at(raw);
    let mut source = match workspace.home.read(&path) {
        Ok(source) => source,
        Err(error) => return Ok(errors::refusal(&error)),
    };
    let size = source.size();
    let (algorithm, wanted) = match form {
        DigestForm::Chosen => (talk.modes.digest, 0..size),
        DigestForm::Of(algorithm, part) => (*algorithm, part.start..part.end.min(size)),
    };
    if wanted.start > size {
        return Ok(Reply::new(554, format!("The part begins at {}, the file ends at {size}.", wanted.start)));
    }
    talk.handle.show(path.as_bytes(), None, None);
    let mut wire = Wire::new(talk);
    wire.what = "A digest is made";
    match digest(&mut wire, &mut *source, algorithm, wanted) {
        Ok(digest) => Ok(reply(form, algorithm, size, &digest, &path)),
        Err(cut) => wire.reply(Err(cut)),
    }
}

fn digest(
    wire: &mut Wire<'_, '_>,
    source: &mut dyn Source,
    algorithm: Algorithm,
    mut part: Range<u64>,
) -> Result<String, Cut> {
    let mut digest = Digest::new(algorithm);
    let mut piece = vec![0; PIECE];
    wire.answer()?;
    while !part.is_empty() {
        wire.heed()?;
        wire.catch_up()?;
        wire.is_wanted()?;
        let wanted = usize::try_from(part.end - part.start).unwrap_or(PIECE).min(PIECE);
        let room = piece.get_mut(..wanted).unwrap_or_default();
        let length = source.read_at(room, part.start).map_err(Error::from)?;
        let Some(bytes) = room.get(..length).filter(|bytes| !bytes.is_empty()) else { return Err(shorter()) };
        digest.update(bytes);
        part.start += length as u64;
        wire.bytes += length as u64;
    }
    Ok(digest.finish())
}

impl Wire<'_, '_> {
    /// Who has said QUIT is not heard any more, and may have gone since.
    fn is_wanted(&self) -> Result<(), Cut> {
        match wait::one(self.talk.control.as_fd(), For::HangUp, Some(Instant::now())) {
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => Err(Cut::ControlGone),
        }
    }
}

/// HASH has the form of its draft, with the part that it is of; the others have the digest alone.
fn reply(form: &DigestForm, algorithm: Algorithm, size: u64, digest: &str, path: &VirtualPath) -> Reply {
    match form {
        DigestForm::Of(..) => Reply::new(250, digest),
        DigestForm::Chosen => {
            let text = format!("{} 0-{size} {digest} ", algorithm.name());
            Reply::new(213, [text.as_bytes(), path.as_bytes()].concat())
        }
    }
}

impl Digest {
    fn new(algorithm: Algorithm) -> Digest {
        match algorithm {
            Algorithm::Crc32 => Digest::Crc32(Crc::new()),
            Algorithm::Md5 => Digest::Md5(Md5::new()),
            Algorithm::Sha1 => Digest::Sha1(Sha1::new()),
            Algorithm::Sha256 => Digest::Sha256(Sha256::new()),
            Algorithm::Sha512 => Digest::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Digest::Crc32(digest) => digest.update(bytes),
            Digest::Md5(digest) => digest.update(bytes),
            Digest::Sha1(digest) => digest.update(bytes),
            Digest::Sha256(digest) => digest.update(bytes),
            Digest::Sha512(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Digest::Crc32(digest) => hex(&digest.sum().to_be_bytes()),
            Digest::Md5(digest) => hex(&digest.finalize()),
            Digest::Sha1(digest) => hex(&digest.finalize()),
            Digest::Sha256(digest) => hex(&digest.finalize()),
            Digest::Sha512(digest) => hex(&digest.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
