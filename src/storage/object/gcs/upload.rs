//! An object on its way to Google's store: at once if it is small, else piece by piece, one on its way while the next
//! is filled. It gets its name with the last one; before, nobody sees it.

use super::{Call, Client, Gcs};
use crate::storage::object::bucket::{Bucket, Object, Writer};
use crate::storage::object::retry::{Effort, Failure, LITTLE_PATIENCE, PATIENCE};
use crate::storage::object::web::{header, text};
use crate::storage::{Error, Result};
use base64ct::{Base64, Encoding};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use ureq::http::StatusCode;

/// All pieces but the last are multiples of this.
const STEP: usize = 256 << 10;
/// What a client waits at most for pieces to be removed that nobody needs.
const REMOVAL: Duration = Duration::from_secs(2);
/// What parts a request with two bodies; no JSON that is sent there has it, and the object comes last.
const BOUNDARY: &str = "a-part-of-a-request-of-django-ftpd";

/// An object that is being written.
pub(super) struct Upload {
    client: Arc<Client>,
    key: String,
    buffer: Vec<u8>,
    hash: Md5,
    pieces: Option<Pieces>,
}

/// An upload of which the store has the beginning.
struct Pieces {
    client: Arc<Client>,
    address: String,
    /// Nobody needs the pieces any more.
    is_in_vain: Arc<AtomicBool>,
    jobs: Option<Sender<Piece>>,
    results: Receiver<(Result<()>, Vec<u8>)>,
    /// What a piece was in that is there: the next one is put into it.
    free: Vec<u8>,
    thread: Option<JoinHandle<()>>,
    on_the_way: usize,
    sent: u64,
    is_complete: bool,
}

struct Piece {
    start: u64,
    bytes: Vec<u8>,
    /// Of the last one: the hash of all.
    last: Option<String>,
}

impl Upload {
    pub(super) fn new(client: Arc<Client>, key: &str) -> Upload {
        Upload { client, key: key.to_string(), buffer: Vec::new(), hash: Md5::new(), pieces: None }
    }

    fn piece_size(&self) -> usize {
        (self.client.settings.part_size.get() / STEP).max(1) * STEP
    }

    fn pieces(&mut self) -> Result<&mut Pieces> {
        let pieces = match self.pieces.take() {
            Some(pieces) => pieces,
            None => Pieces::begin(&self.client, &self.key)?,
        };
        Ok(self.pieces.insert(pieces))
    }

    /// All of it in one request, with its hash before it.
    fn send_whole(&self, bytes: &[u8], hash: &str) -> Result<()> {
        let about = json!({ "md5Hash": hash });
        let mut body = format!(
            "--{BOUNDARY}\r\ncontent-type: application/json\r\n\r\n{about}\r\n--{BOUNDARY}\r\n\
             content-type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let (address, kind) = (self.client.uploads(), format!("multipart/related; boundary={BOUNDARY}"));
        let call = Call {
            method: "POST",
            address: &address,
            query: &[("uploadType", "multipart"), ("name", &self.key)],
            headers: &[("content-type", &kind)],
            body: &body,
            ..Call::default()
        };
        self.client.ask_for_json(&call).map(drop)
    }
}

impl Writer for Upload {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        let size = self.piece_size();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(size.saturating_sub(self.buffer.len()).min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            // The last piece must not be empty.
            if self.buffer.len() >= size && !bytes.is_empty() {
                let piece = std::mem::take(&mut self.buffer);
                self.buffer = self.pieces()?.send(piece, None)?;
                self.buffer.reserve_exact(size);
            }
        }
        Ok(())
    }

    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool> {
        let fills_a_piece = self.buffer.len() + bytes > self.piece_size();
        match &mut self.pieces {
            Some(pieces) if fills_a_piece => Ok(!pieces.are_there(patience)?),
            _ => Ok(false),
        }
    }

    fn prepare(&mut self, patience: Duration) -> Result<bool> {
        self.pieces.as_mut().map_or(Ok(true), |pieces| pieces.are_there(patience))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let hash = Base64::encode_string(&std::mem::take(&mut self.hash).finalize());
        let rest = std::mem::take(&mut self.buffer);
        match self.pieces.take() {
            None => self.send_whole(&rest, &hash),
            Some(mut pieces) => {
                pieces.send(rest, Some(hash))?;
                pieces.complete()
            }
        }
    }
}

