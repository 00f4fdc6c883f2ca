//! Clients behind a proxy that speaks the PROXY protocol: who they are to the server, and where their data goes.

use crate::support::proxy::{PROXY, REACHED, header_1, header_2, header_local};
use crate::support::{Client, Data, TestServer, Tls, check, eventually, noise};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// A server that believes the proxy of the tests.
fn start(args: &[&str]) -> TestServer {
    TestServer::with(&["--trusted-proxies", PROXY]).args(args).control().start()
}

fn log_in<'a>(client: &'a mut Client, name: &str) -> &'a mut Client {
    client.expect(220);
    client.script(&[(&format!("USER {name}"), 331), (&format!("PASS {name}-secret"), 230), ("TYPE I", 200)])
}

/// What is in the way between a client and this server.
fn behind(server: &TestServer, header: &[u8]) -> Client {
    Client::behind_proxy(server.address(), header)
}

#[test]
fn the_real_client_is_who_came_in_events_in_who_and_in_the_log() {
    let server = start(&[]);
    for (header, ip) in [
        (header_1("192.0.2.7"), "192.0.2.7"),
        (header_2("192.0.2.8"), "192.0.2.8"),
        (header_1("2001:db8::7"), "2001:db8::7"),
        (header_2("2001:db8::8"), "2001:db8::8"),
        (header_2("::ffff:192.0.2.9"), "192.0.2.9"),
    ] {
        let mut client = behind(&server, &header);
        log_in(&mut client, "ann");
        let [session] = &server.sessions()[..] else { panic!("{:?}", server.sessions()) };
        assert_eq!((&session["remote_ip"], &session["username"]), (&ip.into(), &"ann".into()));
        client.send("QUIT").expect(221);
        client.expect_end();
        for kind in ["ftp_client_connected", "ftp_login", "ftp_logout", "ftp_client_disconnected"] {
            let event = server.expect_event(kind, &[("remote_ip", ip)]);
            assert_eq!(event["remote_port"], 4711);
        }
        server.expect_log(&format!("ftp_login session={} remote_ip={ip} ", session["session"]));
        eventually("it has left", || server.sessions().is_empty());
    }
    assert!(!server.log().contains(&format!("remote_ip={PROXY}")), "the proxy is nobody");
    // Whoever comes by itself needs no header.
    server.login("ann").send("QUIT").expect(221);
}

#[test]
fn a_header_may_come_in_pieces_and_with_commands_behind_it() {
    let server = start(&[]);
    for header in [header_1("192.0.2.7"), header_2("192.0.2.7")] {
        let mut client = Client::connect_from(PROXY, server.address());
        for byte in header.chunks(1) {
            client.send_bytes(byte);
        }
        log_in(&mut client, "ann");
        let together = [&header[..], b"USER ann\r\nPASS ann-secret\r\nNOOP\r\n"].concat();
        let mut client = behind(&server, &together);
        for code in [220, 331, 230, 200] {
            client.expect(code);
        }
    }
}

#[test]
fn implicit_tls_begins_behind_the_header() {
    let server = TestServer::with_tls(&["--trusted-proxies", PROXY, "--implicit-tls", "127.0.0.1:0"]).start();
    let tls = Tls::new();
    let mut client = Client::behind_proxy(server.implicit_address(), &header_2("192.0.2.7"));
    client.shake_hands(&tls).unwrap();
    log_in(client.data_in(Some(&tls)), "ann");
    let event = server.expect_event("ftp_login", &[("remote_ip", "192.0.2.7")]);
    assert!(event["tls"].is_string(), "{event}");
}

/// By version 1, by version 2, and without either, HAProxy looks every few seconds whether the server is well.
#[test]
fn a_proxy_that_looks_after_the_server_is_nothing_to_tell() {
    let server = TestServer::with(&["--trusted-proxies", PROXY, "--ban-failures", "1", "--max-cons-per-ip", "1"])
        .control()
        .start();
    let mut first = behind(&server, &header_local());
    first.expect(220);
    for header in [header_local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut probe = behind(&server, &header);
        probe.expect(220);
        probe.vanish();
        let mut probe = behind(&server, &header);
        probe.expect(220);
        probe.send("QUIT").expect(221);
        probe.expect_end();
    }
    // So it does in version 1.
    let probe = Client::connect_from(PROXY, server.address());
    let own = probe.stream().local_addr().unwrap().port();
    let mut probe = probe;
    probe.send_bytes(format!("PROXY TCP4 {PROXY} 127.0.0.1 {own} 21\r\n").as_bytes()).expect(220);
    probe.vanish();
    for _ in 0..3 {
        Client::connect_from(PROXY, server.address()).vanish();
    }
    first.vanish();
    eventually("they have left", || server.sessions().is_empty());
    let mut client = behind(&server, &header_2("192.0.2.7"));
    log_in(&mut client, "ann").send("QUIT").expect(221);
    server.expect_event("ftp_client_disconnected", &[("remote_ip", "192.0.2.7")]);
    assert!(server.events().iter().all(|event| event["remote_ip"] != PROXY), "{:?}", server.events());
    let loud = server.log().lines().filter(|line| !line.contains(" DEBUG ") && line.contains(PROXY)).count();
    assert_eq!(loud, 0, "{}", server.log());
    assert_eq!(server.metric("django_ftpd_connections_accepted_total"), 1.0);
    assert_eq!(server.metric("django_ftpd_connections_refused_total{reason=\"proxy_header\"}"), 0.0);
}

