//! Data connections whose clients shake hands before they say what they are for, as Python's aioftp does.

use crate::support::{Client, Data, Tls, ann_in, eventually, noise};
use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

/// A data connection whose handshake is over; its command is still to come.
#[track_caller]
fn early(client: &mut Client) -> Data {
    let mut data = client.passive();
    data.shake_hands().unwrap();
    data
}

#[test]
fn a_client_may_shake_hands_before_its_command() {
    for (name, tls) in Tls::all() {
        let (server, mut ann) = ann_in(&tls, &[]);
        let data = early(&mut ann);
        ann.send("STOR up").expect(150);
        let bytes = noise(300_000);
        data.write(&bytes).close();
        ann.expect(226);
        assert!(server.files("ann").read("up") == bytes, "{name}");
        let mut data = early(&mut ann);
        ann.script(&[("NOOP", 200), ("CWD /", 250), ("RETR up", 150)]);
        assert!(data.read() == bytes, "{name}");
        ann.expect(226);
        let mut data = early(&mut ann);
        ann.send("NLST").expect(150);
        assert_eq!(data.read(), b"f\r\nup\r\n", "{name}");
        ann.expect(226);
        let event = server.expect_event("ftp_file_received", &[("virtual_path", "/up")]);
        assert!(event["data_tls"].is_string() && event["data_tls"] == event["tls"], "{name}: {event}");
    }
}

#[test]
fn what_comes_behind_an_early_handshake_is_kept_for_its_command() {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    let data = ann.passive().write(b"all that I have to say");
    ann.send("NOOP").expect(200);
    ann.send("STOR up").expect(150);
    data.close();
    ann.expect(226);
    assert_eq!(server.files("ann").read("up"), b"all that I have to say");
}

#[test]
fn a_handshake_that_is_begun_before_the_command_may_end_behind_it() {
    let (_server, mut ann) = ann_in(&Tls::new(), &[]);
    let mut data = ann.passive();
    let mut flight = Vec::new();
    data.tls.as_mut().unwrap().write_tls(&mut flight).unwrap();
    let (first, second) = flight.split_at(flight.len() / 2);
    data.stream.write_all(first).unwrap();
    ann.send("NOOP").expect(200);
    ann.send("RETR f").expect(150);
    data.stream.write_all(second).unwrap();
    assert_eq!(data.read(), b"content");
    ann.expect(226);
}

#[test]
fn strangers_are_not_early() {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    let address = ann.epsv();
    assert_eq!(Data::connect_from("127.0.0.2", address).read(), b"", "a byte for a stranger");
    eventually("the log tells it", || server.log().contains("refused a data connection from 127.0.0.2"));
    let stream = TcpStream::connect(address).unwrap();
    let mut data = ann.data(stream);
    data.shake_hands().unwrap();
    ann.send("RETR f").expect(150);
    assert_eq!(data.read(), b"content");
    ann.expect(226);
    // Who does not resume the session is a stranger, too, where that is asked for.
    let (_server, mut ann) = ann_in(&Tls::new(), &["--tls-session-reuse", "require"]);
    let mut data = early(&mut ann);
    ann.send("RETR f").expect(150);
    assert_eq!(data.read(), b"content");
    ann.expect(226);
    ann.data_in(Some(&Tls::new()));
    let mut data = early(&mut ann);
    ann.send("RETR f").expect(150);
    assert_eq!(data.read(), b"", "a byte for a stranger");
    ann.expect(522);
}

#[test]
fn an_early_connection_that_breaks_is_told_to_its_command() {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    let nonsense: [fn(&mut Data); 3] = [
        |data| data.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(),
        |data| data.stream.shutdown(Shutdown::Write).unwrap(),
        |data| data.stream.shutdown(Shutdown::Both).unwrap(),
    ];
    for spoil in nonsense {
        let mut data = ann.passive();
        spoil(&mut data);
        ann.send("NOOP").expect(200);
        ann.send("STOR up").expect(150);
        ann.expect(522);
        ann.send("NOOP").expect(200);
    }
    let data = early(&mut ann);
    data.stream.shutdown(Shutdown::Both).unwrap();
    ann.send("NOOP").expect(200);
    ann.send("RETR f").expect(150);
    let reply = ann.reply();
    assert!([b"226", b"426"].iter().any(|code| reply.starts_with(*code)));
    assert!(!server.home("ann").join("up").exists());
    assert_eq!(ann.download("RETR f"), b"content");
}

#[test]
fn an_early_connection_is_closed_with_its_port() {
    let (_server, mut ann) = ann_in(&Tls::new(), &["--pasv-timeout", "1"]);
    let mut data = early(&mut ann);
    assert!(data.receive(&mut [0]).map_or(true, |length| length == 0));
    ann.send("RETR f").expect(425);
    let mut data = early(&mut ann);
    ann.send("ABOR").expect(225);
    assert!(data.receive(&mut [0]).map_or(true, |length| length == 0));
    let mut data = early(&mut ann);
    ann.send("EPSV").expect(229);
    assert!(data.receive(&mut [0]).map_or(true, |length| length == 0));
    assert_eq!(ann.download("RETR f"), b"content");
}

#[test]
fn an_early_handshake_is_not_undone() {
    let (_server, mut ann) = ann_in(&Tls::new(), &["--no-tls-data-required"]);
    let _data = early(&mut ann);
    ann.send("STAT").expect(211);
    ann.send("PROT C").expect(200);
    ann.send("RETR f").expect(150);
    ann.expect(425);
    // Who has only connected may still change their mind.
    ann.send("PROT P").expect(200);
    let address = ann.epsv();
    let stream = TcpStream::connect(address).unwrap();
    ann.script(&[("NOOP", 200), ("PROT C", 200), ("RETR f", 150)]);
    assert_eq!(Data::over(stream).read(), b"content");
    ann.expect(226);
}

#[test]
fn an_early_connection_that_is_broken_or_done_is_not_looked_at_again() {
    let (server, mut ann) = ann_in(&Tls::new(), &[]);
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        let times = stat.split(' ').skip(13).take(2);
        times.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
    };
    let ends: [fn(&mut Data); 2] =
        [|data| data.shake_hands().unwrap(), |data| data.stream.write_all(b"no TLS at all").unwrap()];
    for spoil in ends {
        let mut data = ann.passive();
        spoil(&mut data);
        data.stream.shutdown(Shutdown::Write).unwrap();
        ann.send("NOOP").expect(200);
        let before = ticks();
        thread::sleep(Duration::from_millis(500));
        assert!(ticks() - before < 20, "the server was busy for {} of 50 ticks", ticks() - before);
    }
}
