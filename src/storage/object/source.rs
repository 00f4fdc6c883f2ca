//! An object that is read: in one stream, or in pieces ahead of whoever is faster than that, if they come any faster. Which it
//! is, the first pieces show.

use super::ahead::Ahead;
use super::bucket::{Bucket, Object};
use super::stream::{Stream, Wanted};
use crate::storage::Source;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long more bytes are waited for, so that many go on at once.
const PATIENCE: Duration = Duration::from_millis(20);

/// So many times as fast as one stream, pieces are worth their requests.
const WORTH: f64 = 1.25;

pub(super) struct ObjectSource {
    wanted: Arc<Wanted>,
    at: u64,
    way: Option<Way>,
    /// Bytes a second of one stream.
    alone: f64,
}

/// How bytes come.
struct Way {
    bytes: Box<dyn Read + Send>,
    is_in_pieces: bool,
    from: u64,
    began: Instant,
    /// How much of the time since then was spent on waiting for the store.
    waited: Duration,
}

impl ObjectSource {
    pub(super) fn new(bucket: Arc<dyn Bucket>, key: String, object: Object) -> ObjectSource {
        ObjectSource { wanted: Arc::new(Wanted { bucket, key, object }), at: 0, way: None, alone: 0.0 }
    }

    /// The way from here on, behind another one or none: one stream for the length of a piece, then some pieces at once for
    /// a client that has waited for it, then the better of the two.
    fn next_way(&mut self, last: Option<Way>) -> Way {
        let pieces = self.wanted.bucket.pieces();
        let up_to = |count: usize| self.at..self.size().min(self.at.saturating_add((pieces.size.get() * count) as u64));
        let Some(last) = last else { return self.in_one_stream(up_to(1)) };
        let taken = last.began.elapsed();
        let rate = (self.at - last.from) as f64 / taken.as_secs_f64();
        let (part, is_worth_it) = match last.is_in_pieces {
            true => (self.at..self.size(), rate > self.alone * WORTH),
            false => (up_to(2 * pieces.at_once.get()), true),
        };
        if !last.is_in_pieces {
            self.alone = rate;
        }
        if is_worth_it
            && last.waited * 2 > taken
            && let Some(ahead) = Ahead::begin(&self.wanted, part, pieces)
        {
            return self.way(true, Box::new(ahead));
        }
        self.in_one_stream(self.at..self.size())
    }

    fn in_one_stream(&self, part: Range<u64>) -> Way {
        self.way(false, Box::new(Stream::new(&self.wanted, part)))
    }

    fn way(&self, is_in_pieces: bool, bytes: Box<dyn Read + Send>) -> Way {
        Way { bytes, is_in_pieces, from: self.at, began: Instant::now(), waited: Duration::ZERO }
    }
}

impl Way {
    /// As many bytes as come soon; none at the end.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (began, mut filled) = (Instant::now(), 0);
        loop {
            let length = self.bytes.read(buffer.get_mut(filled..).unwrap_or_default())?;
            filled += length;
            if length == 0 || filled == buffer.len() || began.elapsed() > PATIENCE {
                self.waited += began.elapsed();
                return Ok(filled);
            }
        }
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
            let length = way.fill(buffer)?;
            self.at += length as u64;
            if length > 0 {
                self.way = Some(way);
                return Ok(length);
            }
            self.way = Some(self.next_way(Some(way)));
        }
    }
}
