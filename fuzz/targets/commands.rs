//! Bytes of a control connection: they are the same lines in whatever pieces they come, and each line is a command, or
//! one reply that nothing in the line can break in two.

#![no_main]

use django_ftpd::protocol::line::{Line, LineBuffer, MAX_LINE};
use django_ftpd::protocol::reply::Reply;
use django_ftpd::protocol::request::Request;
use libfuzzer_sys::fuzz_target;

/// What a session reads at once.
const PIECE: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else { return };
    let bytes = lengthened(bytes);
    let whole = lines(&bytes, PIECE);
    // Not a byte at a time where there are thousands: each time, a session looks for the end of the line.
    let size = usize::from(size).max(bytes.len() / 100).max(1);
    assert_eq!(lines(&bytes, size), whole);
    for line in &whole {
        if let Line::Whole(line) = line {
            obey(line);
        }
    }
});

/// The bytes, of which the first `^` stands for almost as many as a line may have.
fn lengthened(bytes: &[u8]) -> Vec<u8> {
    match bytes.iter().position(|byte| *byte == b'^') {
        Some(at) => [&bytes[..at], &[b'^'; MAX_LINE - 2], &bytes[at + 1..]].concat(),
        None => bytes.to_vec(),
    }
}

fn lines(bytes: &[u8], size: usize) -> Vec<Line> {
    let mut buffer = LineBuffer::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        assert!(!buffer.is_full(), "nothing more would ever be read");
        buffer.push(piece);
        loop {
            let peeked = buffer.peek_line().map(<[u8]>::to_vec);
            let Some(line) = buffer.next_line() else { break };
            if let Line::Whole(line) = &line {
                assert!(line.len() <= MAX_LINE && !line.contains(&b'\n'));
                assert!(peeked.as_ref().is_some_and(|peeked| peeked == line || !found.is_empty()));
            }
            found.push(line);
        }
    }
    found
}

fn obey(line: &[u8]) {
    let without_tls = Request::parse(line, false);
    let request = match Request::parse(line, true) {
        Err(reply) => {
            assert!(without_tls.is_err());
            return is_one_reply(&reply);
        }
        Ok(request) => request,
    };
    let shown = request.shown_argument().to_string();
    assert!(!shown.chars().any(char::is_control));
    if request.entry.name == "PASS" {
        assert_eq!(shown, "******");
    }
    // Before login there is nothing but what logs in, protects, or asks about the server itself.
    let reaches_files = ["RETR", "STOR", "LIST", "DELE", "CWD", "PASV", "PORT"].contains(&request.entry.name);
    assert!(request.needs_login() || !reaches_files);
    if let Err(reply) = request.command() {
        is_one_reply(&reply);
    }
}

/// Three digits, a blank, a text, one line end.
fn is_one_reply(reply: &Reply) {
    let bytes = reply.as_bytes();
    let text = bytes.strip_suffix(b"\r\n").expect("a reply ends with its line");
    assert!((500..=599).contains(&reply.code()), "{}", String::from_utf8_lossy(bytes));
    assert!(text.starts_with(format!("{} ", reply.code()).as_bytes()));
    assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) && bytes.len() < 2 * MAX_LINE);
}
