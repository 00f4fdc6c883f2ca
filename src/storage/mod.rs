//! Where files are: the [`Storage`] seam, and the disk behind it.
//!
//! A storage knows nothing of FTP: no reply codes, no sessions. Whatever path it is given names something in the
//! account's home, or nothing.

mod disk;
#[cfg(feature = "object-storage")]
pub mod object;
mod quota;
mod read_only;
mod shared;
mod stores;

pub use crate::protocol::facts::{Facts, Kind};
pub use crate::protocol::path::VirtualPath;
pub use disk::Disk;
pub use quota::{Metered, Quotas};
pub use read_only::ReadOnly;
pub(crate) use shared::Shared;
pub use stores::Stores;

use crate::accounts::Account;
use jiff::Timestamp;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What a storage answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done. It carries no FTP code: the session assigns those.
#[derive(Debug)]
pub enum Error {
    /// There is no such file, or it lies outside the home, which is the same.
    NotFound,
    /// The name is taken.
    Exists,
    /// Part of the path is a file.
    NotADirectory,
    /// It is a directory, and a file was wanted.
    IsADirectory,
    /// The directory has entries.
    NotEmpty,
    /// The file system forbids it.
    Denied,
    /// No room on the disk.
    Full,
    /// No room in a quota, or beyond the largest file.
    OverQuota,
    /// The file system cannot have such a name.
    BadName,
    /// The store cannot be reached, or does not make sense; nothing is known of what was asked.
    Unavailable(String),
    /// This storage cannot do that.
    Unsupported(&'static str),
    /// Anything else.
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        use rustix::io::Errno;
        // One of ours may have come through an interface that knows none.
        let error = match error.downcast::<Error>() {
            Ok(ours) => return ours,
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::XDEV | Errno::LOOP) => Error::NotFound,
            Some(Errno::EXIST) => Error::Exists,
            Some(Errno::NOTDIR) => Error::NotADirectory,
            Some(Errno::ISDIR) => Error::IsADirectory,
            Some(Errno::NOTEMPTY) => Error::NotEmpty,
            Some(
                Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY | Errno::TXTBSY | Errno::NXIO | Errno::NODEV,
            ) => Error::Denied,
            Some(Errno::NOSPC) => Error::Full,
            Some(Errno::DQUOT | Errno::FBIG) => Error::OverQuota,
            Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ) => Error::BadName,
            _ => Error::Io(error),
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Error {
        io::Error::from(errno).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotFound => "No such file or directory",
            Error::Exists => "File exists",
            Error::NotADirectory => "Not a directory",
            Error::IsADirectory => "Is a directory",
            Error::NotEmpty => "Directory not empty",
            Error::Denied => "Permission denied",
            Error::Full => "No space left on device",
            Error::OverQuota => "Quota or file size limit exceeded",
            Error::BadName => "Not a valid file name",
            Error::Unavailable(_) => "The store can't be used at the moment",
            Error::Unsupported(what) => what,
            Error::Io(error) => return write!(f, "{error}"),
        })
    }
}

impl std::error::Error for Error {}

/// A kind of place for files.
pub trait Storage: Send + Sync {
    /// The view of one account. It need not exist yet: then every call on it answers [`Error::NotFound`].
    fn home(&self, account: &Account) -> Box<dyn Home>;
}

/// What a listing is to tell of each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Its name.
    Names,
    /// The facts of what it is, or of what it points to.
    Follow,
    /// The facts of what it is, be it a link.
    ShowLinks,
}

/// One name in a directory.
#[derive(Debug)]
pub struct Entry {
    /// Any bytes but NUL and slash.
    pub name: Vec<u8>,
    /// None with [`Detail::Names`].
    pub facts: Option<Facts>,
}

/// The entries of a directory; sorted, unless there are too many to hold.
pub type Listing = Box<dyn Iterator<Item = Result<Entry>> + Send>;

