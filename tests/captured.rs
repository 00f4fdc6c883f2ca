//! A process in the sandbox, as if somebody had taken over the server: it tries what it was not allowed. It has no test
//! harness, whose threads would be outside.

use django_ftpd::process::sandbox::{Access, Sandbox, available};
use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::fmt::Debug;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.as_slice() {
        [_, how, scratch, port, parent] if how == "captured" => captured(scratch, port, parent),
        _ if args.iter().any(|arg| arg == "--list") => {}
        _ => what_is_not_allowed_is_kept_from_a_captured_server(),
    }
}

/// Prepares what is to be tried, has it tried by another process, and looks that all is as before.
fn what_is_not_allowed_is_kept_from_a_captured_server() {
    assert!(available().is_usable(), "{}: nothing can be tested", available());
    let scratch = Scratch(std::env::temp_dir().join(format!("django-ftpd-captured-{}", std::process::id())));
    for directory in ["home/sub", "kept", "log", "outside/sub", "read"] {
        fs::create_dir_all(scratch.0.join(directory)).unwrap();
    }
    for file in ["home/file", "home/sub/other", "kept/old", "outside/secret", "read/file"] {
        fs::write(scratch.0.join(file), file).unwrap();
    }
    fs::copy("/bin/true", scratch.0.join("home/program")).unwrap();
    fs::set_permissions(scratch.0.join("home/program"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink(scratch.0.join("outside"), scratch.0.join("home/way-out")).unwrap();
    let name = format!("django-ftpd-captured-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let status = Command::new(std::env::current_exe().unwrap())
        .arg("captured")
        .arg(&scratch.0)
        .args([port.to_string(), std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let mut left: Vec<_> = fs::read_dir(scratch.0.join("outside")).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["secret", "sub"]);
    assert_eq!(fs::read(scratch.0.join("outside/secret")).unwrap(), b"outside/secret");
    println!("test what_is_not_allowed_is_kept_from_a_captured_server ... ok");
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn denied<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("it was allowed");
    let errno = Errno::from_io_error(&error);
    assert!(matches!(errno, Some(Errno::ACCESS | Errno::PERM | Errno::XDEV)), "{error}");
}

fn captured(scratch: &str, port: &str, parent: &str) {
    let (scratch, port): (&Path, u16) = (Path::new(scratch), port.parse().unwrap());
    let parent = Pid::from_raw(parent.parse().unwrap()).unwrap();
    let path = |name: &str| scratch.join(name);
    let mut sandbox = Sandbox::default();
    sandbox.allow(path("home"), Access::Home);
    sandbox.allow(path("kept"), Access::Keep);
    sandbox.allow(path("log"), Access::Append);
    sandbox.allow(path("read"), Access::Read);
    sandbox.allow(path("not there"), Access::Home);
    sandbox.bind(0);
    sandbox.bind(port);
    let entered = sandbox.enter().unwrap();
    assert!(entered.is_in_force(), "{entered}");
    files_are_kept(&path);
    homes_lack_nothing(&path);
    no_program_is_started(&path);
    // Threads that are started now are in it, too.
    std::thread::scope(|scope| {
        scope.spawn(|| files_are_kept(&path));
        scope.spawn(|| no_program_is_started(&path));
    });
    let Some(version) = entered.to_string().split([' ', ':']).nth(2).and_then(|text| text.parse::<u32>().ok()) else {
        panic!("{entered}")
    };
    if version >= 4 {
        ports_are_kept(port);
    }
    if version >= 6 {
        others_are_kept(parent);
    }
    println!("captured in {entered}");
}

fn files_are_kept(path: &dyn Fn(&str) -> PathBuf) {
    for name in ["outside/secret", "home/way-out/secret", "home/../outside/secret"] {
        denied(fs::read(path(name)));
        denied(fs::OpenOptions::new().append(true).open(path(name)));
        denied(fs::remove_file(path(name)));
        denied(fs::rename(path(name), path("home/stolen")));
        denied(fs::hard_link(path(name), path("home/stolen")));
    }
    for name in ["/etc/passwd", "/etc/hostname", "/proc/1/status", "/proc/self/environ", "/dev/zero"] {
        denied(fs::read(name));
    }
    denied(fs::read_dir("/").map(drop));
    denied(fs::read_dir(path("outside")).map(drop));
    denied(fs::write(path("outside/new"), ""));
    denied(fs::create_dir(path("outside/new")));
    denied(fs::remove_dir(path("outside/sub")));
    denied(fs::rename(path("home/file"), path("outside/new")));
    denied(fs::hard_link(path("home/file"), path("outside/new")));
    // What is read is not written, and what is kept or logged is no home.
    assert_eq!(fs::read(path("read/file")).unwrap(), b"read/file");
    denied(fs::write(path("read/file"), ""));
    denied(fs::write(path("read/new"), ""));
    denied(fs::remove_dir(path("kept")));
    // What is made is a file or a directory.
    denied(symlink("/", path("home/link")));
    denied(UnixListener::bind(path("home/socket")));
    for kind in [FileType::Fifo, FileType::CharacterDevice, FileType::BlockDevice] {
        denied(rustix::fs::mknodat(CWD, path("home/node"), kind, Mode::RWXU, 0x103).map_err(io::Error::from));
    }
}

fn homes_lack_nothing(path: &dyn Fn(&str) -> PathBuf) {
    fs::write(path("home/new"), "x").unwrap();
    fs::create_dir(path("home/directory")).unwrap();
    fs::rename(path("home/new"), path("home/directory/new")).unwrap();
    fs::hard_link(path("home/directory/new"), path("home/sub/linked")).unwrap();
    assert_eq!(fs::read_dir(path("home/sub")).unwrap().count(), 2);
    fs::write(path("home/sub/linked"), "").unwrap();
    fs::remove_file(path("home/directory/new")).unwrap();
    fs::remove_dir(path("home/directory")).unwrap();
    fs::write(path("kept/new"), "x").unwrap();
    fs::rename(path("kept/new"), path("kept/old")).unwrap();
    fs::create_dir(path("kept/followers")).unwrap();
    fs::remove_file(path("kept/old")).unwrap();
    fs::write(path("log/new"), "x").unwrap();
    denied(fs::remove_file(path("log/new")));
    fs::write(path("kept/old"), "kept/old").unwrap();
}

fn no_program_is_started(path: &dyn Fn(&str) -> PathBuf) {
    for program in [Path::new("/bin/true"), Path::new("/proc/self/exe"), &path("home/program")] {
        denied(Command::new(program).status());
    }
    let status = fs::read_to_string("/proc/thread-self/status");
    denied(status); // not even what it is itself
}

fn ports_are_kept(allowed: u16) {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    drop(bind(0).unwrap());
    drop(bind(allowed).unwrap());
    for port in [80, 8080, allowed - 1, allowed + 1] {
        denied(bind(port));
    }
}

fn others_are_kept(parent: Pid) {
    for signal in [Signal::KILL, Signal::CONT] {
        denied(rustix::process::kill_process(parent, signal).map_err(io::Error::from));
    }
    rustix::process::test_kill_process(rustix::process::getpid()).unwrap();
    let name = format!("django-ftpd-captured-{}", parent.as_raw_nonzero());
    denied(UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()));
}
