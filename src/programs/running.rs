//! A program that runs: what goes in and comes out of it is moved when there is something to move, so whoever waits for
//! it can wait for something else, too.

use super::process::Process;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::Instant;

/// So much of what it says is kept, and as much of its complaints.
const LONGEST: usize = 64 << 10;
/// Of one that floods, so many pieces are taken until others have their turn.
const PIECES: usize = 64;
/// The size of a piece.
const PIECE: usize = 4096;

/// What a program has come to.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// The beginning of its standard output.
    pub output: Vec<u8>,
    /// The beginning of its standard error.
    pub complaint: Vec<u8>,
    /// There was more of one of them than was kept.
    pub is_cut: bool,
}

/// A program that runs. Dropped, it is killed with all it has started.
#[derive(Debug)]
pub struct Running {
    /// None once it has ended.
    process: Option<Process>,
    /// Ready when there is something to do.
    ready: OwnedFd,
    input: Option<(PipeWriter, Vec<u8>, usize)>,
    output: Outlet,
    complaint: Outlet,
}

/// Our ends of a program's pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    /// What it reads, and the bytes that go there; None: it reads something else.
    pub(super) input: Option<(PipeWriter, Vec<u8>)>,
    pub(super) output: PipeReader,
    pub(super) complaint: PipeReader,
}

/// What a program says on one of its pipes.
#[derive(Debug)]
struct Outlet {
    pipe: Option<PipeReader>,
    kept: Vec<u8>,
    is_cut: bool,
}

impl Running {
    /// A program that was started, with our ends of its pipes.
    pub(super) fn new(process: Process, pipes: Pipes) -> io::Result<Running> {
        let mut process = process;
        let ready = epoll::create(CreateFlags::CLOEXEC).inspect_err(|_| process.stop())?;
        let mut running = Running {
            process: Some(process),
            ready,
            input: pipes.input.map(|(pipe, bytes)| (pipe, bytes, 0)),
            output: Outlet::new(pipes.output),
            complaint: Outlet::new(pipes.complaint),
        };
        running.watch()?;
        Ok(running)
    }

    fn watch(&mut self) -> io::Result<()> {
        if let Some((pipe, ..)) = &self.input {
            watch(&self.ready, pipe, EventFlags::OUT)?;
        }
        if let Some(pipe) = &self.output.pipe {
            watch(&self.ready, pipe, EventFlags::IN)?;
        }
        if let Some(pipe) = &self.complaint.pipe {
            watch(&self.ready, pipe, EventFlags::IN)?;
        }
        if let Some(process) = &self.process {
            epoll::add(&self.ready, process, EventData::new_u64(0), EventFlags::IN)?;
        }
        Ok(())
    }

    /// Moves what can be moved; its answer if it has ended. What it has left in the background is not waited for.
    pub fn advance(&mut self) -> io::Result<Option<Answer>> {
        self.feed()?;
        self.output.take(&self.ready)?;
        self.complaint.take(&self.ready)?;
        let Some(process) = &mut self.process else { return Ok(None) };
        let Some(status) = process.status()? else { return Ok(None) };
        self.process = None;
        self.output.take(&self.ready)?;
        self.complaint.take(&self.ready)?;
        Ok(Some(Answer {
            status,
            output: std::mem::take(&mut self.output.kept),
            complaint: std::mem::take(&mut self.complaint.kept),
            is_cut: self.output.is_cut || self.complaint.is_cut,
        }))
    }

    /// Waits for its answer; None: it has not ended in time.
    pub fn finish(&mut self, until: Instant) -> io::Result<Option<Answer>> {
        loop {
            if let Some(answer) = self.advance()? {
                return Ok(Some(answer));
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { return Ok(None) };
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&self.ready, PollFlags::IN)], Some(&timeout)) {
                Err(Errno::INTR) => {}
                result => drop(result?),
            }
        }
    }

    /// A program that does not want to hear it all may still know the answer.
    fn feed(&mut self) -> io::Result<()> {
        let Some((pipe, bytes, sent)) = &mut self.input else { return Ok(()) };
        while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match pipe.write(rest) {
                Ok(length) => *sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        epoll::delete(&self.ready, &*pipe)?;
        self.input = None;
        Ok(())
    }
}

impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.stop();
        }
    }
}

impl Outlet {
    fn new(pipe: PipeReader) -> Outlet {
        Outlet { pipe: Some(pipe), kept: Vec::new(), is_cut: false }
    }

    /// Takes what is there. What is too much is thrown away, for a program that waits for room does not end.
    fn take(&mut self, ready: &OwnedFd) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut piece = [0; PIECE];
        for _ in 0..PIECES {
            match pipe.read(&mut piece) {
                Ok(0) => {
                    // The end of a pipe would be ready for ever.
                    epoll::delete(ready, &*pipe)?;
                    self.pipe = None;
                    return Ok(());
                }
                Ok(length) => {
                    let room = LONGEST.saturating_sub(self.kept.len());
                    self.is_cut |= length > room;
                    self.kept.extend_from_slice(piece.get(..length.min(room)).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn watch(ready: &OwnedFd, pipe: impl AsFd, what: EventFlags) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&pipe, true)?;
    epoll::add(ready, pipe, EventData::new_u64(0), what)?;
    Ok(())
}
