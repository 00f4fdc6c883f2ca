//! Data connections in TLS: that they are whole, how they end, and what is heard while they run.

use crate::support::{Client, Data, Signal, TestServer, Tls, ann_in, eventually, noise};
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// More than the sockets between server and client hold: a download of it waits for its reader.
const MORE_THAN_SOCKETS_HOLD: usize = 40_000_000;

/// A server, a client in the middle of a download in TLS, and its data connection.
fn downloading() -> (TestServer, Client, Data) {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    fs::File::create(server.home("ann").join("big")).unwrap().set_len(MORE_THAN_SOCKETS_HOLD as u64).unwrap();
    let mut data = ann.passive();
    ann.send("RETR big").expect(150);
    assert_eq!(data.receive(&mut [0]).unwrap(), 1);
    (server, ann, data)
}

/// A server, a client in the middle of an upload in TLS, and its data connection.
fn uploading(args: &[&str]) -> (TestServer, Client, Data) {
    let (server, mut ann) = ann_in(&Tls::new(), args);
    let data = ann.passive();
    ann.send("STOR up").expect(150);
    let data = data.write(&noise(1000));
    eventually("the bytes have come", || ann.send("STAT").expect(211).contains("1000 bytes"));
    (server, ann, data)
}

/// Sends the last bytes but for so many of their TLS records.
fn write_torn(data: &mut Data, bytes: &[u8], missing: usize) {
    let tls = data.tls.as_mut().unwrap();
    tls.set_buffer_limit(None);
    tls.writer().write_all(bytes).unwrap();
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records).unwrap();
    }
    data.stream.write_all(&records[..records.len() - missing]).unwrap();
}

#[track_caller]
fn expect_incomplete(server: &TestServer, client: &mut Client, why: &str) {
    client.expect(426);
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert!(event["reason"].as_str().unwrap().contains(why), "{event}");
    client.send("NOOP").expect(200);
    assert!(!server.home("ann").join("up").exists());
}

#[test]
fn one_session_transfers_as_often_as_it_likes() {
    for (name, tls) in Tls::all() {
        let (_server, mut ann) = ann_in(&tls, &[]);
        for size in [0, 1, 16_384, 16_385, 300_000, 2_000_000] {
            let bytes = noise(size);
            ann.upload("STOR g", &bytes);
            assert!(ann.download("RETR g") == bytes, "{name}: {size} bytes");
        }
        assert_eq!(ann.list("NLST"), ["f", "g"], "{name}");
    }
}

#[test]
fn small_files_do_not_wait_for_late_acknowledgements() {
    for (name, tls) in Tls::all() {
        let (_server, mut ann) = ann_in(&tls, &[]);
        let mut transfer = |number| {
            let start = Instant::now();
            match number % 2 {
                0 => ann.upload("STOR small", b"a few bytes"),
                _ => drop(ann.download("RETR small")),
            }
            start.elapsed()
        };
        let both: [Vec<Duration>; 2] =
            [0, 1].map(|kind| (0..30).map(|step| 2 * step + kind).map(&mut transfer).collect());
        // An acknowledgement may be 40 ms late; where somebody waits for it, every transfer takes longer.
        for times in both {
            assert!(times.iter().min().unwrap() < &Duration::from_millis(40), "{name}: {times:?}");
        }
    }
}

#[test]
fn an_upload_whose_client_reads_nothing_and_closes_is_whole() {
    let bytes = noise(3 << 20);
    for tls in [Tls::only(&TLS13), Tls::only(&TLS13).forgetful()] {
        let (server, mut ann) = ann_in(&tls, &[]);
        let file = server.home("ann").join("up");
        for round in 0..50 {
            let mut data = ann.passive();
            ann.send("STOR up").expect(150);
            data = data.write(&bytes);
            data.announce_end();
            drop(data);
            ann.expect(226);
            assert!(fs::read(&file).unwrap() == bytes, "round {round}");
            fs::remove_file(&file).unwrap();
        }
    }
}

