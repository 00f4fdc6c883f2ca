//! A part of an object, byte after byte: asked for at once, and the rest of it anew where that breaks off.

use super::bucket::{Bucket, Object};
use super::retry::PATIENCE;
use crate::storage::Error;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// So often in a row a stream may break without a byte.
const BREAKS: u32 = 5;

/// An object that somebody reads.
pub(super) struct Wanted {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) key: String,
    pub(super) object: Object,
}

/// Some of its bytes; none is the end of them, never that of the store.
pub(super) struct Stream {
    wanted: Arc<Wanted>,
    left: Range<u64>,
    body: Option<Box<dyn Read + Send>>,
}

impl Stream {
    /// These bytes; nothing is asked for yet.
    pub(super) fn new(wanted: &Arc<Wanted>, range: Range<u64>) -> Stream {
        Stream { wanted: wanted.clone(), left: range, body: None }
    }

    /// What is being answered, or will be from here on.
    fn body(&mut self) -> io::Result<&mut Box<dyn Read + Send>> {
        let body = match self.body.take() {
            Some(body) => body,
            None => {
                let Wanted { bucket, key, object } = &*self.wanted;
                bucket.read(key, object, self.left.clone()).map_err(io::Error::other)?
            }
        };
        Ok(self.body.insert(body))
    }
}

impl Stream {
    /// An answer that was read to its end leaves its connection for the next request.
    fn give_back(&mut self) {
        if self.left.is_empty()
            && let Some(mut body) = self.body.take()
        {
            let _ = body.read(&mut [0]);
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let (began, mut breaks) = (Instant::now(), 0);
        loop {
            let why = match self.body()?.read(buffer) {
                Ok(0) => io::Error::new(ErrorKind::UnexpectedEof, "the store ended the object too soon"),
                Ok(length) => {
                    self.left.start += length as u64;
                    self.give_back();
                    return Ok(length);
                }
                Err(error) => error,
            };
            self.body = None;
            breaks += 1;
            let Wanted { bucket, key, .. } = &*self.wanted;
            let why = format!("{}/{key} at {}: {why}", bucket.name(), self.left.start);
            // One that was silent so long is not asked again.
            if breaks == BREAKS || began.elapsed() > PATIENCE / 2 {
                return Err(io::Error::other(Error::Unavailable(why)));
            }
            log::debug!("{why}; once more");
        }
    }
}
