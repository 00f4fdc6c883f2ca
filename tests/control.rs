//! The control socket: what the commands do, whose socket is trusted, and who comes to it with what.

use crate::support::{Client, Signal, TestServer, Tls, copy_program, eventually, noise};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const NOBODY: u32 = 65534;

fn start() -> TestServer {
    TestServer::with(&[]).control().start()
}

/// Who is kicked hears why, unless in the middle of something, and is gone.
#[track_caller]
fn expect_kicked(client: &mut Client) {
    assert!(client.expect(421).contains("The administrator has ended this session."));
    client.expect_end();
}

#[test]
fn sessions_are_kicked_by_number_user_and_address() {
    let server = start();
    let (mut ann, mut ann_too, mut rita) = (server.login("ann"), server.login("ann"), server.login("rita"));
    let mut far = Client::connect_from("127.0.0.2", server.address());
    far.expect(220);
    let number = server.sessions()[0]["session"].to_string();
    assert_eq!(server.says(&["kick", &number]), "1 session has ended\n");
    expect_kicked(&mut ann);
    ann_too.send("NOOP").expect(200);
    let mut ann = server.login("ann");
    assert_eq!(server.says(&["kick", "ann"]), "2 sessions have ended\n");
    expect_kicked(&mut ann);
    expect_kicked(&mut ann_too);
    assert_eq!(server.says(&["kick", "127.0.0.2"]), "1 session has ended\n");
    expect_kicked(&mut far);
    rita.send("NOOP").expect(200);
    eventually("one is left", || server.sessions().len() == 1);
    for nobody in ["ann", "7", "127.0.0.2", "::1", "\u{1b}[2J"] {
        server.refuses(&["kick", nobody], 1, "see django-ftpd who");
    }
    let reasons = server.stop();
    let kicked = reasons.iter().filter(|event| event["reason"] == "kicked by the administrator");
    assert_eq!(kicked.count(), 4);
}

#[test]
fn a_transfer_that_is_kicked_is_cut_and_says_so() {
    let server = start();
    std::fs::write(server.home("ann").join("large"), noise(32 << 20)).unwrap();
    let (mut down, mut up) = (server.login("ann"), server.login("ann"));
    let (_unread, mut data) = (down.passive(), up.passive());
    down.send("RETR large").expect(150);
    up.send("STOR up").expect(150);
    data.stream.write_all(b"some").unwrap();
    eventually("both run", || {
        server.sessions().iter().filter(|session| session["bytes"].as_u64() > Some(0)).count() == 2
    });
    assert_eq!(server.says(&["kick", "ann"]), "2 sessions have ended\n");
    for client in [&mut down, &mut up] {
        expect_kicked(client);
    }
    for (kind, path) in [("ftp_file_sent_incomplete", "/large"), ("ftp_file_received_incomplete", "/up")] {
        let event = server.expect_event(kind, &[("virtual_path", path)]);
        assert_eq!(event["reason"], "kicked by the administrator");
    }
    eventually("nothing is left of it", || std::fs::read_dir(server.home("ann")).unwrap().count() == 1);
}

#[test]
fn who_has_said_quit_in_a_transfer_is_kicked_too() {
    let server = start();
    server.home("ann");
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    ann.send("STOR up").expect(150);
    data.stream.write_all(b"some").unwrap();
    ann.send("QUIT").expect(221);
    assert_eq!(server.says(&["kick", "ann"]), "1 session has ended\n");
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert_eq!(event["reason"], "kicked by the administrator");
    eventually("nobody is on", || server.sessions().is_empty());
}

