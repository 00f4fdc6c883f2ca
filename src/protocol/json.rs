//! One JSON object on one line. A byte that is not UTF-8 is written as a lone surrogate `\udc80`…`\udcff`, which is what
//! Python's `os.fsencode` turns back into that byte (PEP 383): nothing is lost, nothing is confused.

use std::io::Write;

/// An object that is being written.
#[derive(Debug)]
pub struct Object(Vec<u8>);

impl Default for Object {
    fn default() -> Object {
        Object(Vec::with_capacity(256))
    }
}

impl Object {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// Adds a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.0.extend_from_slice(value.to_string().as_bytes());
    }

    /// Adds true or false.
    pub fn truth(&mut self, key: &str, value: bool) {
        self.key(key);
        self.0.extend_from_slice(value.to_string().as_bytes());
    }

    /// Adds a number that may be negative, or null.
    pub fn integer_or_null(&mut self, key: &str, value: Option<i64>) {
        self.key(key);
        self.0.extend_from_slice(value.map_or("null".to_string(), |value| value.to_string()).as_bytes());
    }

    /// Adds a text of any bytes.
    pub fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        let out = &mut self.0;
        out.push(b'"');
        for chunk in value.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => out.extend_from_slice(b"\\\""),
                    '\\' => out.extend_from_slice(b"\\\\"),
                    // U+2028 and U+2029 end lines for some readers, DEL and C1 bother terminals
                    '\0'..='\x1F' | '\x7F'..='\u{9F}' | '\u{2028}' | '\u{2029}' => escape(out, c as u32),
                    c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            chunk.invalid().iter().for_each(|byte| escape(out, 0xDC00 + u32::from(*byte)));
        }
        out.push(b'"');
    }

    /// The line.
    pub fn finish(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

fn escape(out: &mut Vec<u8>, unit: u32) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "\\u{unit:04x}");
}
