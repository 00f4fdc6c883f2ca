//! The helper that starts programs, asked by somebody who has taken over the server: it runs nothing that was not
//! configured, and lives on whatever it is told.

use crate::support::eventually;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// A helper, and our end of its socket.
struct Helper {
    child: Child,
    line: Option<OwnedFd>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn number(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [number(bytes.len().try_into().unwrap()), bytes.to_vec()].concat()
}

fn send(line: &OwnedFd, message: &[u8], with: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(with.is_empty() || control.push(SendAncillaryMessage::ScmRights(with)));
    sendmsg(line, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)
}

/// What is said on a line; None: it is closed.
fn hear(line: &OwnedFd) -> Option<i32> {
    let mut answer = [0; 4];
    match recv(line, &mut answer, RecvFlags::empty()) {
        Ok((_, 4)) => Some(i32::from_le_bytes(answer)),
        Ok((_, 0)) | Err(Errno::CONNRESET) => None,
        other => panic!("{other:?}"),
    }
}

impl Helper {
    /// One that knows `sh -c SCRIPT {name}`.
    fn knowing(script: &str) -> Helper {
        let (line, theirs) = pair();
        let mut command = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        let child = command.arg("run-programs").stdin(theirs).stdout(Stdio::null()).spawn().unwrap();
        drop(command);
        send(&line, &number(1), &[]).unwrap();
        let literal = |text: &str| [number(1), number(0), bytes(text.as_bytes())].concat();
        let value = |name: &str| [number(1), number(1), bytes(name.as_bytes())].concat();
        let as_itself = number(0);
        let arguments = [number(4), literal("-c"), literal(script), literal("sh"), value("name")].concat();
        send(&line, &[bytes(b"/bin/sh"), as_itself, arguments].concat(), &[]).unwrap();
        assert_eq!(hear(&line), Some(0));
        Helper { child, line: Some(line) }
    }

    /// Asks it with a message and four descriptors; the line of the request, and what the program says.
    fn ask(&self, message: &[u8]) -> (OwnedFd, File) {
        let (ours, theirs) = pair();
        let (said, output) = io::pipe().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        let with = [theirs.as_fd(), nothing.as_fd(), output.as_fd(), output.as_fd()];
        send(self.line.as_ref().unwrap(), message, &with).unwrap();
        (ours, OwnedFd::from(said).into())
    }

    fn runs(&self, message: &[u8]) -> String {
        let (line, mut said) = self.ask(message);
        assert_eq!((hear(&line), hear(&line), hear(&line)), (Some(0), Some(0), None));
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        text
    }
}

fn request(program: u32, values: &[(&str, &[u8])], variables: &[(&str, &[u8])]) -> Vec<u8> {
    let list = |pairs: &[(&str, &[u8])]| {
        let pairs = pairs.iter().flat_map(|(name, value)| [bytes(name.as_bytes()), bytes(value)]).collect::<Vec<_>>();
        [number((pairs.len() / 2).try_into().unwrap()), pairs.concat()].concat()
    };
    [number(program), list(values), list(variables)].concat()
}

#[test]
fn a_helper_runs_nothing_that_is_not_configured() {
    let helper = Helper::knowing("printf '%s|%s|%s' \"$1\" \"$FTP_X\" \"$LD_PRELOAD$OTHER\"");
    let good = request(0, &[("name", b"a b;id")], &[("FTP_X", b"x")]);
    assert_eq!(helper.runs(&good), "a b;id|x|");
    let refused = [
        request(1, &[], &[]),
        request(u32::MAX, &[], &[]),
        request(0, &[], &[("LD_PRELOAD", b"/tmp/evil.so")]),
        request(0, &[], &[("PATH", b"/tmp")]),
        request(0, &[("name", b"a\0b")], &[]),
        [bytes(b"/bin/id"), number(0), number(0), number(0), number(0)].concat(),
        good[..good.len() - 1].to_vec(),
        vec![0xFF; 100_000],
        vec![0],
    ];
    for message in &refused {
        let (line, mut said) = helper.ask(message);
        assert_eq!((hear(&line), hear(&line)), (Some(Errno::INVAL.raw_os_error()), None));
        assert_eq!(said.read(&mut [0]).unwrap(), 0);
    }
    // A value that no placeholder asks for stands nowhere, and one that is missing is empty.
    assert_eq!(helper.runs(&request(0, &[("path", b"x")], &[])), "||");
    // With too few descriptors, too many, or too much to say, nobody is heard.
    let line = helper.line.as_ref().unwrap();
    let nothing = File::open("/dev/null").unwrap();
    for count in [0, 1, 3, 5] {
        send(line, &good, &vec![nothing.as_fd(); count]).unwrap();
    }
    send(line, &vec![0; 150_000], &[]).unwrap();
    assert_eq!(helper.runs(&good), "a b;id|x|");
}

#[test]
fn who_loses_interest_ends_a_program_and_who_goes_ends_all() {
    let mut helper = Helper::knowing("sleep 600 & echo $!; wait");
    let begin = || {
        let (line, mut said) = helper.ask(&request(0, &[], &[]));
        assert_eq!(hear(&line), Some(0));
        let mut text = Vec::new();
        while !text.ends_with(b"\n") {
            let mut byte = [0];
            assert_eq!(said.read(&mut byte).unwrap(), 1);
            text.extend(byte);
        }
        (line, text)
    };
    let (first, of_first) = begin();
    let (second, of_second) = begin();
    drop(first);
    crate::support::has_ended(&of_first);
    let pid: u32 = std::str::from_utf8(&of_second).unwrap().trim().parse().unwrap();
    assert!(std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")));
    helper.line = None;
    drop(second);
    crate::support::has_ended(&of_second);
    eventually("the helper has ended", || helper.child.try_wait().unwrap().is_some());
    assert!(helper.child.wait().unwrap().success());
}

#[test]
fn who_calls_it_by_hand_is_told_what_it_is() {
    let done =
        Command::new(env!("CARGO_BIN_EXE_django-ftpd")).arg("run-programs").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(said.starts_with("django-ftpd: run-programs is what a server starts by itself: "), "{said}");
}
