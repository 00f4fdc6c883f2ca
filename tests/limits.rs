//! How many may be there and for how long; and that nothing is left of those who were.

use crate::support::{Client, Data, TestServer, eventually, noise};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The code of a greeting.
fn greeting(client: &mut Client) -> u16 {
    let reply = client.reply();
    String::from_utf8_lossy(&reply)[..3].parse().unwrap()
}

/// Sends the same again and again, until the server has ended the connection.
fn trickle(client: &Client, bytes: &'static [u8]) {
    let mut stream = client.stream().try_clone().unwrap();
    std::thread::spawn(move || {
        while stream.write_all(bytes).is_ok() {
            std::thread::sleep(Duration::from_millis(20)); // the pace of the attack
        }
    });
}

#[test]
fn one_more_than_max_cons_is_told_421_until_somebody_leaves() {
    let server = TestServer::with(&["--max-cons", "3"]).start();
    server.home("ann");
    let mut sessions: Vec<_> = (0..3).map(|_| server.login("ann")).collect();
    for _ in 0..5 {
        let mut refused = Client::connect_from("127.0.0.2", server.address());
        refused.expect(421);
        refused.expect_end();
    }
    sessions.iter_mut().for_each(|session| drop(session.send("NOOP").expect(200)));
    sessions.pop().unwrap().send("QUIT").expect(221);
    let mut next = None;
    eventually("the place is free", || {
        let mut client = Client::connect(server.address());
        let code = greeting(&mut client);
        next = Some(client);
        code == 220
    });
    assert_eq!(greeting(&mut Client::connect(server.address())), 421);
    drop(next);
}

#[test]
fn one_more_than_max_cons_per_ip_is_told_421_and_other_addresses_are_served() {
    let server = TestServer::with(&["--max-cons-per-ip", "2"]).start();
    server.home("ann");
    let (first, mut second) = (server.client(), server.login("ann"));
    let mut third = Client::connect(server.address());
    third.expect(421);
    third.expect_end();
    for _ in 0..2 {
        Client::connect_from("127.0.0.2", server.address()).expect(220);
    }
    first.vanish();
    eventually("a place of that address is free", || greeting(&mut Client::connect(server.address())) == 220);
    second.send("NOOP").expect(200);
}

#[test]
fn the_oldest_who_is_silent_at_the_login_makes_room_after_five_seconds() {
    let server = TestServer::with(&["--max-pending", "2", "--max-cons", "3"]).start();
    server.home("ann");
    let start = Instant::now();
    let mut ann = server.login("ann");
    let (mut oldest, mut newer) = (server.client(), server.client());
    newer.send("USER ann").expect(331);
    let mut refused = Client::connect(server.address());
    refused.expect(421);
    refused.expect_end();
    let mut good = None;
    eventually("somebody makes room", || {
        let mut client = Client::connect(server.address());
        let code = greeting(&mut client);
        good = Some(client);
        code == 220
    });
    assert!(start.elapsed() > Duration::from_secs(5));
    oldest.expect(421);
    oldest.expect_end();
    server.expect_event("ftp_client_disconnected", &[("reason", "made room for another client before login")]);
    newer.send("PASS ann-secret").expect(230);
    ann.send("NOOP").expect(200);
    good.unwrap().send("USER ann").expect(331);
}

#[test]
fn two_thousand_silent_sockets_keep_nobody_out() {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    let silent: Vec<_> = (0..2_000).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    ann.send("NOOP").expect(200);
    eventually("a good client gets in", || greeting(&mut Client::connect(server.address())) == 220);
    let mut good = server.login("ann");
    good.upload("STOR file", b"good");
    assert_eq!(ann.download("RETR file"), b"good");
    assert!(server.resources().1 < 300, "{} threads for the silent", server.resources().1);
    drop(silent);
}

#[test]
fn who_takes_every_place_from_one_address_keeps_nobody_else_out() {
    let server = TestServer::with(&["--max-pending", "20"]).start();
    server.home("ann");
    let (mut oldest, mut second) = (server.client(), server.client());
    let _others: Vec<_> = (0..18).map(|_| server.client()).collect();
    let start = Instant::now();
    let mut good = Client::connect_from("127.0.0.2", server.address());
    good.expect(220);
    assert!(start.elapsed() < Duration::from_secs(5), "nobody has waited for too long yet");
    oldest.expect(421);
    oldest.expect_end();
    // Whose own address has so many, waits as before, and so does who is one of a few.
    let mut next = Client::connect(server.address());
    next.expect(421);
    next.expect_end();
    second.send("NOOP").expect(200);
    good.send("USER ann").expect(331);
    good.send("PASS ann-secret").expect(230);
}

