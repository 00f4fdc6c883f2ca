//! What is said before a handshake, instead of one and in the middle of one; and that nothing is left of it.

use crate::support::{Client, Data, Signal, TestServer, Tls, eventually, noise};
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A server that also listens where TLS comes first, and ann's home with a file `f`.
pub fn server_with(args: &[&str]) -> TestServer {
    let server = TestServer::with_tls(&["--implicit-tls", "127.0.0.1:0"]);
    let server = server.args(args).start();
    fs::write(server.home("ann").join("f"), "content").unwrap();
    server
}

/// What the process has when a first session has come and gone.
pub fn settled(server: &TestServer) -> (usize, usize) {
    let mut first = server.login_in_tls("ann", &Tls::new());
    first.download("RETR f");
    first.send("QUIT").expect(221);
    first.expect_end();
    eventually("the first session has ended", || ended(server, "quit") == 1);
    server.resources()
}

/// A socket on which the server waits for a handshake.
pub fn before_handshake(server: &TestServer, is_implicit: bool) -> TcpStream {
    let stream = match is_implicit {
        true => TcpStream::connect(server.implicit_address()).unwrap(),
        false => {
            let mut client = server.client();
            client.send("AUTH TLS").expect(234);
            client.stream().try_clone().unwrap()
        }
    };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// All that comes until the end, however that comes.
pub fn all_of(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    bytes
}

/// Alerts at most, and not a word in the clear.
#[track_caller]
fn assert_no_clear_text(bytes: &[u8]) {
    assert!(bytes.is_empty() || bytes.starts_with(&[21, 3]), "{:?}", String::from_utf8_lossy(bytes));
}

/// How many sessions have ended for such a reason.
pub fn ended(server: &TestServer, reason: &str) -> usize {
    let events = server.events();
    let reasons = events.iter().filter(|event| event["event"] == "ftp_client_disconnected");
    reasons.filter(|event| event["reason"].as_str().unwrap().starts_with(reason)).count()
}

/// The hello of a client that knows TLS 1.0 (3, 1) or 1.1 (3, 2) as its newest (RFC 5246, 7.4.1.2).
fn hello(minor: u8, extensions: &[u8]) -> Vec<u8> {
    let body = [&[3, minor], [7; 32].as_slice(), &[0, 0, 4, 0x00, 0x2F, 0x00, 0x35, 1, 0], extensions].concat();
    let message = [&[1, 0, 0, body.len() as u8], body.as_slice()].concat();
    [&[22, 3, 1, 0, message.len() as u8], message.as_slice()].concat()
}

/// Hellos of clients that are too old: with the algorithms of signatures, as newer ones have it, and without.
fn old_hellos() -> [Vec<u8>; 4] {
    let signatures = [0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    [hello(1, &[]), hello(2, &[]), hello(1, &signatures), hello(2, &signatures)]
}

/// What no handshake begins with.
pub fn nonsense() -> Vec<Vec<u8>> {
    let huge_message = [&[22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF], [0; 16_380].as_slice()].concat().repeat(6);
    vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"USER ann\r\nPASS ann-secret\r\nDELE f\r\n".to_vec(),
        noise(5000),
        vec![0; 300],
        vec![22, 3, 1, 0xFF, 0xFF, 1, 2, 3],
        huge_message,
        b"\x80\x2E\x01\x03\x01\x00\x15\x00\x00\x00\x10".to_vec(),
        vec![23, 3, 3, 0, 1, 0],
    ]
}

#[test]
fn what_follows_auth_in_the_clear_ends_the_session_and_is_not_obeyed() {
    let server = server_with(&["--tls", "optional"]);
    let login = "USER ann\r\nPASS ann-secret\r\nTYPE I\r\nDELE f\r\n";
    let tails = ["USER ann\r\n", "US", "\r\n", "\n", "\0", " ", "PBSZ 0\r\nPROT P\r\n", login];
    for tail in tails {
        let mut client = server.client();
        client.send_bytes(format!("AUTH TLS\r\n{tail}").as_bytes()).expect(421);
        client.expect_end();
    }
    let mut ann = server.login("ann");
    ann.send_bytes(b"NOOP\r\nAUTH TLS\r\nDELE f\r\n").expect(200);
    ann.expect(421);
    ann.expect_end();
    eventually("each has its event", || ended(&server, "the client sent something behind AUTH") == tails.len() + 1);
    assert!(server.home("ann").join("f").exists());
    assert_eq!(server.stop().iter().filter(|event| event["event"] == "ftp_login").count(), 1);
}

#[test]
fn what_follows_the_reply_to_auth_in_the_clear_is_not_obeyed() {
    let server = server_with(&["--tls", "optional"]);
    for tail in ["USER ann\r\nPASS ann-secret\r\nDELE f\r\n", "NOOP\r\n\r\n"] {
        let mut stream = before_handshake(&server, false);
        stream.write_all(tail.as_bytes()).unwrap();
        // Even if a handshake followed.
        let mut hello = Vec::new();
        Tls::new().begin().write_tls(&mut hello).unwrap();
        let _ = stream.write_all(&hello);
        assert_no_clear_text(&all_of(&stream));
    }
    eventually("each has its event", || ended(&server, "TLS handshake: what the client sent is not TLS") == 2);
    assert!(server.home("ann").join("f").exists());
    assert!(!server.stop().iter().any(|event| event["event"] == "ftp_login"));
}

#[test]
fn clear_text_in_the_middle_of_tls_ends_the_session_and_is_not_obeyed() {
    let server = server_with(&[]);
    for text in [b"DELE f\r\n".as_slice(), b"\r\n", b"\x17\x03\x03\x00\x20DELE f\r\nDELE f\r\nDELE f\r\nDELE f\r\n"] {
        let ann = server.login_in_tls("ann", &Tls::new());
        ann.stream().write_all(text).unwrap();
        ann.stream().shutdown(Shutdown::Write).unwrap();
        let bytes = all_of(ann.stream());
        assert!(!bytes.windows(3).any(|window| window == b"250"), "{bytes:?}");
    }
    eventually("all have ended", || ended(&server, "") == 3);
    // Half a line, or half a record, is no command.
    let mut ann = server.login_in_tls("ann", &Tls::new());
    ann.send_bytes(b"DELE f").close_tls();
    ann.expect_end();
    assert!(server.home("ann").join("f").exists());
}

#[test]
fn a_client_that_never_shakes_hands_is_cut_off() {
    let server = server_with(&["--tls-timeout", "0.3"]);
    let before = settled(&server);
    for is_implicit in [false, true] {
        let silent = before_handshake(&server, is_implicit);
        let mut half = before_handshake(&server, is_implicit);
        half.write_all(&hello(2, &[])[..20]).unwrap();
        let mut slow = before_handshake(&server, is_implicit);
        let trickle = slow.try_clone().unwrap();
        std::thread::spawn(move || {
            // A byte now and then gives it no more time.
            for byte in [22, 3, 1, 0, 200].into_iter().chain(std::iter::repeat(1)) {
                if slow.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20)); // the pace of the attack
            }
        });
        for stream in [silent, half, trickle] {
            assert_no_clear_text(&all_of(&stream));
        }
    }
    eventually("each has its event", || ended(&server, "TLS handshake: the client did not finish it in time") == 6);
    eventually("nothing is left", || server.holds_no_more_than(before));
    server.login_in_tls("ann", &Tls::new()).upload("STOR g", b"x");
}

