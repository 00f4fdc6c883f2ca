//! A client that says exactly what a test wants said.

use super::tls::Tls;
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Longer than any server in the tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control connection.
pub struct Client {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What came and was not asked for yet.
    heard: Vec<u8>,
    server: SocketAddr,
    /// What its data connections are in.
    data_tls: Option<Tls>,
}

/// A data connection.
pub struct Data {
    pub stream: TcpStream,
    pub tls: Option<Box<ClientConnection>>,
}

impl Client {
    pub fn connect(server: SocketAddr) -> Client {
        Client::over(TcpStream::connect(server).unwrap())
    }

    /// Connects from another address of this host, such as 127.0.0.2.
    pub fn connect_from(source: &str, server: SocketAddr) -> Client {
        Client::over(connect_from(source, server))
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let server = stream.peer_addr().unwrap();
        Client { stream, tls: None, heard: Vec::new(), server, data_tls: None }
    }

    /// AUTH TLS, and the handshake.
    #[track_caller]
    pub fn auth_tls(&mut self, tls: &Tls) -> &mut Client {
        self.send("AUTH TLS").expect(234);
        self.shake_hands(tls).unwrap();
        self
    }

    /// The handshake alone.
    pub fn shake_hands(&mut self, tls: &Tls) -> io::Result<()> {
        assert!(self.heard.is_empty(), "said in the clear: {:?}", String::from_utf8_lossy(&self.heard));
        let tls = self.tls.insert(tls.begin());
        complete(tls, &self.stream)
    }

    /// PBSZ and PROT P; from here on, data connections are in this TLS.
    #[track_caller]
    pub fn protect(&mut self, tls: &Tls) -> &mut Client {
        self.data_tls = Some(tls.clone());
        self.script(&[("PBSZ 0", 200), ("PROT P", 200)])
    }

    /// From here on, data connections are in this TLS, or in the clear.
    pub fn data_in(&mut self, tls: Option<&Tls>) -> &mut Client {
        self.data_tls = tls.cloned();
        self
    }

    /// Its TLS.
    pub fn tls(&self) -> &ClientConnection {
        self.tls.as_ref().unwrap()
    }

    /// Ends TLS, as the server has, and goes on in the clear.
    #[track_caller]
    pub fn leave_tls(&mut self) -> &mut Client {
        self.expect_end();
        self.close_tls();
        self.drop_tls()
    }

    /// Goes on in the clear without another word.
    pub fn drop_tls(&mut self) -> &mut Client {
        self.tls = None;
        self
    }

    /// A line and close_notify behind it, as bytes that are still to be sent.
    pub fn last_flight(&mut self, line: &str) -> Vec<u8> {
        let tls = self.tls.as_mut().unwrap();
        tls.writer().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        tls.send_close_notify();
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// Says close_notify.
    #[track_caller]
    pub fn close_tls(&mut self) {
        let tls = self.tls.as_mut().unwrap();
        tls.send_close_notify();
        complete(tls, &self.stream).unwrap();
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) -> &mut Client {
        self.send_bytes(format!("{line}\r\n").as_bytes())
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> &mut Client {
        send(&mut self.tls, &self.stream, bytes).unwrap();
        self
    }

    /// Reads a reply, whole, and checks its code.
    #[track_caller]
    pub fn expect(&mut self, code: u16) -> String {
        let reply = self.reply();
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert!(text.starts_with(&code.to_string()), "expected {code}, got {text:?}");
        text
    }

    /// Sends a line and gives back the code.
    #[track_caller]
    pub fn code(&mut self, line: &str) -> u16 {
        let reply = self.send(line).reply();
        String::from_utf8_lossy(&reply)[..3].parse().unwrap()
    }

    /// Sends lines and checks the code of each reply.
    #[track_caller]
    pub fn script(&mut self, lines: &[(&str, u16)]) -> &mut Client {
        for (line, code) in lines {
            let reply = self.send(line).reply();
            let text = String::from_utf8_lossy(&reply);
            assert!(text.starts_with(&code.to_string()), "{line:?}: expected {code}, got {text:?}");
        }
        self
    }

    /// A reply as bytes, from its first line to its last, without the last line end.
    #[track_caller]
    pub fn reply(&mut self) -> Vec<u8> {
        let mut reply = self.line().expect("a reply, not the end");
        if reply.get(3) == Some(&b'-') {
            let end = [&reply[..3], b" "].concat();
            loop {
                let line = self.line().expect("the end of the reply");
                reply.extend_from_slice(b"\r\n");
                reply.extend_from_slice(&line);
                if line.starts_with(&end) {
                    break;
                }
            }
        }
        reply
    }

    /// One line of a reply; none at the end of the connection.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let mut piece = [0; 4096];
        let end = loop {
            if let Some(end) = self.heard.iter().position(|&b| b == b'\n') {
                break end + 1;
            }
            match receive(&mut self.tls, &self.stream, &mut piece) {
                Ok(0) => break self.heard.len(),
                Ok(length) => self.heard.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break self.heard.len(),
                Err(error) => panic!("no reply: {error}"),
            }
        };
        let mut line: Vec<u8> = self.heard.drain(..end).collect();
        if line.is_empty() {
            return None;
        }
        assert!(line.ends_with(b"\r\n"), "half a line: {:?}", String::from_utf8_lossy(&line));
        line.truncate(line.len() - 2);
        Some(line)
    }

    /// Expects that the server says nothing more and closes; in TLS, that it has announced it.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let line = self.line();
        assert!(
            line.is_none(),
            "expected the end, got {:?}",
            line.map(|line| String::from_utf8_lossy(&line).into_owned())
        );
    }

