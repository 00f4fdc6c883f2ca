//! The data connection: active and passive, early and late, refused and broken; and what is heard while it runs.

use crate::support::{Client, Data, TestServer, eventually, noise};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// More than the sockets between server and client hold: a download of it waits for its reader.
const MORE_THAN_SOCKETS_HOLD: u64 = 40_000_000;

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn port_command(address: SocketAddr) -> String {
    let (ip, port) = (address.ip().to_string().replace('.', ","), address.port());
    format!("PORT {ip},{},{}", port / 256, port % 256)
}

/// A server, a client in the middle of a download, and its data connection.
fn downloading() -> (TestServer, Client, Data) {
    let server = TestServer::start();
    server.files("ann").write("big", vec![0; MORE_THAN_SOCKETS_HOLD as usize]);
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    ann.send("RETR big").expect(150);
    data.stream.read_exact(&mut [0]).unwrap();
    (server, ann, data)
}

/// A server, a client in the middle of an upload, and its data connection.
fn uploading() -> (TestServer, Client, Data) {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR up").expect(150);
    let data = data.write(&noise(1000));
    eventually("the bytes have come", || ann.send("STAT").expect(211).contains("1000 bytes"));
    (server, ann, data)
}

#[test]
fn a_transfer_needs_a_data_connection() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("f", "x");
    let mut ann = server.login("ann");
    for line in ["RETR f", "STOR g", "APPE f", "APPE g", "STOU", "LIST", "NLST", "MLSD", "LIST -R"] {
        ann.script(&[(line, 425), ("NOOP", 200)]);
    }
    // A port serves one transfer.
    ann.upload("STOR h", b"x");
    ann.script(&[("RETR h", 425), ("PASV", 227), ("ABOR", 225), ("RETR h", 425)]);
    assert_eq!(home.names("").len(), 2);
}

#[test]
fn the_client_may_connect_before_the_command_or_after_the_reply() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR early", b"early");
    let address = ann.pasv();
    ann.send("STOR late").expect(150);
    Data::over(TcpStream::connect(address).unwrap()).write(b"late").close();
    ann.expect(226);
    let address = ann.epsv();
    ann.send("RETR late").expect(150);
    assert_eq!(Data::over(TcpStream::connect(address).unwrap()).read(), b"late");
    ann.expect(226);
    // All of a small upload may be there before the command.
    let data = ann.passive();
    data.write(b"whole").close();
    ann.script(&[("STOR whole", 150)]).expect(226);
    assert_eq!(ann.download("RETR whole"), b"whole");
    assert_eq!(ann.download("RETR early"), b"early");
}

#[test]
fn active_mode_by_port_and_by_eprt() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ann.send(&port_command(listener.local_addr().unwrap())).expect(200);
    ann.send("STOR f").expect(150);
    Data::over(listener.accept().unwrap().0).write(b"by port").close();
    ann.expect(226);
    assert_eq!(home.read("f"), b"by port");
    let listener = ann.active();
    ann.send("RETR f").expect(150);
    assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"by port");
    ann.expect(226);
    ann.send("RETR f").expect(425);
}

#[test]
fn a_client_that_names_no_address_in_active_mode_means_its_own() {
    for (host, none) in [("127.0.0.1", "|1|0.0.0.0"), ("[::1]", "|2|::")] {
        for options in [vec![], vec!["--permit-foreign-addresses"]] {
            let server = TestServer::with(&options).host(host).start();
            server.files("ann").write("f", "content");
            let mut ann = server.login("ann");
            let listener = TcpListener::bind(format!("{host}:0")).unwrap();
            let port = listener.local_addr().unwrap().port();
            ann.send(&format!("EPRT {none}|{port}|")).expect(200);
            ann.send("RETR f").expect(150);
            let (stream, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), server.address().ip());
            assert_eq!(Data::over(stream).read(), b"content");
            ann.expect(226);
            ann.send(&format!("EPRT {none}|80|")).expect(501);
        }
    }
    let server = TestServer::start();
    server.home("ann");
    server.login("ann").script(&[("PORT 0,0,0,0,8,0", 200), ("PORT 0,0,0,0,0,80", 501)]);
}

