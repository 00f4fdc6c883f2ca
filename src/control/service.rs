//! Answers those who come to the socket: each in a thread of its own, few at once, and nobody for long.

use super::answer::{self, answer};
use super::{ControlSocket, Desk, Guard, Request};
use crate::locks::lock;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many are answered at once; more hear that it is busy.
const MOST: usize = 16;
/// No request is longer.
const LONGEST: usize = 4096;
/// How long somebody may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// While connections can't be accepted, the time between attempts.
const BREATH: Duration = Duration::from_millis(100);
/// Reading the configuration anew may take a little more than a session does.
const STACK: usize = 1 << 20;

/// Starts the thread that receives them. The socket is removed when what is returned is dropped.
pub(super) fn start(socket: ControlSocket, desk: Desk) -> io::Result<Guard> {
    let ControlSocket { listener, allowed, guard } = socket;
    let seats = Arc::new(());
    std::thread::Builder::new().name("control".into()).spawn(move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => receive(stream, &allowed, &seats, &desk),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    log::debug!("control: {error}");
                    std::thread::sleep(BREATH);
                }
            }
        }
    })?;
    Ok(guard)
}

fn receive(stream: UnixStream, allowed: &[u32], seats: &Arc<()>, desk: &Desk) {
    let peer = rustix::net::sockopt::socket_peercred(&stream).map(|peer| peer.uid.as_raw());
    if !peer.is_ok_and(|uid| allowed.contains(&uid)) {
        desk.0.complaints.note(|| match peer {
            Ok(uid) => format!("control: UID {uid} may not ask anything; who has opened the socket to it?"),
            Err(errno) => format!("control: somebody unknown is not answered: {errno}"),
        });
        return turn_away(&stream, "only root and the server's own user may ask it");
    }
    if Arc::strong_count(seats) > MOST {
        return turn_away(&stream, "too many ask it at once; try again");
    }
    let (seat, desk) = (seats.clone(), desk.clone());
    let work = move || {
        let _seat = seat;
        if catch_unwind(AssertUnwindSafe(|| converse(stream, &desk))).is_err() {
            log::error!("control: a request panicked; please report this");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("asked".into()).stack_size(STACK).spawn(work) {
        log::warn!("control: no thread for a request: {error}");
    }
}

/// A fresh socket has room for a line, and who does not take it gets none.
fn turn_away(mut stream: &UnixStream, why: &str) {
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&answer::error(why)));
}

fn converse(stream: UnixStream, desk: &Desk) {
    let mut peer = Hurried { stream: &stream, until: Instant::now() + PATIENCE };
    let request = match read_line(&mut peer) {
        Ok(line) => Request::parse(&line),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(error.to_string()),
        Err(error) => return log::debug!("control: {error}"),
    };
    let answer = match &request {
        Ok(request) => answer(desk, request),
        Err(why) => answer::error(why),
    };
    peer.until = Instant::now() + PATIENCE;
    if let Err(error) = peer.write_all(&answer) {
        log::debug!("control: {error}");
    }
    let Ok(request) = request else { return };
    if request == Request::Stop && lock(&desk.0.waiting).len() < MOST {
        // It ends with the process.
        lock(&desk.0.waiting).push(stream);
    }
    answer::end(desk, &request);
}

/// A line that is neither too long nor too late.
fn read_line(peer: &mut Hurried<'_>) -> io::Result<Vec<u8>> {
    let (mut line, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let length = peer.read(&mut piece)?;
        if length == 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "the request ends in the middle of its line"));
        }
        line.extend_from_slice(piece.get(..length).unwrap_or_default());
        if let Some(end) = line.iter().position(|&b| b == b'\n') {
            line.truncate(end);
            return Ok(line);
        }
        if line.len() > LONGEST {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("the request has more than {LONGEST} bytes")));
        }
    }
}

/// Somebody who has until then, however often something comes from them.
struct Hurried<'a> {
    stream: &'a UnixStream,
    until: Instant,
}

impl Hurried<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Hurried<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Write for Hurried<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
