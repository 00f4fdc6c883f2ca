//! How many bytes of files went which way, for all sessions together.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Download,
    /// From the client.
    Upload,
}

/// Counts bytes as they go.
#[derive(Debug, Default)]
pub struct Traffic {
    downloaded: AtomicU64,
    uploaded: AtomicU64,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::Download, Direction::Upload];

    /// `download` or `upload`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Download => "download",
            Direction::Upload => "upload",
        }
    }
}

impl Traffic {
    /// So many more.
    pub fn count(&self, direction: Direction, bytes: u64) {
        self.of(direction).fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.of(direction).load(Ordering::Relaxed)
    }

    fn of(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Download => &self.downloaded,
            Direction::Upload => &self.uploaded,
        }
    }
}
