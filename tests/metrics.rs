//! Metrics: what Prometheus is told, in its own format, over the control socket and by HTTP.

use crate::support::{TestServer, Tls, eventually, noise};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Reads the text format strictly: each sample belongs to the HELP and TYPE right above it, names and labels are legal,
/// no sample comes twice, and names say what `promtool check metrics` wants them to.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let mut helped = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && seen.insert(name.to_string()), "{line}");
            helped = name.to_string();
        } else if let Some(stated) = line.strip_prefix("# TYPE ") {
            let (name, is) = stated.split_once(' ').unwrap();
            assert!(name == helped && ["counter", "gauge", "summary"].contains(&is), "{line}");
            assert_eq!(name.ends_with("_total"), is == "counter", "{line}");
            assert!(is != "summary" || name.ends_with("_seconds"), "{line}");
            (family, kind) = (name.to_string(), is.to_string());
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (bare, labels) = name.split_once('{').map_or((name, None), |(bare, rest)| (bare, Some(rest)));
            let legal = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            assert!(legal(bare) && bare.starts_with("django_ftpd_"), "{line}");
            let expected = match &*kind {
                "summary" => bare.strip_suffix("_sum").or(bare.strip_suffix("_count")).unwrap(),
                _ => bare,
            };
            assert_eq!(expected, family, "{line}");
            for label in labels.iter().flat_map(|labels| labels.strip_suffix("\"}").unwrap().split("\",")) {
                let (key, value) = label.split_once("=\"").unwrap();
                assert!(legal(key) && !value.contains('"'), "{line}");
            }
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            assert!(samples.insert(name.to_string(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

fn all(server: &TestServer) -> BTreeMap<String, f64> {
    parsed(&server.says(&["metrics"]))
}

fn port(server: &TestServer) -> SocketAddr {
    server.expect_log("metrics are at http://");
    let log = server.log();
    let (_, rest) = log.split_once("metrics are at http://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// What is answered to these bytes.
fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn all_that_happens_is_counted() {
    let builder =
        TestServer::with_tls(&["--tls", "optional", "--max-cons-per-ip", "3", "--passive-ports", "20200-20209"]);
    let (server, tls) = (builder.control().start(), Tls::new());
    let before = all(&server);
    assert_eq!(before["django_ftpd_connections_accepted_total"], 0.0);
    assert_eq!(before["django_ftpd_build_info{version=\"0.1.0\"}"], 1.0);
    assert!(before["django_ftpd_start_time_seconds"] > 1.7e9);
    server.home("ann");
    let mut ann = server.login_in_tls("ann", &tls);
    ann.upload("STOR up", &noise(5000));
    ann.download("RETR up");
    ann.download("RETR up");
    let data = ann.passive();
    ann.send("STOR cut").expect(150);
    data.write(&noise(100)).reset();
    let cut = String::from_utf8(ann.reply()).unwrap();
    assert!(cut.starts_with("426") || cut.starts_with("226"), "{cut}");
    let (_, code) = server.try_login("ann", "wrong");
    assert_eq!(code, 530);
    eventually("who failed is gone", || server.sessions().len() == 1);
    let (_one, _two) = (server.client(), server.client());
    let mut refused = crate::support::Client::connect(server.address());
    refused.expect(421);
    ann.epsv();
    eventually("all is counted", || {
        all(&server)["django_ftpd_transfers_total{direction=\"upload\",result=\"complete\"}"] >= 1.0
    });
    let now = all(&server);
    let is = |name: &str, value: f64| assert_eq!(now[name], value, "{name}");
    is("django_ftpd_connections_accepted_total", 4.0);
    is("django_ftpd_connections_refused_total{reason=\"max_cons_per_ip\"}", 1.0);
    is("django_ftpd_connections_refused_total{reason=\"banned\"}", 0.0);
    is("django_ftpd_logins_total{result=\"success\"}", 1.0);
    is("django_ftpd_logins_total{result=\"failure\"}", 1.0);
    is("django_ftpd_transfers_total{direction=\"download\",result=\"complete\"}", 2.0);
    is("django_ftpd_transfer_bytes_total{direction=\"download\"}", 10000.0);
    is("django_ftpd_transfer_duration_seconds_count{direction=\"download\"}", 2.0);
    assert!(now["django_ftpd_transfer_bytes_total{direction=\"upload\"}"] >= 5000.0);
    assert!(now["django_ftpd_transfer_duration_seconds_sum{direction=\"download\"}"] > 0.0);
    is("django_ftpd_tls_sessions", 1.0);
    is("django_ftpd_sessions{state=\"idle\"}", 1.0);
    is("django_ftpd_sessions{state=\"pending\"}", 2.0);
    is("django_ftpd_passive_ports", 10.0);
    is("django_ftpd_passive_ports_in_use", 1.0);
    is("django_ftpd_journal_trouble", 0.0);
    let events = server.events().len() as f64;
    is("django_ftpd_events_total", events);
    is("django_ftpd_last_event_number", events);
}

#[test]
fn what_is_on_its_way_is_counted_as_it_goes() {
    let server = TestServer::with(&[]).control().start();
    server.home("ann");
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    ann.send("STOR up").expect(150);
    data.stream.write_all(&noise(777)).unwrap();
    eventually("the bytes are counted", || {
        server.metric("django_ftpd_transfer_bytes_total{direction=\"upload\"}") == 777.0
    });
    assert_eq!(server.metric("django_ftpd_sessions{state=\"transferring\"}"), 1.0);
    assert_eq!(server.metric("django_ftpd_transfers_total{direction=\"upload\",result=\"complete\"}"), 0.0);
    data.write(b"").close();
    ann.expect(226);
}

#[test]
fn a_journal_on_a_full_disk_is_trouble() {
    let server = TestServer::with(&["--journal-full", "continue"]).without_journal();
    let server = server.args(&["--journal", "/dev/full"]).control().start();
    eventually("there is trouble", || server.metric("django_ftpd_journal_trouble") == 1.0);
}

#[test]
fn they_are_read_by_http() {
    let server = TestServer::with(&["--metrics-listen", "127.0.0.1:0"]).control().start();
    let address = port(&server);
    let answer = http(address, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let names = |samples: BTreeMap<String, f64>| samples.into_keys().collect::<Vec<_>>();
    assert_eq!(names(parsed(body)), names(all(&server)));
    for (request, status) in [
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/x HTTP/1.0\n\n", "404"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405"),
        ("GET /metrics\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
    ] {
        let answer = http(address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
    assert!(http(address, "HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    let endless = format!("GET /metrics HTTP/1.1\r\n{}", "x: y\r\n".repeat(3000));
    let answer = http(address, &endless);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn who_says_nothing_keeps_nobody_from_reading_them() {
    let server = TestServer::with(&["--metrics-listen", "127.0.0.1:0"]).control().start();
    let address = port(&server);
    server.login("ann");
    server.says(&["who"]);
    let before = server.resources();
    let mut silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    silent.iter_mut().for_each(|stream| drop(stream.write_all(b"GET /met")));
    let begin = Instant::now();
    assert!(http(address, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    eventually("all have been sent away", || server.holds_no_more_than(before));
    assert!(http(address, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, said) = TestServer::with(&["--metrics-listen", &address]).fails();
    assert_eq!(status, 1);
    assert!(said.contains(&format!("can't listen on {address}: ")), "{said}");
}