#[test]
fn who_is_in_tls_is_told_in_tls() {
    let (server, tls) = (TestServer::with_tls(&[]).control().start(), Tls::new());
    server.home("ann");
    let (mut idle, mut up) = (server.login_in_tls("ann", &tls), server.login_in_tls("ann", &tls));
    let mut data = up.passive();
    up.send("STOR up").expect(150);
    data.shake_hands().unwrap();
    let data = data.write(b"some");
    eventually("it runs", || server.sessions().iter().any(|session| session["bytes"] == 4));
    assert_eq!(server.says(&["kick", "ann"]), "2 sessions have ended\n");
    expect_kicked(&mut idle);
    expect_kicked(&mut up);
    drop(data);
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert_eq!(event["reason"], "kicked by the administrator");
}

#[test]
fn who_waits_for_a_password_to_be_wrong_is_kicked() {
    let server = TestServer::with(&["--auth-failed-timeout", "60"]).control().start();
    let mut client = server.client();
    client.send("USER ann").expect(331);
    client.send("PASS wrong");
    server.expect_event("ftp_login_failed", &[("username", "ann")]);
    server.says(&["kick", "127.0.0.1"]);
    expect_kicked(&mut client);
}

#[test]
fn who_reads_nothing_is_gone_at_the_second_kick() {
    let server = start();
    let mut ann = server.login("ann");
    // More replies than there is room for on the way.
    ann.send_bytes("HELP\r\n".repeat(30_000).as_bytes());
    eventually("the replies are stuck", || {
        let before = server.sessions()[0].clone();
        std::thread::sleep(Duration::from_millis(300));
        before["state"] == "busy" && server.sessions()[0]["command"] == "HELP"
    });
    server.says(&["kick", "ann"]);
    let begin = Instant::now();
    eventually("it is gone", || server.ask(&["kick", "ann"]).status == 1);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
}

#[test]
fn an_address_is_banned_and_taken_again() {
    let server = start();
    assert_eq!(server.says(&["ban"]), "no address is banned\n");
    let mut far = Client::connect_from("127.0.0.2", server.address());
    far.expect(220);
    assert_eq!(server.says(&["ban", "127.0.0.2"]), "127.0.0.2 is banned; 1 session has ended\n");
    expect_kicked(&mut far);
    Client::connect_from("127.0.0.2", server.address()).expect(421);
    server.says(&["ban", "2001:db8::1", "100"]);
    let list = server.says(&["ban"]);
    assert!(list.lines().next().unwrap().starts_with("ADDRESS  "), "{list}");
    let words = |line: usize| list.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(1), ["127.0.0.2", "-", "ordered"]);
    assert!(words(2)[0] == "2001:db8::/64" && words(2)[1].parse::<u64>().unwrap() <= 100, "{list}");
    server.client();
    assert_eq!(server.metric("django_ftpd_bans{reason=\"ordered\"}"), 2.0);
    assert_eq!(server.metric("django_ftpd_connections_refused_total{reason=\"banned\"}"), 1.0);
    assert_eq!(server.says(&["unban", "127.0.0.2"]), "127.0.0.2 is not banned any more\n");
    Client::connect_from("127.0.0.2", server.address()).expect(220);
    server.refuses(&["unban", "127.0.0.2"], 1, "127.0.0.2 is not banned; see django-ftpd ban");
    server.refuses(&["ban", "ann"], 2, "\"ann\" is not an IP address");
}

#[test]
fn a_ban_ends_by_itself() {
    let server = start();
    server.says(&["ban", "127.0.0.2", "1"]);
    let code = || Client::connect_from("127.0.0.2", server.address()).reply()[..3].to_vec();
    assert_eq!(code(), b"421");
    eventually("the ban has ended", || code() == b"220");
    assert_eq!(server.says(&["ban"]), "no address is banned\n");
}

#[test]
fn who_failed_too_often_is_listed_and_can_be_taken_again() {
    let server = TestServer::with(&["--ban-failures", "1"]).control().start();
    server.try_login("ann", "wrong");
    Client::connect(server.address()).expect(421);
    let list = server.says(&["ban"]);
    assert!(list.contains("127.0.0.1") && list.contains("failed logins"), "{list}");
    server.says(&["unban", "127.0.0.1"]);
    server.login("ann");
}

