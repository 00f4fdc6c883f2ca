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
use crate::locks::lock;
use crossbeam_channel::{Sender, bounded};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use watcher::{InForce, Question, Watcher};

/// The users of a Django site, with the accounts of django-ftpserver, as `manage.py dumpdata auth.user auth.group
/// django_ftpserver` wrote them: JSON or JSON lines, gzipped or not, with natural keys or without.
#[derive(Debug)]
pub struct DjangoExport {
    in_force: Arc<InForce>,
    /// What is to watch the file, until it does.
    watcher: Mutex<Option<Watcher>>,
    /// The thread that watches the file ends when this is dropped.
    watch: OnceLock<Sender<Question>>,
}

impl DjangoExport {
    /// Reads the file. From the first question on, it is watched: who opens it may still want to be alone.
    pub fn open(path: impl Into<PathBuf>, names: FieldNames) -> Result<DjangoExport, String> {
        let path = path.into();
        // What a thread frees serves the next one, and nobody else.
        let reading = std::thread::Builder::new().name("export".into()).spawn(move || Watcher::new(path, names));
        let read = reading.map_err(|error| format!("export: {error}"))?.join();
        let watcher = read.map_err(|_| "export: the thread that reads it has ended".to_string())??;
        let in_force = watcher.in_force();
        Ok(DjangoExport { in_force, watcher: Mutex::new(Some(watcher)), watch: OnceLock::new() })
    }

    /// The way to the thread that watches the file.
    fn watch(&self) -> &Sender<Question> {
        self.watch.get_or_init(|| {
            let (watch, questions) = bounded(0);
            if let Some(watcher) = lock(&self.watcher).take() {
                let thread = std::thread::Builder::new().name("export".into()).spawn(move || watcher.run(&questions));
                if let Err(error) = thread {
                    log::error!("export: it is not watched, changes of it count after a restart: {error}");
                }
            }
            watch
        })
    }

    /// Whether it has anything of django-ftpserver.
    pub fn has_ftp_accounts(&self) -> bool {
        self.in_force.users().has_ftp_objects
    }
}

/// What a file of these bytes says.
#[cfg(fuzzing)]
pub(super) fn users_of(bytes: impl std::io::Read, names: &FieldNames) -> Result<Vec<User>, String> {
    let users = reader::read(bytes, names, &reader::LIMITS).map_err(|fault| fault.text)?;
    Ok(users.all().collect())
}

impl Directory for DjangoExport {
    fn find(&self, username: &str, _: Patience) -> Result<Option<User>, String> {
        self.watch();
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
        self.watch();
        self.in_force.version()
    }

    fn refresh(&self) -> Result<(), String> {
        let (answer, answered) = bounded(1);
        // If the thread has ended, the answer's other end is dropped.
        let _ = self.watch().send(answer);
        answered.recv().unwrap_or_else(|_| Err("export: the thread that reads it has ended".to_string()))
    }
}