#[test]
fn every_transfer_ends_with_close_notify() {
    // `list`, `download` and `upload` demand it.
    for (name, tls) in Tls::all() {
        let (server, mut ann) = ann_in(&tls, &[]);
        fs::create_dir(server.home("ann").join("empty")).unwrap();
        for verb in ["LIST", "NLST", "MLSD"] {
            assert!(ann.list(&format!("{verb} empty")).is_empty(), "{name}: {verb}");
            assert!(!ann.list(verb).is_empty(), "{name}: {verb}");
        }
        ann.upload("STOR e", b"");
        assert_eq!(ann.download("RETR e"), b"", "{name}");
        ann.send("TYPE A").expect(200);
        assert_eq!(ann.download("RETR f"), b"content", "{name}");
    }
}

#[test]
fn an_aborted_transfer_ends_with_close_notify() {
    let (server, mut ann, mut data) = uploading(&[]);
    ann.send("ABOR").expect(426);
    ann.expect(226);
    assert_eq!(data.read(), b"");
    server.expect_event("ftp_file_received_incomplete", &[("reason", "aborted by the client")]);

    // As often as not, a record is half sent.
    for _ in 0..5 {
        let (server, mut ann, mut data) = downloading();
        let reader = std::thread::spawn(move || data.read());
        ann.send("ABOR").expect(426);
        ann.expect(226);
        assert!(reader.join().unwrap().len() < MORE_THAN_SOCKETS_HOLD - 1, "an end that looks whole");
        server.expect_event("ftp_file_sent_incomplete", &[("reason", "aborted by the client")]);
        ann.list("NLST");
    }
}

#[test]
fn a_failed_transfer_ends_with_close_notify() {
    // It stands still.
    let (_server, mut ann, mut data) = uploading(&["--data-timeout", "0.3"]);
    assert_eq!(data.read(), b"");
    ann.expect(421);
    ann.expect_end();
    // It does not fit: a limit of 1,000 blocks, which a last record exceeds.
    let server = TestServer::with_tls(&[]).after("ulimit -f 1000").start();
    server.home("ann");
    let mut ann = server.login_in_tls("ann", &Tls::new());
    let data = ann.passive();
    ann.send("STOR g").expect(150);
    let mut data = data.write(&vec![0; 1_032_192]);
    assert_eq!(data.read(), b"");
    let code = String::from_utf8(ann.reply()).unwrap();
    assert!(code.starts_with("452") || code.starts_with("552"), "{code}");
}

#[test]
fn an_upload_that_ends_without_close_notify_is_whole_unless_that_is_required() {
    for (name, tls) in Tls::all() {
        for (args, strict) in [([].as_slice(), false), (&["--tls-strict-eof"], true)] {
            let (server, mut ann) = ann_in(&tls, args);
            let data = ann.passive();
            ann.send("STOR up").expect(150);
            let data = data.write(&noise(100_000));
            data.stream.shutdown(Shutdown::Write).unwrap();
            match strict {
                true => expect_incomplete(&server, &mut ann, "without close_notify"),
                false => {
                    ann.expect(226);
                    assert!(fs::read(server.home("ann").join("up")).unwrap() == noise(100_000), "{name}");
                }
            }
            ann.upload("STOR up", b"in order");
        }
    }
}

#[test]
fn an_upload_that_ends_within_a_record_is_incomplete() {
    // 72 bytes are a record of 94 in TLS 1.3: 5 of header, 17 of encryption.
    for missing in [1, 17, 89, 90, 93] {
        let (server, mut ann, mut data) = uploading(&[]);
        write_torn(&mut data, &[7; 72], missing);
        data.stream.shutdown(Shutdown::Write).unwrap();
        expect_incomplete(&server, &mut ann, "in the middle of a TLS record");
    }
    let (server, mut ann, mut data) = uploading(&[]);
    write_torn(&mut data, &noise(200_000), 10_000);
    data.stream.shutdown(Shutdown::Write).unwrap();
    expect_incomplete(&server, &mut ann, "in the middle of a TLS record");
}

