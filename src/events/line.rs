//! A line of the journal, read again. The journal is ours, so this reads what [`Object`] writes and no more of JSON; what
//! is something else is no line.
//!
//! [`Object`]: crate::protocol::json::Object

use std::borrow::Cow;

/// An event as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    bytes: Vec<u8>,
    seq: u64,
    fields: Vec<Field>,
}

/// Where a key and its value are, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    key: (usize, usize),
    value: (usize, usize),
    is_text: bool,
}

impl Line {
    /// Reads a line without its end.
    pub fn parse(bytes: Vec<u8>) -> Option<Line> {
        let mut line = Line::of_object(bytes)?;
        line.seq = line.number("seq")?;
        Some(line)
    }

    /// Reads a line that is no event; its number is 0.
    pub fn of_object(bytes: Vec<u8>) -> Option<Line> {
        let mut scanner = Scanner { bytes: &bytes, at: 0 };
        let mut fields = Vec::with_capacity(16);
        scanner.expect(b'{')?;
        loop {
            let key = scanner.text()?;
            scanner.expect(b':')?;
            let is_text = scanner.peek() == Some(b'"');
            let value = if is_text { scanner.text()? } else { scanner.word()? };
            fields.push(Field { key, value, is_text });
            match scanner.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        if scanner.at != bytes.len() {
            return None;
        }
        Some(Line { bytes, seq: 0, fields })
    }

    /// Its place in the order of all events.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The line itself, without its end.
    pub fn json(&self) -> &[u8] {
        &self.bytes
    }

    /// The kind of the event, such as `ftp_login`.
    pub fn event(&self) -> Cow<'_, str> {
        self.shown("event").unwrap_or_default()
    }

    /// A text, byte for byte as it was before it was written.
    pub fn text(&self, key: &str) -> Option<Vec<u8>> {
        let field = self.field(key).filter(|field| field.is_text)?;
        unescape(self.bytes.get(field.value.0..field.value.1)?)
    }

    /// A text for people and for tools that take only UTF-8: other bytes are replaced.
    pub fn shown(&self, key: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(String::from_utf8_lossy(&self.text(key)?).into_owned()))
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<u64> {
        let field = self.field(key).filter(|field| !field.is_text)?;
        std::str::from_utf8(self.bytes.get(field.value.0..field.value.1)?).ok()?.parse().ok()
    }

    /// Keys in their order, each with its value: texts unescaped, others as they stand.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.fields.iter().filter_map(|field| {
            let key = std::str::from_utf8(self.bytes.get(field.key.0..field.key.1)?).ok()?;
            let raw = self.bytes.get(field.value.0..field.value.1)?;
            Some((key, if field.is_text { unescape(raw)? } else { raw.to_vec() }))
        })
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| self.bytes.get(field.key.0..field.key.1) == Some(key.as_bytes()))
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// What is between two quotes.
    fn text(&mut self) -> Option<(usize, usize)> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => return Some((start, self.at - 1)),
                b'\\' => drop(self.next()?),
                0..=0x1F => return None,
                _ => {}
            }
        }
    }

    /// A number, true, false or null.
    fn word(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+')) {
            self.at += 1;
        }
        (self.at > start).then_some((start, self.at))
    }
}

/// A text without its escapes. A lone surrogate `\udc80`…`\udcff` is the byte that it stands for.
fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let (&escape, tail) = rest.split_first()?;
        rest = tail;
        if escape != b'u' {
            text.push(match escape {
                b'"' | b'\\' | b'/' => escape,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 0x08,
                b'f' => 0x0C,
                _ => return None,
            });
            continue;
        }
        let (unit, tail) = rest.split_at_checked(4)?;
        rest = tail;
        match u32::from_str_radix(std::str::from_utf8(unit).ok()?, 16).ok()? {
            foreign @ 0xDC80..=0xDCFF => text.push((foreign - 0xDC00) as u8),
            code => text.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Event, Kind, Place, SessionTag, Subject};
    use super::*;

    fn line(text: &str) -> Option<Line> {
        Line::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn every_name_comes_back_byte_for_byte() {
        let name: Vec<u8> = (0..=255).chain("ü\u{2028}😀".bytes()).collect();
        let tag =
            SessionTag { id: 7, remote: "10.0.0.1:5".parse().unwrap(), username: Some(name.clone().into()), tls: None };
        let place = Place { real: name.clone(), shown: b"x".to_vec() };
        let event = Event::now(Kind::FileDeleted, Some(tag), Subject::Path(place));
        let mut bytes = Entry { seq: 3, event }.json_line();
        assert_eq!(bytes.pop(), Some(b'\n'));
        let line = Line::parse(bytes).unwrap();
        assert_eq!((line.seq(), &*line.event(), line.number("session")), (3, "ftp_file_deleted", Some(7)));
        assert_eq!(line.text("path"), Some(name.clone()));
        assert_eq!(line.text("username"), Some(name));
        assert_eq!((line.text("nothing"), line.number("path"), line.text("seq")), (None, None, None));
        let keys: Vec<&str> = line.fields().map(|(key, _)| key).collect();
        assert_eq!(keys[..3], ["seq", "time", "event"]);
    }

    #[test]
    fn what_is_no_line_is_none() {
        assert!(line(r#"{"seq":1,"a":"b","c":-1.5,"d":true}"#).is_some());
        for text in [
            "",
            "{",
            "{}",
            "[1]",
            r#"{"seq":1"#,
            r#"{"seq":1}x"#,
            r#"{"seq":"1"}"#,
            r#"{"seq":1,}"#,
            r#"{"seq":1 ,"a":2}"#,
            r#"{"event":"x"}"#,
            r#"{"seq":1,"a":{"b":1}}"#,
            "{\"seq\":1,\"a\":\"b",
            "{\"seq\":1,\"a\":\"b\nc\"}",
        ] {
            assert!(line(text).is_none(), "{text}");
        }
        let odd = line(r#"{"seq":1,"a":"\x","b":"\u12","c":"\ud800","d":"\n\/"}"#).unwrap();
        assert_eq!((odd.text("a"), odd.text("b"), odd.text("c")), (None, None, None));
        assert_eq!(odd.text("d"), Some(b"\n/".to_vec()));
    }
}
