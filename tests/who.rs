//! `django-ftpd who`: who is on, what they do, and how far followers are behind; and the state in the log.

use crate::support::{Builder, Client, Signal, TestServer, Tls, eventually, noise, signal_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn start() -> TestServer {
    TestServer::with(&[]).control().start()
}

/// The row of the one session that does this.
fn row(table: &str, what: &str) -> String {
    table.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what:?} in {table}")).to_string()
}

#[test]
fn each_session_is_told_with_what_it_does() {
    let server = start();
    assert!(server.says(&["who"]).ends_with(": nobody is on\n"));
    let home = server.home("ann");
    std::fs::write(home.join("large"), noise(8 << 20)).unwrap();
    let (_pending, idle) = (server.client(), server.login("rita"));
    let (mut ann, mut up) = (server.login("ann"), server.login("ann"));
    let (mut down, mut data) = (ann.passive(), up.passive());
    ann.send("RETR large").expect(150);
    up.send("STOR dir-less").expect(150);
    data.stream.write_all(&noise(1000)).unwrap();
    down.receive(&mut [0; 1000]).unwrap();
    eventually("the upload is seen", || server.sessions().iter().any(|session| session["bytes"] == 1000));
    let sessions = server.sessions();
    let find = |key: &str, value: &str| sessions.iter().find(|session| session[key] == value).unwrap();
    assert_eq!(sessions.len(), 4);
    let pending = find("state", "pending");
    assert!(pending.get("username").is_none() && pending["remote_ip"] == "127.0.0.1", "{pending}");
    let rita = find("username", "rita");
    assert!(rita["state"] == "idle" && rita["idle_ms"].as_u64().unwrap() < 60_000, "{rita}");
    assert!(rita["since"].as_str().unwrap().starts_with("20") && rita.get("command").is_none(), "{rita}");
    let download = find("direction", "download");
    assert_eq!((&download["state"], &download["command"]), (&"transferring".into(), &"RETR".into()));
    assert_eq!((&download["path"], &download["total"]), (&"/large".into(), &(8 << 20).into()));
    assert!(download["bytes"].as_u64().unwrap() > 0 && download["rate"].as_u64().is_some(), "{download}");
    let upload = find("direction", "upload");
    assert!(upload["path"] == "/dir-less" && upload.get("total").is_none(), "{upload}");
    let table = server.says(&["who"]);
    assert!(table.lines().next().unwrap().ends_with(": 4 sessions"), "{table}");
    assert!(row(&table, "not logged in").contains("127.0.0.1"), "{table}");
    assert!(row(&table, "RETR /large").contains(" % ") && row(&table, "RETR /large").contains("ann"), "{table}");
    assert!(row(&table, "STOR /dir-less").contains("1.0 kB") && row(&table, "STOR").contains("B/s"), "{table}");
    let column = table.lines().nth(1).unwrap().find("DOING").unwrap();
    assert!(table.lines().skip(2).all(|line| line.as_bytes()[column - 1] == b' '), "{table}");
    data.write(b"x").close();
    up.expect(226);
    down.read();
    ann.expect(226);
    eventually("all are idle", || server.sessions().iter().filter(|session| session["state"] == "idle").count() == 3);
    drop(idle);
}

#[test]
fn idle_time_begins_with_the_end_of_the_last_command() {
    let server = start();
    let mut ann = server.login("ann");
    // None while a reply is on its way.
    let idle = || server.sessions()[0]["idle_ms"].as_u64();
    eventually("ann is idle for a while", || idle() > Some(2000));
    ann.send("NOOP").expect(200);
    assert!(idle() < Some(2000));
}