#[test]
fn no_byte_extends_the_login_deadline() {
    let server = TestServer::with(&["--login-timeout", "0.7"]).start();
    let start = Instant::now();
    let mut silent = server.client();
    let [mut bytes, mut commands, mut logins] = [b"x".as_slice(), b"NOOP\r\n", b"USER x\r\n"].map(|bytes| {
        let client = server.client();
        trickle(&client, bytes);
        client
    });
    bytes.expect(421);
    silent.expect(421);
    silent.expect_end();
    for client in [&mut commands, &mut logins] {
        let last = std::iter::from_fn(|| client.line()).last().unwrap();
        assert!(last.starts_with(b"421 "), "{}", String::from_utf8_lossy(&last));
    }
    assert!((Duration::from_millis(700)..Duration::from_secs(5)).contains(&start.elapsed()), "{:?}", start.elapsed());
    server.home("ann");
    let mut ann = server.login("ann");
    eventually("the deadline of one who has logged in would be over", || start.elapsed() > Duration::from_secs(2));
    ann.send("NOOP").expect(200);
    let reasons: Vec<_> =
        server.stop().into_iter().filter_map(|event| event["reason"].as_str().map(String::from)).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "no login in time").count(), 4, "{reasons:?}");
}

#[test]
fn an_idle_session_is_told_421_and_half_a_line_is_idle() {
    let server = TestServer::with(&["--timeout", "0.6"]).start();
    let home = server.files("ann");
    let (mut idle, mut half) = (server.login("ann"), server.login("ann"));
    trickle(&half, b"x");
    let start = Instant::now();
    idle.expect(421);
    idle.expect_end();
    half.expect(421);
    assert!(start.elapsed() < Duration::from_secs(5));
    // A transfer is not idle, however long it takes.
    let mut busy = server.login("ann");
    let mut data = busy.passive();
    busy.send("STOR long").expect(150);
    let start = Instant::now();
    eventually("it takes longer than the timeout", || {
        data.stream.write_all(b"x").unwrap();
        start.elapsed() > Duration::from_secs(1)
    });
    data.close();
    busy.expect(226);
    busy.send("NOOP").expect(200);
    assert!(home.read("long").len() > 10);
}

/// Commands are read without being waited for; but not for longer than 20 seconds.
#[test]
fn who_is_silent_for_longer_than_a_read_waits_is_heard_or_told_421_in_time() {
    const TIMEOUT: Duration = Duration::from_secs(23);
    let server = TestServer::with(&["--timeout", "23"]).start();
    server.home("ann");
    let start = Instant::now();
    let (mut late, mut never) = (server.login("ann"), server.login("ann"));
    std::thread::sleep(Duration::from_secs(21)); // longer than a read, shorter than the timeout
    late.send("NOOP").expect(200);
    never.expect(421);
    let elapsed = start.elapsed();
    assert!((TIMEOUT..TIMEOUT * 2).contains(&elapsed), "{elapsed:?}");
    late.send("NOOP").expect(200);
}

#[test]
fn without_file_descriptors_the_server_waits_and_serves_again() {
    let server = TestServer::with(&[]).after("ulimit -n 40").start();
    let home = server.files("ann");
    home.write("file", b"content");
    let mut ann = server.login("ann");
    ann.upload("STOR before", b"x");
    let silent: Vec<_> = (0..60).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    server.expect_log("connections can't be accepted");
    ann.send("NOOP").expect(200);
    // One that the server itself has given back may be free for a moment.
    eventually("none is left for a passive port", || {
        let code = ann.code("PASV");
        if code == 227 {
            ann.send("ABOR").expect(225);
        }
        code == 425
    });
    let code = ann.code("SIZE file");
    assert!(code == 451 || code == 213, "{code}");
    drop(silent);
    // Those who waited in the queue are accepted, too, and found gone.
    eventually("the silent have left", || server.resources().1 < 20);
    eventually("it serves again", || ann.code("PASV") == 227 && ann.code("SIZE file") == 213);
    assert_eq!(server.login("ann").download("RETR file"), b"content");
}

