//! A client that says exactly what a test wants said.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Longer than any server in the tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control connection.
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    server: SocketAddr,
}

/// A data connection.
pub struct Data {
    pub stream: TcpStream,
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
        Client { reader: BufReader::new(stream.try_clone().unwrap()), stream, server }
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) -> &mut Client {
        self.send_bytes(format!("{line}\r\n").as_bytes())
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> &mut Client {
        self.stream.write_all(bytes).unwrap();
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
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no reply: {error}"),
        }
        assert!(line.ends_with(b"\r\n"), "half a line: {:?}", String::from_utf8_lossy(&line));
        line.truncate(line.len() - 2);
        Some(line)
    }

    /// Expects that the server says nothing more and closes.
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
        Data::over(TcpStream::connect(address).unwrap())
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
        Data { stream }
    }

    /// Connects from another address of this host.
    pub fn connect_from(source: &str, server: SocketAddr) -> Data {
        Data::over(connect_from(source, server))
    }

    /// Everything up to the end.
    #[track_caller]
    pub fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Sends bytes.
    #[track_caller]
    pub fn write(mut self, bytes: &[u8]) -> Data {
        self.stream.write_all(bytes).unwrap();
        self
    }

    /// Ends it in order.
    pub fn close(self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends it by a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None).unwrap();
    let source: SocketAddr = (source.parse::<std::net::IpAddr>().unwrap(), 0).into();
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}
