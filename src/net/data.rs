//! Data connections once they are there, in the clear or in TLS, and active ones on their way.

use super::limited::Limited;
use super::passive::with_port;
use super::tls::Records;
use super::wait::For;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

/// What waits in the kernel for its turn on the wire; what is on its way does not count. A fast network empties half of it
/// while the thread wakes. Megabytes, as the kernel would take, only let everyone wait for each other.
const MOST_UNSENT: u32 = 256 << 10;

/// An open data connection. It never blocks: the transfer waits for it and the control connection together.
#[derive(Debug)]
pub struct DataStream {
    stream: TcpStream,
    tls: Option<Box<Records>>,
}

impl DataStream {
    /// Takes a connection that does not block.
    pub fn new(stream: TcpStream) -> DataStream {
        DataStream { stream, tls: None }
    }

    /// Begins TLS; go on with [`handshake`](DataStream::handshake).
    pub fn secure(&mut self, tls: Records) -> io::Result<()> {
        self.tls = Some(Box::new(tls));
        self.stream.set_nodelay(true)
    }

    /// What is to be sent comes next. In the clear, little leaves together with the end, or after 200 ms; much would only
    /// cost more so, and takes turns with what others send.
    pub fn begin_sending(&self, is_brief: bool) -> io::Result<()> {
        match &self.tls {
            Some(_) if is_brief => return Ok(()),
            None if is_brief => return Ok(rustix::net::sockopt::set_tcp_cork(&self.stream, true)?),
            Some(_) => {}
            None => self.stream.set_nodelay(true)?,
        }
        self.keep_unsent(MOST_UNSENT);
        Ok(())
    }

    /// So much may wait in the kernel; 0: what it takes of itself. Kernels that only look like Linux may not know how, and
    /// it goes without, too.
    fn keep_unsent(&self, most: u32) {
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(most);
    }

    /// What to wait for before the handshake can go on; None when it is done.
    pub fn handshake(&mut self) -> io::Result<Option<For>> {
        match &mut self.tls {
            Some(tls) => tls.handshake(&self.stream),
            None => Ok(None),
        }
    }

    /// Its TLS.
    pub fn tls(&self) -> Option<&Records> {
        self.tls.as_deref()
    }

    /// The socket, if what is written to it goes as it is.
    pub fn clear(&self) -> Option<&TcpStream> {
        self.tls.is_none().then_some(&self.stream)
    }

    /// Whether bytes may be here that no waiting for the socket would show.
    pub fn has_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_pending())
    }

    /// Reads what is there; 0 at the end. `strict`: in TLS, the end must have been announced.
    pub fn read(&mut self, buffer: &mut [u8], strict: bool) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&self.stream, buffer, strict),
            None => self.stream.read(buffer),
        }
    }

    /// Takes some of the bytes, to be sent.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&self.stream, bytes),
            None => self.stream.write(bytes),
        }
    }

    /// Sends what was taken and is not sent yet: so much of it is left.
    pub fn flush(&mut self) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return Ok(0) };
        tls.flush(&self.stream)?;
        Ok(tls.unsent())
    }

    /// How much was taken and is not sent yet.
    pub fn unsent(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.unsent())
    }

    /// Says that nothing more comes, behind what is still to be sent.
    pub fn announce_end(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| tls.close(&self.stream))
    }

    /// Ends it in order: what was written arrives, then the end.
    pub fn finish(self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        if self.tls.is_some() {
            Limited::new(&self.stream, None).drop_leftover();
        }
        Ok(())
    }

    /// Ends it before its time, without waiting for anything. Who has asked for it knows that it is not whole; to
    /// everyone else a reset says so, but in TLS, where clients count the absence of close_notify as an attack.
    pub fn cut(mut self, as_asked: bool) {
        if self.tls.is_some() {
            // There is room for the rest of a record and the end, then.
            self.keep_unsent(0);
            if self.announce_end().and_then(|()| self.flush()).is_ok_and(|unsent| unsent == 0) {
                let _ = self.finish();
            }
        } else if !as_asked {
            let _ = SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

impl AsFd for DataStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// An active connection that is being made.
#[derive(Debug)]
pub struct Connecting {
    socket: Socket,
}

impl Connecting {
    /// Starts to connect from the address of the control connection, and from `source_port` if it is not 0.
    pub fn start(local: SocketAddr, source_port: u16, to: SocketAddr) -> io::Result<Connecting> {
        let from = with_port(local, source_port);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if from.is_ipv4() == to.is_ipv4() {
            socket.set_reuse_address(source_port != 0)?;
            socket.bind(&from.into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
            _ => Ok(Connecting { socket }),
        }
    }

    /// The connection, when the socket has become writable.
    pub fn finish(self) -> io::Result<DataStream> {
        match self.socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(DataStream::new(self.socket.into())),
        }
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Why PORT or EPRT names an address that is not connected to.
#[derive(Debug, PartialEq, Eq)]
pub enum BadTarget {
    /// Not the client's own address.
    Foreign,
    /// A port below 1024.
    Privileged,
}

/// The address to connect to, if it is the client's own and no service of somebody else (RFC 2577). Who tells none, such
/// as lftp over IPv6, means its own.
pub fn check_target(
    target: SocketAddr,
    peer: SocketAddr,
    foreign: bool,
    privileged: bool,
) -> Result<SocketAddr, BadTarget> {
    let (ip, peer_ip) = (target.ip().to_canonical(), peer.ip().to_canonical());
    let is_own = ip == peer_ip || ip.is_unspecified();
    if !is_own && (!foreign || ip.is_multicast()) {
        return Err(BadTarget::Foreign);
    }
    if target.port() < 1024 && (!privileged || target.port() == 0) {
        return Err(BadTarget::Privileged);
    }
    // The peer's own form keeps the zone of a link-local address.
    let base = if is_own { peer } else { target };
    Ok(with_port(base, target.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, peer: &str) -> Result<String, BadTarget> {
        check_target(target.parse().unwrap(), peer.parse().unwrap(), false, false).map(|address| address.to_string())
    }

    #[test]
    fn only_the_client_itself_is_connected_to() {
        assert_eq!(check("10.0.0.1:2000", "10.0.0.1:9"), Ok("10.0.0.1:2000".into()));
        assert_eq!(check("[::ffff:10.0.0.1]:2000", "10.0.0.1:9"), Ok("10.0.0.1:2000".into()));
        assert_eq!(check("10.0.0.1:2000", "[::ffff:10.0.0.1]:9"), Ok("10.0.0.1:2000".into()));
        assert_eq!(check("[fe80::1]:2000", "[fe80::1%7]:9"), Ok("[fe80::1%7]:2000".into()));
        assert_eq!(check("0.0.0.0:2000", "10.0.0.1:9"), Ok("10.0.0.1:2000".into()));
        assert_eq!(check("[::]:2000", "[fe80::1%7]:9"), Ok("[fe80::1%7]:2000".into()));
        assert_eq!(check("10.0.0.2:2000", "10.0.0.1:9"), Err(BadTarget::Foreign));
        assert_eq!(check("[::1]:2000", "127.0.0.1:9"), Err(BadTarget::Foreign));
        assert_eq!(check("10.0.0.1:25", "10.0.0.1:9"), Err(BadTarget::Privileged));
    }
}
