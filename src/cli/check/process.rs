//! The process itself: who it is, how much it may open, and the files and sockets by which it is known.

use super::access::{Existing, Server, directory_of};
use super::report::{Part, Report, State};
use crate::cli::{collisions, sandbox as paths_of_sandbox};
use crate::config::Config;
use crate::process::{sandbox, users};
use crate::syslog;
use rustix::process::{Resource, getrlimit};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::Path;

/// A session has one file open, and a transfer two more.
const FILES_OF_A_SESSION: u64 = 3;
/// Sockets, the journal, the database and the like.
const FILES_OF_THE_SERVER: u64 = 64;
/// No number of a process is longer.
const LONGEST: u64 = 20;
const NO_NUMBER: &str = "there is something else in it than the number of a process; name another file";

pub(super) fn examine(config: &Config, report: &mut Report) {
    user(config, &mut report.part("user"));
    open_files(config, &mut report.part("limits"));
    sandbox(config, &mut report.part("sandbox"));
    let starter = Server::ourselves();
    if let Some(path) = &config.pidfile {
        pidfile(path, &starter, &mut report.part("pidfile"));
    }
    if let Some(path) = &config.control {
        control(path, &starter, &mut report.part("control"));
    }
    if let Some(path) = &config.log_file {
        let written = log_file(path, &starter).map(|()| path.display().to_string());
        report.part("log_file").result(written.map_err(|why| format!("log_file: {why}")));
    } else if config.daemonize
        && let Err(error) = UnixDatagram::unbound().and_then(|socket| socket.connect(syslog::SOCKET))
    {
        let nobody = format!("there is no log_file, and nobody reads {}: {error}", syslog::SOCKET);
        report.part("log_file").fault(format!("daemonize: the log would go nowhere: {nobody}"));
    }
    if let Err((option, why)) = collisions::of_files(config) {
        report.part(option).fault(why);
    }
}

/// A terminal will do; a pipe may have nobody who reads it.
fn log_file(path: &Path, starter: &Server) -> Result<(), String> {
    let is_device = |metadata: &Metadata| metadata.file_type().is_char_device();
    match starter.can_write(path)? {
        Existing::Special if !starter.metadata(path)?.as_ref().is_some_and(is_device) => {
            Err(format!("{} is no file", path.display()))
        }
        _ => Ok(()),
    }
}

fn user(config: &Config, part: &mut Part<'_>) {
    let is_root = rustix::process::geteuid().is_root();
    match &config.file_access_user {
        None if is_root => part.warning(
            "started by root it stays root; name a user with file_access_user, or check as the user who will serve",
        ),
        None => part.ok(format!("the user with the number {}, who runs this", rustix::process::geteuid().as_raw())),
        // Whether it can be become, is found out by becoming it.
        Some(name) => match users::find(name) {
            Ok(user) if user.uid == 0 => {
                part.fault(format!("file_access_user: {name} is root; name a user who owns the homes"));
            }
            Ok(user) => part.ok(format!("{name}, with the number {}", user.uid)),
            Err(_) => {}
        },
    }
}

fn open_files(config: &Config, part: &mut Part<'_>) {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let sessions = most.saturating_sub(FILES_OF_THE_SERVER) / FILES_OF_A_SESSION;
    match config.max_cons.map(|most| most.get() as u64) {
        Some(wanted) if wanted > sessions => part.warning(format!(
            "{most} open files are enough for {sessions} sessions, and max_cons is {wanted}; raise the limit \
             (LimitNOFILE= of systemd, ulimit -n) to {}",
            wanted.saturating_mul(FILES_OF_A_SESSION).saturating_add(FILES_OF_THE_SERVER)
        )),
        Some(wanted) => part.ok(format!("up to {most} open files, enough for {wanted} sessions (max_cons)")),
        None => part.note(format!("up to {most} open files, enough for {sessions} sessions; max_cons sets no limit")),
    }
}

fn sandbox(config: &Config, part: &mut Part<'_>) {
    let available = sandbox::available();
    match (config.sandbox, available.is_usable()) {
        (false, _) => part.note("switched off: what the server may reach is all that its user may"),
        (true, true) => part.ok(available.to_string()),
        (true, false) => part.warning(format!("{available}; the server does without it")),
    }
    if config.sandbox {
        paths_of_sandbox::missing(config).for_each(|warning| part.warning(warning));
    }
}

fn pidfile(path: &Path, starter: &Server, part: &mut Part<'_>) {
    if path.is_symlink() {
        return part.fault(format!("pidfile: {}: is a symbolic link; name the file itself", path.display()));
    }
    match starter.can_write(path) {
        Err(why) => part.fault(format!("pidfile: {why}")),
        Ok(Existing::Nothing) => part.ok(path.display().to_string()),
        Ok(Existing::File(length)) if length <= LONGEST => {
            let text = fs::read_to_string(path).unwrap_or_default();
            let (path, number) = (path.display(), text.trim());
            match number.parse::<u32>() {
                Ok(number) if is_ours(number) => part.note(format!("{path}: the server runs, as process {number}")),
                Err(_) if !number.is_empty() => part.fault(format!("pidfile: {path}: {NO_NUMBER}")),
                _ => part.ok(format!("{path}: it is there, and no server of that number runs")),
            }
        }
        Ok(_) => part.fault(format!("pidfile: {}: {NO_NUMBER}", path.display())),
    }
}

/// Whether a process is a server; another one may have got its number.
fn is_ours(number: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
    name.trim() == "django-ftpd"
}

fn control(path: &Path, starter: &Server, part: &mut Part<'_>) {
    if SocketAddr::from_pathname(path).is_err() {
        return part.fault(format!("control: {}: the path of a socket has at most 107 bytes", path.display()));
    }
    let directory = directory_of(path);
    match starter.metadata(&directory) {
        Ok(None) => part.fault(format!(
            "control: the directory {} does not exist; systemd makes it with RuntimeDirectory=, or mkdir -p",
            directory.display()
        )),
        Err(why) => part.fault(format!("control: {why}")),
        Ok(Some(_)) => match starter.can_make_files_in(&directory) {
            Err(why) => part.fault(format!("control: {why}")),
            Ok(()) => {
                let (state, text) = socket(path);
                part.add(state, format!("{}{text}", path.display()));
            }
        },
    }
}

fn socket(path: &Path) -> (State, &'static str) {
    match fs::symlink_metadata(path) {
        Err(_) => return (State::Ok, ""),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return (State::Fault, ": there is something that is no socket; remove it, or name another path");
        }
        Ok(_) => {}
    }
    // Who connects and says nothing is no bother.
    match UnixStream::connect(path).map_err(|error| error.kind()) {
        Ok(_) => (State::Note, ": in use: the server runs"),
        Err(ErrorKind::ConnectionRefused) => {
            (State::Ok, ": left by a server that was killed; the next one replaces it")
        }
        Err(_) => (State::Fault, ": something else has this name"),
    }
}
