//! What is written down, and what follows it: the journal, the audit database, logs, programs and web servers.

use super::access::{Existing, Server, directory_of, free_space};
use super::accounts::bytes;
use super::report::{Part, Report};
use crate::cli::{followers, programs};
use crate::config::Config;
use std::io::Read;
use std::num::NonZeroU64;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// How its files begin.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// Less than this is soon full.
const LITTLE: u64 = 100_000_000;

pub(super) fn examine(config: &Config, server: &Server, report: &mut Report) {
    journal(config, server, &mut report.part("journal"));
    if let Err(why) = followers::contradictions(config) {
        report.part("journal").fault(why);
    }
    let followed = |part: &mut Part<'_>, option: &str| {
        if config.journal.is_none() {
            part.fault(followers::without_journal(option));
        }
    };
    if let Some(path) = &config.audit_database {
        let mut part = report.part("audit_database");
        audit_database(path, server, &mut part);
        followed(&mut part, "audit_database");
    }
    if let Some(path) = &config.xferlog {
        let mut part = report.part("xferlog");
        file("xferlog", path, server, &mut part);
        followed(&mut part, "xferlog");
    }
    if config.syslog {
        let mut part = report.part("syslog");
        syslog(config.syslog_socket.as_deref().unwrap_or(Path::new("/dev/log")), &mut part);
        followed(&mut part, "syslog");
    }
    if let Some(path) = &config.log_file
        && let Err(why) = server.can_write(path).and_then(|_| server.can_make_files_in(&directory_of(path)))
    {
        report.part("log_file").warning(format!("log_file: {why}, so it can't be begun anew once it was moved away"));
    }
    let rest = programs::findings(config).into_iter().chain(followers::webhook_findings(config));
    rest.for_each(|(name, finding)| report.part(name).result(finding));
}

fn journal(config: &Config, server: &Server, part: &mut Part<'_>) {
    let Some(path) = &config.journal else {
        return part.note("none: nobody will know who did what; name one with journal");
    };
    let directory = directory_of(path);
    let text = match server.can_write(path) {
        Err(why) => return part.fault(format!("journal: {why}")),
        Ok(Existing::Special) => return part.ok(format!("{}, which is no file", path.display())),
        // Beside it are its numbers, older journals, and the places of those who follow it.
        Ok(_) if server.can_make_files_in(&directory).is_err() => {
            let why = server.can_make_files_in(&directory).err().unwrap_or_default();
            return part.fault(format!("journal: {why}, and it has files beside it"));
        }
        Ok(Existing::Nothing) => "it will be made".to_string(),
        Ok(Existing::File(length)) => bytes(length),
    };
    match free_space(&directory) {
        Err(error) => part.ok(format!("{}: {text}; how much space is left can't be told: {error}", path.display())),
        Ok(free) => {
            part.ok(format!("{}: {text}; {} are free", path.display(), bytes(free)));
            let old = config.journal_keep.get() as u64;
            let most = config.journal_size.map_or(LITTLE, NonZeroU64::get).saturating_mul(old.saturating_add(1));
            if free < LITTLE {
                part.warning(format!(
                    "only {} are free there; what happens when it is full, journal_full says",
                    bytes(free)
                ));
            } else if free < most && config.journal_size.is_some() {
                part.note(format!("with journal_size and journal_keep it may become {}, which is more", bytes(most)));
            }
        }
    }
}

fn file(option: &str, path: &Path, server: &Server, part: &mut Part<'_>) {
    let written = server.can_write(path).map(|_| path.display().to_string());
    part.result(written.map_err(|why| format!("{option}: {why}")));
}

/// SQLite has files of its own beside it.
fn audit_database(path: &Path, server: &Server, part: &mut Part<'_>) {
    let written = server.can_write(path).and_then(|existing| {
        server.can_make_files_in(&directory_of(path))?;
        match existing {
            Existing::Special => Err(format!("{} is no file", path.display())),
            Existing::File(length) if length > 0 && !is_of_sqlite(path) => {
                Err(format!("{} is no SQLite database; name another file", path.display()))
            }
            _ => Ok(()),
        }
    });
    part.result(written.map(|()| path.display().to_string()).map_err(|why| format!("audit_database: {why}")));
}

fn is_of_sqlite(path: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *SQLITE
}

fn syslog(path: &Path, part: &mut Part<'_>) {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => part.fault(format!("syslog_socket: {shown} is no socket")),
        Ok(_) => {
            let connected = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
            match connected {
                Ok(()) => part.ok(shown.to_string()),
                Err(error) => part.warning(format!("{shown}: nobody reads there ({error}); it is tried again")),
            }
        }
        Err(error) => part.warning(format!("{shown}: {error}; it is tried again until somebody reads there")),
    }
}