#[test]
fn a_drained_server_lets_everybody_finish() {
    let mut server = start();
    server.home("ann");
    let mut ann = server.login("ann");
    assert_eq!(server.says(&["drain"]), "no more clients are taken; the server stops when 1 session has left\n");
    let address = server.address();
    eventually("nobody is taken", || TcpStream::connect(address).is_err());
    assert!(server.says(&["who"]).contains("1 session; no more clients are taken"));
    ann.upload("STOR up", b"as usual");
    ann.send("QUIT").expect(221);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert_eq!(server.events().last().unwrap()["event"], "ftp_server_stopped");
    assert!(!server.control().exists());
}

#[test]
fn who_drains_twice_or_stops_does_not_wait_for_ever() {
    for last in ["drain", "stop", "signal"] {
        let mut server = start();
        let mut ann = server.login("ann");
        server.says(&["drain"]);
        ann.send("NOOP").expect(200);
        match last {
            "signal" => server.signal(Signal::TERM),
            // It may end before it has answered.
            command => drop(server.ask(&[command])),
        }
        ann.expect(421);
        assert_eq!(server.wait().code(), Some(0), "{last}");
    }
}

#[test]
fn a_server_without_clients_drains_at_once() {
    let mut server = start();
    assert_eq!(server.says(&["drain"]), "nobody is on; the server stops\n");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn stop_returns_when_the_server_is_gone() {
    let mut server = TestServer::with(&["--stop-timeout", "60"]).control().start();
    server.home("ann");
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR up").expect(150);
    let stop = server.command(&["stop"]).spawn().unwrap();
    server.expect_log("stop was asked for on the control socket");
    assert_eq!(server.sessions().len(), 1, "it can be asked meanwhile");
    data.write(b"the end").close();
    ann.expect(226);
    let output = stop.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the server has stopped\n");
    // Nothing is left of it but what its parent has to look at.
    let state = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    assert!(state.contains(") Z ") || state.contains(") X "), "{state}");
    assert_eq!(server.wait().code(), Some(0));
    server.refuses(&["stop"], 1, "there is no such socket");
}

#[test]
fn the_socket_is_for_its_owner_alone_from_the_beginning() {
    let server = TestServer::with(&[]).control().after("umask 000").start();
    let metadata = std::fs::symlink_metadata(server.control()).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    let socket = server.control();
    drop(server.stop());
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_was_left_is_replaced_and_one_in_use_is_not() {
    let mut server = start();
    server.signal(Signal::KILL);
    server.wait();
    let socket = server.control().display().to_string();
    assert!(server.control().exists());
    server.refuses(&["who"], 1, "no server listens there any more");
    let second = TestServer::with(&["--control", &socket]).start();
    let (status, said) = TestServer::with(&["--control", &socket]).fails();
    assert_eq!(status, 2);
    assert!(said.contains(&format!("control: {socket}: another server listens there; give each a socket of its own")));
    assert!(Path::new(&socket).exists(), "it was not touched");
    drop(second.stop());
    assert!(!Path::new(&socket).exists());
}

#[test]
fn what_is_no_socket_stays_where_it_is() {
    let builder = TestServer::with(&[]);
    let (plain, link) = (builder.outside("plain"), builder.outside("link"));
    std::fs::write(&plain, "kept").unwrap();
    symlink(&plain, &link).unwrap();
    let long = builder.outside(&"x".repeat(120));
    let missing = builder.outside("missing/control.sock");
    for (path, why) in [
        (&plain, "there is something that is no socket; remove it, or name another path"),
        (&link, "there is something that is no socket; remove it, or name another path"),
        (&long, "the path of a socket has at most 107 bytes"),
        (&missing, "its directory does not exist; make it"),
    ] {
        let (status, said) = TestServer::with(&["--control", path.to_str().unwrap()]).fails();
        assert_eq!(status, 2);
        assert!(said.contains(&format!("control: {}: {why}", path.display())), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "kept");
}

#[test]
fn a_socket_that_somebody_else_has_put_there_is_not_removed_at_the_end() {
    let server = start();
    let socket = server.control();
    std::fs::remove_file(&socket).unwrap();
    let _theirs = UnixListener::bind(&socket).unwrap();
    let scratch = server.outside("kept");
    std::fs::rename(&socket, &scratch).unwrap();
    std::fs::rename(&scratch, &socket).unwrap();
    server.signal(Signal::TERM);
    eventually("it has ended", || server.log().contains("ftp_server_stopped"));
    std::thread::sleep(Duration::from_millis(200));
    assert!(socket.exists());
}

/// A command as another user.
fn as_nobody(server: &TestServer, words: &[&str]) -> (i32, String) {
    // Their own copy, for what root has built may be out of their reach.
    let copy = server.outside("their-ftpd");
    if !copy.exists() {
        copy_program(&copy);
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = std::process::Command::new(copy);
    let output = command.args(words).uid(NOBODY).gid(NOBODY).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Only root can become somebody else; the tests of CI run as root.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn another_user_is_not_answered() {
    let server = start();
    let socket = server.control().display().to_string();
    assert!(is_root(), "this test becomes other users: run it as root");
    let (status, said) = as_nobody(&server, &["who", "--control", &socket]);
    assert_eq!(status, 1);
    assert!(said.contains("you may not; only root and the server's own user can ask it"), "{said}");
    // Not even if somebody opens the file to all.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    for words in [["who"], ["stop"], ["reload"]] {
        let (status, said) = as_nobody(&server, &[&words[..], &["--control", &socket]].concat());
        assert_eq!(status, 1);
        assert!(said.contains("only root and the server's own user may ask it"), "{said}");
    }
    server.login("ann");
}

#[test]
fn a_socket_of_somebody_else_is_not_trusted() {
    assert!(is_root(), "this test becomes other users: run it as root");
    let server = start();
    let directory = server.outside("open");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).unwrap();
    let theirs = directory.join("c.sock").display().to_string();
    let script = format!(
        "import socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind('{theirs}')\ns.listen()\n\
         while True:\n c,_=s.accept()\n try: c.send(b'{{\"ok\":true}}\\n')\n except OSError: pass\n"
    );
    let mut impostor =
        std::process::Command::new("python3").args(["-c", &script]).uid(NOBODY).gid(NOBODY).spawn().unwrap();
    eventually("the impostor listens", || Path::new(&theirs).exists() && UnixStream::connect(&theirs).is_ok());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    let output = command.args(["reload", "--control", &theirs]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("it belongs to somebody else (UID 65534), who is not trusted"), "{said}");
    // A server does not take its place either.
    let (status, said) = TestServer::with(&["--control", &theirs]).fails();
    assert_eq!(status, 2);
    assert!(said.contains("there is a socket of somebody else (UID 65534); name another path"), "{said}");
    impostor.kill().unwrap();
    impostor.wait().unwrap();
}

#[test]
fn the_socket_belongs_to_the_user_that_the_server_becomes() {
    assert!(is_root(), "this test becomes other users: run it as root");
    let builder = TestServer::with(&["--file-access-user", "65534:65534"]).without_journal().control();
    // It may read the site's database, wherever that is.
    std::fs::set_permissions(builder.outside("."), PermissionsExt::from_mode(0o755)).unwrap();
    let server = builder.start();
    let metadata = std::fs::symlink_metadata(server.control()).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (NOBODY, NOBODY, 0o600));
    let socket = server.control().display().to_string();
    assert_eq!(as_nobody(&server, &["who", "--control", &socket]), (0, String::new()));
    server.says(&["who"]);
}

#[test]
fn root_may_ask_a_server_that_somebody_else_runs_at_home() {
    assert!(is_root(), "this test becomes other users: run it as root");
    let scratch = TestServer::with(&[]);
    let (copy, home) = (scratch.outside("their-ftpd"), scratch.outside("theirs"));
    copy_program(&copy);
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let socket = home.join("c.sock").display().to_string();
    let mut command = std::process::Command::new(copy);
    command.args(["demo", "127.0.0.1:0", "--control", &socket]).env("TMPDIR", &home).uid(NOBODY).gid(NOBODY);
    let mut demo = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ask = |word: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        command.args([word, "--control", &socket]).output().unwrap()
    };
    eventually("it is answered", || ask("who").status.success());
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o777)).unwrap();
    let said = String::from_utf8(ask("who").stderr).unwrap();
    assert!(said.contains("it belongs to somebody else (UID 65534), who is not trusted"), "{said}");
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o700)).unwrap();
    assert!(ask("stop").status.success());
    assert!(demo.wait().unwrap().success());
}

