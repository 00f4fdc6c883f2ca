//! An object that is read: one request from where the client wants it to the end, begun again where it breaks.

use super::bucket::{Bucket, Object};
use super::retry::PATIENCE;
use crate::storage::{Error, Source};
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::Instant;

/// So often in a row a stream may break without a byte.
const BREAKS: u32 = 5;

pub(super) struct ObjectSource {
    bucket: Arc<dyn Bucket>,
    key: String,
    object: Object,
    stream: Option<Stream>,
}

struct Stream {
    body: Box<dyn Read + Send>,
    offset: u64,
}

impl ObjectSource {
    pub(super) fn new(bucket: Arc<dyn Bucket>, key: String, object: Object) -> ObjectSource {
        ObjectSource { bucket, key, object, stream: None }
    }

    /// The stream that stands at an offset.
    fn at(&mut self, offset: u64) -> io::Result<&mut Stream> {
        let stream = match self.stream.take().filter(|stream| stream.offset == offset) {
            Some(stream) => stream,
            None => {
                let body = self.bucket.read(&self.key, &self.object, offset).map_err(io::Error::other)?;
                Stream { body, offset }
            }
        };
        Ok(self.stream.insert(stream))
    }
}

impl Source for ObjectSource {
    fn size(&self) -> u64 {
        self.object.size
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.object.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let (began, mut breaks) = (Instant::now(), 0);
        loop {
            let stream = self.at(offset)?;
            let why = match stream.body.read(buffer) {
                Ok(0) => io::Error::new(ErrorKind::UnexpectedEof, "the store ended the object too soon"),
                Ok(length) => {
                    stream.offset += length as u64;
                    return Ok(length);
                }
                Err(error) => error,
            };
            self.stream = None;
            breaks += 1;
            let why = format!("{}/{} at {offset}: {why}", self.bucket.name(), self.key);
            // One that was silent so long is not asked again.
            if breaks == BREAKS || began.elapsed() > PATIENCE / 2 {
                return Err(io::Error::other(Error::Unavailable(why)));
            }
            log::debug!("{why}; once more");
        }
    }
}
