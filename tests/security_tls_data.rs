//! Who else comes to a data port in TLS, and what comes instead of a handshake there.

use crate::security_tls::{all_of, before_handshake, nonsense, server_with, settled};
use crate::support::{Data, TestServer, Tls, eventually, noise};
use rustls::HandshakeKind::Resumed;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

#[test]
fn a_data_connection_that_wants_another_protocol_is_refused() {
    let server = server_with(&[]);
    for version in [&TLS12, &TLS13] {
        let mut ann = server.login_in_tls("ann", &Tls::only(version).protocols(&["ftp"]));
        for (offered, chosen) in [
            (["h2"].as_slice(), None),
            (&["http/1.1"], None),
            (&["ftp"], Some("ftp")),
            (&["ftp-data"], Some("ftp-data")),
            (&["ftp", "ftp-data"], Some("ftp-data")),
            (&["h2", "ftp-data"], Some("ftp-data")),
        ] {
            let tls = Tls::only(version).protocols(offered);
            let mut data = ann.data_in(Some(&tls)).passive();
            ann.send("RETR f").expect(150);
            assert_eq!(data.shake_hands().is_ok(), chosen.is_some(), "{offered:?}");
            assert_eq!(data.tls.as_ref().unwrap().alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
            ann.expect(if chosen.is_some() { 226 } else { 522 });
        }
    }
}

/// The end of a data connection on which the handshake fails in some way.
fn spoil(address: SocketAddr, how: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    match how {
        0 => return Some(stream), // silence
        1 => stream.shutdown(Shutdown::Write).unwrap(),
        2 => {
            Data::over(stream).reset();
            return None;
        }
        3 => drop(Tls::new().begin().write_tls(&mut stream).unwrap()),
        // What a client sends that takes PROT P for PROT C, and the like.
        _ => drop(stream.write_all(&nonsense()[how - 4])),
    }
    Some(stream)
}

#[test]
fn a_data_connection_that_does_not_shake_hands_is_522_and_the_session_lives() {
    let server = server_with(&["--tls-timeout", "0.3"]);
    settled(&server);
    let mut ann = server.login_in_tls("ann", &Tls::new());
    let before = server.resources();
    for how in 0..4 + nonsense().len() {
        for line in ["RETR f", "STOR g", "LIST"] {
            let address = ann.epsv();
            let stream = spoil(address, how);
            ann.send(line).expect(150);
            ann.expect(522);
            ann.send("NOOP").expect(200);
            if let Some(stream) = stream {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let bytes = all_of(&stream);
                assert!(!bytes.windows(7).any(|window| window == b"content"));
                assert!(bytes.is_empty() || how == 3 || bytes.starts_with(&[21, 3]), "{how}: {bytes:?}");
            }
        }
    }
    eventually("nothing is left", || server.holds_no_more_than(before));
    assert_eq!(ann.list("NLST"), ["f"]);
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/g")]);
    assert!(event["reason"].as_str().unwrap().starts_with("TLS on the data connection: "), "{event}");
}

#[test]
fn abor_and_the_end_of_the_session_end_a_handshake_of_data() {
    let server = server_with(&[]);
    let before = settled(&server);
    let mut ann = server.login_in_tls("ann", &Tls::new());
    for line in ["RETR f", "STOR g", "LIST"] {
        let _silent = ann.passive();
        ann.send(line).expect(150);
        ann.script(&[("NOOP", 200), ("STAT", 211), ("ABOR", 426)]).expect(226);
    }
    let _silent = ann.passive();
    ann.send("RETR f").expect(150);
    ann.vanish();
    server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    eventually("nothing is left", || server.holds_no_more_than(before));
}

#[test]
fn a_stranger_with_a_session_of_its_own_neither_takes_nor_brings_a_file() {
    for version in [&TLS12, &TLS13] {
        let server = server_with(&["--tls-session-reuse", "require"]);
        let (tls, others) = (Tls::only(version), Tls::only(version));
        let mut ann = server.login_in_tls("ann", &tls);
        // The same account even, from the same address: what counts is the session.
        let mut eve = server.login_in_tls("ann", &others);
        eve.upload("STOR eves", b"so her tickets are good");
        for tls in [&others, &Tls::only(version)] {
            for line in ["RETR f", "STOR g", "LIST", "APPE f"] {
                let address = ann.epsv();
                let mut data = eve.data_in(Some(tls)).data(TcpStream::connect(address).unwrap());
                ann.send(line).expect(150);
                data.shake_hands().unwrap();
                ann.expect(522);
                assert_eq!(data.receive(&mut [0; 100]).unwrap_or_default(), 0, "{line}: a byte for a stranger");
                assert_ne!(data.tls.unwrap().handshake_kind(), Some(Resumed), "{line}");
            }
        }
        assert_eq!(ann.download("RETR f"), b"content");
        assert_eq!(ann.list("NLST"), ["eves", "f"]);
    }
}

#[test]
fn a_hello_that_was_overheard_opens_no_data_connection() {
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let server = server_with(&["--tls-session-reuse", "require", "--tls-timeout", "0.3"]);
        let mut ann = server.login_in_tls("ann", &tls);
        for line in ["RETR f", "STOR g"] {
            // What she would send, and what the wire shows of it, ticket and all.
            let mut overheard = Vec::new();
            tls.begin().write_tls(&mut overheard).unwrap();
            let mut eve = TcpStream::connect(ann.epsv()).unwrap();
            eve.write_all(&overheard).unwrap();
            ann.send(line).expect(150);
            ann.expect(522);
            let bytes = all_of(&eve);
            assert!(bytes.starts_with(&[22, 3]) && !bytes.windows(7).any(|window| window == b"content"));
        }
        // Nor a session: who shows a ticket has to prove more.
        let mut overheard = Vec::new();
        tls.begin().write_tls(&mut overheard).unwrap();
        let mut eve = before_handshake(&server, false);
        eve.write_all(&overheard).unwrap();
        let bytes = all_of(&eve);
        assert!(!bytes.windows(4).any(|window| window == b"220 "));
        assert_eq!(ann.list("NLST"), ["f"]);
    }
}

