//! An object on its way to the store: at once if it is small, else in parts, some of them at the same time. It gets its
//! key when all are there; before, nobody sees it.

use super::{Call, Client, S3, answers};
use crate::protocol::shown::Shown;
use crate::storage::object::bucket::{Bucket, Object, Writer};
use crate::storage::object::retry::{Effort, LITTLE_PATIENCE, LONG_PATIENCE, PATIENCE};
use crate::storage::object::web::header;
use crate::storage::{Error, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// No part but the last may be smaller.
const SMALLEST_PART: u64 = 5 << 20;
/// No part may be larger.
const LARGEST_PART: usize = 5 << 30;
/// What a client waits at most for parts to be removed that nobody needs.
const REMOVAL: Duration = Duration::from_secs(2);
/// So many parts have the size that is configured; there may be ten thousand of them.
const USUAL_PARTS: u32 = 5000;
/// Then they become twice as large behind so many, which is enough for the largest object.
const PARTS_OF_A_SIZE: u32 = 500;

/// An object that is being written.
pub(super) struct Upload {
    client: Arc<Client>,
    key: String,
    buffer: Vec<u8>,
    parts: Option<Parts>,
}

/// Parts of an object that are there, and others on their way.
struct Parts {
    client: Arc<Client>,
    key: String,
    id: String,
    /// Nobody needs the parts any more.
    is_in_vain: Arc<AtomicBool>,
    /// None once no more are to come.
    jobs: Option<Sender<(u32, Vec<u8>)>>,
    results: Receiver<(u32, Result<String>, Vec<u8>)>,
    /// What a part was in that is there: the next one is put into it.
    free: Vec<Vec<u8>>,
    threads: Vec<JoinHandle<()>>,
    sent: u32,
    on_the_way: usize,
    /// The number of each, and what tells it from others.
    there: Vec<(u32, String)>,
    size: u64,
    is_complete: bool,
}

impl Upload {
    pub(super) fn new(client: Arc<Client>, key: &str) -> Upload {
        Upload { client, key: key.to_string(), buffer: Vec::new(), parts: None }
    }

    /// One that begins with an object: copied by the store, if it is large enough for a part.
    pub(super) fn behind(s3: &S3, key: &str, object: &Object) -> Result<Upload> {
        let mut upload = Upload::new(s3.0.clone(), key);
        if object.size >= SMALLEST_PART {
            let mut parts = Parts::begin(&upload.client, key, &[])?;
            parts.copy(key, object)?;
            upload.parts = Some(parts);
        } else if object.size > 0 {
            s3.read(key, object, 0..object.size)?.take(object.size + 1).read_to_end(&mut upload.buffer)?;
            if upload.buffer.len() as u64 != object.size {
                return Err(upload.client.nonsense("an object of another size than it has"));
            }
        }
        Ok(upload)
    }

    /// The size of the next part.
    fn part_size(&self) -> usize {
        let sent = self.parts.as_ref().map_or(0, |parts| parts.sent);
        part_size(self.client.settings.part_size.get(), sent)
    }

    fn parts(&mut self) -> Result<&mut Parts> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => Parts::begin(&self.client, &self.key, &[])?,
        };
        Ok(self.parts.insert(parts))
    }
}

impl Writer for Upload {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let size = self.part_size();
            let room = size.saturating_sub(self.buffer.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.buffer.extend_from_slice(now);
            bytes = later;
            // What fills a part exactly may still be the whole.
            if self.buffer.len() >= size && !bytes.is_empty() {
                let part = std::mem::take(&mut self.buffer);
                self.buffer = self.parts()?.send(part)?;
                self.buffer.reserve_exact(size);
            }
        }
        Ok(())
    }

    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool> {
        let fills_a_part = self.buffer.len() + bytes > self.part_size();
        match &mut self.parts {
            Some(parts) if fills_a_part => parts.has_no_room(patience),
            _ => Ok(false),
        }
    }

    fn prepare(&mut self, patience: Duration) -> Result<bool> {
        let Some(parts) = &mut self.parts else { return Ok(true) };
        if !self.buffer.is_empty() {
            if parts.has_no_room(patience)? {
                return Ok(false);
            }
            parts.send(std::mem::take(&mut self.buffer))?;
        }
        parts.are_there(patience)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        while !self.prepare(PATIENCE)? {}
        match self.parts.take() {
            Some(parts) => parts.complete(),
            None => {
                let call = Call { method: "PUT", key: Some(&self.key), body: &self.buffer, ..Call::default() };
                self.client.ask(&call).map(drop)
            }
        }
    }
}

/// The size of the part that comes behind so many.
fn part_size(usual: usize, sent: u32) -> usize {
    let doublings = sent.saturating_sub(USUAL_PARTS).div_ceil(PARTS_OF_A_SIZE).min(16);
    usual.saturating_mul(1 << doublings).min(LARGEST_PART)
}

