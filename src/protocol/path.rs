//! Paths as the client sees them: absolute, normal, and unable to name anything above the home.

use super::shown::Shown;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as it came in a command: any bytes but NUL, CR and LF.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawPath(Vec<u8>);

impl RawPath {
    /// What is left of a path without the flags in front of it.
    pub fn without_flags(&self) -> (bool, RawPath) {
        let (recursive, rest) = super::listing::split_flags(&self.0);
        (recursive, RawPath(rest.to_vec()))
    }

    /// Takes bytes that the command parser has found free of NUL, CR and LF.
    pub(super) fn new(bytes: &[u8]) -> RawPath {
        RawPath(bytes.to_vec())
    }

    /// The bytes as the client sent them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there was no path at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An absolute path below a home: no `.`, no `..`, no empty component, no NUL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VirtualPath {
    /// `/` for the root, `/a/b` else.
    bytes: Vec<u8>,
}

impl VirtualPath {
    /// The home itself.
    pub fn root() -> VirtualPath {
        VirtualPath { bytes: b"/".to_vec() }
    }

    /// What `raw` names for somebody who stands in `self`.
    pub fn resolve(&self, raw: &RawPath) -> VirtualPath {
        self.join(raw.as_bytes())
    }

    /// The same for bytes of any origin, such as the target of a link. NUL ends a component like a slash.
    pub fn join(&self, raw: &[u8]) -> VirtualPath {
        let mut path = if raw.first() == Some(&b'/') { VirtualPath::root() } else { self.clone() };
        for component in raw.split(|&b| b == b'/' || b == 0) {
            match component {
                b"" | b"." => {}
                b".." => path = path.parent(),
                name => path.push(name),
            }
        }
        path
    }

    /// Goes to a name in this directory, which is neither `.` nor `..`.
    pub fn push(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.bytes.push(b'/');
        }
        self.bytes.extend_from_slice(name);
    }

    /// The directory that holds it; the root holds itself.
    pub fn parent(&self) -> VirtualPath {
        match self.bytes.iter().rposition(|&b| b == b'/') {
            Some(0) | None => VirtualPath::root(),
            Some(slash) => VirtualPath { bytes: self.bytes[..slash].to_vec() },
        }
    }

    /// Goes to the directory that holds it; the root stays where it is.
    pub fn pop(&mut self) {
        let slash = self.bytes.iter().rposition(|&b| b == b'/').unwrap_or(0);
        self.bytes.truncate(slash.max(1));
    }

    /// The last component; none for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.bytes.rsplit(|&b| b == b'/').next().filter(|name| !name.is_empty())
    }

    /// Its components from the top.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split(|&b| b == b'/').filter(|name| !name.is_empty())
    }

    /// Whether it is this one or below it.
    pub fn is_within(&self, other: &VirtualPath) -> bool {
        let rest = self.bytes.strip_prefix(other.bytes.as_slice());
        other.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }

    /// Whether it is the home itself.
    pub fn is_root(&self) -> bool {
        self.bytes == b"/"
    }

    /// The bytes, with the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path relative to the home, `.` for the home itself: what openat2(2) takes.
    pub fn relative(&self) -> &Path {
        let bytes = if self.is_root() { b".".as_slice() } else { &self.bytes[1..] };
        Path::new(OsStr::from_bytes(bytes))
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown(&self.bytes), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(cwd: &str, raw: &str) -> String {
        let path = VirtualPath::root().join(cwd.as_bytes()).resolve(&RawPath::new(raw.as_bytes()));
        String::from_utf8(path.bytes).unwrap()
    }

    #[test]
    fn no_path_leaves_the_home() {
        for (cwd, raw, expected) in [
            ("/", "a", "/a"),
            ("/a", "b/c", "/a/b/c"),
            ("/a", "/b", "/b"),
            ("/a/b", "..", "/a"),
            ("/a", "../../../etc/passwd", "/etc/passwd"),
            ("/", "//dir", "/dir"),
            ("/a", "./x/./../y/", "/a/y"),
            ("/a", "", "/a"),
            ("/", "...", "/..."),
            ("/", "a\\..\\b", "/a\\..\\b"),
        ] {
            assert_eq!(from(cwd, raw), expected, "{cwd} {raw}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let mut path = VirtualPath::root().join(b"a/b");
        assert_eq!((path.name(), path.parent().to_string()), (Some(b"b".as_slice()), "/a".into()));
        assert_eq!(VirtualPath::root().name(), None);
        assert_eq!(VirtualPath::root().relative(), Path::new("."));
        assert_eq!(path.relative(), Path::new("a/b"));
        assert_eq!(path.components().count(), 2);
        path.push(b"c");
        assert_eq!(path.to_string(), "/a/b/c");
        for above in ["/a/b", "/a", "/", "/"] {
            path.pop();
            assert_eq!(path.to_string(), above);
        }
        path.push(b"x");
        assert_eq!(path.to_string(), "/x");
        let within = |inner: &str, outer: &str| {
            VirtualPath::root().join(inner.as_bytes()).is_within(&VirtualPath::root().join(outer.as_bytes()))
        };
        assert!(within("/a/b", "/a") && within("/a", "/a") && within("/a", "/") && within("/", "/"));
        assert!(!within("/ab", "/a") && !within("/a", "/a/b") && !within("/", "/a"));
    }
}
