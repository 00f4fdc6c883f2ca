//! Where one TLS record ends and the next begins, without a look into them.

use std::io::{self, Read};

const HEADER: usize = 5;

/// Follows the records that a client sends (RFC 8446, 5.1), so that never more than the one that is being read is
/// taken from the socket: behind the last one, clear text may follow.
#[derive(Debug, Default)]
pub(super) struct Framing {
    header: [u8; HEADER],
    /// So much of the header is here.
    filled: usize,
    /// So much of what it announces is not.
    left: usize,
}

/// Reads nothing beyond the end of a record.
pub(super) struct Framed<'a, R> {
    pub(super) from: R,
    pub(super) framing: &'a mut Framing,
}

impl Framing {
    /// Whether the last record is complete.
    pub(super) fn is_between(&self) -> bool {
        self.filled.is_multiple_of(HEADER) && self.left == 0
    }

    /// Whether a record has begun whose header is here.
    pub(super) fn is_known(&self) -> bool {
        self.filled == HEADER
    }

    /// The type and the length of the last record that has begun.
    pub(super) fn record(&self) -> (u8, u16) {
        let [kind, _, _, high, low] = self.header;
        (kind, u16::from_be_bytes([high, low]))
    }

    fn wanted(&self) -> usize {
        if self.left > 0 { self.left } else { HEADER - self.filled % HEADER }
    }

    fn note(&mut self, bytes: &[u8]) {
        if self.left > 0 {
            self.left = self.left.saturating_sub(bytes.len());
            return;
        }
        self.filled %= HEADER;
        for (place, byte) in self.header.iter_mut().skip(self.filled).zip(bytes) {
            *place = *byte;
            self.filled += 1;
        }
        if self.is_known() {
            self.left = self.record().1.into();
        }
    }
}

impl<R: Read> Read for Framed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.framing.wanted());
        let room = buffer.get_mut(..most).unwrap_or_default();
        let length = self.from.read(room)?;
        self.framing.note(room.get(..length).unwrap_or_default());
        Ok(length)
    }
}
