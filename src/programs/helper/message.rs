//! What the server and the helper say to each other: messages of numbers and bytes, some with descriptors.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// No message is longer: a socket's buffer has room for it.
pub(super) const LONGEST: usize = 128 << 10;
/// With a message come so many descriptors at most.
const MOST: usize = 4;

/// A message that is being made.
#[derive(Debug, Default)]
pub(in crate::programs) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::programs) fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    /// What is too long for a message is too long with less than its length, too.
    pub(in crate::programs) fn bytes(&mut self, bytes: &[u8]) {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend(bytes);
    }

    pub(in crate::programs) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        self.number(u32::try_from(items.len()).unwrap_or(u32::MAX));
        items.iter().for_each(|item| write(self, item));
    }
}

/// A message that is being read; None: it is not as it should be.
#[derive(Debug)]
pub(in crate::programs) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader(message)
    }

    pub(in crate::programs) fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    pub(in crate::programs) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(in crate::programs) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(in crate::programs) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| read(self)).collect()
    }
}

/// Sends it whole, or says why not.
pub(super) fn send(line: impl AsFd, message: &Writer, with: &[BorrowedFd<'_>]) -> io::Result<()> {
    if message.0.len() > LONGEST {
        return Err(Errno::TOOBIG.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !with.is_empty() && !control.push(SendAncillaryMessage::ScmRights(with)) {
        return Err(Errno::INVAL.into());
    }
    let bytes = [IoSlice::new(&message.0)];
    rustix::io::retry_on_intr(|| sendmsg(&line, &bytes, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// The next message, which is no longer than that, and its descriptors; None: the other side is gone.
pub(super) fn receive(
    line: impl AsFd,
    longest: usize,
    flags: RecvFlags,
) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; longest];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received =
        rustix::io::retry_on_intr(|| recvmsg(&line, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags))?;
    let descriptors = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    let descriptors: Vec<OwnedFd> = descriptors.collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE.into());
    }
    // Each message has something in it.
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some((bytes, descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_not() {
        let mut writer = Writer::default();
        writer.list(&["a", "", "ü"], |to, text| to.bytes(text.as_bytes()));
        writer.number(7);
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            Some((reader.list(Reader::text)?, reader.number()?))
        };
        assert_eq!(read(&writer.0), Some((vec!["a".to_string(), String::new(), "ü".to_string()], 7)));
        for length in 0..writer.0.len() {
            assert_eq!(read(&writer.0[..length]), None, "{length}");
        }
        assert_eq!(read(&[0xFF; 12]), None);
    }

    #[test]
    fn messages_come_whole_with_their_descriptors_or_not_at_all() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let long = Writer(vec![b'x'; LONGEST]);
        send(&ours, &long, &[ours.as_fd(), theirs.as_fd()]).unwrap();
        let (bytes, descriptors) = receive(&theirs, LONGEST, RecvFlags::empty()).unwrap().unwrap();
        assert!(bytes == long.0 && descriptors.len() == 2);
        let longer = send(&ours, &Writer(vec![b'x'; LONGEST + 1]), &[]).unwrap_err();
        assert_eq!(Errno::from_io_error(&longer), Some(Errno::TOOBIG));
        drop((ours, descriptors));
        assert!(receive(&theirs, LONGEST, RecvFlags::empty()).unwrap().is_none());
    }
}
