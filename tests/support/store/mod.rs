//! Object stores that keep everything in the memory, check what is signed, and fail as they are told.

mod google;
mod s3;

use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A store that listens. Its bucket is `media`.
pub struct Store {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
}

/// Which language it speaks.
#[derive(Clone, Copy, PartialEq)]
pub enum Tongue {
    S3,
    Google,
}

/// What a store has, and what it has been asked.
pub struct State {
    tongue: Tongue,
    pub objects: BTreeMap<String, Stored>,
    pub uploads: BTreeMap<String, Begun>,
    /// `PUT /media/x?partNumber=1`, as they came.
    pub requests: Vec<String>,
    /// What was wrong with signatures and hashes.
    pub complaints: Vec<String>,
    faults: Vec<(&'static str, usize, Fault)>,
    count: u64,
    /// Seconds by which its clock is ahead.
    pub skew: i64,
    /// The session token that it takes; None: no token.
    pub token: Option<u64>,
    /// Keys of a page at most.
    pub page: usize,
    is_gone: bool,
}

#[derive(Clone, Default)]
pub struct Stored {
    pub bytes: Vec<u8>,
    pub version: String,
    pub meta: BTreeMap<String, String>,
}

/// An upload that has begun: its key, and its parts by their numbers.
#[derive(Default)]
pub struct Begun {
    pub key: String,
    pub parts: BTreeMap<u32, (Vec<u8>, String)>,
    pub meta: BTreeMap<String, String>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection ends, and nothing is done.
    HangUp,
    /// It is done, and the connection ends.
    HangUpAfter,
    /// The body of the answer ends after so many bytes.
    Cut(usize),
    /// This is the answer, and nothing is done.
    Say(u16, &'static str),
    /// Nothing is said while the store is there.
    Silence,
    /// This is said in the place of an answer.
    Raw(&'static str),
    /// The answer is of another version.
    OtherVersion,
    /// The answer comes so much later.
    Late(Duration),
}

pub struct Asked {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

#[derive(Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn asks(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `Range: bytes=5-`, or up to a byte.
    fn range(&self, name: &str, size: usize) -> Option<Result<std::ops::Range<usize>, Answer>> {
        let (start, end) = self.header(name)?.strip_prefix("bytes=")?.split_once('-')?;
        let start: usize = start.parse().ok()?;
        let end = end.parse().map_or(size, |end: usize| end + 1).min(size);
        Some(if start < end { Ok(start..end) } else { Err(Answer::new(416, "")) })
    }
}

impl Store {
    pub fn s3() -> Store {
        Store::start(Tongue::S3)
    }

    pub fn google() -> Store {
        Store::start(Tongue::Google)
    }

    fn start(tongue: Tongue) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(State {
            tongue,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            requests: Vec::new(),
            complaints: Vec::new(),
            faults: Vec::new(),
            count: 0,
            skew: 0,
            token: None,
            page: 1000,
            is_gone: false,
        }));
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = of_thread.clone();
                if shared.lock().unwrap().is_gone {
                    return;
                }
                std::thread::spawn(move || talk(&stream, &shared));
            }
        });
        Store { address, shared }
    }

    pub fn is_google(&self) -> bool {
        self.state().tongue == Tongue::Google
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    /// So many requests that have this in them, such as `PUT /media/x`, go wrong.
    pub fn fault(&self, request: &'static str, times: usize, fault: Fault) {
        self.state().faults.push((request, times, fault));
    }

    /// All goes well again.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    #[track_caller]
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        self.state().objects.get(key).unwrap_or_else(|| panic!("no {key}")).bytes.clone()
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.state().store(key, bytes.to_vec(), BTreeMap::new(), None);
    }

    /// How many parts of uploads lie there that never became an object.
    pub fn parts(&self) -> usize {
        self.state().uploads.values().map(|upload| upload.parts.len()).sum()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.state().is_gone = true;
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn store(&mut self, key: &str, bytes: Vec<u8>, meta: BTreeMap<String, String>, version: Option<String>) -> String {
        self.count += 1;
        let version = match self.tongue {
            Tongue::S3 => version.unwrap_or_else(|| format!("\"{}\"", hex(&Md5::digest(&bytes)))),
            Tongue::Google => format!("{}", 1_000_000 + self.count),
        };
        self.objects.insert(key.to_string(), Stored { bytes, version: version.clone(), meta });
        version
    }

    fn next_fault(&mut self, request: &str) -> Option<Fault> {
        let found = self.faults.iter_mut().find(|(what, times, _)| *times > 0 && request.contains(what))?;
        found.1 -= 1;
        Some(found.2)
    }

    /// Keys from a prefix on, with those that share what is before the next delimiter as one; and where the next page begins.
    fn list(
        &self,
        asked: &Asked,
        after: Option<&str>,
        most: usize,
    ) -> (Vec<(String, Stored)>, Vec<String>, Option<String>) {
        let prefix = asked.asks("prefix").unwrap_or_default();
        let (mut found, mut shared, mut last) = (Vec::new(), Vec::<String>::new(), String::new());
        let is_after = |key: &str| {
            after
                .is_none_or(|after| key > after && !(after.ends_with('/') && after != prefix && key.starts_with(after)))
        };
        for (key, object) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && is_after(key)) {
            let cut = asked.asks("delimiter").and_then(|end| Some(prefix.len() + key[prefix.len()..].find(end)? + 1));
            let name = cut.map_or(key.as_str(), |cut| &key[..cut]);
            if shared.last().is_some_and(|last| last == name) {
                continue;
            }
            if found.len() + shared.len() == most.min(self.page) {
                return (found, shared, Some(last));
            }
            last = name.to_string();
            match cut {
                Some(_) => shared.push(name.to_string()),
                None => found.push((key.clone(), object.clone())),
            }
        }
        (found, shared, None)
    }
}

