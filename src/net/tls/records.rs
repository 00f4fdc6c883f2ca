//! TLS on a data connection, over a socket that never blocks: bytes in and out of two buffers of its own, which are
//! as large as a transfer needs and vanish with it.

use super::{acknowledge, explain, protection};
use crate::net::wait::For;
use crate::protocol::protection::Protection;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{HandshakeKind, ServerConfig};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The largest record and its header (RFC 5246, 6.2.3): the least that there must be room for.
const RECORD: usize = (16 << 10) + 2048 + 5;
/// What is read at once when much comes.
const INCOMING: usize = 256 << 10;
/// A transfer is not kept from the control connection for longer than so many reads.
const READS: usize = 16;
/// What a record can carry, and what encryption adds to it at most.
const FRAGMENT: usize = 16 << 10;
const OVERHEAD: usize = 64;

/// The TLS of one data connection.
pub struct Records {
    connection: UnbufferedServerConnection,
    /// What came and is not decrypted yet.
    incoming: Buffer,
    /// What is encrypted and not sent yet.
    outgoing: Buffer,
    /// What was read for who takes less than a record at once.
    left: Buffer,
    /// A record is decrypted for which there was no room.
    is_waiting: bool,
    /// The client has said close_notify.
    closed: bool,
    /// It has come to an error, and the client has been told.
    failed: bool,
}

/// What the connection has come to with the bytes that are there.
enum Step {
    /// It has passed a state.
    Again,
    /// More bytes are needed for the handshake.
    Handshaking,
    /// So many bytes of the client were taken.
    Took(usize),
    /// Bytes of the client wait, more than there is room for.
    NoRoom,
    /// All that came is dealt with.
    Idle,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("protection", &self.protection()).finish_non_exhaustive()
    }
}

impl Records {
    pub(super) fn new(config: ServerConfig) -> io::Result<Records> {
        let connection = UnbufferedServerConnection::new(Arc::new(config)).map_err(|error| explain(&error))?;
        Ok(Records {
            connection,
            incoming: Buffer::default(),
            outgoing: Buffer::default(),
            left: Buffer::default(),
            is_waiting: false,
            closed: false,
            failed: false,
        })
    }

