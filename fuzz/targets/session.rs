//! Whole sessions: a server of the library, and a client that sends whatever comes, in packets that it chooses, on the
//! control connection and on data connections of both directions. When it has gone, nothing is left of it: no thread, no
//! descriptor, no port, no temporary file; the events are complete; and outside of the home nothing was read or changed.

#![no_main]

use django_ftpd::accounts::{Account, Accounts, Attempt, Denial, Permissions, Proof, Refusal};
use django_ftpd::events::{Entry, Kind};
use django_ftpd::net::passive::{PassivePort, PassivePorts};
use django_ftpd::server::{Remote, Server};
use django_ftpd::session::Settings;
use libfuzzer_sys::fuzz_target;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGPIPE;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// Ends a packet; what comes next is sent when there was an answer, or after a moment.
const PACKET: u8 = 0x1E;
const MOMENT: Duration = Duration::from_millis(5);
/// What comes behind it is sent on data connections.
const PAYLOAD: u8 = 0x1D;
/// Stand for where the client listens, as PORT and EPRT say it.
const PORT: u8 = 0x1C;
const EPRT: u8 = 0x1F;
/// No session takes longer: each limit of the server is far below it.
const HANG: Duration = Duration::from_secs(10);
/// How long what a session has used may take to be free again.
const SETTLE: Duration = Duration::from_secs(5);
/// What no client may see or change.
const SECRET: &[u8] = b"nobody's business";

static HOUSE: LazyLock<House> = LazyLock::new(House::build);

fuzz_target!(|input: &[u8]| {
    let house = &*HOUSE;
    house.furnish();
    let mut client = Client::connect(house, input);
    client.converse();
    house.is_tidy(&client);
});

/// The server, and what is known of it from outside.
struct House {
    place: PathBuf,
    remote: Remote,
    events: Arc<Mutex<Vec<Kind>>>,
    ports: PassivePorts,
    /// Where the client listens for data connections.
    active: TcpListener,
    /// Descriptors and threads while nobody is there.
    empty: Mutex<Option<(usize, usize)>>,
    secret: fs::Metadata,
}

struct Everybody(PathBuf);

impl Accounts for Everybody {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let mut account = Account::new(attempt.username, &self.0);
        match (attempt.username, &attempt.proof) {
            ("ann", Proof::Password(b"secret")) => Ok(account),
            ("guest", Proof::Password(_)) => {
                account.permissions = Permissions::from_letters("elr");
                Ok(account)
            }
            ("cramped", Proof::Password(b"secret")) => {
                account.limits.quota = Some(1000);
                account.limits.read_only = vec![django_ftpd::protocol::path::VirtualPath::root().join(b"d")];
                Ok(account)
            }
            _ => Err(Refusal::Denied(Denial::WrongPassword)),
        }
    }
}

impl House {
    fn build() -> House {
        // A program of Rust ignores it from the start; this one begins in C++, and sendfile(2) would end it.
        signal_hook::flag::register(SIGPIPE, Arc::default()).expect("a signal that can be caught");
        let place = PathBuf::from(format!("/dev/shm/django-ftpd-fuzz-session-{}", std::process::id()));
        fs::create_dir_all(place.join("outside")).expect("room");
        fs::write(place.join("secret"), SECRET).expect("room");
        let (events, ports) = (Arc::<Mutex<Vec<Kind>>>::default(), PassivePorts::of(free_ports(8)));
        let millis = |number| Some(Duration::from_millis(number));
        let settings = Settings {
            timeout: millis(400),
            login_timeout: millis(800),
            data_timeout: millis(150),
            pasv_timeout: millis(100),
            port_timeout: millis(100),
            auth_failed_timeout: Duration::ZERO,
            passive_ports: ports.clone(),
            ..Settings::default()
        };
        let told = events.clone();
        let server = Server::bind("127.0.0.1:0")
            .expect("a port")
            .accounts(Everybody(place.join("home")))
            .settings(settings)
            .sink(move |entry: &Entry| told.lock().expect("no panic").push(entry.event.kind));
        let remote = server.remote();
        std::thread::spawn(move || server.run().expect("it runs until the process ends"));
        remote.services().expect("it has begun");
        let active = TcpListener::bind("127.0.0.1:0").expect("a port");
        active.set_nonblocking(true).expect("a socket");
        let secret = fs::metadata(place.join("secret")).expect("it is there");
        let house = House { place, remote, events, ports, active, empty: Mutex::default(), secret };
        house.furnish();
        // What the server begins with the first logins and transfers, it keeps.
        let talk = b"\x01TYPE I\r\nPASV\r\nSTOR x\r\nPASV\r\nRETR x\r\nEPSV\r\nMLSD\r\n\x1Dbytes";
        for _ in 0..20 {
            Client::connect(&house, talk).converse();
        }
        settled("the first sessions are over", || house.remote.who().is_empty());
        std::thread::sleep(Duration::from_millis(200));
        let (descriptors, threads) = in_use();
        // The client that is looked at has one still.
        *house.empty.lock().expect("no panic") = Some((descriptors + 1, threads));
        house
    }