#[test]
fn an_active_client_that_does_not_listen_is_425_and_leaves_nothing() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("f", "x");
    let mut ann = server.login("ann");
    for line in ["RETR f", "STOR g", "LIST"] {
        ann.script(&[(&port_command(nobody()), 200), (line, 425), ("NOOP", 200)]);
    }
    assert_eq!(ann.list("NLST"), ["f"]);
}

#[test]
fn active_mode_goes_only_to_the_client_itself() {
    let server = TestServer::start();
    server.login("ann").script(&[
        ("PORT 127,0,0,2,8,0", 501),
        ("PORT 8,8,8,8,8,0", 501),
        ("EPRT |1|127.0.0.2|2048|", 501),
        ("PORT 127,0,0,1,3,255", 501),
        ("PORT 127,0,0,1,0,0", 501),
        ("EPRT |1|127.0.0.1|1023|", 501),
        ("EPRT |2|::1|2048|", 522),
        ("PORT 127,0,0,1,4,0", 200),
        ("EPRT !1!127.0.0.1!2048!", 200),
    ]);
}

#[test]
fn nobody_comes_to_the_passive_port() {
    let server = TestServer::with(&["--pasv-timeout", "0.3"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let address = ann.epsv();
    ann.send("STOR f").expect(150);
    ann.expect(425);
    assert!(TcpStream::connect(address).is_err());
    assert!(ann.list("NLST").is_empty());
    let address = ann.epsv();
    eventually("the port is closed though no command came", || TcpStream::connect(address).is_err());
    ann.script(&[("NLST", 425), ("NOOP", 200)]);
}

#[test]
fn a_new_port_closes_the_old_one() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    let old = ann.pasv();
    let new = ann.epsv();
    assert!(old == new || TcpStream::connect(old).is_err());
    ann.active();
    assert!(TcpStream::connect(new).is_err());
}

#[test]
fn ipv6_has_its_own_commands() {
    let server = TestServer::with(&[]).host("[::1]").start();
    assert!(server.address().is_ipv6());
    server.home("ann");
    let mut ann = server.login("ann");
    ann.script(&[
        ("PASV", 425),
        ("EPSV 1", 522),
        ("EPRT |1|127.0.0.1|2048|", 522),
        ("EPRT |2|::2|2048|", 501),
        ("PORT 127,0,0,1,8,0", 501),
    ]);
    ann.upload("STOR f", b"six");
    ann.send("EPSV 2").expect(229);
    let listener = ann.active();
    ann.send("RETR f").expect(150);
    assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"six");
    ann.expect(226);
    server.expect_event("ftp_login", &[("remote_ip", "::1")]);
}

#[test]
fn a_dual_stack_server_speaks_ipv4_to_ipv4() {
    let server = TestServer::with(&[]).host("[::]").start();
    server.home("ann");
    let mut ann = Client::connect(("127.0.0.1".parse::<std::net::IpAddr>().unwrap(), server.address().port()).into());
    ann.expect(220);
    ann.script(&[("USER ann", 331), ("PASS ann-secret", 230), ("EPSV 2", 522), ("EPSV 1", 229)]);
    let address = ann.pasv();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    ann.send("STOR f").expect(150);
    Data::over(TcpStream::connect(address).unwrap()).write(b"four").close();
    ann.expect(226);
    let listener = ann.active();
    ann.send("RETR f").expect(150);
    assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"four");
    ann.expect(226);
    server.expect_event("ftp_login", &[("remote_ip", "127.0.0.1")]);
}

#[test]
fn abor_without_a_transfer_is_225() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.script(&[("ABOR", 225), ("PASV", 227), ("ABOR", 225)]);
    let data = ann.passive();
    ann.send("ABOR").expect(225);
    drop(data);
    ann.upload("STOR f", b"x");
    ann.send("ABOR").expect(225);
}

#[test]
fn abor_ends_a_download_in_each_of_its_forms() {
    for form in [b"ABOR\r\n".as_slice(), b"\xFF\xF4\xFF\xF2ABOR\r\n", b"abor\n", b"NOOP\r\nABOR\r\n"] {
        let (server, mut ann, mut data) = downloading();
        ann.send_bytes(form);
        if form.starts_with(b"NOOP") {
            ann.expect(200);
        }
        ann.expect(426);
        ann.expect(226);
        let mut rest = Vec::new();
        let ended = data.stream.read_to_end(&mut rest);
        assert!(ended.is_err() || (rest.len() as u64) < MORE_THAN_SOCKETS_HOLD - 1, "an end that looks whole");
        let event = server.expect_event("ftp_file_sent_incomplete", &[("reason", "aborted by the client")]);
        assert!(event["bytes"].as_u64().unwrap() < MORE_THAN_SOCKETS_HOLD);
        assert_eq!(ann.list("NLST"), ["big"]);
    }
}