impl Pieces {
    fn begin(client: &Arc<Client>, key: &str) -> Result<Pieces> {
        let address = client.uploads();
        let call = Call {
            method: "POST",
            address: &address,
            query: &[("uploadType", "resumable"), ("name", key)],
            ..Call::default()
        };
        let answer = client.ask(&call).map_err(|error| client.not_missing(error, "there is no such bucket"))?;
        let address = header(&answer, "location").ok_or_else(|| client.nonsense("an upload without its address"))?;
        // A token that has been kept secret so far stays it.
        if client.endpoint.starts_with("https://") && !address.starts_with("https://") {
            return Err(client.nonsense("an upload whose address is in the clear"));
        }
        let (jobs, taken) = crossbeam_channel::bounded::<Piece>(0);
        let (tell, results) = crossbeam_channel::unbounded();
        let mut pieces = Pieces {
            client: client.clone(),
            address: address.to_string(),
            is_in_vain: Arc::default(),
            jobs: Some(jobs),
            results,
            free: Vec::new(),
            thread: None,
            on_the_way: 0,
            sent: 0,
            is_complete: false,
        };
        let (client, address, is_in_vain) = (client.clone(), pieces.address.clone(), pieces.is_in_vain.clone());
        let work = move || {
            for piece in taken {
                let effort = Effort { is_in_vain: Some(&is_in_vain), ..Effort::default() };
                let result = send_piece(&client, &address, &piece, effort);
                if tell.send((result, piece.bytes)).is_err() {
                    return;
                }
            }
        };
        pieces.thread = Some(std::thread::Builder::new().name("part".into()).spawn(work)?);
        Ok(pieces)
    }

    /// Has a piece sent, once the one before it is there; what the next one can be put into.
    fn send(&mut self, bytes: Vec<u8>, last: Option<String>) -> Result<Vec<u8>> {
        self.wait()?;
        let start = self.sent;
        self.sent += bytes.len() as u64;
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Piece { start, bytes, last }).map_err(|_| ended())?;
        self.on_the_way += 1;
        Ok(std::mem::take(&mut self.free))
    }

    /// Whether all that was sent is there, after having waited so long.
    fn are_there(&mut self, patience: Duration) -> Result<bool> {
        while self.on_the_way > 0 {
            let (result, bytes) = match self.results.recv_timeout(patience) {
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                other => other.map_err(|_| ended())?,
            };
            self.on_the_way -= 1;
            result?;
            self.free = bytes;
            self.free.clear();
        }
        Ok(true)
    }

    fn wait(&mut self) -> Result<()> {
        while !self.are_there(PATIENCE)? {}
        Ok(())
    }

    fn complete(mut self) -> Result<()> {
        self.wait()?;
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        if self.is_complete {
            return drop(thread.join());
        }
        self.is_in_vain.store(true, Ordering::Relaxed);
        let (client, address) = (self.client.clone(), self.address.clone());
        let (tell, removed) = crossbeam_channel::bounded::<()>(0);
        let work = move || {
            drop(thread.join());
            let call = Call { method: "DELETE", address: &address, ..Call::default() };
            // 499 says that it was cancelled. What is left all the same, nobody sees, and it is gone in a week.
            if let Err(Failure::Passing(why)) = client.ask_once(&call, LITTLE_PATIENCE) {
                log::debug!("{why}");
            }
            drop(tell);
        };
        // Usually nothing is left when the client is told; but it does not wait for a store that is silent.
        if std::thread::Builder::new().name("waste".into()).spawn(work).is_ok() {
            let _ = removed.recv_timeout(REMOVAL);
        }
    }
}

/// Sends a piece, and what of it did not arrive again. The last one is answered like a whole upload.
fn send_piece(client: &Client, address: &str, piece: &Piece, effort: Effort<'_>) -> Result<()> {
    let (mut there, end) = (0, piece.start + piece.bytes.len() as u64);
    let mut is_sure = true;
    effort.retry(|left| {
        if !is_sure {
            match progress(client, address, left)? {
                None if piece.last.is_some() => return Ok(()),
                None => return Err(Failure::Final(client.nonsense("an upload that has ended too soon"))),
                Some(at) => there = at.checked_sub(piece.start).ok_or_else(|| lost(client))?,
            }
        }
        is_sure = false;
        let rest = piece.bytes.get(usize::try_from(there).unwrap_or(usize::MAX)..).ok_or_else(|| lost(client))?;
        let total = if piece.last.is_some() { end.to_string() } else { "*".to_string() };
        if rest.is_empty() {
            return match piece.last.is_some() {
                true => Err(Failure::Passing("the last piece is there, but not all".into())),
                false => Ok(()),
            };
        }
        let range = format!("bytes {}-{}/{total}", piece.start + there, end - 1);
        let hash = piece.last.as_ref().map(|hash| format!("md5={hash}"));
        let mut headers = vec![("content-range", range.as_str())];
        headers.extend(hash.as_deref().map(|hash| ("x-goog-hash", hash)));
        let call = Call { method: "PUT", address, headers: &headers, body: rest, ..Call::default() };
        let answer = client.ask_once(&call, left)?;
        match (answer.status(), received(&answer), &piece.last) {
            (StatusCode::PERMANENT_REDIRECT, at, None) if at == Some(end) => Ok(()),
            (StatusCode::PERMANENT_REDIRECT, ..) => Err(Failure::Passing("a part of a piece did not arrive".into())),
            (status, _, Some(hash)) if status.is_success() => match stored_hash(answer).is_none_or(|it| it == *hash) {
                true => Ok(()),
                false => Err(Failure::Final(client.nonsense("the store has other bytes than were sent"))),
            },
            (status, _, None) if status.is_success() => {
                Err(Failure::Final(client.nonsense("an upload that has ended too soon")))
            }
            _ => Err(client.judge(&call, answer)),
        }
    })
}