/// The address space of a process, in bytes.
fn address_space(server: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn without_memory_for_a_thread_who_comes_is_told_so_and_the_server_lives() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    eventually("nothing is done behind the login any more", || server.has_last_login("ann"));
    let limit = |bytes| {
        let pid = Pid::from_raw(server.pid().try_into().unwrap());
        prlimit(pid, Resource::As, Rlimit { current: bytes, maximum: None }).unwrap();
    };
    // Somewhere between, a thread would begin and have nothing to go on with.
    for room in (0..6 << 20).step_by(150 << 10) {
        limit(Some(address_space(&server) + room));
        let mut clients: Vec<_> = (0..30).map(|_| Client::connect(server.address())).collect();
        let codes: Vec<_> = clients.iter_mut().map(greeting).collect();
        assert!(codes.iter().all(|code| [220, 421].contains(code)), "{room}: {codes:?}");
        limit(None);
    }
    server.expect_log("no thread for a session: ");
    ann.upload("STOR file", b"x");
    assert_eq!(server.login("ann").download("RETR file"), b"x");
}

/// How far a session has come when it ends.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Greeted,
    Named,
    LoggedIn,
    Passive,
    Active,
    Connected,
    Listing,
    Downloading,
    Uploading,
    Appending,
    Renaming,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Quit,
    AbortAndQuit,
    Vanish,
    Reset,
    DataReset,
    Reinitialize,
    ThirdFailure,
}

use Ending::*;
use Stage::*;

const STAGES: [Stage; 11] =
    [Greeted, Named, LoggedIn, Passive, Active, Connected, Listing, Downloading, Uploading, Appending, Renaming];
const ENDINGS: [Ending; 7] = [Quit, AbortAndQuit, Vanish, Reset, DataReset, Reinitialize, ThirdFailure];

/// Brings a session to a stage and ends it.
fn live_and_die(server: &TestServer, stage: Stage, ending: Ending, file: &str) {
    let transfer = matches!(stage, Downloading | Uploading | Appending);
    let mut client = if stage < LoggedIn { server.client() } else { server.login("ann") };
    if stage == Named {
        client.send("USER ann").expect(331);
    }
    let listener = (stage == Active).then(|| client.active());
    if stage == Passive {
        client.epsv();
    }
    if stage == Renaming {
        client.send("RNFR big").expect(350);
    }
    let mut data = (stage == Connected || stage == Listing || transfer).then(|| client.passive());
    let command = match stage {
        Listing => "LIST".to_string(),
        Downloading => "RETR big".to_string(),
        Uploading => format!("STOR {file}"),
        Appending => "APPE grown".to_string(),
        _ => "NOOP".to_string(),
    };
    client.send(&command).expect(if command == "NOOP" { 200 } else { 150 });
    if matches!(stage, Uploading | Appending) {
        data = data.map(|data| data.write(b"the first half"));
    }
    match ending {
        Quit if transfer => {
            client.send("QUIT").expect(221);
            end_in_order(data.take(), stage);
            client.expect(226);
            client.expect_end();
        }
        AbortAndQuit if transfer => {
            client.send("ABOR").expect(426);
            client.expect(226);
            client.send("QUIT").expect(221);
            client.expect_end();
        }
        DataReset if transfer => {
            data.take().unwrap().reset();
            client.expect(426);
            client.send("QUIT").expect(221);
        }
        Reset => Data::over(client.stream().try_clone().unwrap()).reset(),
        Vanish => client.vanish(),
        _ => {
            end_in_order(data.take(), stage);
            if stage == Listing || transfer {
                client.expect(226);
            }
            match ending {
                AbortAndQuit if stage >= LoggedIn => drop(client.send("ABOR").expect(225)),
                Reinitialize if stage >= LoggedIn => drop(client.send("REIN").expect(230)),
                ThirdFailure => fail_three_times(&mut client),
                _ => {}
            }
            if ending != ThirdFailure {
                client.send("QUIT").expect(221);
            }
            client.expect_end();
        }
    }
    drop((data, listener));
}

fn end_in_order(data: Option<Data>, stage: Stage) {
    match (data, stage) {
        (Some(mut data), Listing | Downloading) => assert!(!data.read().is_empty()),
        (Some(data), _) => data.close(),
        (None, _) => {}
    }
}

fn fail_three_times(client: &mut Client) {
    for _ in 0..3 {
        client.send("USER ann").expect(331);
        client.send("PASS wrong").expect(530);
    }
}