#[test]
fn whoever_logs_in_from_the_proxy_itself_is_told_and_never_banned() {
    let server = TestServer::with(&["--trusted-proxies", PROXY, "--ban-failures", "1"]).start();
    for _ in 0..3 {
        let mut client = behind(&server, &header_local());
        client.expect(220);
        client.script(&[("USER ann", 331), ("PASS wrong", 530)]);
    }
    server.expect_event("ftp_client_connected", &[("remote_ip", PROXY)]);
    server.expect_event("ftp_login_failed", &[("remote_ip", PROXY)]);
    server.expect_event("ftp_client_disconnected", &[("remote_ip", PROXY)]);
    assert!(!server.log().contains("is banned"));
}

#[test]
fn passive_mode_tells_the_address_that_the_client_has_reached() {
    let server = start(&[]);
    let mut client = behind(&server, &header_2("192.0.2.7"));
    let reached: SocketAddr = REACHED.parse().unwrap();
    assert_eq!(log_in(&mut client, "ann").pasv().ip(), reached.ip());
    assert!(client.send("STAT").expect(211).contains(&format!("Connected to: {REACHED}")));
    // Over IPv6 the proxy has been reached, whatever way it takes to the server.
    let mut client = behind(&server, &header_2("2001:db8::7"));
    log_in(&mut client, "ann").script(&[("PASV", 425), ("EPSV 1", 522), ("EPSV 2", 229)]);
}

/// One address for all that comes to the proxy: data connections, too.
#[test]
fn data_through_the_proxy_is_the_clients_in_both_versions_and_in_tls() {
    let server = TestServer::with_tls(&["--trusted-proxies", PROXY, "--tls", "optional"])
        .args(&["--tls-session-reuse", "require"])
        .start();
    let (tls, bytes) = (Tls::new(), noise(300_000));
    fs::write(server.home("ann").join("file"), &bytes).unwrap();
    for header in [header_1, header_2] {
        let mut client = behind(&server, &header("192.0.2.7"));
        log_in(&mut client, "ann");
        for is_in_tls in [false, true] {
            if is_in_tls {
                client.auth_tls(&tls).script(&[("USER ann", 331), ("PASS ann-secret", 230), ("TYPE I", 200)]);
                client.protect(&tls);
            }
            let address = client.epsv();
            client.send("RETR file");
            let mut data = client.data(Data::behind_proxy(address, &header("192.0.2.7")));
            client.expect(150);
            assert!(data.read() == bytes);
            client.expect(226);
            // The header and the first bytes may well come together.
            let address = client.epsv();
            client.send("STOR up");
            let data = client.data(Data::behind_proxy(address, &header("192.0.2.7")));
            data.write(&bytes).close();
            client.expect(150);
            client.expect(226);
            assert!(fs::read(server.home("ann").join("up")).unwrap() == bytes);
        }
    }
}

/// Only the control connection goes through the proxy: clients are told where the server itself is.
#[test]
fn data_past_the_proxy_is_for_pasv_and_comes_from_the_client() {
    let server = TestServer::with(&["--trusted-proxies", PROXY, "--masquerade-address", "127.0.0.2"])
        .args(&["--masquerade-local"])
        .start();
    fs::write(server.home("ann").join("file"), "past").unwrap();
    let mut client = behind(&server, &header_2("127.0.0.7"));
    // EPSV can't tell an address.
    log_in(&mut client, "ann").script(&[("EPSV", 502), ("EPSV ALL", 502)]);
    assert!(!client.send("FEAT").expect(211).contains("EPSV"));
    // The server listens where it is told to be, which is not where the proxy comes in.
    let address = client.pasv();
    assert_eq!(address.ip(), "127.0.0.2".parse::<IpAddr>().unwrap());
    client.send("RETR file").expect(150);
    let mut stranger = Data::connect_from("127.0.0.6", address);
    assert_eq!(stranger.stream.read(&mut [0; 9]).unwrap_or(0), 0);
    assert_eq!(Data::connect_from("127.0.0.7", address).read(), b"past");
    client.expect(226);
    // Behind a NAT, that address leads to the proxy again.
    let address = client.pasv();
    client.send("RETR file").expect(150);
    assert_eq!(Data::over(Data::behind_proxy(address, &header_2("127.0.0.7"))).read(), b"past");
    client.expect(226);
    // Whoever comes by itself may use both.
    let mut direct = server.login("ann");
    assert_eq!(direct.download("RETR file"), b"past");
    assert_eq!(direct.pasv().ip(), "127.0.0.2".parse::<IpAddr>().unwrap());
}

