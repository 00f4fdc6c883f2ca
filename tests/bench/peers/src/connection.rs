//! A connection, plain or in TLS, that takes and gives bytes as fast as a client can.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::RecvFlags;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(40);
/// More than ever waits in a socket.
const ROOM: usize = 8 << 20;
/// So much of a data connection in TLS is read at once.
pub const MUCH: usize = 256 << 10;

pub enum Connection {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, Buffered>>),
}

/// rustls would read little at a time.
pub struct Buffered(BufReader<TcpStream>);

pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let opened = || {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok::<_, io::Error>(stream)
    };
    opened().map_err(|error| format!("{address}: {error}"))
}

/// Of a client that trusts this certificate alone.
pub fn trusting(certificate: &Path) -> Result<Arc<ClientConfig>> {
    let configured = || {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).map_err(|error| error.to_string())?).map_err(text)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(text)?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    };
    configured().map_err(|error: String| format!("{}: {error}", certificate.display()))
}

fn text(error: rustls::Error) -> String {
    error.to_string()
}

impl Connection {
    /// TLS begins; so many bytes are read at once.
    pub fn secured(stream: TcpStream, config: &Arc<ClientConfig>, capacity: usize) -> Result<Self> {
        let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
        let mut tls = ClientConnection::new(config.clone(), name).map_err(text)?;
        tls.set_buffer_limit(Some(4 << 20));
        let buffered = Buffered(BufReader::with_capacity(capacity, stream));
        Ok(Self::Secure(Box::new(StreamOwned::new(tls, buffered))))
    }

    /// Reads to the end, and forgets it; how many bytes it was. What is plain is never copied out of the kernel.
    pub fn discard(&mut self, room: &mut Vec<u8>) -> Result<u64> {
        if room.is_empty() {
            // Memory that nobody ever touches, where all is plain.
            *room = vec![0; ROOM];
        }
        let mut total = 0;
        loop {
            let read = match self {
                Self::Plain(stream) => rustix::net::recv(&*stream, room.as_mut_slice(), RecvFlags::TRUNC)
                    .map(|(_, length)| length)
                    .map_err(io::Error::from),
                Self::Secure(stream) => stream.read(&mut room[..MUCH]),
            };
            match read {
                Ok(0) => return Ok(total),
                Ok(length) => total += length as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Many a server just hangs up, without a word of TLS.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(total),
                Err(error) => return Err(format!("data after {total} bytes: {error}")),
            }
        }
    }

    /// Sends so many bytes, out of a piece that is said again and again, and that they end.
    pub fn send(&mut self, piece: &[u8], total: u64) -> Result<()> {
        let mut sent = || {
            let mut left = total;
            while left > 0 {
                let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.write_all(&piece[..length])?;
                left -= length as u64;
            }
            self.flush()
        };
        sent().map_err(|error| format!("data: {error}"))?;
        self.finish();
        Ok(())
    }

    /// Says that no more comes; the other one may have gone.
    pub fn finish(&mut self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Secure(secure) => {
                secure.conn.send_close_notify();
                let _ = secure.flush();
                secure.sock.0.get_ref()
            }
        };
        let _ = stream.shutdown(Shutdown::Write);
    }
}

impl Read for Connection {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
            Self::Secure(stream) => stream.read(room),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

impl Read for Buffered {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