#[test]
fn who_uses_tls_and_where() {
    let (server, tls) = (TestServer::with_tls(&[]).control().start(), Tls::new());
    server.home("ann");
    let mut ann = server.login_in_tls("ann", &tls);
    let session = server.sessions().remove(0);
    assert!(session["tls"] == "TLSv1.3" && session["cipher"].as_str().unwrap().starts_with("TLS_"), "{session}");
    let mut data = ann.passive();
    ann.send("STOR up").expect(150);
    data.shake_hands().unwrap();
    eventually("the data connection is in TLS", || server.sessions()[0]["data_tls"] == "TLSv1.3");
    assert!(row(&server.says(&["who"]), "STOR /up").contains("  1.3  "));
    data.write(b"x").close();
    ann.expect(226);
}

#[test]
fn names_do_nothing_to_a_terminal() {
    let server = start();
    server.home("ann");
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    let name = "a\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}b\"\\";
    ann.send_bytes(b"STOR ").send_bytes(name.as_bytes()).send_bytes(b"\xff\r\n").expect(150);
    data.stream.write_all(b"x").unwrap();
    eventually("it is seen", || server.says(&["who"]).contains("STOR"));
    let harmless = "/a\\x1b[2J\\x1b]0;x\\x07\\u{202e}\\u{9b}b\\\"\\\\\\xff";
    let table = server.says(&["who"]);
    assert!(table.contains(harmless), "{table}");
    let json = server.says(&["who", "--json"]);
    for text in [&table, &json] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    assert!(json.contains("\\udcff"), "no byte is lost: {json}");
    server.signal(Signal::USR1);
    server.expect_log(&format!("command=\"STOR\" path=\"{harmless}\""));
    data.write(b"x").close();
    ann.expect(226);
}

#[test]
fn the_state_is_logged_when_a_signal_asks_for_it() {
    let server = TestServer::start();
    let _ann = server.login("ann");
    // A command is answered a moment before its session rests.
    eventually("it is logged", || {
        server.signal(Signal::USR1);
        std::thread::sleep(std::time::Duration::from_millis(50));
        server
            .log()
            .contains("state: 1 sessions (0 pending, 1 idle, 0 busy, 0 transferring), 0 banned addresses, since ")
    });
    server.expect_log(" state=idle username=\"ann\" idle_seconds=0");
}

