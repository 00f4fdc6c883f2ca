//! The end of TLS behind REIN, and how long a change to TLS or back may take when nothing limits handshakes.

use crate::security_tls::{all_of, before_handshake, ended, server_with};
use crate::support::{Tls, eventually, noise};
use rustls::version::{TLS12, TLS13};
use std::io::Write;

#[test]
fn close_notify_may_come_with_rein_and_in_pieces() {
    let server = server_with(&["--tls", "optional"]);
    for version in [&TLS12, &TLS13] {
        for rest in [0, 1, 10, 18, 20] {
            let mut ann = server.login_in_tls("ann", &Tls::only(version));
            let flight = ann.last_flight("REIN");
            let (first, last) = flight.split_at(flight.len() - rest);
            ann.stream().write_all(first).unwrap();
            ann.expect(230);
            ann.expect_end();
            // Clear text in the same packet is clear text.
            ann.stream().write_all(&[last, b"NOOP\r\nUSER ann\r\n"].concat()).unwrap();
            ann.drop_tls().expect(200);
            ann.expect(331);
            ann.send("PASS ann-secret").expect(230);
        }
        // All of it at once.
        let mut ann = server.login_in_tls("ann", &Tls::only(version));
        let flight = ann.last_flight("REIN");
        ann.stream().write_all(&[&flight, b"QUIT\r\n".as_slice()].concat()).unwrap();
        assert!(all_of(ann.stream()).ends_with(b"221 Goodbye.\r\n"));
    }
}

#[test]
fn what_is_no_close_notify_behind_rein_ends_the_session() {
    let server = server_with(&["--tls", "optional"]);
    let forged = [[23, 3, 3, 0, 40].as_slice(), &noise(40)].concat();
    let records = [forged, vec![22, 3, 3, 0, 4, 1, 0, 0, 0], vec![23, 3, 3, 0, 0], vec![20, 3, 3, 0, 1, 1]];
    let large = [[21, 3, 3, 64, 0].as_slice(), &noise(16 << 10)].concat();
    let records = [records.as_slice(), &[large, b"USER ann\r\n".to_vec()]].concat();
    for version in [&TLS12, &TLS13] {
        for record in &records {
            let mut ann = server.login_in_tls("ann", &Tls::only(version));
            ann.send("REIN").expect(230);
            ann.expect_end();
            ann.stream().write_all(record).unwrap();
            assert_eq!(all_of(ann.stream()), b"", "{record:?}");
        }
        // A record that looks like it is taken for it; that gives nobody anything.
        let mut ann = server.login_in_tls("ann", &Tls::only(version));
        ann.send("REIN").expect(230);
        ann.expect_end();
        let header = if version.version == TLS13.version { [23, 3, 3, 0, 19] } else { [21, 3, 3, 0, 19] };
        ann.stream().write_all(&[header.as_slice(), &noise(19)].concat()).unwrap();
        ann.drop_tls().script(&[("PWD", 530), ("NOOP", 200)]);
    }
    let reason = "TLS did not end after REIN: the client goes on in TLS";
    eventually("each has its event", || ended(&server, reason) == 2 * records.len());
    assert!(!server.log().contains("panicked"));
}

#[test]
fn without_a_limit_of_handshakes_that_of_logins_or_of_silence_holds() {
    for args in [["--login-timeout", "0.4", "--timeout", "0"], ["--login-timeout", "0", "--timeout", "0.4"]] {
        let server = server_with(&[&["--tls-timeout", "0"], args.as_slice()].concat());
        let mut ann = server.login_in_tls("ann", &Tls::new());
        ann.send("REIN").expect(230);
        ann.expect_end();
        assert_eq!(all_of(ann.stream()), b"");
        eventually("it has its event", || ended(&server, "TLS did not end after REIN: timed out") == 1);
        for is_implicit in [false, true] {
            assert_eq!(all_of(&before_handshake(&server, is_implicit)), b"");
        }
    }
}

#[test]
fn without_a_limit_of_handshakes_that_of_data_holds() {
    let server = server_with(&["--tls-timeout", "0", "--data-timeout", "0.4"]);
    let mut ann = server.login_in_tls("ann", &Tls::new());
    for line in ["RETR f", "STOR g", "LIST"] {
        let _silent = ann.passive();
        ann.send(line).expect(150);
        assert!(ann.expect(522).contains("the client did not shake hands in time"));
    }
    ann.send("NOOP").expect(200);
}