/// Copies what is too large to be copied at once.
pub(super) fn copy_in_parts(
    client: &Arc<Client>,
    from: &str,
    object: &Object,
    to: &str,
    headers: &[(&str, &str)],
) -> Result<()> {
    let of_parts = |name: &str| name.starts_with("x-amz-copy-") || name == "x-amz-metadata-directive";
    let headers: Vec<_> = headers.iter().copied().filter(|(name, _)| !of_parts(name)).collect();
    let mut parts = Parts::begin(client, to, &headers)?;
    parts.copy(from, object)?;
    parts.complete()
}

impl Parts {
    fn begin(client: &Arc<Client>, key: &str, headers: &[(&str, &str)]) -> Result<Parts> {
        let call = Call { method: "POST", key: Some(key), query: &[("uploads", "")], headers, ..Call::default() };
        let body = client.ask_for_text(&call);
        let body = body.map_err(|error| client.not_missing(error, "there is no such bucket"))?;
        let id = answers::value(&body, "InitiateMultipartUploadResult", "UploadId");
        let id = id.map_err(|why| client.nonsense(&why))?;
        // From here on something is to be aborted.
        let (jobs, taken) = crossbeam_channel::bounded(0);
        let (tell, results) = crossbeam_channel::unbounded();
        let mut parts = Parts {
            client: client.clone(),
            key: key.to_string(),
            id,
            is_in_vain: Arc::default(),
            jobs: Some(jobs),
            results,
            free: Vec::new(),
            threads: Vec::new(),
            sent: 0,
            on_the_way: 0,
            there: Vec::new(),
            size: 0,
            is_complete: false,
        };
        for _ in 0..client.settings.parts_in_flight.get() {
            parts.start(taken.clone(), tell.clone())?;
        }
        Ok(parts)
    }

    /// A thread that sends one part at a time.
    fn start(&mut self, jobs: Receiver<(u32, Vec<u8>)>, results: Sender<(u32, Result<String>, Vec<u8>)>) -> Result<()> {
        let (client, key, id) = (self.client.clone(), self.key.clone(), self.id.clone());
        let is_in_vain = self.is_in_vain.clone();
        let work = move || {
            for (number, part) in jobs {
                let effort = Effort { is_in_vain: Some(&is_in_vain), ..Effort::default() };
                let result = send_part(&client, &key, &id, (number, &part), effort);
                if results.send((number, result, part)).is_err() {
                    return;
                }
            }
        };
        self.threads.push(std::thread::Builder::new().name("part".into()).spawn(work)?);
        Ok(())
    }

    /// Has a part sent, as soon as a thread is free; what the next one can be put into.
    fn send(&mut self, part: Vec<u8>) -> Result<Vec<u8>> {
        self.note_those_there()?;
        self.sent += 1;
        self.size += part.len() as u64;
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send((self.sent, part)).map_err(|_| ended())?;
        self.on_the_way += 1;
        self.note_those_there()?;
        Ok(self.free.pop().unwrap_or_default())
    }

    fn note_those_there(&mut self) -> Result<()> {
        while let Ok(result) = self.results.try_recv() {
            self.note(result)?;
        }
        Ok(())
    }

    fn note(&mut self, (number, result, mut part): (u32, Result<String>, Vec<u8>)) -> Result<()> {
        self.on_the_way -= 1;
        self.there.push((number, result?));
        part.clear();
        self.free.push(part);
        Ok(())
    }

    /// Has the store put the bytes of an object here.
    fn copy(&mut self, from: &str, object: &Object) -> Result<()> {
        let (source, most, mut start) = (self.client.source(from), self.client.settings.largest_copy.get(), 0);
        while start < object.size {
            // The last one is no smaller than the others: more parts may come behind it.
            let end = if object.size - start < 2 * most { object.size } else { start + most };
            let range = format!("bytes={start}-{}", end - 1);
            let mut headers = vec![("x-amz-copy-source", source.as_str()), ("x-amz-copy-source-range", &range)];
            if !object.version.is_empty() {
                headers.push(("x-amz-copy-source-if-match", &object.version));
            }
            self.sent += 1;
            let number = self.sent.to_string();
            let query = [("partNumber", number.as_str()), ("uploadId", &self.id)];
            let call =
                Call { method: "PUT", key: Some(&self.key), query: &query, headers: &headers, ..Call::default() };
            let body = self.client.ask_for_text(&call)?;
            let tag = answers::value(&body, "CopyPartResult", "ETag").map_err(|why| self.client.nonsense(&why))?;
            self.there.push((self.sent, tag));
            start = end;
        }
        self.size += object.size;
        Ok(())
    }

    /// Whether no thread is free, after having waited so long for one.
    fn has_no_room(&mut self, patience: Duration) -> Result<bool> {
        self.note_those_there()?;
        if self.on_the_way < self.threads.len() {
            return Ok(false);
        }
        match self.results.recv_timeout(patience) {
            Ok(result) => self.note(result).map(|()| false),
            Err(_) => Ok(true),
        }
    }

