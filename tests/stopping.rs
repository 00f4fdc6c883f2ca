//! SIGTERM and SIGINT: who is idle is told, who transfers may finish, and in the end all is over.

use crate::support::{Client, Data, Signal, TestServer, eventually, noise};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A client in the middle of an upload, and its data connection.
fn upload(server: &TestServer) -> (Client, Data) {
    server.home("ann");
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    ann.send("STOR up").expect(150);
    data.stream.write_all(&noise(1000)).unwrap();
    eventually("the bytes have come", || ann.send("STAT").expect(211).contains("1000 bytes"));
    (ann, data)
}

#[test]
fn who_is_idle_is_told_and_the_end_is_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = TestServer::start();
        let (mut silent, mut ann) = (server.client(), server.login("ann"));
        let mut half = server.client();
        half.send_bytes(b"USER an");
        let mut waiting = server.login("rita");
        waiting.epsv();
        server.signal(signal);
        for client in [&mut silent, &mut ann, &mut half, &mut waiting] {
            client.expect(421);
            client.expect_end();
        }
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", server.log());
        let events = server.events();
        assert_eq!(events.last().unwrap()["event"], "ftp_server_stopped");
        let reasons = events.iter().filter(|event| event["reason"] == "the server stops").count();
        assert_eq!(reasons, 4, "{events:?}");
    }
}

#[test]
fn a_server_without_clients_stops_at_once() {
    let mut server = TestServer::with(&["--stop-timeout", "60"]).start();
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_running_transfer_may_finish() {
    let mut server = TestServer::with(&["--stop-timeout", "60"]).start();
    let (mut ann, data) = upload(&server);
    let mut idle = server.login("rita");
    server.signal(Signal::TERM);
    idle.expect(421);
    let address = server.address();
    eventually("new clients are refused", || TcpStream::connect(address).is_err());
    data.write(b"more").close();
    ann.expect(226);
    ann.expect(421);
    ann.expect_end();
    assert!(server.wait().success());
    assert_eq!(server.files("ann").read("up").len(), 1004);
    let events = server.events();
    let received = events.iter().position(|event| event["event"] == "ftp_file_received").unwrap();
    assert!(received < events.len() - 1 && events[events.len() - 1]["event"] == "ftp_server_stopped", "{events:?}");
}

#[test]
fn a_transfer_that_takes_longer_than_the_grace_is_cut() {
    for grace in ["0", "0.3"] {
        let mut server = TestServer::with(&["--stop-timeout", grace]).start();
        let (mut ann, _data) = upload(&server);
        server.signal(Signal::TERM);
        ann.expect(421);
        ann.expect_end();
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        assert_eq!(server.files("ann").names("").len(), 0);
        let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
        assert!(event["reason"].as_str().unwrap().contains("server stopped"), "{event}");
        assert_eq!(server.events().last().unwrap()["event"], "ftp_server_stopped");
    }
}

#[test]
fn a_transfer_of_who_has_said_quit_has_no_more_than_the_grace() {
    let mut server = TestServer::with(&["--stop-timeout", "0.3"]).start();
    let (mut ann, _data) = upload(&server);
    ann.send("QUIT").expect(221);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert!(event["reason"].as_str().unwrap().contains("server stopped"), "{event}");
    assert_eq!(server.events().last().unwrap()["event"], "ftp_server_stopped");
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut server = TestServer::with(&["--stop-timeout", "60"]).start();
    let (_ann, _data) = upload(&server);
    let start = Instant::now();
    server.signal(Signal::TERM);
    server.expect_log("stopping");
    // At once it would be the same signal once more, as timeout(1) sends it to a process and to its group.
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!server.log().contains("stopped at once"), "{}", server.log());
    server.signal(Signal::TERM);
    assert!(!server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(server.files("ann").names("").len(), 0);
    let text = std::fs::read_to_string(server.outside("events.jsonl")).unwrap();
    assert!(text.ends_with('\n') && text.contains("ftp_login\""), "{text}");
}

#[test]
fn a_failed_login_that_is_waiting_does_not_hold_the_server_up() {
    let mut server = TestServer::with(&["--auth-failed-timeout", "60"]).start();
    let mut client = server.client();
    client.send("USER ann").expect(331);
    client.send("PASS wrong");
    server.expect_event("ftp_login_failed", &[("username", "ann")]);
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_wait_for_a_data_connection_does_not_outlast_the_grace() {
    let mut server = TestServer::with(&["--stop-timeout", "0.3"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.epsv();
    ann.send("LIST").expect(150);
    server.signal(Signal::TERM);
    ann.expect(421);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn a_hang_up_stops_nothing() {
    let server = TestServer::start();
    let mut ann = server.login("ann");
    server.signal(Signal::HUP);
    ann.send("NOOP").expect(200);
    server.login("ann").send("QUIT").expect(221);
    assert_eq!(server.stop().pop().unwrap()["event"], "ftp_server_stopped");
}