    /// The home as it is at first.
    fn furnish(&self) {
        let home = self.place.join("home");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.join("d/e")).expect("room");
        fs::write(home.join("a.txt"), b"some text\r\nand more of it\n").expect("room");
        fs::write(home.join("d/big"), [b'x'; 70_000]).expect("room");
        for (name, target) in [("out", "../secret"), ("up", ".."), ("in", "a.txt"), ("loop", "loop"), ("abs", "/")] {
            symlink(target, home.join(name)).expect("room");
        }
        self.events.lock().expect("no panic").clear();
    }

    /// What is left when a client has gone.
    fn is_tidy(&self, client: &Client) {
        settled("the session is over", || self.remote.who().is_empty());
        settled("all ports have come back", || self.ports.usage().is_some_and(|(taken, _)| taken == 0));
        let count = |kind: Kind| self.events.lock().expect("no panic").iter().filter(|told| **told == kind).count();
        settled("it was told that the client has gone", || count(Kind::ClientDisconnected) == 1);
        assert_eq!(count(Kind::ClientConnected), 1);
        // Who goes without a word has not logged out.
        assert!(count(Kind::Logout) <= count(Kind::Login));
        let heard = |start: &[u8]| client.replies().filter(|line| line.starts_with(start)).count();
        if !client.was_cut {
            assert_eq!(count(Kind::Login), heard(b"230 ") - heard(b"230 Ready for new user."), "{}", client.told());
            assert_eq!(count(Kind::DirectoryCreated), heard(b"257 ") - client.asked_where(), "{}", client.told());
        }
        let empty = self.empty.lock().expect("no panic").expect("it was counted");
        settled("its descriptors and threads are free", || {
            let (descriptors, threads) = in_use();
            descriptors <= empty.0 && threads <= empty.1
        });

        let names: Vec<_> = fs::read_dir(&self.place).expect("the place").map(|entry| entry.expect("a name")).collect();
        assert_eq!(names.len(), 3, "something is new outside of the home, or gone");
        assert_eq!(fs::read_dir(self.place.join("outside")).expect("it is there").count(), 0);
        let secret = fs::metadata(self.place.join("secret")).expect("it is there");
        let told = |of: &fs::Metadata| (of.ino(), of.len(), of.mode(), of.mtime(), of.mtime_nsec());
        assert_eq!(told(&secret), told(&self.secret));
        assert!(!holds_temporary_files(&self.place.join("home")));
        client.is_harmless();
    }
}

struct Client<'h> {
    house: &'h House,
    control: TcpStream,
    packets: Vec<Vec<u8>>,
    payload: Vec<u8>,
    heard: Vec<u8>,
    /// How much of that was looked at.
    read: usize,
    data: Option<Data>,
    received: Vec<u8>,
    /// The connection ended by a reset, with which what was said last may be lost.
    was_cut: bool,
}

struct Data {
    stream: TcpStream,
    sent: usize,
}

