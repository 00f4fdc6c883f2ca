//! The file of the socket: nobody but its owner can ever connect, and what stands in its place is looked at before.

use crate::process::users::SystemUser;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Those who may wait to be answered.
const BACKLOG: i32 = 64;

/// A socket that listens.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    /// The users who may ask.
    pub(super) allowed: Vec<u32>,
    pub(super) guard: Guard,
}

/// Removes the socket when it is dropped, if it is still ours.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
}

impl ControlSocket {
    /// Listens there; the file belongs to `owner`, if the server is to become somebody else.
    pub fn bind(path: &Path, owner: Option<SystemUser>) -> Result<ControlSocket, String> {
        let wrong = |why: &str| format!("control: {}: {why}", path.display());
        let failed = |errno: Errno| wrong(&explain(errno));
        let address = address(path)?;
        let me = rustix::process::geteuid().as_raw();
        let mine = [Some(me), owner.map(|owner| owner.uid)];
        make_room(path, &address, &mine).map_err(|why| wrong(&why))?;
        let socket = socket(SocketFlags::CLOEXEC).map_err(failed)?;
        // The file gets the mode of the socket: there is no moment in which it has another.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        rustix::net::bind(&socket, &address).map_err(failed)?;
        let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let file = file.map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if !is_socket(&stat) || stat.st_uid != me {
            return Err(wrong(
                "somebody else has put something in its place; choose a directory where only you may write",
            ));
        }
        let guard = Guard { path: path.to_path_buf(), identity: (stat.st_dev, stat.st_ino) };
        if let Some(SystemUser { uid, gid }) = owner.filter(|owner| owner.uid != me) {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH).map_err(failed)?;
        }
        rustix::net::listen(&socket, BACKLOG).map_err(failed)?;
        let allowed = mine.into_iter().flatten().chain([0]).collect();
        Ok(ControlSocket { listener: UnixListener::from(socket), allowed, guard })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let is_ours = rustix::fs::lstat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            // Who has become another user may not; the next start replaces it.
            log::debug!("control: {}: {error}", self.path.display());
        }
    }
}

/// The address of a path, if there can be a socket.
pub(super) fn address(path: &Path) -> Result<SocketAddrUnix, String> {
    SocketAddrUnix::new(path)
        .map_err(|_| format!("control: {}: the path of a socket has at most 107 bytes", path.display()))
}

pub(super) fn socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

pub(super) fn is_socket(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
}

/// Removes a socket that a server has left which was killed; everything else stays, and is named.
fn make_room(path: &Path, address: &SocketAddrUnix, mine: &[Option<u32>]) -> Result<(), String> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(explain(errno)),
        Ok(stat) => stat,
    };
    if !is_socket(&stat) {
        return Err("there is something that is no socket; remove it, or name another path".to_string());
    }
    if !mine.contains(&Some(stat.st_uid)) && !is_left_to_root(path) {
        return Err(format!("there is a socket of somebody else (UID {}); name another path", stat.st_uid));
    }
    let probe = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).map_err(explain)?;
    match rustix::net::connect(&probe, address) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(|error| error.to_string()),
        Ok(()) | Err(Errno::AGAIN) => Err("another server listens there; give each a socket of its own".to_string()),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(explain(errno)),
    }
}

/// Whether this is root, in a directory where nobody else can put anything: another `file_access_user` had it.
fn is_left_to_root(path: &Path) -> bool {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let others = (Mode::WGRP | Mode::WOTH).bits();
    let is_of_root = |stat: Stat| stat.st_uid == 0 && stat.st_mode & others == 0;
    rustix::process::geteuid().is_root() && rustix::fs::stat(directory).is_ok_and(is_of_root)
}

fn explain(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "its directory does not exist; make it".to_string(),
        Errno::ACCESS | Errno::PERM => "this user may not make a socket there".to_string(),
        Errno::ADDRINUSE => "another server has just begun to listen there".to_string(),
        other => std::io::Error::from(other).to_string(),
    }
}
