//! The accounts of a Django site that keeps them elsewhere than in SQLite, from the file that `manage.py dumpdata`
//! writes. It is read into memory, and anew when it changes.

mod collector;
mod fault;
mod file;
mod object;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod users;
mod watcher;

use super::user::{Directory, FieldNames, Patience, User};
use crossbeam_channel::{Sender, bounded};
use std::path::PathBuf;
use std::sync::Arc;
use watcher::{InForce, Watcher};

/// The users of a Django site, with the accounts of django-ftpserver, as `manage.py dumpdata auth.user auth.group
/// django_ftpserver` wrote them: JSON or JSON lines, gzipped or not, with natural keys or without.
#[derive(Debug)]
pub struct DjangoExport {
    in_force: Arc<InForce>,
    /// The thread that watches the file ends when this is dropped.
    _watch: Sender<()>,
}

impl DjangoExport {
    /// Reads the file, and watches it from now on.
    pub fn open(path: impl Into<PathBuf>, names: FieldNames) -> Result<DjangoExport, String> {
        let watcher = Watcher::new(path.into(), names)?;
        let in_force = watcher.in_force();
        let (watch, stop) = bounded(0);
        let thread = std::thread::Builder::new().name("export".into());
        thread.spawn(move || watcher.run(&stop)).map_err(|error| error.to_string())?;
        Ok(DjangoExport { in_force, _watch: watch })
    }

    /// Whether it has anything of django-ftpserver.
    pub fn has_ftp_accounts(&self) -> bool {
        self.in_force.users().has_ftp_objects
    }
}

impl Directory for DjangoExport {
    fn find(&self, username: &str, _: Patience) -> Result<Option<User>, String> {
        Ok(self.in_force.users().find(username))
    }

    fn visit_passwords(&self, visit: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.in_force.users().users.iter().for_each(|user| visit(&user.password));
        Ok(())
    }

    fn version(&self) -> u64 {
        self.in_force.version()
    }
}