#[test]
fn an_upload_that_ends_by_a_reset_is_incomplete() {
    for args in [[].as_slice(), &["--tls-strict-eof"]] {
        let (server, mut ann, data) = uploading(args);
        data.reset();
        expect_incomplete(&server, &mut ann, "the data connection broke");
    }
}

#[test]
fn noop_stat_and_quit_are_answered_during_a_transfer() {
    let (server, mut ann, mut data) = downloading();
    ann.script(&[("NOOP", 200), ("NOOP", 200)]);
    assert!(ann.send("STAT").expect(211).contains(" bytes in "));
    ann.send("QUIT").expect(221);
    assert_eq!(data.read().len(), MORE_THAN_SOCKETS_HOLD - 1);
    ann.expect(226);
    ann.expect_end();
    server.expect_event("ftp_file_sent", &[("virtual_path", "/big"), ("data_tls", "TLSv1.3")]);

    let (_server, mut ann, data) = uploading(&[]);
    ann.send("PWD").send("NOOP").send("SIZE up");
    data.close();
    for code in [226, 257, 200, 213] {
        ann.expect(code);
    }
}

/// Sends without a pause until the server has had enough.
fn pour(mut data: Data) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let bytes = noise(1 << 20);
        let tls = data.tls.as_mut().unwrap();
        tls.set_buffer_limit(Some(4 << 20));
        while tls.writer().write_all(&bytes).and_then(|()| tls.write_tls(&mut data.stream)).is_ok() {}
    })
}

#[test]
fn an_upload_that_never_pauses_is_heard_and_ended_all_the_same() {
    let (server, mut ann, data) = uploading(&[]);
    let pouring = pour(data);
    ann.send("NOOP").expect(200);
    ann.send("ABOR").expect(426);
    ann.expect(226);
    drop((ann, server));
    pouring.join().unwrap();

    let (mut server, _ann, data) = uploading(&["--stop-timeout", "0.3"]);
    let pouring = pour(data);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert!(event["reason"].as_str().unwrap().contains("server stopped"), "{event}");
    assert_eq!(server.events().last().unwrap()["event"], "ftp_server_stopped");
    pouring.join().unwrap();
}

#[test]
fn what_was_sent_ahead_in_one_record_is_heard_in_its_turn() {
    let (_server, mut ann) = ann_in(&Tls::new(), &[]);
    ann.epsv();
    ann.send_bytes(b"STOR g\r\nNOOP\r\nABOR\r\nPWD\r\nNO").send_bytes(b"OP\r\n");
    for code in [150, 200, 426, 226, 257, 200] {
        ann.expect(code);
    }
    ann.send_bytes(&[b"A".repeat(100_000), b"\r\nNOOP\r\n".to_vec()].concat()).expect(500);
    ann.expect(200);
}

#[test]
fn a_lost_control_connection_is_an_abort() {
    let (server, ann, _data) = uploading(&[]);
    ann.vanish();
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    // In order, too: without it, nobody would hear the reply.
    let (server, mut ann, _data) = uploading(&[]);
    ann.close_tls();
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
}

#[test]
fn the_handshake_may_begin_before_the_command() {
    let (_server, mut ann) = ann_in(&Tls::new(), &[]);
    for line in ["RETR f", "LIST"] {
        let mut data = ann.passive();
        data.tls.as_mut().unwrap().write_tls(&mut data.stream).unwrap();
        ann.send(line).expect(150);
        assert!(!data.read().is_empty());
        ann.expect(226);
    }
    let address = ann.pasv();
    ann.send("RETR f").expect(150);
    assert_eq!(ann.data(TcpStream::connect(address).unwrap()).read(), b"content");
    ann.expect(226);
}

#[test]
fn in_active_mode_the_server_is_the_server_of_tls() {
    for (name, tls) in Tls::all() {
        let (_server, mut ann) = ann_in(&tls, &[]);
        for _ in 0..2 {
            let listener = ann.active();
            ann.send("STOR g").expect(150);
            ann.data(listener.accept().unwrap().0).write(b"active").close();
            ann.expect(226);
            let listener = ann.active();
            ann.send("RETR g").expect(150);
            assert_eq!(ann.data(listener.accept().unwrap().0).read(), b"active", "{name}");
            ann.expect(226);
        }
    }
}

