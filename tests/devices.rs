//! Cameras, scanners, controllers and old clients: their dialogues as people reported them, played to a server. Where
//! a report ends before a file is sent, the script goes on with the plainest transfer.
//!
//! A script in `tests/devices` has a line for each step:
//!
//! | line | meaning |
//! |---|---|
//! | `# text` | a comment; one begins with `# Source:` and names the report |
//! | `server OPTIONS` | the server has these options |
//! | `has PATH/`, `has PATH = BYTES` | what is in the home before |
//! | `> LINE` | the device sends this line |
//! | `bytes BYTES` | the device sends these bytes, its own line end and all |
//! | `< CODE TEXT` | the reply has this code, and this text somewhere |
//! | `bind` | the device takes a port; `$PORT` and `$EPRT` in lines behind it say which |
//! | `listen` | it listens there, or at a port that it takes now |
//! | `send BYTES` | over the data connection; then it ends |
//! | `receive BYTES` | all that comes over the data connection is this |
//! | `lists NAME` | a line of what comes ends with this name; without a name, nothing comes |
//! | `again` | the device leaves without a word and connects anew |
//! | `end` | the server closes the connection |
//! | `home PATH/`, `home PATH = BYTES` | what is in the home now |
//!
//! In BYTES and in lines, `\r`, `\n`, `\\` and `\xFF` are what they are elsewhere.

use crate::support::{Client, Data, TestServer};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// The device, in the middle of its dialogue.
struct Device<'a> {
    server: &'a TestServer,
    client: Client,
    /// The port that it has told of.
    port: Option<Socket>,
    /// Made as soon as the server has said where to, as most devices do.
    passive: Option<Data>,
}

/// Where we are in which script, for the message of a failure.
struct Place<'a>(&'a Path, usize, &'a str);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}:{}: {} ---", self.0.display(), self.1, self.2);
        }
    }
}

fn scripts() -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn each_device_gets_the_replies_that_it_goes_on_with() {
    for (path, text) in scripts() {
        play(&path, &text);
    }
}

#[test]
fn each_script_names_its_source() {
    let scripts = scripts();
    assert!(scripts.len() >= 20, "{}", scripts.len());
    for (path, text) in scripts {
        let sources: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# Source: ")).collect();
        let is_named = |source: &&str| source.starts_with("https://") || *source == "tests/PROTOCOL.md";
        assert!(!sources.is_empty() && sources.iter().all(is_named), "{}: {sources:?}", path.display());
        let has = |start| text.lines().any(|line: &str| line.starts_with(start));
        assert!((has("> ") || has("bytes ")) && has("< ") && text.starts_with("# "), "{}", path.display());
        assert!(text.lines().all(|line| line.len() <= 120 || line.starts_with("# Source: ")), "{}", path.display());
    }
}

fn play(path: &Path, text: &str) {
    let options = text.lines().filter_map(|line| line.strip_prefix("server ")).flat_map(|line| line.split(' '));
    let server = TestServer::with(&options.collect::<Vec<_>>()).start();
    let client = Client::connect(server.address());
    let mut device = Device { server: &server, client, port: None, passive: None };
    for (number, line) in text.lines().enumerate() {
        let _place = Place(path, number + 1, line);
        if !line.is_empty() && !line.starts_with('#') {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            device.step(word, rest);
        }
    }
}

impl Device<'_> {
    fn step(&mut self, word: &str, rest: &str) {
        let home = self.server.files("ann");
        match word {
            "server" => {}
            "has" => match rest.split_once(" = ") {
                Some((path, content)) => home.write(path, bytes(content)),
                None => home.make_directory(rest.strip_suffix('/').unwrap()),
            },
            "home" => match rest.split_once(" = ") {
                Some((path, content)) => assert_eq!(home.read(path), bytes(content)),
                None => assert!(home.is_directory(rest.strip_suffix('/').unwrap())),
            },
            ">" => {
                let line = [bytes(&self.filled(rest)).as_slice(), b"\r\n"].concat();
                self.client.send_bytes(&line);
            }
            "bytes" => {
                self.client.send_bytes(&bytes(&self.filled(rest)));
            }
            "<" => {
                let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let reply = self.client.expect(code.parse().unwrap());
                assert!(reply.contains(text), "{reply}");
                if let Some(port) = passive_port(&reply) {
                    let address = SocketAddr::new(self.server.address().ip(), port);
                    self.passive = Some(Data::over(TcpStream::connect(address).unwrap()));
                }
            }
            "bind" => self.port = Some(bound()),
            "listen" => self.port.get_or_insert_with(bound).listen(1).unwrap(),
            "send" => self.data().write(&bytes(rest)).close(),
            "receive" => assert_eq!(self.data().read(), bytes(rest)),
            "lists" => {
                let listing = String::from_utf8(self.data().read()).unwrap();
                let is_there = listing.split("\r\n").any(|line| line.split(' ').next_back() == Some(rest));
                assert!(if rest.is_empty() { listing.is_empty() } else { is_there }, "{listing:?}");
            }
            "again" => self.client = Client::connect(self.server.address()),
            "end" => self.client.expect_end(),
            _ => panic!("there is no such step"),
        }
    }

    /// The line with the address where the device listens.
    fn filled(&self, line: &str) -> String {
        let Some(port) = &self.port else { return line.to_string() };
        let port = port.local_addr().unwrap().as_socket().unwrap().port();
        let [high, low] = port.to_be_bytes();
        line.replace("$PORT", &format!("127,0,0,1,{high},{low}")).replace("$EPRT", &format!("|1|127.0.0.1|{port}|"))
    }

    /// The data connection: the one that was made, or the one that comes.
    fn data(&mut self) -> Data {
        self.passive.take().unwrap_or_else(|| Data::over(self.port.take().unwrap().accept().unwrap().0.into()))
    }
}

/// A port at which nobody listens yet.
fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket
}

/// Where 227 or 229 lead to.
fn passive_port(reply: &str) -> Option<u16> {
    let numbers = reply.split_once('(')?.1.split_once(')')?.0;
    match reply.get(..3)? {
        "227" => {
            let bytes: Vec<u8> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
            Some(u16::from_be_bytes([bytes[4], bytes[5]]))
        }
        "229" => numbers.split('|').nth(3)?.parse().ok(),
        _ => None,
    }
}

/// What a text of a script stands for.
fn bytes(text: &str) -> Vec<u8> {
    let (first, rest) = text.split_once('\\').unwrap_or((text, ""));
    let mut bytes = first.as_bytes().to_vec();
    if first.len() < text.len() {
        let (byte, length) = match rest.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&rest[1..3], 16).unwrap(), 3),
            _ => panic!("not an escape: \\{rest}"),
        };
        bytes.push(byte);
        bytes.extend(self::bytes(&rest[length..]));
    }
    bytes
}