    /// PASV, and where it leads.
    #[track_caller]
    pub fn pasv(&mut self) -> SocketAddr {
        let reply = self.send("PASV").expect(227);
        let numbers = reply.split_once('(').unwrap().1.split_once(')').unwrap().0;
        let n: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
        (Ipv4Addr::new(n[0], n[1], n[2], n[3]), u16::from_be_bytes([n[4], n[5]])).into()
    }

    /// EPSV, and where it leads.
    #[track_caller]
    pub fn epsv(&mut self) -> SocketAddr {
        let reply = self.send("EPSV").expect(229);
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        SocketAddr::new(self.server.ip(), port)
    }

    /// EPSV, and the connection.
    #[track_caller]
    pub fn passive(&mut self) -> Data {
        let address = self.epsv();
        self.data(TcpStream::connect(address).unwrap())
    }

    /// A data connection of this client over a socket.
    pub fn data(&self, stream: TcpStream) -> Data {
        Data { tls: self.data_tls.as_ref().map(Tls::begin), ..Data::over(stream) }
    }

    /// PORT to a listener of ours.
    #[track_caller]
    pub fn active(&mut self) -> TcpListener {
        let listener = TcpListener::bind((self.stream.local_addr().unwrap().ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let family = if address.is_ipv4() { 1 } else { 2 };
        self.send(&format!("EPRT |{family}|{}|{}|", address.ip(), address.port())).expect(200);
        listener
    }

    /// A download: the bytes that came. The transfer must succeed.
    #[track_caller]
    pub fn download(&mut self, command: &str) -> Vec<u8> {
        let mut data = self.passive();
        self.send(command).expect(150);
        let bytes = data.read();
        self.expect(226);
        bytes
    }

    /// The lines of a listing. Each must end as FTP has it.
    #[track_caller]
    pub fn list(&mut self, command: &str) -> Vec<String> {
        let text = String::from_utf8(self.download(command)).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        text.split_terminator("\r\n").map(String::from).collect()
    }

    /// An upload. The transfer must succeed.
    #[track_caller]
    pub fn upload(&mut self, command: &str, bytes: &[u8]) {
        let data = self.passive();
        self.send(command).expect(150);
        data.write(bytes).close();
        self.expect(226);
    }

    /// An upload that may be refused, or cut off; its last code.
    #[track_caller]
    pub fn try_upload(&mut self, command: &str, bytes: &[u8]) -> u16 {
        let data = self.passive();
        match self.code(command) {
            150 => {}
            code => return code,
        }
        let _ = (&data.stream).write_all(bytes);
        drop(data);
        String::from_utf8_lossy(&self.reply())[..3].parse().unwrap()
    }

    /// Ends the connection without a word.
    pub fn vanish(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// The socket, for what the vocabulary has no word for.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl Data {
    pub fn over(stream: TcpStream) -> Data {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Data { stream, tls: None }
    }

    /// Connects from another address of this host.
    pub fn connect_from(source: &str, server: SocketAddr) -> Data {
        Data::over(connect_from(source, server))
    }

    /// The TLS handshake, which else comes with the first byte.
    pub fn shake_hands(&mut self) -> io::Result<()> {
        complete(self.tls.as_mut().unwrap(), &self.stream)
    }

    /// Some bytes; none at the end.
    pub fn receive(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        receive(&mut self.tls, &self.stream, piece)
    }

    /// Everything up to the end, which must have been announced if it is in TLS.
    #[track_caller]
    pub fn read(&mut self) -> Vec<u8> {
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match self.receive(&mut piece).unwrap() {
                0 => return bytes,
                length => bytes.extend_from_slice(&piece[..length]),
            }
        }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn write(mut self, bytes: &[u8]) -> Data {
        send(&mut self.tls, &self.stream, bytes).unwrap();
        self
    }

    /// Ends it in order; in TLS, the server has to do so, too.
    #[track_caller]
    pub fn close(mut self) {
        self.announce_end();
        self.stream.shutdown(Shutdown::Write).unwrap();
        if self.tls.is_some() {
            assert_eq!(self.read(), b"");
        }
    }

    /// In TLS, says that nothing more comes.
    #[track_caller]
    pub fn announce_end(&mut self) {
        if let Some(tls) = &mut self.tls {
            complete(tls, &self.stream).unwrap();
            tls.send_close_notify();
            complete(tls, &self.stream).unwrap();
        }
    }

    /// Ends it by a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Shakes hands, and sends what is to be sent.
fn complete(tls: &mut ClientConnection, mut stream: &TcpStream) -> io::Result<()> {
    while tls.is_handshaking() || tls.wants_write() {
        tls.complete_io(&mut stream)?;
    }
    Ok(())
}

fn receive(tls: &mut Option<Box<ClientConnection>>, mut stream: &TcpStream, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        let result = match tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut stream).read(piece),
            None => stream.read(piece),
        };
        // With a time limit on the socket, this comes also of being stopped and continued.
        if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            return result;
        }
    }
}

fn send(tls: &mut Option<Box<ClientConnection>>, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    match tls {
        Some(tls) => {
            complete(tls, stream)?;
            for piece in bytes.chunks(1 << 16) {
                tls.writer().write_all(piece)?;
                complete(tls, stream)?;
            }
            Ok(())
        }
        None => stream.write_all(bytes),
    }
}

fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None).unwrap();
    let source: SocketAddr = (source.parse::<std::net::IpAddr>().unwrap(), 0).into();
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}
