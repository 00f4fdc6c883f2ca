//! Into the background: the caller waits until clients can connect, and hears why they can't.

use crate::support::{Builder, Client, Signal, TestServer, eventually, has_ended, started};
use rustix::process::Pid;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A server in the background; killed when dropped.
struct Background {
    builder: Builder,
    pid: u32,
}

/// One with all files in its scratch directory, named relative to it.
fn builder() -> Builder {
    in_background(TestServer::with(&[]))
}

fn in_background(builder: Builder) -> Builder {
    let args = ["--daemonize", "--pidfile", "pid", "--log-file", "log", "--journal", "events.jsonl"];
    builder.without_journal().args(&args)
}

/// What the caller hears, called in the scratch directory.
fn call(builder: &Builder) -> Output {
    builder.command().current_dir(builder.outside("")).stdin(Stdio::null()).output().unwrap()
}

impl Background {
    #[track_caller]
    fn start(builder: Builder) -> Background {
        let Output { status, stdout, stderr } = call(&builder);
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.len(), &*said), (Some(0), 0, ""));
        let pid = std::fs::read_to_string(builder.outside("pid")).unwrap().trim().parse().unwrap();
        Background { builder, pid }
    }

    fn address(&self) -> SocketAddr {
        let mut address = None;
        eventually("the journal has the start", || {
            address = started(&self.builder.outside("events.jsonl"));
            address.is_some()
        });
        address.unwrap()
    }

    fn signal(&self, signal: Signal) {
        // One that has ended has no number any more.
        let _ = rustix::process::kill_process(Pid::from_raw(self.pid.cast_signed()).unwrap(), signal);
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap()
    }

    fn link(&self, file: &str) -> String {
        std::fs::read_link(format!("/proc/{}/{file}", self.pid)).unwrap().display().to_string()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        has_ended(self.pid.to_string().as_bytes());
    }
}

#[test]
fn the_caller_returns_when_clients_can_connect() {
    let server = Background::start(builder());
    Client::connect(server.address()).expect(220);
    let stat = server.proc("stat");
    // state, parent, group, session, terminal
    let numbers: Vec<i64> =
        stat.rsplit_once(") ").unwrap().1.split(' ').skip(1).take(4).map(|n| n.parse().unwrap()).collect();
    let pid = i64::from(server.pid);
    let [parent, group, session, terminal] = numbers[..] else { panic!("{stat}") };
    assert!(stat.contains("(django-ftpd)") && terminal == 0, "{stat}");
    assert!(group == session && session != pid, "it leads no session, so it gets no terminal: {stat}");
    assert_ne!(parent, i64::from(std::process::id()), "who called it is not its parent");
    assert!(!Path::new(&format!("/proc/{session}")).exists(), "what led the session is gone");
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(server.link(stream), "/dev/null");
    }
    assert_eq!(server.link("cwd"), "/");
    let status = server.proc("status");
    assert!(!status.contains("Umask") || status.contains("Umask:\t0000"), "{status}");
    server.signal(Signal::TERM);
    eventually("the pidfile is gone", || !server.builder.outside("pid").exists());
    has_ended(server.pid.to_string().as_bytes());
    let log = std::fs::read_to_string(server.builder.outside("log")).unwrap();
    assert!(log.contains("listens on") && log.contains("ftp_server_stopped"), "{log}");
}

#[test]
fn relative_names_mean_what_they_meant_where_it_was_called() {
    let builder = builder();
    std::fs::write(builder.outside("ftpd.conf"), "banner = 'from the file'\nxferlog = 'xferlog'\n").unwrap();
    let server = Background::start(builder.args(&["--config", "ftpd.conf"]));
    assert_eq!(Client::connect(server.address()).expect(220), "220 from the file");
    let outside = |name: &str| server.builder.outside(name);
    assert!(outside("xferlog").exists());
    std::fs::rename(outside("log"), outside("log.1")).unwrap();
    server.signal(Signal::HUP);
    eventually("a new log", || {
        std::fs::read_to_string(outside("log")).is_ok_and(|log| log.contains("the log is opened anew"))
    });
}