    /// Goes on with the handshake as far as it can; what to wait for then, or None when it is done.
    pub(in crate::net) fn handshake(&mut self, stream: &TcpStream) -> io::Result<Option<For>> {
        loop {
            match self.step(stream, Some(&mut []))? {
                Step::Again => {}
                Step::Handshaking if !self.flush(stream)? => return Ok(Some(For::Writing)),
                Step::Handshaking => match self.fill(stream) {
                    Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client hung up")),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        acknowledge(stream);
                        return Ok(Some(For::Reading));
                    }
                    Err(error) => return Err(error),
                },
                Step::Idle | Step::NoRoom | Step::Took(_) => {
                    return Ok((!self.flush(stream)?).then_some(For::Writing));
                }
            }
        }
    }

    /// Whether bytes of the client may be here already, which no waiting for the socket would show.
    pub(in crate::net) fn has_pending(&self) -> bool {
        self.is_waiting || self.closed || !self.incoming.is_empty() || !self.left.is_empty()
    }

    /// Reads as much as is there and fits; 0 at the end.
    pub(in crate::net) fn read(&mut self, stream: &TcpStream, buffer: &mut [u8], strict: bool) -> io::Result<usize> {
        if self.left.is_empty() && buffer.len() >= FRAGMENT {
            return self.read_records(stream, buffer, strict);
        }
        if self.left.is_empty() {
            let mut left = std::mem::take(&mut self.left);
            let length = self.read_records(stream, left.room(FRAGMENT), strict)?;
            left.end += length;
            self.left = left;
        }
        let length = (&mut *buffer).write(self.left.filled())?;
        self.left.start += length;
        Ok(length)
    }

    /// The same where there is room for a whole record.
    fn read_records(&mut self, stream: &TcpStream, buffer: &mut [u8], strict: bool) -> io::Result<usize> {
        let (mut filled, mut reads) = (0, 0);
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            match self.step(stream, Some(room))? {
                Step::Again => {}
                Step::Took(length) => filled += length,
                Step::NoRoom => return Ok(filled),
                Step::Handshaking | Step::Idle if self.closed || (reads == READS && filled > 0) => return Ok(filled),
                // Many records, and nothing in them: somebody else gets a turn.
                Step::Handshaking | Step::Idle if reads == READS => return Err(ErrorKind::Interrupted.into()),
                Step::Handshaking | Step::Idle => match self.fill(stream) {
                    Ok(0) if filled > 0 => return Ok(filled),
                    Ok(0) if !self.incoming.is_empty() => return Err(torn("it ended in the middle of a TLS record")),
                    Ok(0) if strict => return Err(torn("it ended without close_notify")),
                    Ok(0) => return Ok(0),
                    Ok(_) => reads += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => return Ok(filled),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Takes bytes, encrypts them, and sends what goes; takes none while earlier ones are not all sent.
    pub(in crate::net) fn write(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush(stream)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let size = bytes.len() + OVERHEAD * (bytes.len() / FRAGMENT + 1);
        self.encrypt(stream, size, |traffic, room| traffic.encrypt(bytes, room))?;
        self.flush(stream)?;
        Ok(bytes.len())
    }

    /// Puts close_notify behind what is to be sent.
    pub(in crate::net) fn close(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.encrypt(stream, OVERHEAD, |traffic, room| traffic.queue_close_notify(room))
    }

    /// Sends what waits; true if nothing does any more.
    pub(in crate::net) fn flush(&mut self, mut stream: &TcpStream) -> io::Result<bool> {
        while !self.outgoing.is_empty() {
            match stream.write(self.outgoing.filled()) {
                Ok(sent) => self.outgoing.start += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// How many bytes wait to be sent.
    pub(in crate::net) fn unsent(&self) -> usize {
        self.outgoing.filled().len()
    }

    /// The version and the cipher.
    pub fn protection(&self) -> Option<Protection> {
        protection(&self.connection)
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(super) fn client_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.connection.peer_certificates()?.first()
    }

    /// Reads once. A client that fills all the room gets more of it.
    fn fill(&mut self, mut stream: &TcpStream) -> io::Result<usize> {
        let is_busy = !self.incoming.bytes.is_empty() && self.incoming.end == self.incoming.bytes.len();
        let room = self.incoming.room(if is_busy { INCOMING } else { RECORD });
        let length = loop {
            match stream.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.incoming.end += length;
        Ok(length)
    }

    /// Passes one state. Without room, what the client sends is thrown away. The first error is the last step; the
    /// client is told of it, if that is possible at once.
    fn step(&mut self, stream: &TcpStream, room: Option<&mut [u8]>) -> io::Result<Step> {
        if self.failed {
            return Err(ErrorKind::NotConnected.into());
        }
        self.pass(room).inspect_err(|_| {
            self.failed = true;
            let _ = self.pass(None); // the alert
            let _ = self.flush(stream);
        })
    }

    fn pass(&mut self, room: Option<&mut [u8]>) -> io::Result<Step> {
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(self.incoming.filled_mut());
        let step = match state {
            Err(error) => Err(explain(&error)),
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let size = match data.encode(&mut []) {
                    Err(EncodeError::InsufficientSize(size)) => size.required_size,
                    _ => 0,
                };
                let length = data.encode(self.outgoing.room(size)).map_err(io::Error::other)?;
                self.outgoing.end += length;
                Ok(Step::Again)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done(); // it is in `outgoing`, and nothing overtakes it there
                Ok(Step::Again)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Step::Handshaking),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                self.is_waiting = false;
                let next = traffic.peek_len().map_or(0, |length| length.get());
                let fits = room.as_ref().is_none_or(|room| room.len() >= next);
                match fits.then(|| traffic.next_record()).flatten() {
                    None if !fits => {
                        self.is_waiting = true;
                        Ok(Step::NoRoom)
                    }
                    None => Ok(Step::Again),
                    Some(Err(error)) => Err(explain(&error)),
                    Some(Ok(record)) => {
                        if let Some(room) = room.and_then(|room| room.get_mut(..next)) {
                            room.copy_from_slice(record.payload);
                        }
                        Ok(Step::Took(next))
                    }
                }
            }
            Ok(ConnectionState::PeerClosed) => {
                self.closed = true;
                Ok(Step::Again)
            }
            Ok(ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => Ok(Step::Idle),
            Ok(other) => Err(io::Error::other(format!("an unexpected state of TLS: {other:?}"))),
        };
        self.incoming.start += discard;
        step
    }

    /// Appends to `outgoing` what `encrypt` writes, which takes about so much room.
    fn encrypt(
        &mut self,
        stream: &TcpStream,
        mut size: usize,
        encrypt: impl Fn(&mut WriteTraffic<'_, ServerConnectionData>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        while !matches!(self.step(stream, None)?, Step::Idle | Step::Handshaking) {}
        loop {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(self.incoming.filled_mut());
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
                return Err(ErrorKind::NotConnected.into());
            };
            let result = encrypt(&mut traffic, self.outgoing.room(size));
            self.incoming.start += discard;
            match result {
                Ok(length) => {
                    self.outgoing.end += length;
                    return Ok(());
                }
                Err(EncryptError::InsufficientSize(more)) => size = more.required_size,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

fn torn(why: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, why)
}

/// Bytes on their way, and room behind them.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// All the room behind what is filled, at least so much.
    fn room(&mut self, least: usize) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() < self.end + least {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            self.bytes.resize(self.bytes.len().max(self.end + least), 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }
}
