//! Attacks by way of the network: data connections bounced and stolen, ports exhausted, clients that stand still,
//! lines that are none.

use crate::support::{Client, Data, TestServer, Tls, eventually, noise};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Far more than a timeout of the tests, far less than for ever.
const SOON: Duration = Duration::from_secs(8);

/// A listener that nobody should come to.
fn trap(address: &str) -> TcpListener {
    let listener = TcpListener::bind((address, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Ports that nobody has, from below those that the system gives to whoever asks for any.
fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    std::iter::repeat_with(|| start + NEXT.fetch_add(1, Ordering::Relaxed))
        .filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .take(count)
        .collect()
}

fn port_command(address: &str, port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    format!("PORT {},{high},{low}", address.replace('.', ","))
}

/// Where nobody listens, a connection may be given that very port for its own end, and then it reaches itself.
fn is_refused(address: SocketAddr) -> bool {
    match TcpStream::connect(address) {
        Ok(stream) => stream.local_addr().is_ok_and(|own| own == address),
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    }
}

/// All that comes before the connection ends, in order or not.
fn all_of(mut data: Data) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = data.stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    bytes
}

#[test]
fn active_mode_connects_to_nobody_but_the_client() {
    for host in ["127.0.0.1", "[::]"] {
        let server = TestServer::with(&[]).host(host).start();
        server.home("ann");
        let mut ann = Client::connect(([127, 0, 0, 1], server.address().port()).into());
        ann.expect(220);
        ann.send("USER ann").expect(331);
        ann.send("PASS ann-secret").expect(230);
        let third = trap("127.0.0.2");
        let own = trap("127.0.0.1");
        let (port, own_port) = (third.local_addr().unwrap().port(), own.local_addr().unwrap().port());
        for command in [
            port_command("127.0.0.2", port),
            format!("EPRT |1|127.0.0.2|{port}|"),
            format!("EPRT |2|::ffff:127.0.0.2|{port}|"),
            format!("EPRT |2|::1|{port}|"),
            port_command("127.0.0.1", 25),
            port_command("127.0.0.1", 1023),
            port_command("127.0.0.1", 0),
            "EPRT |1|127.0.0.1|25|".to_string(),
            "EPRT |2|::ffff:127.0.0.1|25|".to_string(),
            format!("EPRT |1|127.0.0.1|{}|", 65536 + u32::from(own_port)),
        ] {
            let code = ann.code(&command);
            assert!([501, 504, 522].contains(&code), "{host}: {command}: {code}");
            ann.send("LIST").expect(425);
        }
        for trap in [third, own] {
            assert_eq!(trap.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        }
        let (listener, mut commands) = (TcpListener::bind("127.0.0.1:0").unwrap(), Vec::new());
        let port = listener.local_addr().unwrap().port();
        commands.push(port_command("127.0.0.1", port));
        commands.push(format!("EPRT |2|::ffff:127.0.0.1|{port}|"));
        for command in commands {
            ann.send(&command).expect(200);
            ann.send("LIST").expect(150);
            assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"");
            ann.expect(226);
        }
    }
}

#[test]
fn who_names_no_address_is_connected_to_where_it_came_from() {
    let server = TestServer::with(&["--permit-foreign-addresses"]).host("[::]").start();
    server.home("ann");
    let mut ann = Client::connect_from("127.0.0.5", ([127, 0, 0, 1], server.address().port()).into());
    ann.expect(220);
    ann.script(&[("USER ann", 331), ("PASS ann-secret", 230)]);
    let listeners = || {
        let listener = TcpListener::bind("127.0.0.5:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Unless that is somebody else's there.
        Some((listener, port, TcpListener::bind(("127.0.0.1", port)).ok()?))
    };
    let (listener, port, servers_own) = (0..20).find_map(|_| listeners()).unwrap();
    servers_own.set_nonblocking(true).unwrap();
    for command in [port_command("0.0.0.0", port), format!("EPRT |1|0.0.0.0|{port}|"), format!("EPRT |2|::|{port}|")] {
        if ann.code(&command) == 522 {
            assert!(command.starts_with("EPRT |2|"), "{command}");
            continue;
        }
        ann.send("LIST").expect(150);
        assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"");
        ann.expect(226);
    }
    assert_eq!(servers_own.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    ann.script(&[(&port_command("0.0.0.0", 25), 501), ("LIST", 425)]);
}

#[test]
fn a_refused_address_also_takes_back_the_one_before() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    let own = ann.active();
    own.set_nonblocking(true).unwrap();
    ann.send("PORT 127,0,0,2,200,1").expect(501);
    ann.send("LIST").expect(425);
    assert_eq!(own.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_stranger_at_the_passive_port_neither_takes_nor_brings_a_file() {
    let server = TestServer::start();
    let home = server.files("ann");
    let bytes = noise(200_000);
    home.write("secret", &bytes);
    let mut ann = server.login("ann");

    let door = ann.epsv();
    let strangers: Vec<_> = (0..8).map(|_| Data::connect_from("127.0.0.2", door)).collect();
    let mut own = Data::over(TcpStream::connect(door).unwrap());
    ann.send("RETR secret").expect(150);
    assert_eq!(own.read(), bytes);
    ann.expect(226);
    for stranger in strangers {
        assert_eq!(all_of(stranger), b"");
    }

    let door = ann.pasv();
    let stranger = Data::connect_from("127.0.0.2", door).write(b"evil");
    stranger.close();
    let own = Data::over(TcpStream::connect(door).unwrap());
    ann.send("STOR mine").expect(150);
    own.write(b"good").close();
    ann.expect(226);
    assert_eq!(home.read("mine"), b"good");
}

#[test]
fn no_passive_port_tells_which_comes_next() {
    let server = TestServer::start();
    let mut ann = server.login("ann");
    let ports: Vec<i32> = (0..20).map(|_| ann.epsv().port().into()).collect();
    let steps: std::collections::BTreeSet<i32> = ports.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.len() > 10, "{ports:?}");
}

#[test]
fn one_session_more_than_passive_ports_is_told_425_and_lives() {
    let ports = free_ports(5);
    let list: Vec<_> = ports.iter().map(u16::to_string).collect();
    let server = TestServer::with(&["--passive-ports", &list.join(",")]).start();
    server.home("ann");
    let mut sessions: Vec<_> = (0..6).map(|_| server.login("ann")).collect();
    let mut sixth = sessions.pop().unwrap();
    let mut taken: Vec<_> = sessions.iter_mut().map(|session| session.pasv().port()).collect();
    taken.sort();
    assert_eq!(taken, ports);
    sixth.send("PASV").expect(425);
    sixth.send("EPSV").expect(425);
    sixth.send("LIST").expect(425);
    sixth.send("NOOP").expect(200);
    // One more PASV of a session that has a port is no port more.
    assert!(ports.contains(&sessions[0].pasv().port()));
    sixth.send("PASV").expect(425);
    sessions.pop().unwrap().vanish();
    eventually("the port is free again", || sixth.code("EPSV") == 229);
    sessions[0].send("ABOR").expect(225);
    eventually("this one, too", || server.login("ann").code("PASV") == 227);
}

#[test]
fn thousands_of_pasv_without_a_connection_hold_one_port() {
    let list: Vec<_> = free_ports(2).iter().map(u16::to_string).collect();
    for options in [&["--passive-ports", &list.join(",")], &["--umask", "022"]] {
        let server = TestServer::with(options).start();
        server.home("ann");
        let mut ann = server.login("ann");
        let mut old = ann.pasv();
        let before = server.resources();
        for _ in 0..2_000 {
            let new = ann.pasv();
            assert!(old == new || is_refused(old), "{old} still listens");
            old = new;
        }
        assert!(server.holds_no_more_than(before), "{before:?} before, {:?} after", server.resources());
        assert_eq!(ann.download("NLST"), b"");
    }
}

#[test]
fn a_passive_port_that_nobody_comes_to_is_closed() {
    let server = TestServer::with(&["--pasv-timeout", "0.3"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let door = ann.pasv();
    eventually("the port is closed", || is_refused(door));
    ann.send("LIST").expect(425);
    ann.epsv();
    ann.send("STOR x").expect(150);
    ann.expect(425);
    ann.send("NOOP").expect(200);
}

#[test]
fn a_reader_that_does_not_read_and_a_writer_that_does_not_write_are_cut_off() {
    let server = TestServer::with(&["--data-timeout", "0.3"]).start();
    let home = server.files("ann");
    home.write("big", vec![0; 64 << 20]);

    let mut reader = server.login("ann");
    let data = reader.passive();
    reader.send("RETR big").expect(150);
    reader.expect(421);
    reader.expect_end();
    let sent = server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/big")]);
    assert!(sent["bytes"].as_u64().unwrap() < 64 << 20);
    assert!(all_of(data).len() < 64 << 20);

    let mut writer = server.login("ann");
    let data = writer.passive();
    writer.send("STOR small").expect(150);
    writer.expect(421);
    writer.expect_end();
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/small")]);
    assert_eq!(all_of(data), b"");
    assert_eq!(home.names(""), ["big"]);
}

#[test]
fn talk_on_the_control_connection_keeps_no_dead_data_connection_alive() {
    let server = TestServer::with(&["--data-timeout", "0.3", "--pasv-timeout", "0.3"]).start();
    server.home("ann");
    for (connects, end) in [(false, 425), (true, 421)] {
        let mut ann = server.login("ann");
        let door = ann.epsv();
        let _data = connects.then(|| TcpStream::connect(door).unwrap());
        ann.send("STOR x").expect(150);
        let start = Instant::now();
        let code = loop {
            match ann.code("NOOP") {
                200 => assert!(start.elapsed() < SOON, "NOOP keeps it alive; connected: {connects}"),
                code => break code,
            }
        };
        assert_eq!(code, end, "connected: {connects}");
    }
}

#[test]
fn an_http_request_ends_the_session_before_its_body_is_read() {
    let server = TestServer::start();
    server.files("ann").write("x", b"");
    let body = "Host: x\r\n\r\nUSER ann\r\nPASS ann-secret\r\nDELE x\r\n";
    for verb in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "post"] {
        let mut browser = server.client();
        browser.send_bytes(format!("{verb} / HTTP/1.1\r\n{body}").as_bytes()).expect(421);
        browser.expect_end();
    }
    let mut ann = server.login("ann");
    let mut browser = ann.passive();
    browser.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    ann.epsv();
    assert_eq!(all_of(browser), b"", "an answer on a data port");
    ann.send_bytes(format!("POST / HTTP/1.1\r\n{body}").as_bytes()).expect(421);
    ann.expect_end();
    assert!(server.files("ann").exists("x"));
    let events = server.stop();
    assert_eq!(events.iter().filter(|event| event["event"] == "ftp_login").count(), 1);
}

#[test]
fn the_end_of_an_over_long_line_is_no_command() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("x", b"");
    let mut ann = server.login("ann");
    let mut lengths = vec![1 << 20, (1 << 20) - 7];
    lengths.extend([512, 1024, 4096, 8192].iter().flat_map(|size| size - 8..size + 2).filter(|&n| n > 4000));
    for length in lengths {
        let line = [&vec![b'A'; length], b"DELE x\r\nNOOP\r\n".as_slice()].concat();
        ann.send_bytes(&line).expect(500);
        ann.expect(200);
    }
    let line = ["DELE x ".repeat(150_000).as_bytes(), b"\r\nNOOP\r\n"].concat();
    ann.send_bytes(&line).expect(500);
    ann.expect(200);
    // The same while a transfer runs: it is answered when its turn has come.
    let data = ann.passive();
    ann.send("STOR y").expect(150);
    ann.send_bytes(&["ABOR ".repeat(4_000).as_bytes(), b"ABOR\r\nNOOP\r\n"].concat());
    data.write(b"whole").close();
    ann.expect(226);
    ann.expect(500);
    ann.expect(200);
    assert!(home.exists("x"));
}

#[test]
fn an_endless_line_costs_no_memory() {
    let server = TestServer::start();
    let peak = || -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        line.trim_end_matches(" kB").parse().unwrap()
    };
    let mut client = server.client();
    client.send("NOOP").expect(200);
    let before = peak();
    for filler in [vec![b'A'; 16 << 20], b"\xFF\xFB\x01".repeat(4 << 20), b"\xFF".repeat(8 << 20)] {
        client.send_bytes(&filler).send_bytes(b"\r\nNOOP\r\n");
        client.expect(500);
        client.expect(200);
    }
    assert!(peak() - before < 2048, "{} kB more", peak() - before);
}

#[test]
fn telnet_sequences_vanish_however_packets_cut_them() {
    let server = TestServer::start();
    let home = server.home("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR a\u{e9}", b"1234567");
    let name = |bytes: &[u8]| home.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    fs::rename(name("a\u{e9}".as_bytes()), name(b"a\xFFb")).unwrap();
    for line in [
        b"SIZE a\xFF\xFFb\r\n".as_slice(),
        b"\xFF\xFD\x06SI\xFF\xF4ZE a\xFF\xFF\xFF\xFB\x01b\r\n",
        b"\xFF\xF2SIZE\xFF\xFE\xFF a\xFF\xFFb\xFF\xF1\r\n",
    ] {
        for size in 1..=3 {
            for packet in line.chunks(size) {
                ann.send_bytes(packet);
            }
            assert_eq!(ann.expect(213), "213 7", "{line:?} in packets of {size}");
        }
    }
    // What goes out is the name, byte for byte.
    ann.send_bytes(b"MKD d\xFF\xFF\r\n");
    assert!(ann.reply().starts_with(b"257 \"/d\xFF\" "));
    assert!(name(b"d\xFF").is_dir());
}

#[test]
fn nul_and_cr_in_a_command_are_refused() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("keep", b"kept");
    let mut nobody = server.client();
    for line in ["USER ann\0x", "USER \0", "USER ann\rx"] {
        nobody.send(line).expect(501);
        nobody.send("PASS ann-secret").expect(503);
    }
    nobody.send("USER ann").expect(331);
    nobody.send("PASS ann-secret\0x").expect(501);
    nobody.send("PASS ann-secret").expect(230);
    let mut ann = server.login("ann");
    for verb in [
        "DELE",
        "RETR",
        "SIZE",
        "MDTM",
        "MLST",
        "MLSD",
        "LIST",
        "NLST",
        "STAT",
        "CWD",
        "RNFR",
        "APPE",
        "STOR",
        "STOU",
        "MKD",
        "RMD",
        "SITE CHMOD 600",
        "MFMT 20200101000000",
        "AVBL",
    ] {
        for cut in ["\0x", "\rx", "\0", "\r\r"] {
            ann.send(&format!("{verb} keep{cut}")).expect(501);
        }
    }
    ann.send("RNFR keep").expect(350);
    ann.send("RNTO kept\0x").expect(501);
    for line in ["NOOP\rDELE keep", "NO\0OP", "\0DELE keep", "\rDELE keep", "DELE\0keep"] {
        let code = ann.code(line);
        assert!(matches!(code, 500 | 501), "{line:?}: {code}");
    }
    ann.send("NOOP").expect(200);
    assert_eq!(home.names(""), ["keep"]);
}

#[test]
fn a_client_that_reads_no_replies_has_no_longer_to_log_in_than_others() {
    let server = TestServer::with_tls(&["--tls", "optional", "--login-timeout", "2"]).env("RUST_LOG", "info").start();
    for is_in_tls in [false, true] {
        let mut client = server.client();
        if is_in_tls {
            client.auth_tls(&Tls::new());
        }
        // More replies than the system buffers.
        client.send_bytes("HELP\r\n".repeat(40_000).as_bytes());
        let begin = Instant::now();
        eventually("it is cut off", || {
            let events = server.events();
            let reasons = events.iter().filter_map(|event| event["reason"].as_str());
            reasons.filter(|reason| *reason == "the client does not read its replies").count()
                == 1 + usize::from(is_in_tls)
        });
        assert!(begin.elapsed() < SOON);
    }
}