#[test]
fn five_hundred_sessions_are_told_at_once() {
    let server = TestServer::with(&["--max-pending", "0"]).control().start();
    let clients: Vec<Client> = (0..500).map(|_| Client::connect(server.address())).collect();
    eventually("all are on", || server.sessions().len() == 500);
    let begin = Instant::now();
    let table = server.says(&["who"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(table.matches("not logged in").count(), 500);
    drop(clients);
    eventually("all have gone", || server.sessions().is_empty());
}

#[test]
fn followers_that_are_behind_are_told() {
    // It listens and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    let hook = format!("[[webhook]]\nname = 'deaf'\nurl = '{url}'\ntimeout = 0.2\n");
    let builder = TestServer::with(&[]).control().file(&hook);
    let xferlog = builder.outside("xferlog").display().to_string();
    let server = builder.args(&["--xferlog", &xferlog]).start();
    server.login("ann").send("QUIT").expect(221);
    let followers = || {
        let lines = server.says(&["who", "--json"]);
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line.get("follower").is_some()).collect::<Vec<_>>()
    };
    eventually("the webhook has failed", || followers()[0]["failures"].as_u64() > Some(0));
    eventually("the other is not behind", || followers()[1]["events"] == 0);
    let (deaf, other) = (followers().remove(0), followers().remove(1));
    assert!(deaf["follower"] == "webhook-deaf" && deaf["set_aside"] == 0, "{deaf}");
    assert!(deaf["events"].as_u64() >= Some(5) && deaf["age_ms"].as_u64() > Some(0), "{deaf}");
    assert!(other["follower"] == "xferlog" && other.get("age_ms").is_none(), "{other}");
    let table = server.says(&["who"]);
    assert!(table.contains("FOLLOWER") && row(&table, "webhook-deaf").split_whitespace().count() == 5, "{table}");
    assert!(server.metric("django_ftpd_follower_lag_events{follower=\"webhook-deaf\"}") >= 5.0);
    assert!(server.metric("django_ftpd_follower_lag_seconds{follower=\"webhook-deaf\"}") > 0.0);
    assert_eq!(server.metric("django_ftpd_follower_set_aside_total{follower=\"xferlog\"}"), 0.0);
}

#[test]
fn without_a_terminal_tables_follow_each_other_until_a_signal() {
    let server = start();
    let mut watch = server.command(&["who", "--watch", "0.1"]).spawn().unwrap();
    let mut out = watch.stdout.take().unwrap();
    let mut text = String::new();
    let mut piece = [0; 4096];
    while text.matches("nobody is on\n").count() < 3 {
        let length = out.read(&mut piece).unwrap();
        assert!(length > 0, "{text}");
        text += std::str::from_utf8(&piece[..length]).unwrap();
    }
    assert!(!text.contains('\u{1b}') && text.contains("nobody is on\n\ndjango-ftpd"), "{text:?}");
    signal_process(&watch, Signal::INT);
    assert!(watch.wait().unwrap().code().is_none());
}

#[test]
fn on_a_terminal_the_table_has_a_screen_of_its_own() {
    let server = start();
    let _ann = server.login("ann");
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let inside = OpenOptions::new().read(true).write(true).open(name).unwrap();
    rustix::termios::tcsetwinsize(
        &inside,
        rustix::termios::Winsize { ws_row: 10, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 },
    )
    .unwrap();
    let mut command = server.command(&["who", "--watch=0.1"]);
    let mut watch = command.stdout(Stdio::from(inside.try_clone().unwrap())).spawn().unwrap();
    let mut out = File::from(terminal);
    let mut text = String::new();
    let mut piece = [0; 4096];
    while text.matches("\u{1b}[H").count() < 3 {
        let length = out.read(&mut piece).unwrap();
        text += std::str::from_utf8(&piece[..length]).unwrap();
    }
    signal_process(&watch, Signal::INT);
    watch.wait().unwrap();
    while !text.contains("\u{1b}[?1049l") {
        let length = out.read(&mut piece).unwrap();
        text += std::str::from_utf8(&piece[..length]).unwrap();
    }
    assert!(text.starts_with("\u{1b}[?1049h\u{1b}[?25l") && text.ends_with("\u{1b}[?25h\u{1b}[?1049l"), "{text:?}");
    let rows = text.split("\u{1b}[H").nth(1).unwrap().split("\u{1b}[K");
    assert!(rows.clone().all(|row| row.trim_start_matches(['\r', '\n']).chars().count() <= 40), "{text:?}");
    assert!(text.contains('…'), "a row was cut: {text:?}");
}

#[test]
fn a_live_table_ends_with_its_server() {
    let mut server = start();
    let watch = server.command(&["who", "--watch=0.1"]).spawn().unwrap();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("control.sock: ") && complaint.lines().count() == 1, "{complaint}");
}

#[test]
fn who_is_refused_what_it_needs() {
    let server = TestServer::start();
    server.refuses(&["who"], 1, "there is no such socket; does the server run, and with the same control?");
    let plain = server.outside("plain");
    std::fs::write(&plain, "").unwrap();
    server.refuses(&["who", "--control", plain.to_str().unwrap()], 1, "no such socket");
    server.refuses(&["who", "x"], 2, "who: x: is one too many; see django-ftpd who --help");
}

#[test]
fn the_socket_is_found_as_the_server_finds_it() {
    let builder: Builder = TestServer::with(&[]).control();
    let socket = builder.outside("control.sock").display().to_string();
    let (file, server) = (builder.outside("client.conf"), builder.start());
    // What else is in it may be wrong, or somebody else's.
    std::fs::write(&file, format!("control = '{socket}'\nmax_kons = 7\n")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    let output = command.args(["who", "--config", file.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    let output = command.arg("who").env("FTPSERVER_CONTROL", &socket).env("FTPSERVER_TIMEOUT", "x").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd")).arg("who").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("who: no control socket; name it with --control FILE"));
    drop(server);
}
