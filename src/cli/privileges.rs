//! `--file-access-user`: who the server becomes, and whether that user can work with what the configuration names.

use super::Failure;
use crate::config::Config;
use crate::process::privileges;
use crate::process::users::{self, Person};
use rustix::fs::{Access, access};
use std::path::Path;

/// Who the server is to become.
pub(super) fn person(config: &Config) -> Result<Option<Person>, Failure> {
    let Some(name) = &config.file_access_user else { return Ok(None) };
    let person = users::person(name).and_then(|person| privileges::check(person.user).map(|()| person));
    person.map(Some).map_err(wrong)
}

/// Becomes that user, and looks whether all is theirs that has to be.
pub(super) fn become_user(person: &Person, config: &Config) -> Result<(), Failure> {
    privileges::become_user(person).map_err(wrong)?;
    let name = config.file_access_user.as_deref().unwrap_or_default();
    let read = [
        ("database", &config.database),
        ("export", &config.export),
        ("certfile", &config.certfile),
        ("keyfile", &config.keyfile),
        ("client_ca", &config.client_ca),
    ];
    let written =
        [("journal", &config.journal), ("audit_database", &config.audit_database), ("xferlog", &config.xferlog)];
    let faults = read.into_iter().filter_map(|(option, path)| unreadable(option, path.as_deref()?, name));
    let mut faults =
        faults.chain(written.into_iter().filter_map(|(option, path)| unwritable(option, path.as_deref()?, name)));
    faults.next().map_or(Ok(()), |fault| Err(Failure::Configuration(fault)))
}

fn unreadable(option: &str, path: &Path, name: &str) -> Option<String> {
    let allowed = access(path, Access::READ_OK) != Err(rustix::io::Errno::ACCESS);
    (!allowed).then(|| {
        format!("{option}: {}: the user {name} (file_access_user) may not read it: chgrp and chmod g+r", path.display())
    })
}

/// What is not there yet is made in its directory.
fn unwritable(option: &str, path: &Path, name: &str) -> Option<String> {
    let place = if path.exists() {
        path
    } else {
        path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
    };
    let allowed = access(place, Access::WRITE_OK) != Err(rustix::io::Errno::ACCESS);
    (!allowed).then(|| {
        format!(
            "{option}: {}: the user {name} (file_access_user) may not write it: chown {} to that user",
            path.display(),
            place.display()
        )
    })
}

fn wrong(why: String) -> Failure {
    Failure::Configuration(format!("file_access_user: {why}"))
}
