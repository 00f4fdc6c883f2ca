//! From paths to keys. A home is all keys that begin with its prefix: no path can name another one.

use crate::protocol::path::VirtualPath;
use crate::storage::{Error, Result};

/// The longest key, in bytes, that stores take.
const LONGEST: usize = 1024;

/// What the keys of a home begin with: nothing, or something that ends with a slash; None if no key can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix(Option<String>);

impl Prefix {
    /// The keys below a location of the bucket and the path of a home.
    pub(super) fn new(location: &str, home: &[u8]) -> Prefix {
        let location = VirtualPath::root().join(location.trim_start_matches('/').as_bytes());
        let home = VirtualPath::root().join(home);
        let path = location.join(home.as_bytes().strip_prefix(b"/").unwrap_or_default());
        Prefix(Prefix(Some(String::new())).directory(&path).ok())
    }

    /// The key of a file.
    pub(super) fn file(&self, path: &VirtualPath) -> Result<String> {
        self.key(path, "")
    }

    /// What everything in a directory begins with, and the key of what marks it where nothing is in it.
    pub(super) fn directory(&self, path: &VirtualPath) -> Result<String> {
        if path.is_root() { self.0.clone().ok_or(Error::BadName) } else { self.key(path, "/") }
    }

    fn key(&self, path: &VirtualPath, end: &str) -> Result<String> {
        let prefix = self.0.as_deref().ok_or(Error::BadName)?;
        let text = std::str::from_utf8(path.as_bytes()).map_err(|_| Error::BadName)?;
        let key = format!("{prefix}{}{end}", text.strip_prefix('/').unwrap_or(text));
        // One more is left for the slash, so that what is a file could be a directory.
        let longest = if end.is_empty() { LONGEST - 1 } else { LONGEST };
        match key.len() <= longest && is_plain(&key) {
            true => Ok(key),
            false => Err(Error::BadName),
        }
    }
}

/// Whether everything that speaks of the key can do so.
fn is_plain(key: &str) -> bool {
    !key.contains(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// Whether a component of a key is a name that a path can have.
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && is_plain(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::root().join(text.as_bytes())
    }

    #[test]
    fn keys_are_below_the_prefix() {
        let ann = Prefix::new("/media/ftp/", b"/clients/ann/");
        assert_eq!(ann.file(&path("a b/ü")).unwrap(), "media/ftp/clients/ann/a b/ü");
        assert_eq!(ann.directory(&path("a")).unwrap(), "media/ftp/clients/ann/a/");
        assert_eq!(ann.directory(&path("../..//.")).unwrap(), "media/ftp/clients/ann/");
        assert_eq!(Prefix::new("", b"/").file(&path("x")).unwrap(), "x");
        assert_eq!(Prefix::new("", b"/../ann").directory(&path("")).unwrap(), "ann/");
    }

    #[test]
    fn names_that_no_key_can_have() {
        let home = Prefix::new("", b"/ann");
        let bad = |name: &[u8]| matches!(home.file(&VirtualPath::root().join(name)), Err(Error::BadName));
        assert!(bad(b"\xff") && bad(b"a\x01") && bad(b"\x7f") && bad("\u{85}".as_bytes()) && bad(&[b'x'; 1020]));
        assert!(!bad(&[b'x'; 1019]) && !bad(b"\\a:*?\"<>|"));
        assert!(is_name("a") && !is_name("") && !is_name("..") && !is_name("a\n"));
    }
}