#[test]
fn what_is_no_request_is_answered_in_one_line() {
    let server = start();
    for (bytes, why) in [
        (&b"\n"[..], "the request is not a line of JSON"),
        (b"{}\n", "the request has no text \\\"request\\\""),
        (b"{\"request\":\"fly\\u001b\"}\n", "there is no request \\\"fly\\\\u{1b}\\\""),
        (b"\xff\x00\n", "the request is not a line of JSON"),
        (b"{\"request\":\"ban\",\"address\":\"x\"}\n", "\\\"x\\\" is not an IP address"),
    ] {
        assert_eq!(server.tell_socket(bytes), format!("{{\"error\":\"{why}\"}}\n"));
    }
    let mut half = UnixStream::connect(server.control()).unwrap();
    half.write_all(b"{\"request\":\"who\"}").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{\"error\":\"the request ends in the middle of its line\"}\n");
    let long = vec![b'['; 10 << 20];
    let answer = server.tell_socket(&long);
    assert!(answer.is_empty() || answer.contains("more than 4096 bytes"), "{answer}");
    assert!(server.tell_socket(&b"[".repeat(4000)).is_empty() || server.says(&["who"]).contains("nobody"));
    server.says(&["who"]);
}

#[test]
fn nobody_who_hangs_keeps_others_from_asking() {
    let server = start();
    server.says(&["who"]);
    let before = server.resources();
    let begin = Instant::now();
    let mut flood: Vec<UnixStream> = (0..12).map(|_| UnixStream::connect(server.control()).unwrap()).collect();
    flood.iter_mut().for_each(|stream| stream.write_all(b"{\"requ").unwrap());
    server.says(&["who"]);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    // Beyond what is answered at once they hear so at once, and nobody waits.
    let mut more: Vec<UnixStream> = (0..200).map(|_| UnixStream::connect(server.control()).unwrap()).collect();
    let mut answer = String::new();
    more.last_mut().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.contains("too many ask it at once; try again"), "{answer}");
    drop(more);
    // A drop now and then makes nobody stay for longer.
    let mut slow = flood.pop().unwrap();
    eventually("they are sent away", || {
        let _ = slow.write_all(b" ");
        server.holds_no_more_than(before)
    });
    server.says(&["who"]);
}

#[test]
fn who_does_not_take_the_answer_is_left() {
    let server = TestServer::with(&["--max-pending", "0"]).control().start();
    let clients: Vec<Client> = (0..300).map(|_| Client::connect(server.address())).collect();
    eventually("all are on", || server.sessions().len() == 300);
    let before = server.resources();
    let deaf: Vec<UnixStream> = (0..10)
        .map(|_| {
            let mut stream = UnixStream::connect(server.control()).unwrap();
            stream.write_all(b"{\"request\":\"who\"}\n").unwrap();
            stream
        })
        .collect();
    eventually("nothing is held for them", || server.holds_no_more_than(before));
    drop((deaf, clients));
}