#[test]
fn bytes_that_somebody_puts_into_an_upload_end_it() {
    let server = server_with(&[]);
    let mut ann = server.login_in_tls("ann", &Tls::new());
    let forged = [&[23, 3, 3, 0, 100], noise(100).as_slice()].concat();
    for bytes in [b"clear text in the middle".as_slice(), &forged, &[21, 3, 3, 0, 2, 1, 0]] {
        let mut data = ann.passive();
        ann.send("STOR g").expect(150);
        data = data.write(&noise(1000));
        data.stream.write_all(bytes).unwrap();
        data.stream.shutdown(Shutdown::Write).unwrap();
        ann.expect(426);
        ann.send("NOOP").expect(200);
    }
    let incomplete = |event: &serde_json::Value| event["event"] == "ftp_file_received_incomplete";
    assert_eq!(ann.list("NLST"), ["f"]);
    assert_eq!(server.stop().iter().filter(|event| incomplete(event)).count(), 3);
}

#[test]
fn new_keys_in_the_middle_of_everything_change_nothing() {
    let server = server_with(&[]);
    let mut ann = server.login_in_tls("ann", &Tls::only(&TLS13));
    let mut data = ann.passive();
    ann.send("STOR g").expect(150);
    for _ in 0..10 {
        data = data.write(&noise(50_000));
        data.tls.as_mut().unwrap().refresh_traffic_keys().unwrap();
    }
    data.close();
    ann.expect(226);
    assert!(ann.download("RETR g") == noise(50_000).repeat(10));
}

#[test]
fn a_reader_in_tls_that_does_not_read_is_cut_off() {
    let server = server_with(&["--data-timeout", "0.4"]);
    fs::File::create(server.home("ann").join("big")).unwrap().set_len(40_000_000).unwrap();
    let mut ann = server.login_in_tls("ann", &Tls::new());
    let mut data = ann.passive();
    ann.send("RETR big").expect(150);
    assert_eq!(data.receive(&mut [0]).unwrap(), 1);
    ann.expect(421);
    ann.expect_end();
    let event = server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/big")]);
    assert_eq!(event["reason"], "the data connection stalled");
}

#[test]
fn what_somebody_sends_into_a_download_changes_nothing_but_the_download() {
    let server = server_with(&[]);
    fs::write(server.home("ann").join("big"), noise(3 << 20)).unwrap();
    let mut ann = server.login_in_tls("ann", &Tls::new());
    for bytes in [b"clear text".as_slice(), &[21, 3, 3, 0, 2, 1, 0], &[23, 3, 3, 0, 1, 0], &noise(100_000)] {
        // Right behind the handshake, and a moment later.
        for is_early in [true, false] {
            let mut data = ann.passive();
            ann.send("RETR big").expect(150);
            data.shake_hands().unwrap();
            if !is_early {
                data.receive(&mut [0; 10_000]).unwrap();
            }
            let _ = data.stream.write_all(bytes);
            let mut piece = vec![0; 1 << 16];
            while data.receive(&mut piece).is_ok_and(|length| length > 0) {}
            assert!(matches!(String::from_utf8_lossy(&ann.reply())[..3].parse().unwrap(), 226 | 426 | 522));
            ann.send("NOOP").expect(200);
        }
    }
    // What is TLS is just not heard.
    let mut data = ann.passive();
    ann.send("RETR big").expect(150);
    data = data.write(&noise(1000));
    assert!(data.read() == noise(3 << 20));
    ann.expect(226);
}

#[test]
fn a_data_connection_arranged_before_tls_was_required_is_not_used_in_the_clear() {
    let builder = TestServer::with_tls(&["--tls", "optional"]);
    let file = builder.outside("ftpd.conf");
    fs::write(&file, "[group.'full']\ntls = 'required'\n").unwrap();
    let server = builder.args(&["--config", file.to_str().unwrap()]).start();
    for home in ["readers/rita", "rita"] {
        fs::write(server.home(home).join("f"), "content").unwrap();
    }
    let tls = Tls::new();
    let mut rita = server.login_in_tls("rita", &tls);
    rita.send("PROT C").expect(200);
    let mut data = rita.data_in(None).passive();
    let sql = "UPDATE django_ftpserver_ftpuseraccount \
               SET group_id = (SELECT id FROM django_ftpserver_ftpusergroup WHERE name = 'full') \
               WHERE user_id = (SELECT id FROM auth_user WHERE username = 'rita')";
    assert_eq!(server.site().execute(sql, []).unwrap(), 1);
    eventually("the rule holds", || rita.code("PROT C") == 534);
    for line in ["RETR f", "LIST", "STOR g", "APPE f", "EPSV"] {
        assert_eq!(rita.send(line).expect(550), "550 SSL/TLS required on the data channel.");
    }
    rita.protect(&tls).send("ABOR").expect(225);
    assert_eq!(data.receive(&mut [0; 100]).unwrap_or_default(), 0);
    rita.send("RETR f").expect(425);
}
