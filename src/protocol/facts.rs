//! What is told about a file, and how MLSD and MLST tell it (RFC 3659, 7).

use super::numbers::{decimal, hexadecimal, octal};
use super::permission::{Permission, Permissions};
use super::time;
use jiff::Timestamp;

/// What sort of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else: a socket, a device.
    Other,
}

/// What a storage tells about one file or directory.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last modified.
    pub modified: Timestamp,
    /// The permission bits, as of chmod(1).
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Hard links.
    pub links: u64,
    /// What tells two files apart: device and inode, or the like.
    pub identity: (u64, u64),
    /// Where it points, if the name is a symbolic link that a listing shows as such.
    pub link_target: Option<Vec<u8>>,
}

/// One fact of RFC 3659.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// `type`.
    Type,
    /// `perm`.
    Perm,
    /// `size`.
    Size,
    /// `modify`.
    Modify,
    /// `unique`.
    Unique,
    /// `unix.mode`.
    UnixMode,
    /// `unix.uid`.
    UnixUid,
    /// `unix.gid`.
    UnixGid,
}

impl Fact {
    /// All of them, in the order that FEAT lists.
    pub const ALL: [Fact; 8] =
        [Fact::Type, Fact::Perm, Fact::Size, Fact::Modify, Fact::Unique, Fact::UnixMode, Fact::UnixUid, Fact::UnixGid];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Fact::Type => "type",
            Fact::Perm => "perm",
            Fact::Size => "size",
            Fact::Modify => "modify",
            Fact::Unique => "unique",
            Fact::UnixMode => "unix.mode",
            Fact::UnixUid => "unix.uid",
            Fact::UnixGid => "unix.gid",
        }
    }
}

/// The facts that a session has chosen with OPTS MLST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactSet(u8);

impl Default for FactSet {
    fn default() -> FactSet {
        FactSet::of([Fact::Type, Fact::Perm, Fact::Size, Fact::Modify, Fact::Unique])
    }
}

impl FactSet {
    /// The set of these.
    pub fn of(facts: impl IntoIterator<Item = Fact>) -> FactSet {
        FactSet(facts.into_iter().fold(0, |set, fact| set | 1 << fact as u8))
    }

    /// Reads `type;size;`, in any case; unknown facts are passed over.
    pub fn parse(text: &str) -> FactSet {
        let known = |name: &str| Fact::ALL.into_iter().find(|fact| fact.name().eq_ignore_ascii_case(name));
        FactSet::of(text.split(';').filter_map(known))
    }

    /// Whether this one was chosen.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u8) != 0
    }

    /// `type;size;`, as OPTS answers.
    pub fn chosen(self) -> String {
        Fact::ALL.iter().filter(|fact| self.has(**fact)).map(|fact| format!("{};", fact.name())).collect()
    }

    /// `type*;perm*;…`, as FEAT lists: the chosen ones with a star.
    pub fn feature(self) -> String {
        let star = |fact: Fact| if self.has(fact) { "*" } else { "" };
        Fact::ALL.iter().map(|&fact| format!("{}{};", fact.name(), star(fact))).collect()
    }
}

/// Writes chosen facts. What all files have in common, and all directories, is made once for a whole listing.
#[derive(Debug)]
pub struct Writer {
    file: Vec<u8>,
    directory: Vec<u8>,
    other: Vec<u8>,
    /// What differs from name to name.
    own: Vec<Fact>,
}

impl Writer {
    /// One for these facts, where so much is permitted.
    pub fn new(set: FactSet, permissions: Permissions) -> Writer {
        let common = |kind| common(kind, set, permissions);
        let own = Fact::ALL.into_iter().filter(|&fact| set.has(fact) && !matches!(fact, Fact::Type | Fact::Perm));
        Writer {
            file: common(Kind::File),
            directory: common(Kind::Directory),
            other: common(Kind::Other),
            own: own.collect(),
        }
    }

