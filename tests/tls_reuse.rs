//! Whose data connections in TLS are: they resume the session of their control connection, or a later one.

use crate::support::{Client, TestServer, Tls, ann_in};
use rustls::HandshakeKind::{self, Full, Resumed};
use rustls::version::{TLS12, TLS13};

/// How the handshake of the next data connection went, whose download succeeds.
#[track_caller]
fn next_handshake(client: &mut Client) -> HandshakeKind {
    let mut data = client.passive();
    client.send("RETR f").expect(150);
    assert_eq!(data.read(), b"content");
    client.expect(226);
    data.tls.unwrap().handshake_kind().unwrap()
}

/// A download that the server refuses behind the handshake.
#[track_caller]
fn expect_refusal(client: &mut Client, tls: &Tls) -> HandshakeKind {
    let mut data = client.data_in(Some(tls)).passive();
    client.send("RETR f").expect(150);
    data.shake_hands().unwrap();
    assert_eq!(data.read(), b"", "a byte for a stranger");
    let reply = client.expect(522);
    assert_eq!(reply, "522 TLS on the data connection: it must resume the TLS session of the control connection.");
    client.send("NOOP").expect(200);
    data.tls.unwrap().handshake_kind().unwrap()
}

#[test]
fn data_connections_resume_the_session_of_the_control_connection() {
    let (_server, mut ann) = ann_in(&Tls::only(&TLS12), &[]);
    assert!((0..20).all(|_| next_handshake(&mut ann) == Resumed));
    // With TLS 1.3, this client uses each ticket once, as RFC 8446 advises; data connections bring none.
    let (_server, mut ann) = ann_in(&Tls::only(&TLS13), &[]);
    let tickets = ann.tls().tls13_tickets_received();
    assert!(tickets >= 4);
    assert!((0..tickets).all(|_| next_handshake(&mut ann) == Resumed));
    assert_eq!(next_handshake(&mut ann), Full);
}

#[test]
fn no_tickets_come_on_a_data_connection() {
    let (_server, mut ann) = ann_in(&Tls::only(&TLS13), &[]);
    assert!(ann.tls().tls13_tickets_received() > 0);
    for line in ["RETR f", "LIST", "STOR g"] {
        let mut data = ann.passive();
        ann.send(line).expect(150);
        data.shake_hands().unwrap();
        if line == "STOR g" {
            data.announce_end();
        }
        data.read();
        ann.expect(226);
        assert_eq!(data.tls.unwrap().tls13_tickets_received(), 0, "{line}");
    }
}

#[test]
fn reuse_may_be_required() {
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let (server, mut ann) = ann_in(&tls, &["--tls-session-reuse", "require"]);
        assert_eq!(next_handshake(&mut ann), Resumed);
        assert_eq!(expect_refusal(&mut ann, &tls.clone().forgetful()), Full);
        let reason = "TLS on the data connection: it must resume the TLS session of the control connection";
        server.expect_event("ftp_file_sent_incomplete", &[("virtual_path", "/f"), ("reason", reason)]);
        ann.data_in(Some(&tls));
        assert_eq!(next_handshake(&mut ann), Resumed);
        // An upload leaves nothing.
        let mut data = ann.data_in(Some(&tls.clone().forgetful())).passive();
        ann.send("STOR g").expect(150);
        data.shake_hands().unwrap();
        ann.expect(522);
        assert_eq!(ann.data_in(Some(&tls)).list("NLST"), ["f"]);
    }
    let (_server, mut ann) = ann_in(&Tls::only(&TLS12), &["--tls-session-reuse", "require"]);
    (0..30).for_each(|_| assert_eq!(next_handshake(&mut ann), Resumed));
}

#[test]
fn a_control_connection_that_was_resumed_has_its_data_connections() {
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let (server, mut first) = ann_in(&tls, &["--tls-session-reuse", "require"]);
        assert_eq!(next_handshake(&mut first), Resumed);
        for _ in 0..3 {
            let mut next = server.login_in_tls("ann", &tls);
            assert_eq!(next.tls().handshake_kind(), Some(Resumed));
            assert_eq!(next_handshake(&mut next), Resumed);
            assert_eq!(next_handshake(&mut next), Resumed);
        }
    }
}

#[test]
fn control_connections_that_resume_one_another_share_their_tickets() {
    let tls = Tls::only(&TLS13);
    let (server, mut first) = ann_in(&tls, &["--tls-session-reuse", "require"]);
    let mut second = server.login_in_tls("ann", &tls);
    assert_eq!(second.tls().handshake_kind(), Some(Resumed));
    for _ in 0..3 {
        assert_eq!(next_handshake(&mut second), Resumed);
        assert_eq!(next_handshake(&mut first), Resumed);
    }
}

#[test]
fn data_connections_that_are_not_resumed_are_worth_a_line_in_the_log_or_none() {
    let lines = |server: &TestServer| server.log().lines().filter(|line| line.contains("could be somebody")).count();
    let tls = Tls::new().forgetful();
    let (server, mut ann) = ann_in(&tls, &[]);
    (0..3).for_each(|_| assert_eq!(next_handshake(&mut ann), Full));
    server.expect_log("its data connections don't resume the control connection's TLS session");
    assert_eq!(lines(&server), 1);
    for (tls, rule) in [(&tls, "off"), (&Tls::only(&TLS12), "warn")] {
        let (server, mut ann) = ann_in(tls, &["--tls-session-reuse", rule]);
        (0..3).for_each(|_| assert!(matches!(next_handshake(&mut ann), Full | Resumed)));
        ann.send("QUIT").expect(221);
        ann.expect_end();
        server.expect_event("ftp_client_disconnected", &[]);
        assert_eq!(lines(&server), 0, "{rule}");
    }
}
