//! The metrics by HTTP: one thread, in which no client waits for another, and none stays for long.

use crate::net::wait;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// So many are served at once; the oldest gives way to the next.
const MOST: usize = 32;
/// No head of a request is longer.
const LONGEST: usize = 8192;
/// How long a client may take for all.
const PATIENCE: Duration = Duration::from_secs(5);
/// While connections can't be accepted, the time between attempts.
const BREATH: Duration = Duration::from_millis(100);

/// A port where metrics are to be had.
#[derive(Debug)]
pub struct MetricsPort(TcpListener);

/// One client.
struct Visitor {
    stream: TcpStream,
    until: Instant,
    heard: Vec<u8>,
    /// What is to be said, once it has asked, and how much of it has been.
    answer: Vec<u8>,
    said: usize,
}

/// Whether a client stays.
#[derive(PartialEq, Eq)]
enum Stay {
    Yes,
    No,
}

impl MetricsPort {
    /// Listens there.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<MetricsPort> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(MetricsPort(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Starts the thread that shows this text.
    pub(super) fn serve(self, text: impl Fn() -> String + Send + 'static) -> io::Result<()> {
        let mut hall = Hall { listener: self.0, visitors: Vec::new() };
        let run = move || {
            loop {
                if let Err(error) = hall.turn(&text) {
                    log::debug!("metrics: {error}");
                    std::thread::sleep(BREATH);
                }
            }
        };
        std::thread::Builder::new().name("metrics".into()).spawn(run).map(drop)
    }
}

struct Hall {
    listener: TcpListener,
    visitors: Vec<Visitor>,
}

impl Hall {
    /// Waits until something is to be done, and does it.
    fn turn(&mut self, text: &dyn Fn() -> String) -> io::Result<()> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN)];
        fds.extend(self.visitors.iter().map(|visitor| {
            let what = if visitor.answer.is_empty() { PollFlags::IN } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(visitor.stream.as_fd(), what)
        }));
        let until = self.visitors.iter().map(|visitor| visitor.until).min();
        let left = until.map(|until| wait::timespec(until.saturating_duration_since(Instant::now())));
        match poll(&mut fds, left.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let (now, mut ready) = (Instant::now(), ready.into_iter());
        let has_come = ready.next().unwrap_or(false);
        self.visitors.retain_mut(|visitor| {
            let is_ready = ready.next().unwrap_or(false);
            visitor.until > now && (!is_ready || visitor.go_on(text) == Stay::Yes)
        });
        if has_come { self.receive() } else { Ok(()) }
    }

    fn receive(&mut self) -> io::Result<()> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        if self.visitors.len() >= MOST {
            self.visitors.remove(0);
        }
        let until = Instant::now() + PATIENCE;
        self.visitors.push(Visitor { stream, until, heard: Vec::new(), answer: Vec::new(), said: 0 });
        Ok(())
    }
}

impl Visitor {
    fn go_on(&mut self, text: &dyn Fn() -> String) -> Stay {
        if self.answer.is_empty() && self.hear(text) == Stay::No {
            return Stay::No;
        }
        while let Some(rest) = self.answer.get(self.said..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => self.said += length,
                Err(error) if is_transient(&error) => return Stay::Yes,
                Err(_) => return Stay::No,
            }
        }
        if self.answer.is_empty() {
            return Stay::Yes;
        }
        // What the client has sent behind its request must not reset what is on its way.
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.read(&mut [0; LONGEST]);
        Stay::No
    }

    /// Hears the request, up to the empty line behind its head.
    fn hear(&mut self, text: &dyn Fn() -> String) -> Stay {
        let mut piece = [0; 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => return Stay::No,
            Ok(length) => self.heard.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if is_transient(&error) => return Stay::Yes,
            Err(_) => return Stay::No,
        }
        let is_whole =
            self.heard.windows(4).any(|end| end == b"\r\n\r\n") || self.heard.windows(2).any(|end| end == b"\n\n");
        if is_whole {
            self.answer = answer(&self.heard, text);
        } else if self.heard.len() > LONGEST {
            self.answer = response("431 Request Header Fields Too Large", "", "The request is too long.\n", true);
        }
        Stay::Yes
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// GET /metrics and nothing else.
fn answer(head: &[u8], text: &dyn Fn() -> String) -> Vec<u8> {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let mut words = line.trim_ascii_end().split(|&b| b == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let path = target.and_then(|target| target.split(|&b| b == b'?').next());
    if !version.is_some_and(|version| version.starts_with(b"HTTP/1.")) || words.next().is_some() {
        return response("400 Bad Request", "", "This is no request of HTTP/1.1.\n", true);
    }
    match (method, path) {
        (Some(b"GET"), Some(b"/metrics")) => response("200 OK", "", &text(), true),
        (Some(b"HEAD"), Some(b"/metrics")) => response("200 OK", "", &text(), false),
        (Some(b"GET" | b"HEAD"), _) => {
            response("404 Not Found", "", "Metrics are at /metrics.\n", method == Some(b"GET"))
        }
        _ => response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Metrics can only be read.\n", true),
    }
}

fn response(status: &str, more: &str, body: &str, with_body: bool) -> Vec<u8> {
    let kind = if status.starts_with("200") {
        "text/plain; version=0.0.4; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), if with_body { body.as_bytes() } else { b"" }].concat()
}
