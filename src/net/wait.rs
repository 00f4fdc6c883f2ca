//! Waiting for one or two sockets with poll(2), until a deadline.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Something to read, or the end.
    Reading,
    /// Room to write.
    Writing,
    /// Nothing but the peer's end.
    HangUp,
}

impl For {
    fn flags(self) -> PollFlags {
        match self {
            For::Reading => PollFlags::IN | PollFlags::RDHUP,
            For::Writing => PollFlags::OUT,
            For::HangUp => PollFlags::RDHUP,
        }
    }
}

/// Which of the sockets have something; none of them: the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The first one.
    pub first: bool,
    /// The second one.
    pub second: bool,
}

/// Waits for either of two.
pub fn either(first: (BorrowedFd, For), second: (BorrowedFd, For), until: Option<Instant>) -> io::Result<Ready> {
    let [first, second] = any([first, second], until)?;
    Ok(Ready { first, second })
}

/// Waits for any of several; which of them have something.
pub fn any<const N: usize>(sockets: [(BorrowedFd, For); N], until: Option<Instant>) -> io::Result<[bool; N]> {
    let mut fds = sockets.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what.flags()));
    poll_until(&mut fds, until)?;
    Ok(fds.map(|fd| !fd.revents().is_empty()))
}

/// Waits for one; false when the time is over.
pub fn one(fd: BorrowedFd, what: For, until: Option<Instant>) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, what.flags())];
    poll_until(&mut fds, until)?;
    Ok(!fds[0].revents().is_empty())
}

fn poll_until(fds: &mut [PollFd], until: Option<Instant>) -> io::Result<()> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map(timespec);
        match poll(fds, timeout.as_ref()) {
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// As poll(2) takes it.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