#[test]
fn active_mode_goes_to_the_real_client_and_to_nobody_else() {
    let server = start(&[]);
    fs::write(server.home("ann").join("file"), "there").unwrap();
    let listener = TcpListener::bind("127.0.0.7:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = behind(&server, &header_2("127.0.0.7"));
    log_in(&mut client, "ann").send(&format!("EPRT |1|{PROXY}|{port}|")).expect(501);
    client.send(&format!("EPRT |1|127.0.0.7|{port}|")).expect(200);
    client.send("RETR file");
    let mut came = Data::over(listener.accept().unwrap().0);
    assert_eq!(came.read(), b"there");
    client.expect(150);
    client.expect(226);
}

#[test]
fn rules_of_networks_are_for_real_clients() {
    let builder = TestServer::with_tls(&["--trusted-proxies", PROXY]);
    let server = builder.file("[network.\"192.0.2.0/24\"]\ntls = 'optional'\n").start();
    let mut inside = behind(&server, &header_2("192.0.2.7"));
    log_in(&mut inside, "ann");
    let mut outside = behind(&server, &header_2("198.51.100.7"));
    outside.expect(220);
    outside.send("USER ann").expect(550);
}

#[test]
fn programs_are_told_of_the_real_client() {
    let gate = "[[gate]]\nname = 'here'\ncommand = ['/bin/sh', '-c', 'test \"$FTP_REMOTE_IP\" = 192.0.2.7']\n";
    let server = TestServer::with(&["--trusted-proxies", PROXY]).file(gate).start();
    server.home("ann");
    for (client, code) in [("192.0.2.7", 226), ("192.0.2.8", 550)] {
        let header = header_2(client);
        let mut ann = behind(&server, &header);
        let address = log_in(&mut ann, "ann").epsv();
        ann.send("STOR file").expect(150);
        Data::over(Data::behind_proxy(address, &header)).write(b"bytes").close();
        ann.expect(code);
    }
}

#[test]
fn who_is_a_proxy_changes_while_the_server_runs() {
    let server = TestServer::with(&[]).control().file("trusted_proxies = '10.9.9.9'\n").start();
    let config = server.outside("ftpd.conf");
    let mut before = Client::connect_from(PROXY, server.address());
    log_in(&mut before, "ann");
    fs::write(&config, format!("trusted_proxies = '10.0.0.0/8, {PROXY}'\n")).unwrap();
    assert_eq!(server.says(&["reload"]), "the configuration was read anew\n");
    let mut client = behind(&server, &header_2("192.0.2.7"));
    log_in(&mut client, "ann");
    server.expect_event("ftp_login", &[("remote_ip", "192.0.2.7")]);
    assert_eq!(before.code("NOOP"), 200);
    fs::write(&config, "trusted_proxies = 'proxy.example.com'\n").unwrap();
    server.refuses(&["reload"], 1, "trusted_proxies: \"proxy.example.com\" is not a network such as");
}

#[test]
fn a_server_that_stops_does_not_wait_for_headers() {
    let server = start(&[]);
    let silent: Vec<Client> = (0..5).map(|_| Client::connect_from(PROXY, server.address())).collect();
    eventually("they have come", || server.resources().1 >= 6);
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    silent.into_iter().for_each(|mut client| client.expect_end());
}

#[test]
fn check_says_what_proxies_have_to_send_and_warns_of_whole_internets() {
    let report = check(&["--trusted-proxies", "10.0.0.2,10.1.0.0/16"]);
    report.has("ok", "proxies", "10.0.0.2/32, 10.1.0.0/16");
    let report = check(&["--trusted-proxies", "0.0.0.0/0"]);
    report.has("warning", "proxies", "0.0.0.0/0 is nearly everybody");
}

/// A client that sends nothing keeps its descriptor no longer than others.
#[test]
fn nothing_is_left_of_connections_without_a_header() {
    let server = start(&[]);
    let before = server.resources();
    for _ in 0..20 {
        Client::connect_from(PROXY, server.address()).vanish();
        let mut garbage = Client::connect_from(PROXY, server.address());
        let _ = garbage.stream().write_all(b"GET / HTTP/1.1\r\n\r\n");
        garbage.expect(421);
    }
    eventually("all is closed", || server.holds_no_more_than(before));
}
