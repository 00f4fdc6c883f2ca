//! Digests of files: HASH, and the older verbs that have one each.

use super::address::decimal;
use super::path::RawPath;
use std::ops::Range;

/// What can be made of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is named after what it is")]
pub enum Algorithm {
    Crc32,
    Md5,
    Sha1,
    /// What HASH takes where OPTS HASH has not chosen another.
    #[default]
    Sha256,
    Sha512,
}

impl Algorithm {
    const ALL: [Algorithm; 5] =
        [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1, Algorithm::Md5, Algorithm::Crc32];

    /// As HASH and OPTS HASH have it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
        }
    }

    /// By its name, in any case.
    pub fn named(name: &[u8]) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The line of FEAT, in which this one has a star.
    pub fn feature(self) -> String {
        let names = Algorithm::ALL.map(|one| format!("{}{}", one.name(), if one == self { "*" } else { "" }));
        format!("HASH {}", names.join(";"))
    }
}

/// What the older verbs take: a path or, in quotes, a path and the part that is wanted.
pub(super) fn part(argument: &[u8]) -> Option<(RawPath, Range<u64>)> {
    let whole = || (RawPath::new(argument), 0..u64::MAX);
    let Some(quoted) = argument.strip_prefix(b"\"") else { return Some(whole()) };
    let Some(end) = quoted.iter().rposition(|&byte| byte == b'"') else { return Some(whole()) };
    let (path, rest) = (quoted.get(..end)?, std::str::from_utf8(quoted.get(end + 1..)?).ok()?);
    if path.is_empty() || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let mut numbers = rest.split(' ').filter(|word| !word.is_empty()).map(decimal);
    let (start, end) = (numbers.next(), numbers.next());
    let part = start.unwrap_or(Some(0))?..end.unwrap_or(Some(u64::MAX))?;
    (numbers.next().is_none() && part.start <= part.end).then(|| (RawPath::new(path), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_behind_quotes_alone() {
        let part = |text: &str| part(text.as_bytes()).map(|(path, part)| (path.as_bytes().to_vec(), part));
        let is = |path: &str, part| Some((path.as_bytes().to_vec(), part));
        assert_eq!(part("a b 1 2"), is("a b 1 2", 0..u64::MAX));
        assert_eq!(part("\"a b\""), is("a b", 0..u64::MAX));
        assert_eq!(part("\"a b\" 5"), is("a b", 5..u64::MAX));
        assert_eq!(part("\"a \"b\"\" 5  9"), is("a \"b\"", 5..9));
        assert_eq!(part("\"a"), is("\"a", 0..u64::MAX));
        for wrong in ["\"\"", "\"a\"b", "\"a\" x", "\"a\" 2 1", "\"a\" 1 2 3", "\"a\" -1"] {
            assert_eq!(part(wrong), None, "{wrong}");
        }
    }
}