#[test]
fn nothing_is_left_of_sessions_that_end_at_any_stage_in_any_way() {
    let server = TestServer::with(&["--auth-failed-timeout", "0"]).start();
    let home = server.files("ann");
    home.write("big", noise(12 << 20));
    home.write("grown", b"");
    server.login("ann").download("RETR big");
    let sessions = |server: &TestServer| {
        let events = server.events();
        let ended = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
        ended("ftp_client_connected") - ended("ftp_client_disconnected")
    };
    eventually("the first session has ended", || sessions(&server) == 0);
    let before = server.resources();

    let (mut whole, mut cut) = (vec!["big".to_string(), "grown".to_string()], Vec::new());
    for round in 0..3 {
        for (stage, ending) in STAGES.iter().flat_map(|stage| ENDINGS.map(|ending| (*stage, ending))) {
            let file = format!("{stage:?}-{ending:?}-{round}");
            live_and_die(&server, stage, ending, &file);
            match (stage, ending) {
                (Uploading, AbortAndQuit | DataReset) => cut.push(file),
                // Control gone, then data closed in order: what comes first is a race of the two.
                (Uploading, Vanish | Reset) => {}
                (Uploading, _) => whole.push(file),
                // What a store has to copy first is refused to others as long as somebody changes it.
                (Appending, Vanish | Reset) => eventually("the append has ended", || sessions(&server) == 0),
                _ => {}
            }
        }
    }
    eventually("every session has ended", || sessions(&server) == 0);
    eventually("no more files, sockets and threads than before", || server.holds_no_more_than(before));

    for file in &cut {
        let path = format!("/{file}");
        server.expect_event("ftp_file_received_incomplete", &[("virtual_path", &path), ("username", "ann")]);
        assert!(!home.exists(file), "{file} was cut");
    }
    let events = server.events();
    for name in home.names("") {
        let received = |event: &serde_json::Value| {
            event["event"] == "ftp_file_received" && event["virtual_path"] == format!("/{name}").as_str()
        };
        let is_told = events.iter().any(received);
        assert!(is_told || name == "big", "{name} is there, and no event tells of it");
        whole.retain(|file| *file != name);
    }
    assert_eq!(whole, [""; 0], "whole uploads that are not there");
}

#[test]
fn an_upload_whose_client_is_gone_leaves_nothing_and_is_incomplete() {
    let server = TestServer::start();
    let home = server.files("ann");
    let ends: [fn(Client, Data); 4] = [
        |client, data| {
            client.vanish();
            data.stream.set_nonblocking(true).unwrap();
            eventually("the server gives up", || data.stream.peek(&mut [0]).is_ok_and(|n| n == 0) || is_reset(&data));
        },
        |client, data| {
            data.reset();
            client.vanish();
        },
        |client, data| {
            client.vanish();
            data.reset();
        },
        |client, data| {
            Data::over(client.stream().try_clone().unwrap()).reset();
            drop(client);
            data.reset();
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        for verb in ["STOR", "STOU"] {
            let mut client = server.login("ann");
            let data = client.passive();
            client.send(&format!("{verb} cut-{number}")).expect(150);
            end(client, data.write(&noise(100_000)));
        }
    }
    eventually("eight incomplete events", || {
        let events = server.events();
        let cut = events.iter().filter(|event| event["event"] == "ftp_file_received_incomplete");
        cut.filter(|event| event["virtual_path"].as_str().is_some_and(|path| path.starts_with("/cut-"))).count() == 8
    });
    assert_eq!(home.names("").len(), 0);
    assert!(server.stop().iter().all(|event| event["event"] != "ftp_file_received"));
}

#[test]
fn a_reset_upload_is_never_acknowledged() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("old", b"old");
    let mut ann = server.login("ann");
    for (number, size) in (0..20).map(|number| (number, number * 20_000)) {
        for command in [format!("STOR new-{number}"), "STOR old".to_string()] {
            let data = ann.passive();
            ann.send(&command).expect(150);
            data.write(&noise(size)).reset();
            ann.expect(426);
        }
    }
    assert_eq!(home.read("old"), b"old");
    assert_eq!(home.names("").len(), 1);
    assert!(server.stop().iter().all(|event| event["event"] != "ftp_file_received"));
}

fn is_reset(data: &Data) -> bool {
    data.stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}
