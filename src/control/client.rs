//! Asks a server that runs, if it can be trusted to be one.

use super::Request;
use super::socket::{address, is_socket, socket};
use crate::events::Line;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a server may take to take a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to answer one; a large export takes its time to be read anew.
const LONG_PATIENCE: Duration = Duration::from_secs(120);
/// No answer is longer.
const LONGEST: u64 = 64 << 20;

/// What the server says.
#[derive(Debug)]
pub struct Answer {
    /// The first line.
    pub first: Line,
    /// The lines behind it.
    pub rest: Vec<Line>,
    /// Ends with the server, where that was asked for.
    stream: BufReader<UnixStream>,
}

/// Asks the server whose socket this is; an error is one line for people.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, String> {
    let wrong = |why: String| format!("control: {}: {why}", path.display());
    let mut stream = connect(path)?;
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => wrong("the server does not answer".to_string()),
        _ => wrong(error.to_string()),
    };
    // Who is turned away may find the answer there, and nobody who listens.
    if let Err(error) = stream.write_all(&request.line())
        && error.kind() != ErrorKind::BrokenPipe
    {
        return Err(failed(error));
    }
    let mut stream = BufReader::new(stream);
    let mut lines = Lines { stream: &mut stream, left: LONGEST };
    let unclear = || wrong("what answers there is no server of this kind, or of another version".to_string());
    let first = lines.next().map_err(failed)?.ok_or_else(unclear)?;
    if let Some(why) = first.shown("error") {
        return Err(wrong(why.into_owned()));
    }
    let count = ["sessions", "followers", "bans"].iter().filter_map(|key| first.number(key)).sum::<u64>();
    let mut rest = Vec::new();
    while (rest.len() as u64) < count {
        rest.push(lines.next().map_err(failed)?.ok_or_else(unclear)?);
    }
    Ok(Answer { first, rest, stream })
}

impl Answer {
    /// Waits for the end of the server, for so long; false if it goes on.
    pub fn wait_for_end(self, most: Duration) -> bool {
        let mut stream = self.stream;
        let _ = stream.get_ref().set_read_timeout(Some(most));
        // An end in disorder is one, too.
        let result = stream.read(&mut [0]);
        !result.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}

struct Lines<'a> {
    stream: &'a mut BufReader<UnixStream>,
    left: u64,
}

impl Lines<'_> {
    /// The next line, if what comes is one.
    fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let length = self.stream.take(self.left).read_until(b'\n', &mut line)?;
        self.left -= length as u64;
        Ok(line.strip_suffix(b"\n").and_then(|line| Line::of_object(line.to_vec())))
    }
}

fn connect(path: &Path) -> Result<UnixStream, String> {
    let wrong = |why: &str| format!("control: {}: {why}", path.display());
    let explain = |errno: Errno| match errno {
        Errno::NOENT => wrong("there is no such socket; does the server run, and with the same control?"),
        Errno::CONNREFUSED => wrong("no server listens there any more"),
        Errno::ACCESS | Errno::PERM => wrong("you may not; only root and the server's own user can ask it"),
        Errno::AGAIN => wrong("too many ask it at once; try again"),
        errno => wrong(&io::Error::from(errno).to_string()),
    };
    let address = address(path)?;
    let stat = rustix::fs::stat(path).map_err(explain)?;
    if !is_socket(&stat) {
        return Err(wrong("it is no socket"));
    }
    let socket = socket(SocketFlags::CLOEXEC).map_err(explain)?;
    let stream = UnixStream::from(socket);
    let limits = stream.set_write_timeout(Some(PATIENCE)).and(stream.set_read_timeout(Some(LONG_PATIENCE)));
    limits.map_err(|error| wrong(&error.to_string()))?;
    rustix::net::connect(&stream, &address).map_err(explain)?;
    // Of root or of ourselves, or, for root, of whose directory it is: it can't be anybody who just came by.
    let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(explain)?.uid.as_raw();
    let me = rustix::process::geteuid().as_raw();
    if peer == 0 || peer == me || (me == 0 && is_at_home(path, peer)) {
        return Ok(stream);
    }
    Err(wrong(&format!("it belongs to somebody else (UID {peer}), who is not trusted")))
}

/// Whether the directory of the socket is a user's own.
fn is_at_home(path: &Path, uid: u32) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(parent).is_ok_and(|directory| directory.uid() == uid && directory.mode() & 0o022 == 0)
}