#[test]
fn abor_may_come_as_urgent_data() {
    let (_server, mut ann, _data) = downloading();
    let socket = socket2::SockRef::from(ann.stream());
    socket.send(b"\xFF\xF4").unwrap();
    socket.send_out_of_band(b"\xFF").unwrap();
    ann.send_bytes(b"\xF2ABOR\r\n").expect(426);
    ann.expect(226);
    ann.send("NOOP").expect(200);
}

#[test]
fn abor_ends_an_upload_and_leaves_nothing() {
    let (server, mut ann, data) = uploading();
    ann.send("ABOR").expect(426);
    assert_eq!(server.files("ann").names("").len(), 0);
    ann.expect(226);
    drop(data);
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    ann.upload("STOR up", b"x");
}

#[test]
fn abor_ends_the_wait_for_a_data_connection() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    for line in ["STOR f", "LIST", "MLSD"] {
        let address = ann.epsv();
        ann.send(line).expect(150);
        ann.send("ABOR").expect(426);
        ann.expect(226);
        assert!(TcpStream::connect(address).is_err());
    }
    assert!(ann.list("NLST").is_empty());
}

#[test]
fn what_was_sent_ahead_of_a_transfer_is_heard_in_it() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.epsv();
    ann.send_bytes(b"STOR f\r\nNOOP\r\nABOR\r\nPWD\r\n");
    for code in [150, 200, 426, 226, 257] {
        ann.expect(code);
    }
}

#[test]
fn noop_and_stat_are_answered_during_a_transfer() {
    let (_server, mut ann, mut data) = downloading();
    ann.script(&[("NOOP", 200), ("STAT", 211), ("NOOP", 200)]);
    assert!(ann.send("STAT").expect(211).contains(" bytes in "));
    assert_eq!(data.read().len() as u64, MORE_THAN_SOCKETS_HOLD - 1);
    ann.expect(226);
    assert!(!ann.send("STAT").expect(211).contains(" bytes in "));
}

#[test]
fn other_commands_wait_for_the_end_of_the_transfer() {
    let (_server, mut ann, data) = uploading();
    ann.send("PWD").send("NOOP").send("SIZE up");
    data.close();
    for code in [226, 257, 200, 213] {
        ann.expect(code);
    }
}

#[test]
fn quit_waits_for_the_end_of_the_transfer() {
    let (server, mut ann, mut data) = downloading();
    ann.send("QUIT").expect(221);
    assert_eq!(data.read().len() as u64, MORE_THAN_SOCKETS_HOLD - 1);
    ann.expect(226);
    ann.expect_end();
    server.expect_event("ftp_file_sent", &[("virtual_path", "/big")]);

    let (server, mut ann, data) = uploading();
    ann.send("QUIT").expect(221);
    data.write(b"more").close();
    ann.expect(226);
    ann.expect_end();
    assert_eq!(server.files("ann").read("up").len(), 1004);
}

#[test]
fn a_download_whose_reader_goes_is_426() {
    let (server, mut ann, data) = downloading();
    data.reset();
    ann.expect(426);
    server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/big")]);
    ann.send("NOOP").expect(200);
}

#[test]
fn a_lost_control_connection_is_an_abort() {
    let (server, ann, data) = downloading();
    ann.vanish();
    server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/big")]);
    server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    drop(data);

    let (server, ann, data) = uploading();
    ann.vanish();
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/up")]);
    assert_eq!(event["bytes"], 1000);
    assert_eq!(server.files("ann").names("").len(), 0);
    drop(data);
}

