//! systemd: sockets that it has opened already, and what it is told.

use crate::support::proxy::{PROXY, header_2};
use crate::support::{Builder, Client, Signal, TestServer, Tls, eventually};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What systemd would read.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn new(socket: UnixDatagram) -> Supervisor {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Supervisor(socket)
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

#[test]
fn systemd_hears_when_it_is_ready_reloads_and_stops() {
    for is_abstract in [false, true] {
        let builder = TestServer::with(&[]);
        let (name, socket) = if is_abstract {
            let name = format!("django-ftpd-test-{}", std::process::id());
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            (format!("@{name}"), UnixDatagram::bind_addr(&address).unwrap())
        } else {
            let path = builder.outside("notify");
            (path.display().to_string(), UnixDatagram::bind(&path).unwrap())
        };
        let systemd = Supervisor::new(socket);
        let mut server = builder.env("NOTIFY_SOCKET", &name).start();
        let ready = format!("READY=1\nSTATUS=serves on {}\nMAINPID={}", server.address(), server.pid());
        assert_eq!(systemd.hears(), ready);
        server.signal(Signal::HUP);
        assert!(systemd.hears().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(systemd.hears(), ready);
        let mut client = server.client();
        server.signal(Signal::TERM);
        assert!(systemd.hears().starts_with("STOPPING=1\n"));
        client.expect(421);
        server.wait();
    }
}

#[test]
fn the_watchdog_is_stroked_by_the_loop_that_accepts() {
    let builder = TestServer::with(&[]);
    let path = builder.outside("notify");
    let systemd = Supervisor::new(UnixDatagram::bind(&path).unwrap());
    let start = std::time::Instant::now();
    let server = builder.env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "200000").start();
    assert!(systemd.hears().starts_with("READY=1"));
    for _ in 0..5 {
        assert_eq!(systemd.hears(), "WATCHDOG=1");
    }
    // The first one comes at once, the others every tenth of a second.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    server.client();
    assert_eq!(systemd.hears(), "WATCHDOG=1");
    server.signal(Signal::STOP);
    systemd.0.set_nonblocking(true).unwrap();
    eventually("nobody strokes it for a dead server", || {
        while systemd.0.recv(&mut [0; 100]).is_ok() {}
        std::thread::sleep(Duration::from_millis(300));
        systemd.0.recv(&mut [0; 100]).is_err()
    });
    server.signal(Signal::CONT);
}

#[test]
fn a_watchdog_of_somebody_else_is_left_alone_and_so_is_a_socket_that_is_none() {
    for (pid, time) in [("1", "100000"), ("", "x"), ("", "0"), ("", "")] {
        let builder = TestServer::with(&[]);
        let path = builder.outside("notify");
        let systemd = Supervisor::new(UnixDatagram::bind(&path).unwrap());
        let mut builder = builder.env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", time);
        if !pid.is_empty() {
            builder = builder.env("WATCHDOG_PID", pid);
        }
        let server = builder.start();
        assert!(systemd.hears().starts_with("READY=1"));
        server.client();
        server.stop();
        assert!(systemd.hears().starts_with("STOPPING=1"), "nothing was said in between");
    }
    for name in ["/nonexistent/notify", "@", "notify", ""] {
        let server = TestServer::with(&[]).env("NOTIFY_SOCKET", name).start();
        server.expect_log("systemd can't be told");
        server.client();
    }
    let server = TestServer::with(&[]).env("WATCHDOG_USEC", "18446744073709551615").start();
    server.client();
}

/// Starts it with these as the sockets from number 3 on.
fn given(builder: Builder, names: &str, sockets: [Option<OwnedFd>; 2]) -> (Builder, Command) {
    let count = sockets.iter().flatten().count();
    let shell = format!(
        "exec 3<&0 {} </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}",
        if count > 1 { "4>&1" } else { "" }
    );
    let builder = builder.after(&shell);
    let mut command = builder.command();
    let [first, second] = sockets;
    command.stdin(first.map_or(Stdio::null(), Stdio::from)).stdout(second.map_or(Stdio::null(), Stdio::from));
    command.stderr(Stdio::piped());
    (builder, command)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn sockets_of_systemd_are_served_by_their_names() {
    for (names, ftp, implicit) in [("ftp:ftps", 0, 1), ("implicit:ftp", 1, 0)] {
        let sockets = [listener(), listener()];
        let addresses = [0, 1].map(|index| sockets[index].local_addr().unwrap());
        let tls = Tls::new();
        let builder = TestServer::with_tls(&[]);
        let (_builder, mut command) = given(builder, names, sockets.map(|socket| Some(socket.into())));
        let mut child = command.spawn().unwrap();
        Client::connect(addresses[ftp]).expect(220);
        let mut client = Client::connect(addresses[implicit]);
        client.shake_hands(&tls).unwrap();
        client.data_in(Some(&tls)).expect(220);
        crate::support::signal_process(&child, Signal::TERM);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_only_socket_is_for_ftp_whatever_its_name() {
    for name in ["django-ftpd.socket", "unknown", ""] {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        let builder = TestServer::with(&[]).file("address = '192.0.2.1:21'\n");
        let (_builder, mut command) = given(builder, name, [Some(socket.into()), None]);
        let mut child = command.spawn().unwrap();
        Client::connect(address).expect(220);
        crate::support::signal_process(&child, Signal::TERM);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn what_comes_to_its_sockets_through_a_proxy_is_its_clients() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let builder = TestServer::with(&["--trusted-proxies", PROXY, "--max-cons-per-ip", "1"]);
    let (_builder, mut command) = given(builder, "ftp", [Some(socket.into()), None]);
    let mut child = command.spawn().unwrap();
    let behind = |client: &str| Client::behind_proxy(address, &header_2(client));
    let (mut first, mut second) = (behind("192.0.2.7"), behind("192.0.2.8"));
    first.expect(220);
    second.expect(220);
    behind("192.0.2.7").expect(421);
    crate::support::signal_process(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());
}

#[test]
fn sockets_that_are_no_use_are_refused_by_name() {
    let fails = |names: &str, sockets| {
        let (_builder, mut command) = given(TestServer::with(&[]), names, sockets);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.lines().count() == 1, "{said}");
        said
    };
    let tcp = || Some(OwnedFd::from(listener()));
    assert!(fails("a:b", [tcp(), tcp()]).contains("systemd: socket \"a\": of several, each needs its"));
    assert!(fails("ftp:ftp", [tcp(), tcp()]).contains("socket \"ftp\": there are several"));
    assert!(fails("ftps", [tcp(), None]).contains("socket for implicit TLS, but no certificate"));
    let local = TestServer::with(&[]).outside("socket");
    std::fs::create_dir_all(local.parent().unwrap()).unwrap();
    let unix = UnixListener::bind(&local).unwrap();
    assert!(fails("ftp", [Some(unix.into()), None]).contains("socket \"ftp\": fd 3 is not a valid tcp socket"));
    std::fs::remove_dir_all(local.parent().unwrap()).unwrap();
    let accepting = listener();
    let connection = TcpStream::connect(accepting.local_addr().unwrap()).unwrap();
    assert!(fails("ftp", [Some(connection.into()), None]).contains("Accept=no"));
    let (status, said) = TestServer::with(&[]).after("export LISTEN_PID=$$ LISTEN_FDS=99999999999").fails();
    assert!(status == 2 && said.contains("LISTEN_FDS=99999999999: no number"), "{said}");
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let server = TestServer::with(&[]).after("export LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=ftp").start();
    server.client();
}