#[test]
fn neither_the_login_deadline_nor_a_server_that_stops_waits_for_a_handshake() {
    let server = server_with(&["--login-timeout", "0.4"]);
    for is_implicit in [false, true] {
        assert_no_clear_text(&all_of(&before_handshake(&server, is_implicit)));
    }
    let mut server = server_with(&["--tls-timeout", "0", "--login-timeout", "0", "--stop-timeout", "0.5"]);
    let silent = [false, true].map(|is_implicit| before_handshake(&server, is_implicit));
    let mut ann = server.login_in_tls("ann", &Tls::new());
    let _silent_data = ann.passive();
    ann.send("RETR f").expect(150);
    let mut rein = server.login_in_tls("ann", &Tls::new());
    rein.send("REIN").expect(230);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    for stream in silent {
        assert_no_clear_text(&all_of(&stream));
    }
    rein.expect_end();
    server.expect_event("ftp_server_stopped", &[]);
}

#[test]
fn what_is_no_handshake_ends_the_session() {
    let server = server_with(&[]);
    let before = settled(&server);
    for is_implicit in [false, true] {
        for bytes in nonsense() {
            let mut stream = before_handshake(&server, is_implicit);
            // It may be cut off while we send.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            assert_no_clear_text(&all_of(&stream));
        }
    }
    let sent = 2 * nonsense().len();
    eventually("each has its event", || ended(&server, "TLS handshake: ") == sent);
    eventually("nothing is left", || server.holds_no_more_than(before));
    assert!(server.home("ann").join("f").exists());
    assert_eq!(server.stop().iter().filter(|event| event["event"] == "ftp_login").count(), 1);
}