#[test]
fn rest_appe_stou_and_ascii_mode_are_as_in_the_clear() {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    let home = server.home("ann");
    ann.send("REST 3").expect(350);
    assert_eq!(ann.download("RETR f"), b"tent");
    ann.send("REST 3").expect(350);
    ann.upload("STOR f", b"crete");
    ann.upload("APPE f", b" wall");
    assert_eq!(fs::read(home.join("f")).unwrap(), b"concrete wall");
    let data = ann.passive();
    let reply = ann.send("STOU").expect(150);
    data.write(b"unique").close();
    ann.expect(226);
    assert_eq!(fs::read(home.join(reply.strip_prefix("150 FILE: ").unwrap())).unwrap(), b"unique");
    ann.send("TYPE A").expect(200);
    let lines = "a line\r\n".repeat(50_000);
    ann.upload("STOR t", lines.as_bytes());
    assert_eq!(fs::read_to_string(home.join("t")).unwrap(), "a line\n".repeat(50_000));
    assert!(ann.download("RETR t") == lines.as_bytes());
}

#[test]
fn a_reader_who_is_slow_but_steady_is_not_cut_off() {
    let (server, mut ann) = ann_in(&Tls::new(), &["--data-timeout", "1.5"]);
    fs::File::create(server.home("ann").join("big")).unwrap().set_len(MORE_THAN_SOCKETS_HOLD as u64).unwrap();
    let mut data = ann.passive();
    socket2::SockRef::from(&data.stream).set_recv_buffer_size(8192).unwrap();
    ann.send("RETR big").expect(150);
    let (start, mut piece) = (Instant::now(), [0; 8192]);
    while start.elapsed() < Duration::from_secs(4) {
        assert!(data.receive(&mut piece).unwrap() > 0);
        std::thread::sleep(Duration::from_millis(80)); // the pace of the client
    }
    ann.send("NOOP").expect(200);
}

/// Two sessions, one to look around and one to transfer, which resume TLS and end each file with MFMT.
#[test]
fn filezillas_dialogue() {
    for version in [&TLS12, &TLS13] {
        let (server, _ann) = ann_in(&Tls::only(version), &["--tls-session-reuse", "require"]);
        let greeted = || {
            // Each session keeps its own TLS session for its data connections.
            let (mut client, tls) = (server.client(), Tls::only(version));
            client.auth_tls(&tls).script(&[("USER ann", 331), ("PASS ann-secret", 230), ("SYST", 215), ("FEAT", 211)]);
            client.script(&[("CLNT FileZilla", 200), ("OPTS UTF8 ON", 200)]);
            client.protect(&tls).script(&[("OPTS MLST size;modify;type;", 200), ("PWD", 257)]);
            client
        };
        let (mut browser, mut mover) = (greeted(), greeted());
        for round in 0..3 {
            let (name, bytes) = (format!("file {round}"), noise(70_000 * round));
            mover.script(&[("CWD /", 250), ("TYPE I", 200)]);
            let address = mover.pasv();
            mover.send(&format!("STOR {name}")).expect(150);
            mover.data(TcpStream::connect(address).unwrap()).write(&bytes).close();
            mover.expect(226);
            mover.send(&format!("MFMT 20240102030405 {name}")).expect(213);
            mover.script(&[(&format!("SIZE {name}"), 213), (&format!("MDTM {name}"), 213)]);
            let address = mover.pasv();
            mover.send(&format!("RETR {name}")).expect(150);
            assert!(mover.data(TcpStream::connect(address).unwrap()).read() == bytes);
            mover.expect(226);
            browser.send("TYPE I").expect(200);
            assert!(browser.list("MLSD").iter().any(|line| line.ends_with(&format!(" {name}"))));
        }
    }
}
