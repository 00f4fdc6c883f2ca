//! The permission letters of pyftpdlib, which django-ftpserver keeps in its groups.

use std::fmt;

/// One thing that an account may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// `e`: change directory.
    Enter,
    /// `l`: list files and ask about them.
    List,
    /// `r`: download.
    Read,
    /// `a`: append, resume an upload.
    Append,
    /// `d`: delete files and directories.
    Delete,
    /// `f`: rename.
    Rename,
    /// `m`: create directories.
    MakeDirectory,
    /// `w`: upload.
    Write,
    /// `M`: change modes.
    ChangeMode,
    /// `T`: change modification times.
    ChangeTime,
}

impl Permission {
    const ALL: [(Permission, u8); 10] = [
        (Permission::Enter, b'e'),
        (Permission::List, b'l'),
        (Permission::Read, b'r'),
        (Permission::Append, b'a'),
        (Permission::Delete, b'd'),
        (Permission::Rename, b'f'),
        (Permission::MakeDirectory, b'm'),
        (Permission::Write, b'w'),
        (Permission::ChangeMode, b'M'),
        (Permission::ChangeTime, b'T'),
    ];

    /// Whether its use is in the journal, or else changes something.
    pub fn is_recorded(self) -> bool {
        !matches!(self, Permission::Enter | Permission::List)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of permissions, read from text such as `elradfmwMT`. Unknown letters grant nothing, as in the reference.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u16);

impl Permissions {
    /// The set that the letters name.
    pub fn from_letters(letters: &str) -> Permissions {
        let known = Permission::ALL.iter().filter(|(_, letter)| letters.as_bytes().contains(letter));
        Permissions(known.fold(0, |set, (permission, _)| set | permission.bit()))
    }

    /// Both together.
    pub fn and(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }

    /// Those of them that change nothing.
    pub fn for_reading(self) -> Permissions {
        let reading = [Permission::Enter, Permission::List, Permission::Read];
        Permissions(reading.iter().fold(0, |set, permission| set | (self.0 & permission.bit())))
    }

    /// Every permission there is.
    pub fn all() -> Permissions {
        Permissions(Permission::ALL.iter().fold(0, |set, (permission, _)| set | permission.bit()))
    }

    /// Whether the set holds this one.
    pub fn allow(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// The letters of the set, in pyftpdlib's order.
    pub fn letters(self) -> impl Iterator<Item = u8> {
        Permission::ALL.into_iter().filter(move |(permission, _)| self.allow(*permission)).map(|(_, letter)| letter)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters().try_for_each(|letter| write!(f, "{}", letter as char))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_round_trip_and_strangers_grant_nothing() {
        let set = Permissions::from_letters("welx y");
        assert_eq!(format!("{set:?}"), "elw");
        assert!(set.allow(Permission::Write) && !set.allow(Permission::Read));
        assert_eq!(format!("{:?}", Permissions::all()), "elradfmwMT");
        assert_eq!(Permissions::from_letters(""), Permissions::default());
        assert_eq!(format!("{:?}", Permissions::all().for_reading()), "elr");
        assert_eq!(format!("{:?}", Permissions::from_letters("lwm").for_reading()), "l");
    }
}
