//! Attacks by way of the PROXY protocol: forged, missing and endless headers, bans and limits that a proxy could hide
//! from, and data connections of others behind the same proxy.

use crate::support::proxy::{PROXY, header_1, header_2, header_local};
use crate::support::{Client, Data, TestServer, eventually};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What the proxy has for its header, and some time for a slow machine.
const HEADER_TIME: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(10);

fn start(args: &[&str]) -> TestServer {
    TestServer::with(&["--trusted-proxies", PROXY]).args(args).control().start()
}

fn behind(server: &TestServer, client: &str) -> Client {
    Client::behind_proxy(server.address(), &header_2(client))
}

fn log_in<'a>(client: &'a mut Client, name: &str) -> &'a mut Client {
    client.expect(220);
    client.script(&[(&format!("USER {name}"), 331), (&format!("PASS {name}-secret"), 230), ("TYPE I", 200)])
}

/// Only the listed proxy is believed, whoever else says what it says.
#[test]
fn a_header_from_anybody_else_is_not_believed() {
    let trusting = start(&[]);
    let off = TestServer::start();
    for server in [&trusting, &off] {
        let mut liar = Client::connect_from("127.0.0.8", server.address());
        liar.expect(220);
        liar.send_bytes(&header_1("192.0.2.7")).expect(500);
        liar.script(&[("USER ann", 331), ("PASS ann-secret", 230), ("QUIT", 221)]);
        server.expect_event("ftp_login", &[("remote_ip", "127.0.0.8")]);
        // The binary one was made so that who does not know it reads some empty lines and QUIT.
        for header in [header_2("192.0.2.7"), header_local()] {
            let mut liar = Client::connect_from("127.0.0.10", server.address());
            liar.expect(220);
            liar.send_bytes(&header);
            let end = std::iter::from_fn(|| liar.line()).last().unwrap();
            assert!(end.starts_with(b"221"), "{:?}", String::from_utf8_lossy(&end));
        }
        server.expect_event("ftp_client_disconnected", &[("remote_ip", "127.0.0.10"), ("reason", "quit")]);
        assert!(server.events().iter().all(|event| event["remote_ip"] != "192.0.2.7"));
    }
}

/// The server never guesses: what comes from a proxy has a header, or is refused.
#[test]
fn without_a_header_nobody_is_served_through_the_proxy() {
    let server = start(&[]);
    let wrong: [&[u8]; 6] = [
        b"USER ann\r\n",
        b"PROXY TCP4 nobody 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\x16\x03\x01\x02\0\x01",
    ];
    for bytes in wrong {
        let mut client = Client::connect_from(PROXY, server.address());
        // Some of it may be one byte more than the server wants to see.
        client.send_bytes(bytes);
        let line = client.expect(421);
        assert!(line.contains("The proxy does not say who connects"), "{line}");
    }
    server.expect_log(
        "refused 127.0.0.9, which is in trusted_proxies: no PROXY header comes first; does its server line",
    );
    let mut cut = Client::connect_from(PROXY, server.address());
    cut.send_bytes(b"PROXY TCP4 192.0.2.7");
    cut.vanish();
    eventually("all are counted", || {
        server.metric("django_ftpd_connections_refused_total{reason=\"proxy_header\"}") == 7.0
    });
    assert!(server.events().iter().all(|event| event.get("session").is_none()), "no session, no event");
}

