//! What the user who will serve may do with files. The kernel is asked, in that user's name; nothing is made or opened.

use crate::process::{privileges, users};
use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};
use rustix::io::Errno;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Who looks.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// How commands call them, where it isn't us.
    owner: Option<String>,
}

impl Server {
    /// Whoever has started us.
    pub(super) fn ourselves() -> Server {
        Server { owner: None }
    }

    /// Does the work as the user of this name; None: as we are. The system gives each thread a user of its own.
    pub(super) fn doing<T: Send>(user: Option<&str>, work: impl FnOnce(&Server) -> T + Send) -> Result<T, String> {
        let Some(name) = user else { return Ok(work(&Server::ourselves())) };
        let person = users::person(name)?;
        if !users::may_become(person.user) {
            return Err(format!("only root can become {name}"));
        }
        if rustix::process::geteuid().as_raw() == person.user.uid {
            return Ok(work(&Server::ourselves()));
        }
        let server = Server { owner: Some(name.to_string()) };
        privileges::doing(&person, || Ok(work(&server))).map_err(|error| format!("can't become {name}: {error}"))
    }

    /// Whether a directory can be entered and listed.
    pub(super) fn can_list(&self, path: &Path) -> Result<(), String> {
        self.may(path, Access::READ_OK | Access::EXEC_OK, "enter and list it")
    }

    /// Whether a file can be read.
    pub(super) fn can_read(&self, path: &Path) -> Result<(), String> {
        self.may(path, Access::READ_OK, "read it")
    }

    /// Whether names can be made in a directory.
    pub(super) fn can_make_files_in(&self, path: &Path) -> Result<(), String> {
        self.can_change(path, "make files in it")
    }

    fn can_change(&self, path: &Path, what: &str) -> Result<(), String> {
        match self.metadata(path)? {
            Some(metadata) if metadata.is_dir() => self.may(path, Access::WRITE_OK | Access::EXEC_OK, what),
            Some(_) => Err(format!("{} is no directory", path.display())),
            None => Err(format!("the directory {} does not exist; {}", path.display(), self.making())),
        }
    }

    /// How people make a directory that is missing.
    pub(super) fn making(&self) -> String {
        let chown = self.with_owner(|owner| format!(", then chown {owner}"));
        format!("make it with mkdir -p{chown}")
    }

    /// Words that are for others than us.
    fn with_owner(&self, words: impl FnOnce(&str) -> String) -> String {
        self.owner.as_deref().map(words).unwrap_or_default()
    }

    /// Whether a file of this name can be written, or else made; tells which.
    pub(super) fn can_write(&self, path: &Path) -> Result<Existing, String> {
        match self.metadata(path)? {
            Some(metadata) if metadata.is_dir() => Err(format!("{} is a directory, not a file", path.display())),
            Some(metadata) => {
                self.may(path, Access::WRITE_OK, "write to it")?;
                Ok(if metadata.is_file() { Existing::File(metadata.len()) } else { Existing::Special })
            }
            None => {
                let chown = self.with_owner(|owner| format!(" (chown {owner} gives it to them)"));
                self.can_change(&directory_of(path), &format!("make files in it{chown}")).map(|()| Existing::Nothing)
            }
        }
    }

    /// What has the name; None: nothing does.
    pub(super) fn metadata(&self, path: &Path) -> Result<Option<Metadata>, String> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.cannot(path, "reach it", &error)),
        }
    }

    fn may(&self, path: &Path, access: Access, what: &str) -> Result<(), String> {
        accessat(CWD, path, access, AtFlags::EACCESS).map_err(|errno| self.cannot(path, what, &errno.into()))
    }

    fn cannot(&self, path: &Path, what: &str, error: &io::Error) -> String {
        let path = path.display();
        match error.kind() {
            ErrorKind::PermissionDenied => {
                let who = self.owner.as_ref().map_or("this user".to_string(), |owner| format!("the user {owner}"));
                format!("{path}: {who} may not {what}")
            }
            ErrorKind::NotFound => format!("{path}: no such file"),
            _ => format!("{path}: {error}"),
        }
    }
}

/// What has a name that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// A pipe, a device.
    Special,
}

/// The directory that a name is in.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => path.to_path_buf(),
    }
}

/// Bytes that are free there for who is not root.
pub(super) fn free_space(path: &Path) -> Result<u64, Errno> {
    statvfs(path).map(|space| space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_directory_are_here() {
        assert_eq!(directory_of(Path::new("x")), Path::new("."));
        assert_eq!(directory_of(Path::new("/x")), Path::new("/"));
        assert_eq!(directory_of(Path::new("/")), Path::new("/"));
    }
}
