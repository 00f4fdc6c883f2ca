//! Bytes from outside, made harmless for a log line, a terminal or a reply.

use std::fmt;

/// Displays bytes as text: what is not UTF-8, and every control character, as `\xNN`; quotes and backslashes escaped,
/// so that it can stand in quotes.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\0'..='\x1F' | '\x7F' => write!(f, "\\x{:02x}", c as u32)?,
                    // C1 controls, and the separators and overrides that reorder or break a line
                    '\u{80}'..='\u{9F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "\\u{{{:x}}}", c as u32)?
                    }
                    c => write!(f, "{c}")?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_foreign_bytes_are_escaped() {
        assert_eq!(Shown(b"a\r\n\x1B[31m\xFF").to_string(), "a\\x0d\\x0a\\x1b[31m\\xff");
        assert_eq!(Shown(b"a\" b=\"\\").to_string(), "a\\\" b=\\\"\\\\");
        assert_eq!(Shown("ü\u{202E}x".as_bytes()).to_string(), "ü\\u{202e}x");
    }
}
