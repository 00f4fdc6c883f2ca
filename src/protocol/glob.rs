//! Shell patterns in the last component of NLST and LIST: `*`, `?`, `[a-z]`, `[!x]`.

/// A pattern, read once for all the names that it is held against.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Star,
    Any,
    Byte(u8),
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

/// Whether the text asks for matching at all.
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

impl Pattern {
    /// Reads a pattern; every text is one.
    pub fn parse(text: &[u8]) -> Pattern {
        let (mut parts, mut rest) = (Vec::new(), text);
        // Where one class has no end, no later one has.
        let mut may_end = true;
        while let Some((&byte, tail)) = rest.split_first() {
            let (part, tail) = match byte {
                b'*' => (Part::Star, tail),
                b'?' => (Part::Any, tail),
                b'[' if may_end => class(tail).unwrap_or_else(|| {
                    may_end = false;
                    (Part::Byte(b'['), tail)
                }),
                byte => (Part::Byte(byte), tail),
            };
            parts.push(part);
            rest = tail;
        }
        Pattern { parts }
    }

    /// Whether a name matches. A star remembers one place to come back to, so the cost is at most the product of the
    /// two lengths. A leading dot must be asked for.
    pub fn matches(&self, name: &[u8]) -> bool {
        if name.first() == Some(&b'.') && !matches!(self.parts.first(), Some(Part::Byte(b'.'))) {
            return false;
        }
        let (mut p, mut n) = (0, 0);
        let mut retry = None;
        loop {
            (p, n) = match (self.parts.get(p), name.get(n), retry) {
                (None, None, _) => return true,
                (Some(Part::Star), ..) => {
                    retry = Some((p + 1, n));
                    (p + 1, n)
                }
                (Some(part), Some(&byte), _) if part.takes(byte) => (p + 1, n + 1),
                (_, _, Some((after_star, from))) if from < name.len() => {
                    retry = Some((after_star, from + 1));
                    (after_star, from + 1)
                }
                _ => return false,
            };
        }
    }
}

impl Part {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Part::Star | Part::Any => true,
            Part::Byte(this) => *this == byte,
            Part::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&&byte)) != *negated
            }
        }
    }
}

/// What follows a `[`, up to its `]`: the class and the rest; None if it never ends.
fn class(text: &[u8]) -> Option<(Part, &[u8])> {
    let (negated, text) = match text.split_first() {
        Some((b'!' | b'^', tail)) => (true, tail),
        _ => (false, text),
    };
    // A `]` that comes first is a member.
    let end = 1 + text.get(1..)?.iter().position(|&b| b == b']')?;
    let (mut set, mut ranges) = (&text[..end], Vec::new());
    while let Some((&low, rest)) = set.split_first() {
        set = match rest {
            [b'-', high, tail @ ..] => {
                ranges.push((low, *high));
                tail
            }
            _ => {
                ranges.push((low, low));
                rest
            }
        };
    }
    Some((Part::Class { negated, ranges }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_a_shell_reads_them() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[abc", "[abc", true),
            ("a*b*c", "aXbXbc", true),
            ("", "", true),
            ("**", "", true),
        ] {
            assert_eq!(Pattern::parse(pattern.as_bytes()).matches(name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_cheap() {
        let start = std::time::Instant::now();
        for pattern in ["a*".repeat(60) + "b", "*".to_string() + &"[".repeat(2000), "[a-".repeat(1000)] {
            let pattern = Pattern::parse(pattern.as_bytes());
            (0..100).for_each(|_| assert!(!pattern.matches(&[b'a'; 255])));
        }
        assert!(!Pattern::parse(&[b'['; 1_000_000]).matches(b"["));
        assert!(start.elapsed().as_millis() < 1000);
    }
}