fn talk(stream: &TcpStream, shared: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader)? {
        let request = format!("{} {}", asked.method, asked.target);
        let fault = {
            let mut state = shared.lock().unwrap();
            state.requests.push(request.clone());
            state.next_fault(&request)
        };
        let answered = || {
            let mut state = shared.lock().unwrap();
            match state.tongue {
                Tongue::S3 => s3::answer(&mut state, &asked),
                Tongue::Google => google::answer(&mut state, &asked),
            }
        };
        let mut cut = usize::MAX;
        let answer = match fault {
            Some(Fault::HangUp) => return Ok(()),
            Some(Fault::HangUpAfter) => {
                answered();
                return Ok(());
            }
            Some(Fault::Silence) => {
                while !shared.lock().unwrap().is_gone {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            Some(Fault::Raw(text)) => {
                (&mut &*stream).write_all(text.as_bytes())?;
                return Ok(());
            }
            Some(Fault::Say(status, body)) => Answer::new(status, body),
            Some(Fault::Cut(length)) => {
                cut = length;
                answered()
            }
            Some(Fault::Late(delay)) => {
                std::thread::sleep(delay);
                answered()
            }
            Some(Fault::OtherVersion) => {
                let mut answer = answered();
                answer.headers.retain(|(name, _)| *name != "etag");
                answer.with("etag", "\"another\"")
            }
            None => answered(),
        };
        let skew = shared.lock().unwrap().skew;
        write_answer(stream, &asked, &answer, skew, cut)?;
        if cut < answer.body.len() {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap().to_string(), words.next().unwrap().to_string());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let target =
        target.strip_prefix("http://").map_or(target.clone(), |rest| rest[rest.find('/').unwrap()..].to_string());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    });
    let (path, query) = (path.to_string(), pairs.collect());
    Ok(Some(Asked { method, path, query, target, headers, body }))
}

fn write_answer(mut stream: &TcpStream, asked: &Asked, answer: &Answer, skew: i64, cut: usize) -> io::Result<()> {
    let date = http_date(skew);
    let mut head = format!("HTTP/1.1 {} Said\r\ndate: {date}\r\n", answer.status);
    if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    if asked.method != "HEAD" {
        stream.write_all(&answer.body[..cut.min(answer.body.len())])?;
    }
    Ok(())
}

fn now(skew: i64) -> jiff::Zoned {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(skew)).to_zoned(jiff::tz::TimeZone::UTC)
}

fn http_date(skew: i64) -> String {
    now(skew).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn encoded(text: &str, keeps_slashes: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keeps_slashes && byte == b'/');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