#[test]
fn a_failure_is_told_with_the_status_and_the_line_of_the_foreground() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap();
    let cases: [(i32, &[&str]); 7] = [
        (2, &["--database", "/nonexistent/db"]),
        (2, &["--certfile", "/nonexistent/cert.pem"]),
        (2, &["--no-such-option"]),
        (2, &["--journal", "/nonexistent/dir/j"]),
        (2, &["--pidfile", "/"]),
        (2, &["--file-access-user", "root"]),
        (2, &["--log-file", "/nonexistent/dir/log"]),
    ];
    let heard = |args: &[&str]| {
        let Output { status, stdout, stderr } = call(&builder().args(args));
        assert!(stdout.is_empty());
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    for (expected, args) in cases {
        let (status, said) = heard(args);
        let (foreground, same) = heard(&[args, &["--no-daemonize"]].concat());
        assert_eq!((status, &*said), (foreground, &*same), "{args:?}");
        assert!(status == expected && said.starts_with("django-ftpd: ") && said.lines().count() == 1, "{said}");
    }
    for (address, reason) in [(busy.to_string(), "another FTP server"), ("192.0.2.1:0".into(), "no interface")] {
        let builder = in_background(TestServer::with_tls(&["--implicit-tls", &address]));
        let Output { status, stderr, .. } = call(&builder);
        let said = String::from_utf8(stderr).unwrap();
        assert!(status.code() == Some(1) && said.contains(reason) && said.lines().count() == 1, "{said}");
        assert!(std::fs::read_to_string(builder.outside("log")).unwrap().contains(reason), "for who looks later");
        assert!(!builder.outside("pid").exists() && !builder.outside("events.jsonl").exists());
    }
}

#[test]
fn the_caller_does_not_wait_for_a_server_that_has_died() {
    let builder = builder();
    assert!(Command::new("mkfifo").arg(builder.outside("events.jsonl.seq")).status().unwrap().success());
    let mut command = builder.command();
    command.current_dir(builder.outside("")).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut caller = command.spawn().unwrap();
    let pid = || std::fs::read_to_string(builder.outside("pid")).ok()?.trim().parse().ok();
    eventually("the server waits for the number of the last event", || pid().is_some());
    assert!(caller.try_wait().unwrap().is_none(), "the caller waits");
    rustix::process::kill_process(Pid::from_raw(pid().unwrap()).unwrap(), Signal::KILL).unwrap();
    let mut said = String::new();
    caller.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(caller.wait().unwrap().code(), Some(1));
    assert!(said.contains("ended before clients could connect") && said.lines().count() == 1, "{said}");
}

#[test]
fn without_a_file_the_log_goes_to_the_system_or_the_start_is_refused() {
    let builder =
        || TestServer::with(&["--daemonize", "--pidfile", "pid", "--journal", "events.jsonl"]).without_journal();
    let socket = Path::new("/dev/log");
    let reads = || UnixDatagram::unbound().unwrap().connect(socket).is_ok();
    if reads() {
        drop(Background::start(builder())); // whoever reads there has its lines
        return;
    }
    let Output { status, stderr, .. } = call(&builder());
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(2) && said.lines().count() == 1, "{said}");
    assert!(said.contains("daemonize: the log would go nowhere") && said.contains("/dev/log"), "{said}");
    let Ok(system) = UnixDatagram::bind(socket) else {
        assert!(!rustix::process::geteuid().is_root() || socket.exists(), "nobody but root can make one");
        return;
    };
    let server = Background::start(builder().env("RUST_LOG", "info"));
    std::fs::remove_file(socket).unwrap();
    system.set_nonblocking(true).unwrap();
    let mut messages = String::new();
    let mut buffer = [0; 9000];
    while let Ok(length) = system.recv(&mut buffer) {
        messages += std::str::from_utf8(&buffer[..length]).unwrap();
        messages.push('\n');
    }
    let line = messages.lines().find(|line| line.contains("listens on")).unwrap();
    let end = format!(
        " django-ftpd {} - - django-ftpd {} listens on {}",
        server.pid,
        env!("CARGO_PKG_VERSION"),
        server.address()
    );
    assert!(line.starts_with("<94>1 20") && line.ends_with(&end), "{line}");
    assert!(messages.lines().any(|line| line.starts_with("<92>1 ") && line.contains("can't log in")), "{messages}");
}

#[test]
fn what_makes_no_sense_in_the_background_is_refused() {
    let demo = Command::new(env!("CARGO_BIN_EXE_django-ftpd")).args(["demo", "--daemonize"]).output().unwrap();
    assert_eq!(demo.status.code(), Some(2));
    assert!(String::from_utf8(demo.stderr).unwrap().contains("demo stays in the foreground"));
    let (status, said) = builder().after("export LISTEN_PID=$$ LISTEN_FDS=1").fails();
    assert!(status == 2 && said.contains("daemonize: systemd has given sockets"), "{said}");
}
