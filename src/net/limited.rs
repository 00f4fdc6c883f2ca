//! A client's socket with a deadline: a client that does not read gets as little time as one that does not write.

use super::wait::{self, For};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a client may refuse to read, if the deadline is not earlier.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a client has sent behind the end is read so far, or closing would reset what is on its way.
const LEFTOVER: usize = 64 << 10;

/// A socket, and until when it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limited<'a> {
    stream: &'a TcpStream,
    until: Option<Instant>,
}

impl<'a> Limited<'a> {
    /// None: it may take as long as it likes to write.
    pub fn new(stream: &'a TcpStream, until: Option<Instant>) -> Limited<'a> {
        Limited { stream, until }
    }

    /// The socket alone.
    pub fn stream(&self) -> &'a TcpStream {
        self.stream
    }

    /// Waits until something has come; false when the time is over.
    pub fn await_input(&self) -> io::Result<bool> {
        wait::one(self.stream.as_fd(), For::Reading, self.until)
    }

    /// Drops what has come already.
    pub fn drop_leftover(&self) {
        let (mut piece, mut left) = ([0; 4096], LEFTOVER);
        while left > 0
            && let Ok((length @ 1.., _)) = rustix::net::recv(self.stream, &mut piece, RecvFlags::DONTWAIT)
        {
            left = left.saturating_sub(length);
        }
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::net::recv(self.stream, &mut *buffer, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !self.await_input()? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                result => return Ok(result?.0),
            }
        }
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let patience = Instant::now() + PATIENCE;
        let until = self.until.map_or(patience, |until| until.min(patience));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            match rustix::net::sendmsg(self.stream, pieces, &mut SendAncillaryBuffer::default(), flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let is_over = Instant::now() >= until;
                    if is_over || !wait::one(self.stream.as_fd(), For::Writing, Some(until))? {
                        return Err(io::Error::new(ErrorKind::TimedOut, "the client does not read its replies"));
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