impl<'h> Client<'h> {
    fn connect(house: &'h House, input: &[u8]) -> Client<'h> {
        let (&how, rest) = input.split_first().unwrap_or((&0, &[]));
        let mut parts = rest.splitn(2, |byte| *byte == PAYLOAD);
        let (talk, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let greeting: &[u8] = match how % 4 {
            0 => b"",
            1 => b"USER ann\r\nPASS secret\r\n",
            2 => b"USER guest\r\nPASS x\r\n",
            _ => b"USER cramped\r\nPASS secret\r\n",
        };
        let talk = [greeting, talk, b"\r\nQUIT\r\n"].concat();
        let port = house.active.local_addr().expect("a socket").port();
        let [high, low] = port.to_be_bytes();
        let packets = talk.split(|byte| *byte == PACKET).map(|packet| {
            let piece = |byte: &u8| match *byte {
                PORT => format!("127,0,0,1,{high},{low}").into_bytes(),
                EPRT => format!("|1|127.0.0.1|{port}|").into_bytes(),
                byte => vec![byte],
            };
            packet.iter().flat_map(piece).collect()
        });
        let mut packets: Vec<Vec<u8>> = packets.collect();
        packets.reverse();
        let control = TcpStream::connect(house.remote.address()).expect("it listens");
        control.set_nonblocking(true).expect("a socket");
        control.set_nodelay(true).expect("a socket");
        let payload = payload.to_vec();
        Client {
            house,
            control,
            packets,
            payload,
            heard: Vec::new(),
            read: 0,
            data: None,
            received: Vec::new(),
            was_cut: false,
        }
    }

    /// Until the server ends it.
    fn converse(&mut self) {
        let began = Instant::now();
        let (mut last_heard, mut last_sent) = (0, Instant::now());
        loop {
            assert!(began.elapsed() < HANG, "a session that does not end: {}", self.told());
            let may_send = self.heard.len() > last_heard || last_sent.elapsed() >= MOMENT;
            if may_send && let Some(packet) = self.packets.last_mut() {
                match self.control.write(packet) {
                    Ok(count) => drop(packet.drain(..count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => {
                        self.was_cut = true;
                        self.packets.clear();
                    }
                }
                if self.packets.last().is_some_and(Vec::is_empty) {
                    self.packets.pop();
                    (last_heard, last_sent) = (self.heard.len(), Instant::now());
                }
            }
            self.wait();
            if !self.listen() {
                break;
            }
            self.answer();
            self.accept();
            self.transfer();
        }
        self.transfer();
        self.data = None;
    }

    fn wait(&self) {
        let data = self.data.as_ref();
        let wants =
            |data: &Data| if data.sent < self.payload.len() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut fds = vec![PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.house.active, PollFlags::IN)];
        fds.extend(data.map(|data| PollFd::new(&data.stream, wants(data))));
        let most = Timespec { tv_sec: 0, tv_nsec: MOMENT.as_nanos() as i64 };
        let _ = poll(&mut fds, Some(&most));
    }

    /// Reads what the server says; false: it has ended.
    fn listen(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.control.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => {
                    self.was_cut = true;
                    return false;
                }
            }
        }
    }

    /// Connects to the ports that the server names.
    fn answer(&mut self) {
        while let Some(end) = self.heard[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.heard[self.read..self.read + end]).into_owned();
            self.read += end + 1;
            let numbers: Vec<u16> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let port = match *numbers {
                [227, 127, 0, 0, 1, high, low] => high << 8 | low,
                [229, port] => port,
                _ => continue,
            };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            self.data = TcpStream::connect(address).ok().map(Data::new);
        }
    }

    fn accept(&mut self) {
        if let Ok((stream, _)) = self.house.active.accept() {
            self.data = Some(Data::new(stream));
        }
    }

    fn transfer(&mut self) {
        let Some(data) = &mut self.data else { return };
        if !data.go_on(&self.payload, &mut self.received) {
            self.data = None;
        }
    }

    /// All that the server has said.
    fn told(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    fn replies(&self) -> impl Iterator<Item = &[u8]> {
        self.heard.split_inclusive(|byte| *byte == b'\n')
    }

    /// How many of the replies say where the client is.
    fn asked_where(&self) -> usize {
        self.replies()
            .filter(|line| line.starts_with(b"257 ") && line.ends_with(b"is the current directory.\r\n"))
            .count()
    }

    /// What was said is lines of replies, and nothing of what nobody may see.
    fn is_harmless(&self) {
        let has_secret = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET);
        assert!(!has_secret(&self.heard) && !has_secret(&self.received));
        for line in self.replies() {
            let Some(text) = line.strip_suffix(b"\r\n") else {
                assert!(self.was_cut, "{}", String::from_utf8_lossy(line));
                continue;
            };
            let is_reply = text.len() > 3
                && matches!(text[0], b'1'..=b'5')
                && text[1..3].iter().all(u8::is_ascii_digit)
                && matches!(text[3], b' ' | b'-');
            assert!(is_reply || text.starts_with(b" "), "{}", String::from_utf8_lossy(text));
            assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    }
}

impl Data {
    fn new(stream: TcpStream) -> Data {
        stream.set_nonblocking(true).expect("a socket");
        Data { stream, sent: 0 }
    }

    /// Sends what it can, and reads what there is; false: it has ended.
    fn go_on(&mut self, payload: &[u8], received: &mut Vec<u8>) -> bool {
        if self.sent <= payload.len() {
            match self.stream.write(&payload[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            if self.sent == payload.len() {
                let _ = self.stream.shutdown(Shutdown::Write);
                self.sent += 1;
            }
        }
        let mut buffer = [0; 16384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let address = "127.0.0.1:0".parse().expect("an address");
    let held: Vec<_> = (0..count).map(|_| PassivePorts::any().listen(address).expect("a port")).collect();
    held.iter().map(PassivePort::port).collect()
}

/// How many descriptors and threads there are.
fn in_use() -> (usize, usize) {
    let count = |of| fs::read_dir(of).expect("/proc").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[track_caller]
fn settled(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SETTLE, "not so: {what}; {:?}", in_use());
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn holds_temporary_files(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name().as_encoded_bytes().starts_with(b".django-ftpd-")
            || (is_directory && holds_temporary_files(&entry.path()))
    })
}
