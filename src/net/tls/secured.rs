//! TLS on a control connection: the handshake, lines in, replies out.

use super::certificate::common_name;
use super::framing::{Framed, Framing};
use super::records::Records;
use super::tickets::{Family, Resumable, Tickets};
use super::{Offer, acknowledge, explain, protection};
use crate::net::limited::Limited;
use crate::protocol::line::LineBuffer;
use crate::protocol::protection::Protection;
use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

/// What data connections may call themselves.
const DATA_PROTOCOLS: [&[u8]; 2] = [b"ftp-data", b"ftp"];

/// The TLS of one control connection.
#[derive(Debug)]
pub struct Secured {
    connection: ServerConnection,
    offer: Arc<Offer>,
    tickets: Arc<Tickets>,
    framing: Framing,
    /// The client has said close_notify, or hung up.
    ended: bool,
}

impl Secured {
    pub(super) fn new(offer: Arc<Offer>) -> io::Result<Secured> {
        let mut family = Family::default();
        rustix::rand::getrandom(&mut family, rustix::rand::GetRandomFlags::empty())?;
        let tickets = Arc::new(Tickets::new(offer.tickets.clone(), family, offer.resumes));
        let mut config = offer.config.clone();
        config.ticketer = tickets.clone();
        config.session_storage = tickets.clone();
        let mut connection = ServerConnection::new(Arc::new(config)).map_err(|error| explain(&error))?;
        connection.set_resumption_data(&family);
        Ok(Secured { connection, offer, tickets, framing: Framing::default(), ended: false })
    }

    /// Shakes hands until it is done, fails, or takes too long.
    pub(in crate::net) fn handshake(&mut self, client: Limited<'_>) -> io::Result<()> {
        loop {
            self.flush(client)?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            acknowledge(client.stream());
            if !client.await_input()? {
                return Err(io::Error::new(ErrorKind::TimedOut, "the client did not finish it in time"));
            }
            match self.receive(client) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client hung up")),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            };
            // It is the client of an earlier connection, as it has proven: its tickets go on.
            let family = self.connection.received_resumption_data().and_then(|data| Family::try_from(data).ok());
            if let Some(family) = family.filter(|_| self.connection.is_handshaking()) {
                self.tickets.join(family);
                self.connection.set_resumption_data(&family);
            }
        }
    }

    /// Reads what is there, up to the end of a record; false at the end. Blocks if nothing is there.
    pub(in crate::net) fn fill(&mut self, client: Limited<'_>, lines: &mut LineBuffer) -> io::Result<bool> {
        self.receive(client)?;
        self.flush(client)?;
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

    pub(in crate::net) fn send(&mut self, client: Limited<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.connection.writer().write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush(client)?;
        }
        Ok(())
    }

    /// Says that nothing more will come from here.
    pub(in crate::net) fn close(&mut self, client: Limited<'_>) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(client)
    }

    /// After [`close`](Secured::close): reads up to the client's own close_notify, and not a byte of what it says
    /// in the clear behind it. What only looks like one is as good: nobody is logged in now, and whoever could forge it
    /// could forge all the clear text that follows.
    pub(in crate::net) fn await_close(&mut self, client: Limited<'_>) -> io::Result<()> {
        let mut piece = [0; 64];
        while !self.ended {
            if (Framed { from: client, framing: &mut self.framing }).read(&mut piece)? == 0 {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if self.framing.is_known() && !self.is_alert(self.framing.record()) {
                return Err(io::Error::new(ErrorKind::InvalidData, "the client goes on in TLS after REIN"));
            }
            self.ended = self.framing.is_between();
        }
        Ok(())
    }

    /// Whether a record has the type and the size of an alert.
    fn is_alert(&self, (kind, length): (u8, u16)) -> bool {
        match self.connection.protocol_version() {
            // RFC 8446, 5.2: all types look alike; two bytes, their true type, and the tag.
            Some(ProtocolVersion::TLSv1_3) => kind == 23 && length == 2 + 1 + 16,
            _ => kind == 21 && length <= 64,
        }
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

    /// Reads some of a record; 0 at the end. Blocks if nothing is there.
    fn receive(&mut self, client: Limited<'_>) -> io::Result<usize> {
        let length = self.connection.read_tls(&mut Framed { from: client.stream(), framing: &mut self.framing })?;
        match self.connection.process_new_packets() {
            Ok(_) => Ok(length),
            Err(error) => {
                // The alert, and that it arrives; the client may have gone.
                let _ = self.flush(client);
                client.drop_leftover();
                Err(explain(&error))
            }
        }
    }

    fn flush(&mut self, mut client: Limited<'_>) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut client)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