    /// Whether all parts that were sent are there, after having waited so long for one.
    fn are_there(&mut self, patience: Duration) -> Result<bool> {
        while self.on_the_way > 0 {
            match self.results.recv_timeout(patience) {
                Ok(result) => self.note(result)?,
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
        Ok(true)
    }

    /// All parts are there, and become the object.
    fn complete(mut self) -> Result<()> {
        if self.there.len() != usize::try_from(self.sent).unwrap_or(usize::MAX) {
            return Err(ended());
        }
        self.there.sort_unstable();
        let list = self.there.iter().fold(String::new(), |mut list, (number, tag)| {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;");
            let _ = write!(list, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
            list
        });
        let body = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        let query = [("uploadId", self.id.as_str())];
        let (key, body) = (Some(self.key.as_str()), body.as_bytes());
        let call = Call { method: "POST", key, query: &query, body, ..Call::default() };
        let (mut attempts, mut is_renewed) = (0, false);
        let result = call.effort.retry(|left| {
            attempts += 1;
            self.client.attempt_for_text(&call, left, &mut is_renewed)
        });
        let result = result.and_then(|body| {
            answers::value(&body, "CompleteMultipartUploadResult", "ETag")
                .map(drop)
                .map_err(|why| self.client.nonsense(&why))
        });
        match result {
            // An answer that was lost comes as this to whom asks again.
            Err(Error::NotFound) if attempts > 1 && self.is_there() => {}
            other => other.map_err(|error| self.client.not_missing(error, GONE))?,
        }
        self.is_complete = true;
        Ok(())
    }

    /// Whether the object under the key is made of as many parts and bytes as this one.
    fn is_there(&self) -> bool {
        let end = format!("-{}", self.there.len());
        let object = S3(self.client.clone()).head(&self.key);
        object.is_ok_and(|object| object.size == self.size && object.version.trim_matches('"').ends_with(&end))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.jobs = None;
        if self.is_complete {
            return self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
        self.is_in_vain.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        let waste = Waste { client: self.client.clone(), key: self.key.clone(), id: self.id.clone() };
        let (tell, removed) = crossbeam_channel::bounded::<()>(0);
        let work = move || {
            // A part that came after the abort would stay.
            threads.into_iter().for_each(|thread| drop(thread.join()));
            let result = waste.remove(LITTLE_PATIENCE);
            drop(tell);
            let Err(error) = result else { return };
            waste.log(&error, "it is asked for some minutes to remove them");
            if let Err(error) = waste.remove(LONG_PATIENCE) {
                waste.log(&error, "nobody asks any more");
            }
        };
        match std::thread::Builder::new().name("waste".into()).spawn(work) {
            // Usually nothing is left when the client is told; but it does not wait for a store that is silent.
            Ok(_) => {
                let _ = removed.recv_timeout(REMOVAL);
            }
            Err(error) => log::warn!("parts of {} are left in the store: {error}", self.client.name),
        }
    }
}

/// Parts of an upload that nobody needs.
struct Waste {
    client: Arc<Client>,
    key: String,
    id: String,
}

impl Waste {
    fn remove(&self, patience: Duration) -> Result<()> {
        let (query, effort) = ([("uploadId", self.id.as_str())], Effort::of(patience));
        let call = Call { method: "DELETE", key: Some(&self.key), query: &query, effort, ..Call::default() };
        match self.client.ask(&call) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn log(&self, error: &Error, what_now: &str) {
        let (name, key, id) = (&self.client.name, Shown(self.key.as_bytes()), Shown(self.id.as_bytes()));
        let why = match error {
            Error::Unavailable(why) => why.clone(),
            other => other.to_string(),
        };
        log::warn!("parts of {name}/{key} are left in the store, of the upload {id}: {why}; {what_now}");
    }
}

/// Sends a part with its number.
fn send_part(client: &Client, key: &str, id: &str, (number, part): (u32, &[u8]), effort: Effort<'_>) -> Result<String> {
    let number = number.to_string();
    let query = [("partNumber", number.as_str()), ("uploadId", id)];
    let answer = client.ask(&Call { method: "PUT", key: Some(key), query: &query, body: part, effort, headers: &[] });
    let answer = answer.map_err(|error| client.not_missing(error, GONE))?;
    header(&answer, "etag").map(str::to_string).ok_or_else(|| client.nonsense("a part without its version"))
}

/// The store has forgotten the upload.
const GONE: &str = "an upload that was begun is not there any more";

fn ended() -> Error {
    Error::Unavailable("a part was not sent".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_are_enough_for_the_largest_object() {
        let usual = 8_000_000;
        assert_eq!(part_size(usual, 0), usual);
        assert_eq!((part_size(usual, 5000), part_size(usual, 5001)), (usual, 2 * usual));
        assert!((0..10_000).all(|sent| part_size(1_000_000_000, sent) <= LARGEST_PART));
        let all: usize = (0..10_000).map(|sent| part_size(usual, sent)).sum();
        assert!(all > 5 << 40, "{all}");
    }
}
