//! Whether there is memory, asked before it is needed by what ends the process where there is none.

use memmap2::MmapMut;
use std::io;

/// Finds so many bytes, or says why there are not. None of them is touched, not even by malloc: to give them back would
/// interrupt every processor that serves somebody.
pub fn find(bytes: usize) -> io::Result<()> {
    MmapMut::map_anon(bytes).map(drop)
}