    /// Appends the facts and the one blank that ends them; the name follows.
    pub fn write(&self, facts: &Facts, out: &mut Vec<u8>) {
        out.extend_from_slice(match facts.kind {
            Kind::File => &self.file,
            Kind::Directory => &self.directory,
            Kind::Other => &self.other,
        });
        for &fact in &self.own {
            begin(fact, out);
            match fact {
                Fact::Type | Fact::Perm => {}
                Fact::Size => decimal(facts.size, out),
                Fact::Modify => time::write(facts.modified, out),
                Fact::Unique => {
                    hexadecimal(facts.identity.0, out);
                    out.push(b'g');
                    hexadecimal(facts.identity.1, out);
                }
                Fact::UnixMode => {
                    out.push(b'0');
                    octal((facts.mode & 0o777).into(), out);
                }
                Fact::UnixUid => decimal(facts.uid.into(), out),
                Fact::UnixGid => decimal(facts.gid.into(), out),
            }
            out.push(b';');
        }
        out.push(b' ');
    }
}

fn begin(fact: Fact, out: &mut Vec<u8>) {
    out.extend_from_slice(fact.name().as_bytes());
    out.push(b'=');
}

/// The facts `type` and `perm`, which come first.
fn common(kind: Kind, set: FactSet, permissions: Permissions) -> Vec<u8> {
    let mut out = Vec::new();
    if set.has(Fact::Type) {
        begin(Fact::Type, &mut out);
        out.extend_from_slice(match kind {
            Kind::Directory => b"dir;",
            Kind::File => b"file;",
            Kind::Other => b"OS.unix=other;",
        });
    }
    if set.has(Fact::Perm) {
        begin(Fact::Perm, &mut out);
        out.extend(perm(kind == Kind::Directory, permissions));
        out.push(b';');
    }
    out
}

/// The `perm` fact: the account's letters that make sense here, with RFC 3659's own `c` and `p` for directories.
fn perm(directory: bool, permissions: Permissions) -> Vec<u8> {
    let senseless: &[u8] = if directory { b"arw" } else { b"elm" };
    let mut letters: Vec<u8> = permissions.letters().filter(|letter| !senseless.contains(letter)).collect();
    if directory {
        let creates = [Permission::Write, Permission::Append, Permission::Rename];
        if creates.iter().any(|&permission| permissions.allow(permission)) {
            letters.push(b'c');
        }
        if permissions.allow(Permission::Delete) {
            letters.push(b'p');
        }
    }
    letters
}

#[cfg(test)]
pub(super) fn sample(kind: Kind) -> Facts {
    Facts {
        kind,
        size: 1234,
        modified: time::parse(b"20260102030405").expect("a time"),
        mode: if kind == Kind::Directory { 0o755 } else { 0o640 },
        uid: 1000,
        gid: 100,
        links: 1,
        identity: (0x801, 0xff),
        link_target: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, set: FactSet) -> String {
        let mut out = Vec::new();
        Writer::new(set, Permissions::from_letters("elradfmw")).write(&sample(kind), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn facts_as_pyftpdlib_names_them() {
        let file = "type=file;perm=radfw;size=1234;modify=20260102030405;unique=801gff; ";
        assert_eq!(written(Kind::File, FactSet::default()), file);
        let set = FactSet::parse("Type;UNIX.mode;perm;nonsense;");
        assert_eq!(written(Kind::Directory, set), "type=dir;perm=eldfmcp;unix.mode=0755; ");
        let set = FactSet::of(Fact::ALL);
        let all = "type=OS.unix=other;perm=radfw;size=1234;modify=20260102030405;unique=801gff;unix.mode=0640;\
                   unix.uid=1000;unix.gid=100; ";
        assert_eq!(written(Kind::Other, set), all);
        assert_eq!(written(Kind::File, FactSet::of([])), " ");
    }

    #[test]
    fn sets_are_told_as_opts_and_feat_want_them() {
        assert_eq!(FactSet::parse("size;type;").chosen(), "type;size;");
        assert_eq!(FactSet::parse("").chosen(), "");
        let feature = "type*;perm*;size*;modify*;unique*;unix.mode;unix.uid;unix.gid;";
        assert_eq!(FactSet::default().feature(), feature);
    }
}
