//! Cuts the bytes of a control connection into command lines: telnet sequences out, both line ends,
//! and a bound that no input can exceed.

/// The longest command line that is read; RFC 959 names none, PATH_MAX is 4096.
pub const MAX_LINE: usize = 4096;

/// What [`LineBuffer::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line, without its end.
    Whole(Vec<u8>),
    /// A line longer than [`MAX_LINE`]; told once, the rest of it is dropped.
    TooLong,
}

/// Collects bytes until they are lines.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    telnet: Telnet,
    dropping: bool,
}

/// Where in a telnet sequence (RFC 854) the input stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    Iac,
    Option,
}

impl LineBuffer {
    /// Takes bytes as they came from the socket.
    pub fn push(&mut self, input: &[u8]) {
        for &byte in input {
            self.telnet = match (self.telnet, byte) {
                (Telnet::Text, 0xFF) => Telnet::Iac,
                (Telnet::Text, _) => {
                    self.bytes.push(byte);
                    Telnet::Text
                }
                (Telnet::Iac, 0xFF) => {
                    self.bytes.push(0xFF);
                    Telnet::Text
                }
                (Telnet::Iac, 0xFB..=0xFE) => Telnet::Option,
                // No telnet command: a client that does not know of them, and a name that is not UTF-8.
                (Telnet::Iac, 0..0xF0) => {
                    self.bytes.extend_from_slice(&[0xFF, byte]);
                    Telnet::Text
                }
                (Telnet::Iac | Telnet::Option, _) => Telnet::Text,
            };
        }
    }

    /// The next line, if one is complete or too long already.
    pub fn next_line(&mut self) -> Option<Line> {
        let end = self.bytes.iter().position(|&b| b == b'\n');
        match end {
            Some(end) => {
                let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if std::mem::take(&mut self.dropping) {
                    return self.next_line();
                }
                Some(if line.len() > MAX_LINE { Line::TooLong } else { Line::Whole(line) })
            }
            None if self.dropping => {
                self.bytes.clear();
                None
            }
            None if self.is_full() => {
                self.bytes.clear();
                self.dropping = true;
                Some(Line::TooLong)
            }
            None => None,
        }
    }

    /// The first complete line, left where it is.
    pub fn peek_line(&self) -> Option<&[u8]> {
        let end = self.bytes.iter().position(|&b| b == b'\n')?;
        let line = self.bytes.get(..end)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether nothing waits, not even a part of a line.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether so much waits that nothing more should be read before a line is taken. The CR at its end may be the
    /// line's end, and not the line's.
    pub fn is_full(&self) -> bool {
        self.bytes.len() - usize::from(self.bytes.ends_with(b"\r")) > MAX_LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Line> {
        let mut buffer = LineBuffer::default();
        let mut found = Vec::new();
        for chunk in chunks {
            buffer.push(chunk);
            found.extend(std::iter::from_fn(|| buffer.next_line()));
        }
        found
    }

    fn whole(text: &[u8]) -> Line {
        Line::Whole(text.to_vec())
    }

    #[test]
    fn both_line_ends_end_a_line() {
        assert_eq!(lines(&[b"NOOP\r\nPWD\nQU", b"IT\r", b"\n"]), [whole(b"NOOP"), whole(b"PWD"), whole(b"QUIT")]);
    }

    #[test]
    fn telnet_sequences_vanish_also_across_packets() {
        assert_eq!(lines(&[b"\xFF\xF4\xFF", b"\xF2ABOR\r\n"]), [whole(b"ABOR")]);
        assert_eq!(lines(&[b"\xFF\xFD\x06NO", b"OP \xFF", b"\xFF\r\n"]), [whole(b"NOOP \xFF")]);
        assert_eq!(lines(&[b"SIZE a\xFFb\xFF\r\n"]), [whole(b"SIZE a\xFFb\xFF")]);
    }

    #[test]
    fn an_endless_line_is_told_once_and_its_end_is_no_command() {
        let long = vec![b'x'; 100_000];
        assert_eq!(lines(&[&long, &long, b" DELE x\r\nNOOP\r\n"]), [Line::TooLong, whole(b"NOOP")]);
        let mut one = vec![b'y'; MAX_LINE + 1];
        one.extend(b"\r\nNOOP\r\n");
        assert_eq!(lines(&[&one]), [Line::TooLong, whole(b"NOOP")]);
        let mut just = vec![b'y'; MAX_LINE];
        just.extend(b"\r\n");
        assert_eq!(lines(&[&just]), [Line::Whole(vec![b'y'; MAX_LINE])]);
        let (line, end) = just.split_at(MAX_LINE + 1);
        assert_eq!(lines(&[line, end]), [Line::Whole(vec![b'y'; MAX_LINE])], "whatever pieces it comes in");
        assert_eq!(lines(&[line, b"\r\n"]), [Line::TooLong]);
    }
}
