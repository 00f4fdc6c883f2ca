//! An object that is read: in one stream by those who are slower than the store, in pieces ahead of those who are faster.
//! Which it is, the first piece shows.

use super::ahead::Ahead;
use super::bucket::{Bucket, Object};
use super::stream::{Stream, Wanted};
use crate::storage::Source;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct ObjectSource {
    wanted: Arc<Wanted>,
    at: u64,
    way: Option<Way>,
}

/// How bytes come.
struct Way {
    bytes: Box<dyn Read + Send>,
    began: Instant,
    /// How much of the time since then was spent on waiting for the store.
    waited: Duration,
}

impl ObjectSource {
    pub(super) fn new(bucket: Arc<dyn Bucket>, key: String, object: Object) -> ObjectSource {
        ObjectSource { wanted: Arc::new(Wanted { bucket, key, object }), at: 0, way: None }
    }

    /// The way from here on, behind another one or none.
    fn next_way(&self, last: Option<Way>) -> Way {
        let (rest, pieces) = (self.at..self.size(), self.wanted.bucket.pieces());
        let store_is_slower = last.as_ref().is_some_and(|last| last.waited * 2 > last.began.elapsed());
        let ahead = if store_is_slower { Ahead::begin(&self.wanted, rest.clone(), pieces) } else { None };
        let bytes: Box<dyn Read + Send> = match ahead {
            Some(ahead) => Box::new(ahead),
            None => {
                let length = if last.is_some() { u64::MAX } else { pieces.size.get() as u64 };
                Box::new(Stream::new(&self.wanted, rest.start..rest.end.min(rest.start.saturating_add(length))))
            }
        };
        Way { bytes, began: Instant::now(), waited: Duration::ZERO }
    }
}

impl Source for ObjectSource {
    fn size(&self) -> u64 {
        self.wanted.object.size
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset != self.at {
            (self.at, self.way) = (offset, None);
        }
        if offset >= self.size() || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let mut way = self.way.take().unwrap_or_else(|| self.next_way(None));
            let began = Instant::now();
            let length = way.bytes.read(buffer)?;
            way.waited += began.elapsed();
            self.at += length as u64;
            if length > 0 {
                self.way = Some(way);
                return Ok(length);
            }
            self.way = Some(self.next_way(Some(way)));
        }
    }
}
