//! Pieces of an object that come at the same time, ahead of who takes them: for those who are faster than one stream of
//! the store. There are fewer and fewer ahead of who is not, and at last none.

use super::bucket::Pieces;
use super::stream::{Stream, Wanted};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A piece comes in blocks of so many bytes, so that nobody waits for the whole.
const BLOCK: usize = 256 << 10;

/// Who waits for a block gets what there is of it after so long.
const PATIENCE: Duration = Duration::from_millis(50);

/// A block, or why there is none.
type Block = io::Result<Vec<u8>>;

pub(super) struct Ahead {
    wanted: Arc<Wanted>,
    pieces: Pieces,
    /// What is not asked for yet.
    rest: Range<u64>,
    /// What is asked for, in the order of the object.
    coming: VecDeque<Piece>,
    /// No more pieces than this are asked for at the same time.
    most: usize,
    /// So many were there before they were wanted.
    in_time: usize,
    block: Vec<u8>,
    taken: usize,
    /// Blocks that can be filled again.
    spare: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
    /// Nobody needs more.
    is_in_vain: Arc<AtomicBool>,
}

/// A piece that was asked for.
struct Piece {
    blocks: Receiver<Block>,
    left: u64,
}

impl Ahead {
    /// Asks for the first pieces of this range; None if there can't be two at once.
    pub(super) fn begin(wanted: &Arc<Wanted>, range: Range<u64>, pieces: Pieces) -> Option<Ahead> {
        let mut ahead = Ahead {
            wanted: wanted.clone(),
            pieces,
            rest: range,
            coming: VecDeque::new(),
            most: pieces.at_once.get(),
            in_time: 0,
            block: Vec::new(),
            taken: 0,
            spare: crossbeam_channel::unbounded(),
            is_in_vain: Arc::default(),
        };
        if ahead.most > 1 {
            ahead.ask();
        }
        (!ahead.coming.is_empty()).then_some(ahead)
    }

    /// Asks for as many pieces as may be on their way.
    fn ask(&mut self) {
        while self.coming.len() < self.most && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start.saturating_add(self.pieces.size.get() as u64));
            let range = self.rest.start..end;
            let (tell, blocks) = crossbeam_channel::unbounded();
            let (spare, is_in_vain) = (self.spare.1.clone(), self.is_in_vain.clone());
            let left = end - range.start;
            let stream = Stream::new(&self.wanted, range);
            let work = move || load(stream, left, &tell, &spare, &is_in_vain);
            if let Err(error) = std::thread::Builder::new().name("piece".into()).spawn(work) {
                // Those that are on their way still come; the rest is for one stream then.
                log::debug!("no thread for a piece of {}: {error}", self.wanted.bucket.name());
                self.most = self.coming.len();
                return;
            }
            self.coming.push_back(Piece { blocks, left });
            self.rest.start = end;
        }
    }

    /// The next block; None where nothing more is on its way.
    fn next_block(&mut self) -> Option<Block> {
        while self.coming.front()?.left == 0 {
            self.coming.pop_front();
            self.judge();
            self.ask();
        }
        let piece = self.coming.front_mut()?;
        let block = match piece.blocks.try_recv() {
            Err(TryRecvError::Empty) => {
                (self.in_time, self.most) = (0, self.pieces.at_once.get());
                piece.blocks.recv().ok()
            }
            // What has failed before anybody wanted it may go well now.
            block => block.ok().filter(|block| block.is_ok()),
        };
        match &block {
            Some(Ok(block)) => piece.left -= block.len() as u64,
            // Nothing behind what is missing is of use.
            Some(Err(_)) | None => self.coming.clear(),
        }
        block
    }

    /// Who finds all pieces there that were wanted needs fewer.
    fn judge(&mut self) {
        self.in_time += 1;
        if self.in_time > self.pieces.at_once.get() {
            // One alone is ahead of nobody.
            (self.in_time, self.most) = (0, if self.most > 2 { self.most - 1 } else { 0 });
            self.spare.1.try_iter().for_each(drop);
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            let spent = std::mem::take(&mut self.block);
            let _ = self.spare.0.send(spent); // it has a receiver here
            self.taken = 0;
            let Some(block) = self.next_block() else { return Ok(0) };
            self.block = block?;
        }
        let length = self.block.get(self.taken..).unwrap_or_default().read(buffer)?;
        self.taken += length;
        Ok(length)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.is_in_vain.store(true, Ordering::Relaxed);
    }
}

/// Loads a piece, as long as somebody wants it: in whole blocks, unless somebody waits for long.
fn load(mut stream: Stream, mut left: u64, tell: &Sender<Block>, spare: &Receiver<Vec<u8>>, is_in_vain: &AtomicBool) {
    while left > 0 && !is_in_vain.load(Ordering::Relaxed) {
        let mut block = spare.try_recv().unwrap_or_default();
        block.resize(usize::try_from(left).unwrap_or(BLOCK).min(BLOCK), 0);
        let (began, mut filled) = (Instant::now(), 0);
        let result = loop {
            match stream.read(block.get_mut(filled..).unwrap_or_default()) {
                Ok(length) => filled += length,
                Err(error) => break Err(error),
            }
            let is_awaited = tell.is_empty() && began.elapsed() > PATIENCE;
            if filled == block.len() || is_awaited || is_in_vain.load(Ordering::Relaxed) {
                break Ok(());
            }
        };
        block.truncate(filled);
        left -= filled as u64;
        let is_over = result.is_err();
        if tell.send(result.map(|()| block)).is_err() || is_over {
            return;
        }
    }
}
