//! TLS on a control connection: the handshake, lines in, replies out.

use super::certificate::common_name;
use super::records::Records;
use super::tickets::{Family, Resumable, Tickets};
use super::{Offer, acknowledge, explain, protection};
use crate::net::wait::{self, For};
use crate::protocol::line::LineBuffer;
use crate::protocol::protection::Protection;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

/// What data connections may call themselves.
const DATA_PROTOCOLS: [&[u8]; 2] = [b"ftp-data", b"ftp"];

/// The TLS of one control connection.
#[derive(Debug)]
pub struct Secured {
    connection: ServerConnection,
    offer: Arc<Offer>,
    tickets: Arc<Tickets>,
    /// The client has said close_notify, or hung up.
    ended: bool,
}

impl Secured {
    pub(super) fn new(offer: Arc<Offer>) -> io::Result<Secured> {
        let mut family = Family::default();
        rustix::rand::getrandom(&mut family, rustix::rand::GetRandomFlags::empty())?;
        let tickets = Arc::new(Tickets::new(offer.tickets.clone(), family));
        let mut config = offer.config.clone();
        config.ticketer = tickets.clone();
        config.session_storage = tickets.clone();
        let mut connection = ServerConnection::new(Arc::new(config)).map_err(|error| explain(&error))?;
        connection.set_resumption_data(&family);
        Ok(Secured { connection, offer, tickets, ended: false })
    }

    /// Shakes hands until it is done, fails, or takes too long.
    pub(in crate::net) fn handshake(&mut self, stream: &TcpStream, until: Option<Instant>) -> io::Result<()> {
        loop {
            self.flush(stream)?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            acknowledge(stream);
            if !wait::one(stream.as_fd(), For::Reading, until)? {
                return Err(io::Error::new(ErrorKind::TimedOut, "the client did not finish it in time"));
            }
            match self.connection.read_tls(&mut &*stream) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client hung up")),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            };
            self.process(stream)?;
            // It is the client of an earlier connection, as it has proven: its tickets go on.
            let family = self.connection.received_resumption_data().and_then(|data| Family::try_from(data).ok());
            if let Some(family) = family.filter(|_| self.connection.is_handshaking()) {
                self.tickets.join(family);
                self.connection.set_resumption_data(&family);
            }
        }
    }

    /// Reads what is there; false at the end. Blocks if nothing is there.
    pub(in crate::net) fn fill(&mut self, stream: &TcpStream, lines: &mut LineBuffer) -> io::Result<bool> {
        self.connection.read_tls(&mut &*stream)?;
        self.process(stream)?;
        self.flush(stream)?;
        Ok(self.take(lines))
    }

    /// Takes what has been decrypted; false at the end. Behind the handshake there may be some already.
    pub(in crate::net) fn take(&mut self, lines: &mut LineBuffer) -> bool {
        let (mut piece, mut any) = ([0; 512], false);
        loop {
            match self.connection.reader().read(&mut piece) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    lines.push(piece.get(..length).unwrap_or_default());
                    any = true;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => self.ended = true,
            }
            return any;
        }
    }

    /// Whether nothing more will come, so that there is nothing to wait for.
    pub(in crate::net) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(in crate::net) fn send(&mut self, stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.connection.writer().write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush(stream)?;
        }
        Ok(())
    }

    /// Says that nothing more will come from here.
    pub(in crate::net) fn close(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(stream)
    }

    /// After [`close`](Secured::close): reads up to the client's own close_notify, and not a byte of what it says
    /// in the clear behind it.
    pub(in crate::net) fn await_close(&mut self, stream: &TcpStream, until: Option<Instant>) -> io::Result<()> {
        const LARGEST: usize = 5 + (16 << 10) + 256;
        let mut record = vec![0; LARGEST];
        while !self.ended {
            read_until(stream, record.get_mut(..5).unwrap_or_default(), until)?;
            let length = 5 + usize::from(u16::from_be_bytes([record[3], record[4]]));
            let body = record.get_mut(5..length).ok_or(ErrorKind::InvalidData)?;
            read_until(stream, body, until)?;
            let mut rest = record.get(..length).unwrap_or_default();
            while !rest.is_empty() && self.connection.read_tls(&mut rest)? > 0 {
                self.process(stream)?;
            }
            self.ended = match self.connection.reader().read(&mut [0]) {
                Ok(0) => true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                _ => return Err(io::Error::new(ErrorKind::InvalidData, "the client goes on in TLS after REIN")),
            };
        }
        Ok(())
    }

    /// The version and the cipher.
    pub fn protection(&self) -> Option<Protection> {
        protection(&self.connection)
    }

    /// The common name of the client's certificate, which was found good.
    pub fn client_name(&self) -> Option<String> {
        common_name(self.client_certificate()?)
    }

    /// TLS for a data connection, with the same certificate.
    pub fn data(&self) -> io::Result<Records> {
        let mut config = self.offer.config.clone();
        config.alpn_protocols = DATA_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.send_tls13_tickets = 0;
        let tickets = Arc::new(Resumable(self.tickets.clone()));
        config.ticketer = tickets.clone();
        config.session_storage = tickets;
        Records::new(config)
    }

    /// Whether a data connection is this client's: it resumed our session, or showed the same certificate.
    pub fn owns(&self, data: &Records) -> bool {
        let ours = self.client_certificate();
        data.is_resumed() || (ours.is_some() && data.client_certificate() == ours)
    }

    fn client_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.connection.peer_certificates()?.first()
    }

    fn process(&mut self, stream: &TcpStream) -> io::Result<()> {
        match self.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                // The alert; the client may have gone.
                let _ = self.flush(stream);
                Err(explain(&error))
            }
        }
    }

    fn flush(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn read_until(mut stream: &TcpStream, mut piece: &mut [u8], until: Option<Instant>) -> io::Result<()> {
    while !piece.is_empty() {
        if !wait::one(stream.as_fd(), For::Reading, until)? {
            return Err(ErrorKind::TimedOut.into());
        }
        match stream.read(piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => piece = piece.get_mut(length..).unwrap_or_default(),
        }
    }
    Ok(())
}