/// The hash of what the store has, if it says that.
fn stored_hash(answer: super::Answer) -> Option<String> {
    let about: Value = serde_json::from_str(&text(answer).ok()?).ok()?;
    about["md5Hash"].as_str().map(str::to_string)
}

/// What was acknowledged is not there.
fn lost(client: &Client) -> Failure {
    Failure::Final(client.nonsense("a piece that had arrived is not there any more"))
}

/// How much of an upload the store has; None: all.
fn progress(client: &Client, address: &str, left: Duration) -> std::result::Result<Option<u64>, Failure> {
    let headers = [("content-range", "bytes */*")];
    let call = Call { method: "PUT", address, headers: &headers, ..Call::default() };
    let answer = client.ask_once(&call, left)?;
    match answer.status() {
        StatusCode::PERMANENT_REDIRECT => Ok(Some(received(&answer).unwrap_or(0))),
        status if status.is_success() => Ok(None),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(lost(client)),
        _ => Err(client.judge(&call, answer)),
    }
}

/// `bytes=0-41` says that 42 are there.
fn received(answer: &super::Answer) -> Option<u64> {
    let (_, last) = header(answer, "range")?.rsplit_once('-')?;
    last.parse::<u64>().ok()?.checked_add(1)
}

/// Bytes that come behind an object: they are written under a name of their own, and the store joins the two.
pub(super) struct Appended {
    gcs: Gcs,
    key: String,
    old: Object,
    /// Bytes that come behind it.
    more: u64,
    own: String,
    upload: Option<Upload>,
}

impl Appended {
    pub(super) fn new(gcs: &Gcs, key: &str, object: &Object) -> Result<Appended> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let own = format!(".django-ftpd-part-{:016x}", u64::from_ne_bytes(random));
        let upload = Some(Upload::new(gcs.0.clone(), &own));
        Ok(Appended { gcs: gcs.clone(), key: key.to_string(), old: object.clone(), more: 0, own, upload })
    }

    fn join(&self) -> Result<()> {
        let client = &self.gcs.0;
        let body = json!({ "destination": { "contentType": "application/octet-stream" }, "sourceObjects": [
            { "name": self.key, "generation": self.old.version }, { "name": self.own }
        ] });
        let (address, body) = (format!("{}/compose", client.address_of(&self.key)), body.to_string());
        let call = Call {
            method: "POST",
            address: &address,
            query: &[("ifGenerationMatch", &self.old.version)],
            headers: &[("content-type", "application/json")],
            body: body.as_bytes(),
            ..Call::default()
        };
        client.ask_for_json(&call).map(drop).or_else(|error| match self.is_joined() {
            // The answer was lost, and who asks again asks about what is not there any more.
            true => Ok(()),
            false => Err(error),
        })
    }

    fn is_joined(&self) -> bool {
        self.gcs
            .head(&self.key)
            .is_ok_and(|now| now.version != self.old.version && now.size == self.old.size + self.more)
    }
}

impl Writer for Appended {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.more += bytes.len() as u64;
        self.upload.as_mut().ok_or_else(ended)?.write(bytes)
    }

    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool> {
        self.upload.as_mut().ok_or_else(ended)?.is_busy(bytes, patience)
    }

    fn prepare(&mut self, patience: Duration) -> Result<bool> {
        self.upload.as_mut().ok_or_else(ended)?.prepare(patience)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let upload = self.upload.take().ok_or_else(ended)?;
        let joined = Box::new(upload).finish().and_then(|()| self.join());
        if let Err(error) = self.gcs.delete(&self.own) {
            log::warn!("{}: {} is left, which nothing needs: {error}", self.gcs.name(), self.own);
        }
        joined
    }
}

fn ended() -> Error {
    Error::Unavailable("a part was not sent".to_string())
}