#[test]
fn a_transfer_that_stands_still_ends_the_session() {
    let server = TestServer::with(&["--data-timeout", "0.3"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR f").expect(150);
    let _data = data.write(b"x");
    ann.expect(421);
    ann.expect_end();
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/f")]);
    assert!(event["reason"].as_str().unwrap().contains("stalled"), "{event}");
    assert_eq!(server.files("ann").names("").len(), 0);
}

#[test]
fn a_reader_who_is_slow_but_steady_is_not_cut_off() {
    let server = TestServer::with(&["--data-timeout", "1.5"]).start();
    server.files("ann").write("big", noise(MORE_THAN_SOCKETS_HOLD as usize));
    let mut ann = server.login("ann");
    let data = ann.passive();
    socket2::SockRef::from(&data.stream).set_recv_buffer_size(8192).unwrap();
    ann.send("RETR big").expect(150);
    let start = std::time::Instant::now();
    let mut piece = [0; 8192];
    // Far longer than the timeout, and far less than a third of what the sockets hold.
    while start.elapsed() < std::time::Duration::from_secs(4) {
        std::io::Read::read_exact(&mut &data.stream, &mut piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(80));
    }
    ann.send("NOOP").expect(200);
}

#[test]
fn the_masquerade_address_is_for_those_outside_or_for_all() {
    for (options, announced) in [
        (vec!["--masquerade-address", "203.0.113.7"], "127.0.0.1"),
        (vec!["--masquerade-address", "203.0.113.7", "--masquerade-local"], "203.0.113.7"),
        (vec!["--masquerade-address", "127.0.0.9"], "127.0.0.9"),
        (vec!["--masquerade-address", "localhost", "--masquerade-local"], "127.0.0.1"),
        (vec!["--masquerade-address", "no-such-host.invalid"], "127.0.0.1"),
    ] {
        let server = TestServer::with(&options).start();
        server.home("ann");
        let mut ann = server.login("ann");
        assert_eq!(ann.pasv().ip().to_string(), announced, "{options:?}");
        // EPSV names no address.
        assert!(ann.list("NLST").is_empty());
    }
}

#[test]
fn foreign_addresses_are_permitted_only_by_option() {
    let server = TestServer::with(&["--permit-foreign-addresses"]).start();
    server.files("ann").write("f", "content");
    let mut ann = server.login("ann");
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    ann.send(&format!("EPRT |1|127.0.0.2|{port}|")).expect(200);
    ann.send("RETR f").expect(150);
    assert_eq!(Data::over(listener.accept().unwrap().0).read(), b"content");
    ann.expect(226);
    let address = ann.pasv();
    let mut data = Data::connect_from("127.0.0.3", address);
    ann.send("RETR f").expect(150);
    assert_eq!(data.read(), b"content");
    ann.expect(226);
    ann.send("EPRT |1|224.0.0.1|2000|").expect(501);
}

#[test]
fn privileged_ports_are_permitted_only_by_option() {
    let server = TestServer::with(&["--permit-privileged-ports"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.script(&[("PORT 127,0,0,1,3,255", 200), ("NLST", 425), ("PORT 127,0,0,1,0,0", 501), ("NOOP", 200)]);
}

#[test]
fn active_connections_leave_from_the_port_below_by_option() {
    // The port below may be somebody else's; not so for several servers in a row.
    let from_below = (0..5).any(|_| {
        let server = TestServer::with(&["--connect-from-data-port"]).start();
        server.home("ann");
        let mut ann = server.login("ann");
        let listener = ann.active();
        ann.send("NLST").expect(150);
        let (stream, peer) = listener.accept().unwrap();
        drop(stream);
        ann.expect(226);
        peer.port() == server.address().port() - 1
    });
    assert!(from_below);
}

#[test]
fn a_client_that_does_not_answer_in_active_mode_is_given_up() {
    let server = TestServer::with(&["--port-timeout", "0.3"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    // A listener whose queue is full answers nobody.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    ann.send(&format!("EPRT |1|127.0.0.1|{}|", address.port())).expect(200);
    let start = std::time::Instant::now();
    assert!(ann.send("NLST").expect(425).contains("does not answer"));
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
    assert!(ann.list("NLST").is_empty());
}

#[test]
fn a_file_that_shrinks_during_its_download_is_not_sent_whole() {
    let (server, mut ann, mut data) = downloading();
    std::fs::File::options().write(true).open(server.home("ann").join("big")).unwrap().set_len(10).unwrap();
    // The end comes as a reset, so that nobody takes it for the end of the file.
    assert!(data.stream.read_to_end(&mut Vec::new()).is_err());
    ann.expect(451);
    server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/big"), ("reason", "The file became shorter")]);
    ann.send("NOOP").expect(200);
}