/// How a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// A whole new file; an old one is there until the new one is complete.
    Whole,
    /// A whole new file, written where it will be.
    InPlace,
    /// From this offset of an existing file.
    At(u64),
    /// At the end of a file, which may be new.
    Append,
}

/// One account's files. Calls come from one session, one at a time.
pub trait Home: Send {
    /// What a path names, following links unless they are to be shown.
    fn facts(&self, path: &VirtualPath, detail: Detail) -> Result<Facts>;
    /// The entries of a directory.
    fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing>;
    /// A file to read.
    fn read(&self, path: &VirtualPath) -> Result<Box<dyn Source>>;
    /// A file to write, with these permission bits if it is new. Nothing is there before [`Upload::commit`],
    /// except in what is written in place.
    fn write(&self, path: &VirtualPath, how: Write, mode: u32) -> Result<Box<dyn Upload>>;
    /// Makes a directory with these permission bits.
    fn make_directory(&self, path: &VirtualPath, mode: u32) -> Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &VirtualPath) -> Result<()>;
    /// Removes anything else.
    fn remove_file(&self, path: &VirtualPath) -> Result<()>;
    /// Renames; a file at the new name is replaced.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()>;
    /// Sets the time of last modification.
    fn set_modified(&self, path: &VirtualPath, time: Timestamp) -> Result<()>;
    /// Sets the permission bits.
    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<()>;
    /// Bytes that can still be stored there.
    fn available(&self, path: &VirtualPath) -> Result<u64>;
    /// Where it really is, for events and the log.
    fn real_path(&self, path: &VirtualPath) -> Vec<u8>;
    /// The bytes of all files in it.
    fn used(&self) -> Result<u64>;
    /// The same path without links; with [`Detail::ShowLinks`] the last name stays, be it a link.
    fn resolve(&self, path: &VirtualPath, detail: Detail) -> Result<VirtualPath>;
    /// The same home, in which no link leads anywhere.
    fn direct(&self) -> Box<dyn Home>;
    /// What its files have and may have, if they have a quota.
    fn usage(&self) -> Result<Option<Usage>> {
        Ok(None)
    }
    /// Whether nothing can be changed there, whatever the account's permissions.
    fn is_read_only(&self, _path: &VirtualPath) -> bool {
        false
    }
}

/// Bytes of all files in a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What they have.
    pub used: u64,
    /// What they may have.
    pub limit: u64,
}

impl Usage {
    /// What they may have in addition.
    pub fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// A file being read.
pub trait Source: Send {
    /// Its size now.
    fn size(&self) -> u64;
    /// Reads at an offset; 0 is the end.
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// The file itself, if sendfile(2) can send it.
    fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// What an upload has to do with the file that has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// It is another one until the commit.
    Apart {
        /// The bytes of the file that the commit replaces.
        replaces: u64,
    },
    /// It is this one.
    InPlace {
        /// Its bytes now.
        size: u64,
        /// Where the next bytes go.
        next: u64,
    },
}

/// A file being written. Dropped without a commit, a whole one leaves nothing behind.
pub trait Upload: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// What it has to do with the file that has its name now.
    fn footprint(&self) -> Result<Footprint>;
    /// What was written so far, to be read from its beginning by somebody else before the commit; None if it can't be,
    /// or if it has its name already.
    fn for_examination(&self) -> Result<Option<File>> {
        Ok(None)
    }
    /// Whether so many bytes would have to wait; finding that out takes so long at most.
    fn is_busy(&mut self, _bytes: usize, _patience: Duration) -> Result<bool> {
        Ok(false)
    }
    /// All bytes are there: does what takes long of a commit, before the file gets its name. False if that is not done yet
    /// after so long.
    fn prepare(&mut self, _patience: Duration) -> Result<bool> {
        Ok(true)
    }
    /// The file is complete and gets its name.
    fn commit(self: Box<Self>) -> Result<()>;
}
