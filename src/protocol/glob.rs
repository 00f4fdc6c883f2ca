//! Shell patterns in the last component of NLST and LIST: `*`, `?`, `[a-z]`, `[!x]`.

/// Whether the text asks for matching at all.
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// Whether `name` matches. A star remembers one place to come back to, so the cost is at most the product of
/// the two lengths, whatever the pattern. A leading dot must be asked for.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    loop {
        let step = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, n));
                Some((p + 1, n))
            }
            (Some(_), Some(&byte)) => one(&pattern[p..], byte).map(|used| (p + used, n + 1)),
            _ => None,
        };
        (p, n) = match (step, retry) {
            (Some(next), _) => next,
            (None, Some((after_star, from))) if from < name.len() => {
                retry = Some((after_star, from + 1));
                (after_star, from + 1)
            }
            _ => return false,
        };
    }
}

/// How many bytes of the pattern match this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => match class(pattern, byte) {
            Some((used, true)) => Some(used),
            Some((_, false)) => None,
            None => (byte == b'[').then_some(1),
        },
        &literal => (literal == byte).then_some(1),
    }
}

/// `[...]` at the start of the pattern: its length and whether the byte is in it; None if it never ends.
fn class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|&b| b == b']')?;
    let (mut set, mut found) = (&pattern[first..end], false);
    while let Some((&low, rest)) = set.split_first() {
        set = match rest {
            [b'-', high, tail @ ..] => {
                found |= (low..=*high).contains(&byte);
                tail
            }
            _ => {
                found |= low == byte;
                rest
            }
        };
    }
    Some((end + 1, found != negated))
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
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_cheap() {
        let pattern = "a*".repeat(60) + "b";
        let start = std::time::Instant::now();
        assert!(!matches(pattern.as_bytes(), &[b'a'; 255]));
        assert!(start.elapsed().as_millis() < 100);
    }
}