#[test]
fn a_client_that_is_too_old_is_told_so_in_the_log() {
    let server = server_with(&[]);
    for is_implicit in [false, true] {
        for bytes in old_hellos() {
            let mut stream = before_handshake(&server, is_implicit);
            stream.write_all(&bytes).unwrap();
            let answer = all_of(&stream);
            assert!(answer.starts_with(&[21, 3]) && answer.len() == 7, "an alert: {answer:?}");
        }
    }
    eventually("each has its event", || ended(&server, "TLS handshake: ") == 8);
    assert_eq!(ended(&server, "TLS handshake: the client is too old; it offers neither TLS 1.2 nor 1.3"), 8);
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_handshake_has_its_event() {
    let server = server_with(&[]);
    let before = settled(&server);
    for is_implicit in [false, true] {
        for version in [&TLS12, &TLS13] {
            for is_reset in [false, true] {
                let mut stream = before_handshake(&server, is_implicit);
                Tls::only(version).begin().write_tls(&mut stream).unwrap();
                stream.read_exact(&mut [0; 100]).unwrap();
                match is_reset {
                    true => Data::over(stream).reset(),
                    false => drop(stream),
                }
            }
        }
    }
    eventually("each has its event", || ended(&server, "TLS handshake: ") == 8);
    eventually("nothing is left", || server.holds_no_more_than(before));
}

#[test]
fn an_http_request_on_the_implicit_port_is_no_session() {
    let server = server_with(&[]);
    let mut stream = TcpStream::connect(server.implicit_address()).unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nUSER ann\r\nPASS ann-secret\r\nDELE f\r\n")
        .unwrap();
    assert_no_clear_text(&all_of(&stream));
    // And one in TLS is as little.
    for line in ["GET / HTTP/1.1", "POST / HTTP/1.1"] {
        let mut browser = server.implicit_client(&Tls::new());
        browser.send_bytes(format!("{line}\r\nHost: x\r\n\r\nUSER ann\r\n").as_bytes()).expect(421);
        browser.expect_end();
    }
    eventually("both have their event", || ended(&server, "the client speaks HTTP") == 2);
}

#[test]
fn a_client_that_wants_another_protocol_is_refused() {
    let server = server_with(&[]);
    for is_implicit in [false, true] {
        for (offered, chosen) in [
            (["h2"].as_slice(), None),
            (&["http/1.1", "h2"], None),
            (&["smtp"], None),
            (&["ftp-data"], None),
            (&["ftp"], Some("ftp")),
            (&["h2", "ftp"], Some("ftp")),
        ] {
            for version in [&TLS12, &TLS13] {
                let tls = Tls::only(version).protocols(offered);
                let mut client = match is_implicit {
                    true => Client::connect(server.implicit_address()),
                    false => server.client(),
                };
                if !is_implicit {
                    client.send("AUTH TLS").expect(234);
                }
                assert_eq!(client.shake_hands(&tls).is_ok(), chosen.is_some(), "{offered:?}");
                assert_eq!(client.tls().alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
            }
        }
    }
    eventually("each has its event", || ended(&server, "TLS handshake: the client wants another protocol") == 16);
    let mut plain = server.client();
    plain.auth_tls(&Tls::new()).send("NOOP").expect(200);
    assert_eq!(plain.tls().alpn_protocol(), None);
}

#[test]
fn a_refusal_on_the_implicit_port_is_only_the_end() {
    let server = server_with(&["--max-cons", "1"]);
    let mut first = server.implicit_client(&Tls::new());
    for _ in 0..3 {
        let stream = TcpStream::connect(server.implicit_address()).unwrap();
        assert_eq!(all_of(&stream), b"");
    }
    first.send("NOOP").expect(200);
}

#[test]
fn nothing_is_left_of_sessions_in_tls_that_end_at_any_stage() {
    let server = server_with(&[]);
    let home = server.home("ann");
    fs::write(home.join("big"), noise(12 << 20)).unwrap();
    let before = settled(&server);
    for round in 0..4 {
        for stage in 0..6 {
            let mut ann = server.login_in_tls("ann", &Tls::new());
            let mut data = (stage > 1).then(|| ann.passive());
            match stage {
                1 => drop(ann.send("REIN").expect(230)), // and no close_notify
                2 => drop(ann.send("RETR big").expect(150)),
                3 => {
                    ann.send("RETR big").expect(150);
                    data.as_mut().unwrap().shake_hands().unwrap();
                }
                4 => {
                    ann.send("STOR up").expect(150);
                    data = data.map(|data| data.write(b"half"));
                }
                5 => {
                    ann.send("STOR whole").expect(150);
                    data.take().unwrap().write(b"whole").close();
                }
                _ => {}
            }
            match round {
                0 => ann.vanish(),
                1 => {
                    Data::over(ann.stream().try_clone().unwrap()).reset();
                    drop(ann); // before the data connection, or that has ended in order
                }
                2 => ann.stream().shutdown(Shutdown::Write).unwrap(),
                _ => ann.close_tls(),
            }
        }
    }
    eventually("every session has ended", || ended(&server, "") == 25);
    eventually("nothing is left", || server.holds_no_more_than(before));
    let names = || fs::read_dir(&home).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() == "up").count();
    assert_eq!(names(), 0);
}
