//! USER, PASS, REIN, QUIT: the order of things, and what a failure costs.

use crate::support::TestServer;
use std::time::{Duration, Instant};

/// What Django stores for `  bl anks: ü;"%\ ` (with a blank at each end) and for no password at all.
const BLANKS: (&str, &str) =
    ("  bl anks: ü;\"%\\ ", "pbkdf2_sha256$1$salt$TMKtW3FlpvdHfnxmpskBGFI+MXKllP1MZbVUXq6XpJs=");
const EMPTY: (&str, &str) = ("", "pbkdf2_sha256$1$salt$8TXCeZO6+Ydzxc20ClcGzmo0XN5hsACmeFhlDNajJNc=");

#[test]
fn user_is_331_whoever_it_is() {
    let server = TestServer::start();
    let mut client = server.client();
    for name in ["ann", "nobody", "noaccount", "inactive", "..", "a/b", " ", "ann ", "%s%n", "'; DROP TABLE auth_user"]
    {
        let reply = client.send(&format!("USER {name}")).expect(331);
        assert_eq!(reply, "331 Username ok, send password.", "{name:?}");
    }
    client.script(&[("USER", 501), ("USER ", 501), ("PASS ann-secret", 530)]);
}

#[test]
fn verbs_are_understood_in_any_case_and_with_a_bare_line_feed() {
    let server = TestServer::start();
    let mut client = server.client();
    client.send_bytes(b"uSeR ann\n").expect(331);
    client.send_bytes(b"pass ann-secret\npwd\n").expect(230);
    client.expect(257);
}

#[test]
fn a_login_in_one_packet_gets_a_reply_for_each_line() {
    let server = TestServer::start();
    let mut client = server.client();
    client.send_bytes(b"USER ann\r\nPASS ann-secret\r\nTYPE I\r\nPWD\r\n");
    for code in [331, 230, 200, 257] {
        client.expect(code);
    }
}

#[test]
fn pass_belongs_behind_user() {
    let server = TestServer::start();
    let mut client = server.client();
    client.script(&[("PASS ann-secret", 503), ("USER ann", 331), ("PASS ann-secret", 230), ("PASS ann-secret", 503)]);
}

#[test]
fn a_name_counts_letter_for_letter() {
    let server = TestServer::start();
    for name in ["ANN", "ann ", " ann", "an", "ann%"] {
        server.client().script(&[(&format!("USER {name}"), 331), ("PASS ann-secret", 530)]);
    }
    let mut client = server.client();
    client.send_bytes(b"USER \xE9\xFE\r\n").expect(331);
    client.send("PASS x").expect(530);
}

#[test]
fn a_password_counts_byte_for_byte() {
    let server = TestServer::start();
    for (password, stored) in [BLANKS, EMPTY] {
        server.site().execute("UPDATE auth_user SET password = ?1 WHERE username = 'ann'", [stored]).unwrap();
        let right = format!("PASS {password}");
        server.client().script(&[("USER ann", 331), (&right, 230)]);
        for wrong in [format!("PASS {password} "), format!("PASS {password}x"), "PASS ann-secret".to_string()] {
            server.client().script(&[("USER ann", 331), (&wrong, 530)]);
        }
    }
    server.client().script(&[("USER ann", 331), ("PASS", 230)]);
}

#[test]
fn a_failure_forgets_the_name() {
    let server = TestServer::start();
    let mut client = server.client();
    client.script(&[("USER ann", 331), ("PASS wrong", 530), ("PASS ann-secret", 503), ("PWD", 530)]);
    client.script(&[("USER ann", 331), ("PASS ann-secret", 230)]);
}

#[test]
fn the_third_failure_ends_the_session() {
    let server = TestServer::start();
    let mut client = server.client();
    client.script(&[("USER ann", 331), ("PASS wrong", 530), ("USER bob", 331), ("PASS wrong", 530)]);
    client.script(&[("USER nobody", 331), ("PASS wrong", 530)]).expect_end();
    server.expect_event("ftp_client_disconnected", &[("reason", "too many failed logins"), ("username", "nobody")]);
}

