//! The journal: each kind of event with its fields, told once, in order, and only of what has happened.

use crate::support::{Files, Signal, TestServer, eventually, noise};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The whole lines; the last one may be being written, or have been when the server was killed.
fn journal(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_without_gaps(events: &[Value]) {
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// One session in which everything happens that can.
fn everything() -> (TestServer, Files) {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.client();
    ann.script(&[("USER ann", 331), ("PASS wrong", 530), ("USER ann", 331), ("PASS ann-secret", 230), ("TYPE I", 200)]);
    ann.upload("STOR f", &noise(1000));
    ann.download("RETR f");
    for line in ["STOR cut", "RETR f"] {
        ann.epsv();
        ann.send(line).expect(150);
        ann.send("ABOR").expect(426);
        ann.expect(226);
    }
    ann.script(&[("MKD d", 257), ("RNFR f", 350), ("RNTO d/g", 250), ("DELE d/g", 250), ("RMD d", 250), ("QUIT", 221)]);
    ann.expect_end();
    (server, home)
}

#[test]
fn every_kind_has_its_fields() {
    let (server, home) = everything();
    let address = server.address();
    let events = server.stop();
    assert_eq!(
        kinds(&events),
        [
            "ftp_server_started",
            "ftp_client_connected",
            "ftp_login_failed",
            "ftp_login",
            "ftp_file_received",
            "ftp_file_sent",
            "ftp_file_received_incomplete",
            "ftp_file_sent_incomplete",
            "ftp_directory_created",
            "ftp_file_renamed",
            "ftp_file_deleted",
            "ftp_directory_deleted",
            "ftp_logout",
            "ftp_client_disconnected",
            "ftp_server_stopped",
        ]
    );
    assert_without_gaps(&events);
    let by_kind: BTreeMap<&str, &Value> = kinds(&events).into_iter().zip(&events).collect();
    let (always, server) = (["seq", "time", "event"], ["host", "port"]);
    let (session, named) = (["session", "remote_ip", "remote_port"], ["username"]);
    let (path, transfer) = (["path", "virtual_path"], ["bytes", "duration_ms"]);
    let renamed = ["path_from", "virtual_path_from", "path_to", "virtual_path_to"];
    let reason = ["reason"];
    let of_file: Vec<&[&str]> = vec![&session, &named, &path];
    let of_transfer: Vec<&[&str]> = vec![&session, &named, &path, &transfer];
    let of_cut: Vec<&[&str]> = vec![&session, &named, &path, &transfer, &reason];
    for (kind, groups) in [
        ("ftp_server_started", vec![server.as_slice()]),
        ("ftp_server_stopped", vec![&server]),
        ("ftp_client_connected", vec![&session]),
        ("ftp_client_disconnected", vec![&session, &named, &reason]),
        ("ftp_login_failed", vec![&session, &named, &reason]),
        ("ftp_login", vec![&session, &named]),
        ("ftp_logout", vec![&session, &named]),
        ("ftp_file_received", of_transfer.clone()),
        ("ftp_file_sent", of_transfer),
        ("ftp_file_received_incomplete", of_cut.clone()),
        ("ftp_file_sent_incomplete", of_cut),
        ("ftp_directory_created", of_file.clone()),
        ("ftp_directory_deleted", of_file.clone()),
        ("ftp_file_deleted", of_file),
        ("ftp_file_renamed", vec![&session, &named, &renamed]),
    ] {
        let mut expected: Vec<&str> = groups.concat();
        expected.extend(always);
        expected.sort_unstable();
        let mut fields: Vec<&String> = by_kind[kind].as_object().unwrap().keys().collect();
        fields.sort_unstable();
        assert_eq!(fields, expected, "{kind}");
    }
    let text = |kind: &str, field: &str| by_kind[kind][field].as_str().unwrap().to_string();
    let real = |name: &str| home.real_path(name);
    for (kind, field, expected) in [
        ("ftp_server_started", "host", address.ip().to_string()),
        ("ftp_login", "username", "ann".into()),
        ("ftp_login", "remote_ip", "127.0.0.1".into()),
        ("ftp_login_failed", "reason", "wrong password".into()),
        ("ftp_client_disconnected", "reason", "quit".into()),
        ("ftp_file_received", "path", real("f")),
        ("ftp_file_received", "virtual_path", "/f".into()),
        ("ftp_file_received_incomplete", "virtual_path", "/cut".into()),
        ("ftp_file_renamed", "path_from", real("f")),
        ("ftp_file_renamed", "path_to", real("d/g")),
        ("ftp_file_renamed", "virtual_path_from", "/f".into()),
        ("ftp_file_renamed", "virtual_path_to", "/d/g".into()),
        ("ftp_file_deleted", "virtual_path", "/d/g".into()),
        ("ftp_directory_deleted", "path", real("d")),
    ] {
        assert_eq!(text(kind, field), expected, "{kind} {field}");
    }
    assert_eq!(by_kind["ftp_server_started"]["port"], address.port());
    assert_eq!(
        (&by_kind["ftp_file_received"]["bytes"], &by_kind["ftp_file_sent"]["bytes"]),
        (&1000.into(), &1000.into())
    );
    let sessions: Vec<&Value> = events[1..events.len() - 1].iter().map(|event| &event["session"]).collect();
    assert!(sessions.iter().all(|session| session.is_u64() && *session == sessions[0]), "{sessions:?}");
}

#[test]
fn times_are_utc_with_microseconds_and_never_go_back() {
    let (server, _) = everything();
    let events = server.stop();
    let times: Vec<&str> = events.iter().map(|event| event["time"].as_str().unwrap()).collect();
    for time in &times {
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00T00:00:00.000000Z");
    }
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn what_fails_is_not_told() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("full/d");
    let mut ann = server.login("ann");
    ann.script(&[
        ("DELE missing", 550),
        ("DELE full", 550),
        ("RMD full", 550),
        ("RMD missing", 550),
        ("MKD full", 550),
    ]);
    ann.script(&[("RNFR missing", 550), ("RNFR full", 350), ("RNTO full/d/x", 550), ("RNFR full", 350), ("NOOP", 200)]);
    ann.script(&[("STOR f", 425), ("RETR f", 550), ("MDTM full", 550)]);
    ann.passive();
    ann.script(&[("STOR full", 550), ("RETR full", 550), ("QUIT", 221)]);
    let expected = [
        "ftp_server_started",
        "ftp_client_connected",
        "ftp_login",
        "ftp_logout",
        "ftp_client_disconnected",
        "ftp_server_stopped",
    ];
    assert_eq!(kinds(&server.stop()), expected);
}

#[test]
fn a_session_tells_who_it_was_even_if_it_only_said_a_name() {
    let server = TestServer::start();
    server.client().vanish();
    eventually("the first is gone", || kinds(&server.events()).contains(&"ftp_client_disconnected"));
    let mut client = server.client();
    client.send("USER \"ann\\\u{2028}").expect(331);
    client.vanish();
    server.expect_event("ftp_client_disconnected", &[("username", "\"ann\\\u{2028}")]);
    let events = server.stop();
    assert!(events[2].get("username").is_none(), "{events:?}");
    assert!(!kinds(&events).contains(&"ftp_logout"));
}

#[test]
fn logout_is_told_for_quit_rein_and_user_but_not_for_a_lost_connection() {
    for (line, expected) in [("QUIT", 1), ("REIN", 1), ("USER bob", 1), ("NOOP", 0)] {
        let server = TestServer::start();
        let mut ann = server.login("ann");
        ann.send(line).reply();
        ann.vanish();
        let user = if line == "USER bob" { "bob" } else { "ann" };
        server.expect_event("ftp_client_disconnected", &[("username", user)]);
        let logouts: Vec<Value> = server.stop().into_iter().filter(|event| event["event"] == "ftp_logout").collect();
        assert_eq!(logouts.len(), expected, "{line}");
        assert!(logouts.iter().all(|event| event["username"] == "ann"), "{line}");
    }
}

#[test]
fn appends_resumed_uploads_and_unique_names_are_files_received() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    ann.upload("APPE f", b"12345");
    ann.send("REST 5").expect(350);
    ann.upload("STOR f", b"xyz");
    ann.upload("STOU", b"1");
    ann.send("REST 6").expect(350);
    ann.download("RETR f");
    ann.send("QUIT").expect(221);
    ann.expect_end();
    let unique = home.names("").into_iter().find(|name| name != "f").unwrap();
    let events = server.stop();
    let transfers: Vec<(&str, u64)> = events
        .iter()
        .filter(|event| event["bytes"].is_u64())
        .map(|event| (event["event"].as_str().unwrap(), event["bytes"].as_u64().unwrap()))
        .collect();
    let (received, sent) = ("ftp_file_received", "ftp_file_sent");
    assert_eq!(transfers, [(received, 5), (received, 3), (received, 1), (sent, 2)]);
    let event = events.iter().find(|event| event["bytes"] == 1).unwrap();
    assert_eq!(event["virtual_path"], format!("/{unique}"));
}

#[test]
fn bytes_that_are_not_utf8_are_lone_surrogates() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send_bytes(b"MKD caf\xE9 \xFF\xFF\x80 \xC3\xA9\r\n").expect(257);
    ann.send("QUIT").expect(221);
    let text = || std::fs::read_to_string(server.outside("events.jsonl")).unwrap();
    eventually("the directory is in the journal", || text().contains("ftp_directory_created"));
    let text = text();
    let line = text.lines().find(|line| line.contains("ftp_directory_created")).unwrap();
    assert!(line.contains(r#""virtual_path":"/caf\udce9 \udcff\udc80 é""#), "{line}");
    assert!(line.contains(r#"/ann/caf\udce9 \udcff\udc80 é","virtual_path""#), "{line}");
}

#[test]
fn numbers_and_sessions_go_on_over_a_restart() {
    let mut first = TestServer::start();
    first.login("ann").send("QUIT").expect(221);
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    let path = first.outside("events.jsonl");
    for _ in 0..2 {
        let mut next = TestServer::with(&["--journal", path.to_str().unwrap()]).start();
        next.login("ann").send("QUIT").expect(221);
        next.signal(Signal::TERM);
        assert!(next.wait().success());
    }
    let events = journal(&path);
    assert_without_gaps(&events);
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "ftp_server_started").count(), 3);
    let connected = events.iter().filter(|event| event["event"] == "ftp_client_connected");
    let mut sessions: Vec<u64> = connected.map(|event| event["session"].as_u64().unwrap()).collect();
    sessions.dedup();
    assert_eq!(sessions.len(), 3, "no two sessions have the same number");
}

#[test]
fn many_sessions_at_once_are_told_without_gaps() {
    let server = TestServer::start();
    for user in ["ann", "rita"] {
        server.home(user);
    }
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut ann = server.login("ann");
                for number in 0..50 {
                    let name = format!("{thread}-{number}");
                    ann.script(&[(&format!("MKD {name}"), 257), (&format!("RMD {name}"), 250)]);
                }
                ann.send("QUIT").expect(221);
            });
        }
    });
    let events = server.stop();
    assert_without_gaps(&events);
    assert_eq!(events.len(), 2 + 8 * 104);
    for thread in 0..8 {
        let mine = |event: &&Value| {
            event["virtual_path"].as_str().is_some_and(|path| path.starts_with(&format!("/{thread}-")))
        };
        let paths: Vec<&Value> = events.iter().filter(mine).map(|event| &event["virtual_path"]).collect();
        let expected = (0..50).flat_map(|number| [number, number]).map(|number| format!("/{thread}-{number}"));
        assert!(paths.iter().map(|path| path.as_str().unwrap().to_string()).eq(expected), "{paths:?}");
    }
}

#[test]
fn killed_in_the_middle_the_journal_has_whole_lines() {
    let mut server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    for number in 0..200 {
        ann.send(&format!("MKD {number}")).expect(257);
    }
    let path = server.outside("events.jsonl");
    eventually("some of it is written", || journal(&path).len() > 100);
    server.signal(Signal::KILL);
    server.wait();
    let events = journal(&path);
    assert_without_gaps(&events);
    assert!(kinds(&events)[3..].iter().all(|kind| *kind == "ftp_directory_created"));
}
