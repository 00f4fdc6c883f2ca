//! What the server says on the control connection.

/// A reply, one line or several, ready to be sent. Nothing put into it can end or start a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    bytes: Vec<u8>,
    code: u16,
}

impl Reply {
    /// `CODE text`.
    pub fn new(code: u16, text: impl AsRef<[u8]>) -> Reply {
        let mut reply = Reply { bytes: Vec::with_capacity(64), code };
        reply.line(b' ', text.as_ref());
        reply
    }

    /// `CODE-first`, then each line with one blank before it, then `CODE last`.
    pub fn lines<L: AsRef<[u8]>>(
        code: u16,
        first: impl AsRef<[u8]>,
        lines: impl IntoIterator<Item = L>,
        last: &str,
    ) -> Reply {
        let mut reply = Reply::begin(code, first);
        for line in lines {
            reply.middle(line);
        }
        reply.line(b' ', last.as_bytes());
        reply
    }

    /// `CODE-first`, the beginning of what is sent in pieces because it is long.
    pub fn begin(code: u16, first: impl AsRef<[u8]>) -> Reply {
        let mut reply = Reply { bytes: Vec::with_capacity(512), code };
        reply.line(b'-', first.as_ref());
        reply
    }

    /// Appends a line of what is neither beginning nor end: one blank before it, so that it imitates neither.
    pub fn middle(&mut self, line: impl AsRef<[u8]>) {
        self.bytes.push(b' ');
        self.text(line.as_ref());
    }

    /// Empties it for the next piece.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn line(&mut self, separator: u8, text: &[u8]) {
        self.bytes.extend_from_slice(self.code.to_string().as_bytes());
        self.bytes.push(separator);
        self.text(text);
    }

    /// A line's text, byte for byte, but that a line end inside becomes `?`.
    fn text(&mut self, text: &[u8]) {
        self.bytes.extend(text.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b'?' } else { *byte }));
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// A path in double quotes, those inside doubled (RFC 959, appendix II).
pub fn quoted(path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in path {
        text.push(byte);
        if byte == b'"' {
            text.push(byte);
        }
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_a_reply_ends_it() {
        assert_eq!(Reply::new(550, b"x\r\n213 End\xFF").as_bytes(), b"550 x??213 End\xFF\r\n");
        let reply = Reply::lines(213, "Status", ["a", "213 End\r\n213 End"], "End");
        assert_eq!(reply.as_bytes(), b"213-Status\r\n a\r\n 213 End??213 End\r\n213 End\r\n");
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted(b"/a\"b"), b"\"/a\"\"b\"");
    }
}