#[test]
fn a_success_starts_the_count_anew() {
    let server = TestServer::start();
    let mut client = server.client();
    let twice_wrong = [("USER ann", 331), ("PASS wrong", 530), ("USER ann", 331), ("PASS wrong", 530)];
    client.script(&twice_wrong).script(&[("USER ann", 331), ("PASS ann-secret", 230)]);
    client.script(&twice_wrong).script(&[("USER ann", 331), ("PASS ann-secret", 230)]);
}

#[test]
fn the_number_of_attempts_can_be_chosen() {
    let server = TestServer::with(&["--max-login-attempts", "1"]).start();
    server.client().script(&[("USER ann", 331), ("PASS wrong", 530)]).expect_end();
}

#[test]
fn a_failure_is_answered_late_and_a_success_at_once() {
    let server = TestServer::with(&["--auth-failed-timeout", "0.4"]).start();
    for name in ["ann", "nobody", "noaccount", "inactive", "unusable", "broken", "md5", "rot13"] {
        let mut client = server.client();
        let start = Instant::now();
        client.script(&[(&format!("USER {name}"), 331), ("PASS wrong", 530)]);
        assert!(start.elapsed() >= Duration::from_millis(400), "{name}: {:?}", start.elapsed());
    }
    // No other client waits for somebody's failure.
    let mut failing = server.client();
    failing.script(&[("USER ann", 331)]).send("PASS wrong");
    server.login("bob").send("QUIT").expect(221);
    failing.expect(530);
}

#[test]
fn a_second_user_logs_out() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    client.script(&[("USER bob", 331), ("PWD", 530), ("PASS bob-secret", 230), ("PWD", 257)]);
    // The transfer type is the default again.
    client.script(&[("SIZE x", 550), ("REST 1", 501)]);
    server.expect_event("ftp_logout", &[("username", "ann")]);
    server.expect_event("ftp_login", &[("username", "bob")]);
}

#[test]
fn rein_is_a_new_beginning() {
    let server = TestServer::start();
    server.client().script(&[("REIN", 530), ("REIN x", 501)]);
    server.files("ann").make_directory("sub");
    let mut client = server.login("ann");
    client.script(&[("CWD sub", 250), ("RNFR /sub", 350), ("REST 5", 350), ("EPSV ALL", 200), ("REIN", 230)]);
    client.script(&[("PWD", 530), ("PASS ann-secret", 503), ("USER ann", 331), ("PASS ann-secret", 230)]);
    assert!(client.send("PWD").expect(257).starts_with("257 \"/\""));
    client.script(&[("RNTO /other", 503), ("PASV", 227), ("REST 5", 501), ("TYPE I", 200)]);
    server.expect_event("ftp_logout", &[("username", "ann")]);
}

#[test]
fn a_listener_does_not_survive_rein() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    let address = client.epsv();
    client.send("REIN").expect(230);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn quit_says_goodbye_and_closes() {
    let server = TestServer::start();
    server.client().script(&[("QUIT x", 501), ("QUIT", 221)]).expect_end();
    server.client().script(&[("USER ann", 331), ("QUIT", 221)]).expect_end();
    server.login("ann").script(&[("QUIT", 221)]).expect_end();
}

#[test]
fn stat_tells_how_far_the_login_is() {
    let server = TestServer::start();
    let mut client = server.client();
    assert!(client.send("STAT").expect(211).contains("Waiting for username."));
    client.send("USER ann").expect(331);
    assert!(client.send("STAT").expect(211).contains("Waiting for password."));
    client.send("PASS ann-secret").expect(230);
    assert!(client.send("STAT").expect(211).contains("Logged in as: ann"));
}

#[test]
fn a_login_needs_no_home_but_commands_do() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    client.passive();
    for line in ["LIST", "MLSD", "NLST", "STAT /", "MLST", "CWD /", "RETR x", "STOR x", "MKD x", "DELE x", "SIZE x"] {
        client.send(line).expect(550);
    }
    client.send("PWD").expect(257);
    server.files("ann").write("late", "x");
    assert_eq!(client.list("NLST"), ["late"]);
}

#[test]
fn the_banner_can_be_chosen() {
    let server = TestServer::with(&["--banner", "Grüß Gott, 220-x"]).start();
    let mut client = crate::support::Client::connect(server.address());
    assert_eq!(client.expect(220), "220 Grüß Gott, 220-x");
}