#[test]
fn a_header_that_does_not_come_holds_nobody_up_and_is_not_waited_for() {
    let server = start(&[]);
    let began = Instant::now();
    let mut silent = Client::connect_from(PROXY, server.address());
    let mut slow = Client::connect_from(PROXY, server.address());
    slow.send_bytes(b"PROXY ");
    // Others are served meanwhile, from wherever.
    server.login("ann").send("QUIT").expect(221);
    log_in(&mut behind(&server, "192.0.2.7"), "ann");
    assert!(began.elapsed() < HEADER_TIME);
    // A byte now and then is no more time.
    let drip = slow.stream().try_clone().unwrap();
    std::thread::spawn(move || {
        while (&drip).write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(400));
        }
    });
    silent.expect(421);
    silent.expect_end();
    slow.expect(421);
    assert!((HEADER_TIME..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
    server.expect_log("no PROXY header came within 5 seconds; does its server line have send-proxy-v2?");
}

#[test]
fn connections_without_a_header_yet_count_as_connections() {
    let server = start(&["--max-cons", "3"]);
    let _silent: Vec<Client> = (0..3).map(|_| Client::connect_from(PROXY, server.address())).collect();
    eventually("they have come", || server.resources().1 >= 4);
    Client::connect(server.address()).expect(421);
    behind(&server, "192.0.2.7").expect(421);
    // They go by themselves.
    let began = Instant::now();
    eventually("there is room again", || Client::connect(server.address()).reply().starts_with(b"220"));
    assert!(began.elapsed() < SOON);
}

#[test]
fn who_takes_the_place_of_another_behind_a_proxy_keeps_it() {
    let server = start(&["--max-cons", "2"]);
    let mut ann = behind(&server, "192.0.2.7");
    log_in(&mut ann, "ann");
    let mut silent = Client::connect(server.address());
    silent.expect(220);
    // From then on, who has not logged in makes room.
    std::thread::sleep(Duration::from_secs(6));
    behind(&server, "192.0.2.8").expect(220);
    silent.expect(421);
    ann.script(&[("NOOP", 200)]);
}

#[test]
fn a_ban_is_for_the_real_client_and_never_for_the_proxy() {
    let server = start(&["--ban-failures", "2", "--ban-seconds", "100"]);
    for _ in 0..2 {
        let mut guesser = behind(&server, "192.0.2.7");
        guesser.expect(220);
        guesser.script(&[("USER ann", 331), ("PASS guess", 530)]);
    }
    server.expect_log("192.0.2.7 is banned");
    let line = behind(&server, "192.0.2.7").expect(421);
    assert!(line.contains("Too many failed logins"), "{line}");
    log_in(&mut behind(&server, "192.0.2.8"), "ann");
    // What the administrator orders is for clients, too.
    server.says(&["ban", PROXY]);
    log_in(&mut behind(&server, "192.0.2.8"), "ann");
    behind(&server, PROXY).expect(421);
    let mut client = behind(&server, "192.0.2.9");
    log_in(&mut client, "ann");
    server.says(&["ban", "192.0.2.9"]);
    client.expect(421);
    client.expect_end();
}

#[test]
fn the_limit_of_an_address_is_that_of_the_real_client() {
    let server = start(&["--max-cons-per-ip", "1"]);
    let mut held = behind(&server, "192.0.2.7");
    held.expect(220);
    let line = behind(&server, "192.0.2.7").expect(421);
    assert!(line.contains("same IP"), "{line}");
    for client in ["192.0.2.8", "192.0.2.9"] {
        let mut other = behind(&server, client);
        log_in(&mut other, "ann").send("QUIT").expect(221);
    }
    held.send("QUIT").expect(221);
    eventually("it is free again", || behind(&server, "192.0.2.7").reply().starts_with(b"220"));
}

fn is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(_) => false,
    }
}

/// Everybody behind a proxy has the proxy's address: only its header tells whose a data connection is.
#[test]
fn nobody_else_behind_the_proxy_takes_or_brings_a_file() {
    let server = start(&[]);
    fs::write(server.home("ann").join("secret"), "for ann alone").unwrap();
    let mut client = behind(&server, "192.0.2.7");
    log_in(&mut client, "ann");
    let own = |address: SocketAddr| Data::behind_proxy(address, &header_2("192.0.2.7"));
    let strangers = |address: SocketAddr| {
        [
            Data::behind_proxy(address, &header_2("192.0.2.8")),
            Data::behind_proxy(address, &header_1("2001:db8::7")),
            Data::behind_proxy(address, &header_local()),
            Data::behind_proxy(address, b"no header at all, and not short of bytes"),
            // From elsewhere, a header is nothing but data.
            {
                let mut stream = Data::connect_from("127.0.0.8", address).stream;
                stream.write_all(&header_2("192.0.2.7")).unwrap();
                stream
            },
        ]
    };
    let address = client.epsv();
    let came = strangers(address);
    client.send("RETR secret").expect(150);
    assert!(came.into_iter().all(is_closed), "somebody else was given the file");
    let mut data = Data::over(own(address));
    assert_eq!(data.read(), b"for ann alone");
    client.expect(226);
    let address = client.epsv();
    let came = strangers(address);
    client.send("STOR up").expect(150);
    assert!(came.into_iter().all(is_closed), "somebody else brought a file");
    Data::over(own(address)).write(b"by ann").close();
    client.expect(226);
    assert_eq!(fs::read(server.home("ann").join("up")).unwrap(), b"by ann");
    server.expect_log("refused a data connection of 192.0.2.8 through 127.0.0.9:");
    server.expect_log("which is a trusted proxy: no PROXY header comes first");
}

#[test]
fn a_data_connection_without_its_header_is_not_waited_for_and_the_client_is_heard() {
    let server = start(&["--pasv-timeout", "60", "--permit-foreign-addresses"]);
    fs::write(server.home("ann").join("file"), "late").unwrap();
    let mut client = behind(&server, "192.0.2.7");
    log_in(&mut client, "ann");
    let address = client.epsv();
    let silent = Data::behind_proxy(address, b"PROXY TCP4 ");
    client.send("RETR file").expect(150);
    let began = Instant::now();
    client.send("NOOP").expect(200);
    assert!(is_closed(silent), "it is waited for");
    assert!((HEADER_TIME..SOON).contains(&(began.elapsed() + Duration::from_millis(500))), "{:?}", began.elapsed());
    // Foreign addresses are permitted here; no header is still no header.
    assert!(is_closed(Data::behind_proxy(address, b"this is no header")));
    let mut data = Data::over(Data::behind_proxy(address, &header_2("192.0.2.99")));
    assert_eq!(data.read(), b"late");
    client.expect(226);
    // ABOR ends the waiting, too.
    let address = client.epsv();
    let silent = Data::behind_proxy(address, b"");
    client.send("RETR file").expect(150);
    client.send("ABOR").expect(426);
    client.expect(226);
    assert!(is_closed(silent));
}
