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

use super::user::{Directory, FieldNames, Groups, Patience, User};
use crossbeam_channel::{Sender, bounded};
use std::path::PathBuf;
use std::sync::Arc;
use watcher::{InForce, Question, Watcher};

/// The users of a Django site, with the accounts of django-ftpserver, as `manage.py dumpdata auth.user auth.group
/// django_ftpserver` wrote them: JSON or JSON lines, gzipped or not, with natural keys or without.
#[derive(Debug)]
pub struct DjangoExport {
    in_force: Arc<InForce>,
    /// The thread that watches the file ends when this is dropped.
    watch: Sender<Question>,
}

impl DjangoExport {
    /// Reads the file, and watches it from now on.
    pub fn open(path: impl Into<PathBuf>, names: FieldNames) -> Result<DjangoExport, String> {
        let path = path.into();
        let (watch, stop) = bounded(0);
        let (first, read) = bounded(1);
        // All reading is done in one thread: what it frees serves the next reading, and nobody else's.
        let work = move || match Watcher::new(path, names) {
            Ok(watcher) => {
                // We wait for it.
                let _ = first.send(Ok(watcher.in_force()));
                watcher.run(&stop);
            }
            Err(why) => drop(first.send(Err(why))),
        };
        std::thread::Builder::new().name("export".into()).spawn(work).map_err(|error| format!("export: {error}"))?;
        let in_force = read.recv().map_err(|_| "export: the thread that reads it has ended".to_string())??;
        Ok(DjangoExport { in_force, watch })
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

    fn visit(&self, visit: &mut dyn FnMut(&User)) -> Result<(), String> {
        self.in_force.users().all().for_each(|user| visit(&user));
        Ok(())
    }

    fn groups(&self) -> Result<Groups, String> {
        Ok(self.in_force.users().group_names())
    }

    fn version(&self) -> u64 {
        self.in_force.version()
    }

    fn refresh(&self) -> Result<(), String> {
        let (answer, answered) = bounded(1);
        // If the thread has ended, the answer's other end is dropped.
        let _ = self.watch.send(answer);
        answered.recv().unwrap_or_else(|_| Err("export: the thread that reads it has ended".to_string()))
    }
}
