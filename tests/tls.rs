//! TLS on the control connection: AUTH, PBSZ, PROT, CCC, REIN; who has to use it; what the events say of it.

use crate::support::{Client, TestServer, Tls, eventually};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

const CLEAR_LOGIN: [(&str, u16); 2] = [("USER ann", 331), ("PASS ann-secret", 230)];

fn features(client: &mut Client) -> Vec<String> {
    let text = client.send("FEAT").expect(211);
    let known = ["AUTH TLS", "PBSZ", "PROT"];
    text.lines().map(|line| line.trim().to_string()).filter(|line| known.contains(&line.as_str())).collect()
}

/// A server whose file of options has these sections.
fn with_sections(args: &[&str], text: &str) -> TestServer {
    TestServer::with_tls(args).file(text).start()
}

#[test]
fn a_certificate_alone_requires_tls_for_logins_and_for_data() {
    let server = TestServer::with_tls(&[]).start();
    server.home("ann");
    let mut ann = server.client();
    ann.script(&[("USER ann", 550), ("PASS ann-secret", 550), ("NOOP", 200), ("PWD", 530)]);
    server.expect_log("refused a login of 127.0.0.1 without TLS");
    ann.auth_tls(&Tls::new()).script(&CLEAR_LOGIN);
    let data = ["PASV", "EPSV", "EPSV ALL", "PORT 127,0,0,1,100,1", "EPRT |1|127.0.0.1|50000|"];
    for line in data {
        ann.send(line).expect(550);
    }
    ann.script(&[("ABOR", 225), ("LIST", 425), ("PBSZ 0", 200), ("EPSV", 550), ("PROT C", 534), ("PROT P", 200)]);
    ann.script(&[("PASV", 227), ("EPSV", 229), ("PORT 127,0,0,1,100,1", 200), ("EPRT |1|127.0.0.1|50000|", 200)]);
}

#[test]
fn auth_has_four_mechanisms_in_any_case() {
    let server = TestServer::with_tls(&[]).start();
    for mechanism in ["TLS", "TLS-C", "TLS-P", "SSL", "tls", "Ssl", "tLs-c"] {
        let mut client = server.client();
        client.send(&format!("AUTH {mechanism}")).expect(234);
        client.shake_hands(&Tls::new()).unwrap();
        client.script(&[("AUTH TLS", 503), ("AUTH", 501), ("NOOP", 200)]);
    }
    let mut client = server.client();
    client.script(&[("AUTH GSSAPI", 502), ("AUTH TLSX", 502), ("AUTH", 501), ("AUTH ", 501), ("NOOP", 200)]);
    client.auth_tls(&Tls::new()).send("NOOP").expect(200);
}

#[test]
fn pbsz_comes_before_prot_and_both_after_auth() {
    let server = TestServer::with_tls(&["--tls", "optional"]).start();
    server.home("ann");
    let mut ann = server.client();
    ann.script(&[("PBSZ 0", 503), ("PROT P", 503), ("PROT X", 503)]);
    ann.auth_tls(&Tls::new()).script(&[("PROT P", 503), ("PROT C", 503), ("PROT", 501), ("PBSZ", 501)]);
    ann.script(&[("PBSZ 0", 200), ("PBSZ 4096", 200), ("PBSZ x", 200)]);
    ann.script(&[("PROT S", 536), ("PROT E", 536), ("PROT X", 502), ("PROT PP", 502)]);
    ann.script(&[("PROT p", 200), ("PROT c", 200), ("PROT C", 200), ("PROT P", 200), ("CCC", 534), ("NOOP", 200)]);
}

#[test]
fn prot_c_is_data_in_the_clear_where_that_is_permitted() {
    let server = TestServer::with_tls(&["--tls", "optional"]).start();
    server.home("ann");
    let mut ann = server.client();
    ann.auth_tls(&Tls::new()).script(&CLEAR_LOGIN);
    ann.upload("STOR f", b"before PROT");
    ann.protect(&Tls::new()).upload("STOR g", b"in TLS");
    ann.send("PROT C").expect(200);
    assert_eq!(ann.data_in(None).list("NLST"), ["f", "g"]);
    // AUTH is not needed, either.
    let mut clear = server.login("ann");
    clear.upload("STOR h", b"all in the clear");
    assert_eq!(clear.list("NLST"), ["f", "g", "h"]);
}

#[test]
fn feat_and_help_tell_what_would_be_obeyed() {
    let server = TestServer::with_tls(&[]).start();
    let mut client = server.client();
    assert_eq!(features(&mut client), ["AUTH TLS", "PBSZ", "PROT"]);
    assert!(client.send("HELP").expect(214).contains("AUTH"));
    client.auth_tls(&Tls::new());
    assert_eq!(features(&mut client), ["PBSZ", "PROT"]);

    let server = TestServer::start();
    let mut client = server.client();
    assert!(features(&mut client).is_empty());
    let help = client.send("HELP").expect(214);
    assert!(help.contains("ABOR") && !["AUTH", "PBSZ", "PROT"].iter().any(|verb| help.contains(verb)), "{help}");
    client.script(&[("AUTH TLS", 500), ("AUTH X", 500), ("PBSZ 0", 500), ("PROT P", 500), ("NOOP", 200)]);
}

#[test]
fn without_a_certificate_there_are_no_verbs_of_tls_however_they_are_written() {
    let server = TestServer::start();
    let mut client = server.client();
    for line in ["AUTH", "PBSZ", "PROT", "AUTH ", "PROT \0"] {
        client.send(line).expect(500);
    }
    client.script(&[("HELP AUTH", 501), ("HELP PBSZ", 501), ("HELP PROT", 501), ("HELP ABOR", 214)]);
}

#[test]
fn auth_forgets_the_login_before() {
    let server = TestServer::with_tls(&["--tls", "optional"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send("PWD").expect(257);
    ann.auth_tls(&Tls::new()).script(&[("PWD", 530), ("PASS ann-secret", 503)]).script(&CLEAR_LOGIN);
    ann.send("SIZE x").expect(550); // TYPE A again
    // The same between USER and PASS.
    let mut ann = server.client();
    ann.send("USER ann").expect(331);
    ann.auth_tls(&Tls::new()).send("PASS ann-secret").expect(503);
    assert_eq!(server.stop().iter().filter(|event| event["event"] == "ftp_logout").count(), 1);
}

#[test]
fn a_second_user_forgets_prot() {
    let server = TestServer::with_tls(&[]).start();
    server.home("ann");
    let tls = Tls::new();
    let mut ann = server.login_in_tls("ann", &tls);
    ann.upload("STOR f", b"x");
    ann.script(&CLEAR_LOGIN).script(&[("EPSV", 550), ("PROT P", 503)]);
    assert_eq!(ann.protect(&tls).list("NLST"), ["f"]);
}

#[test]
fn rein_goes_back_to_clear_text() {
    let server = TestServer::with_tls(&[]).start();
    server.home("ann");
    let tls = Tls::new();
    let mut ann = server.login_in_tls("ann", &tls);
    for _ in 0..3 {
        ann.send("REIN").expect(230);
        ann.leave_tls().script(&[("PWD", 530), ("USER ann", 550), ("PROT P", 503)]);
        assert_eq!(features(&mut ann), ["AUTH TLS", "PBSZ", "PROT"]);
        ann.auth_tls(&tls).script(&CLEAR_LOGIN).script(&[("EPSV", 550), ("PROT P", 503)]);
        ann.protect(&tls).upload("STOR f", b"x");
    }
}

#[test]
fn after_rein_clear_text_waits_for_the_clients_close_notify() {
    let server = TestServer::with_tls(&["--tls", "optional", "--tls-timeout", "0.3"]).start();
    server.home("ann");
    // One who goes on in TLS, and one who says nothing more.
    for line in [Some("NOOP"), None] {
        let mut ann = server.login_in_tls("ann", &Tls::new());
        ann.send("REIN").expect(230);
        if let Some(line) = line {
            ann.send(line);
        }
        ann.expect_end();
        let mut end = Vec::new();
        let ended = std::io::Read::read_to_end(&mut ann.stream(), &mut end);
        assert!(ended.is_err() || end.is_empty(), "{:?}", String::from_utf8_lossy(&end));
    }
    // Clear text right behind the close_notify is heard.
    let mut ann = server.login_in_tls("ann", &Tls::new());
    ann.send("REIN").expect(230);
    ann.leave_tls().send_bytes(b"NOOP\r\nUSER ann\r\n").expect(200);
    ann.expect(331);
    ann.send("PASS ann-secret").expect(230);
}

#[test]
fn on_the_implicit_port_tls_comes_before_the_greeting() {
    let server = TestServer::with_tls(&["--implicit-tls", "127.0.0.1:0"]).start();
    server.home("ann");
    let tls = Tls::new();
    let mut ann = server.implicit_client(&tls);
    assert_eq!(features(&mut ann), ["PBSZ", "PROT"]);
    ann.script(&[("AUTH TLS", 503)]).script(&CLEAR_LOGIN);
    ann.upload("STOR f", b"PROT P goes without saying");
    ann.script(&[("PROT C", 534), ("PROT P", 200), ("REIN", 230), ("PWD", 530)]).script(&CLEAR_LOGIN);
    assert_eq!(ann.list("NLST"), ["f"]);
    ann.send("QUIT").expect(221);
    ann.expect_end();
    // The other port is as ever.
    assert_eq!(server.login_in_tls("ann", &tls).list("NLST"), ["f"]);
}

#[test]
fn logins_and_data_have_requirements_of_their_own() {
    let server = TestServer::with_tls(&["--no-tls-data-required"]).start();
    server.home("ann");
    let mut ann = server.client();
    ann.send("USER ann").expect(550);
    ann.auth_tls(&Tls::new()).script(&CLEAR_LOGIN).upload("STOR f", b"clear");
    ann.script(&[("PBSZ 0", 200), ("PROT C", 200)]);

    let server = TestServer::with_tls(&["--tls", "optional", "--tls-control-required"]).start();
    server.home("ann");
    let mut ann = server.client();
    ann.send("USER ann").expect(550);
    ann.auth_tls(&Tls::new()).script(&CLEAR_LOGIN).send("EPSV").expect(229);

    for args in [["--tls", "optional", "--tls-data-required"], ["--tls", "required", "--no-tls-control-required"]] {
        let server = TestServer::with_tls(&args).start();
        server.home("ann");
        let mut ann = server.client();
        ann.script(&CLEAR_LOGIN).script(&[("EPSV", 550), ("PASV", 550), ("PBSZ 0", 503), ("PWD", 257)]);
        server.login_in_tls("ann", &Tls::new()).upload("STOR f", b"in TLS");
    }
}

#[test]
fn the_smallest_network_counts() {
    let text = "[network.'127.0.0.0/8']\ntls = 'optional'\n[network.'127.0.0.2/32']\ntls = 'required'\n";
    let server = with_sections(&[], text);
    server.home("ann");
    let mut near = server.client();
    near.script(&CLEAR_LOGIN).upload("STOR f", b"clear");
    let mut far = Client::connect_from("127.0.0.2", server.address());
    far.expect(220);
    far.send("USER ann").expect(550);
    far.auth_tls(&Tls::new()).script(&CLEAR_LOGIN).script(&[("EPSV", 550), ("PBSZ 0", 200), ("PROT C", 534)]);
    // The other way round.
    let server = with_sections(&["--tls", "optional"], "[network.'127.0.0.2/32']\ntls = 'required'\n");
    server.client().script(&CLEAR_LOGIN).send("EPSV").expect(229);
    let mut far = Client::connect_from("127.0.0.2", server.address());
    far.expect(220);
    far.send("USER ann").expect(550);
}

#[test]
fn a_group_may_do_without_tls_and_nobody_learns_who_is_in_it() {
    let server = with_sections(&[], "[group.'readers']\ntls = 'optional'\n");
    server.home("readers/rita");
    for (name, password, code, text) in [
        ("ann", "wrong", 530, "Authentication failed."),
        ("nobody", "wrong", 530, "Authentication failed."),
        ("rita", "wrong", 530, "Authentication failed."),
        ("inactive", "inactive-secret", 530, "Authentication failed."),
        ("ann", "ann-secret", 530, "SSL/TLS required for this account."),
        ("rita", "rita-secret", 230, "welcome."),
    ] {
        let mut client = server.client();
        client.send(&format!("USER {name}")).expect(331);
        let reply = client.send(&format!("PASS {password}")).expect(code);
        assert_eq!(reply, format!("{code} {text}"), "{name}");
    }
    let reason = "the account may only be used in TLS";
    server.expect_event("ftp_login_failed", &[("username", "ann"), ("reason", reason)]);
    let mut rita = server.client();
    rita.script(&[("USER rita", 331), ("PASS rita-secret", 230), ("EPSV", 229)]);
    // In TLS she may, too, and ann may.
    server.home("ann");
    server.login_in_tls("ann", &Tls::new()).upload("STOR f", b"x");
    let mut rita = server.client();
    rita.auth_tls(&Tls::new()).script(&[("USER rita", 331), ("PASS rita-secret", 230), ("EPSV", 229)]);
}

#[test]
fn a_login_that_tls_is_missing_for_is_not_the_last_login() {
    let server = with_sections(&[], "[group.'readers']\ntls = 'optional'\n");
    let last_login = |name: &str| -> Option<String> {
        let sql = "SELECT a.last_login FROM django_ftpserver_ftpuseraccount a JOIN auth_user u ON u.id = a.user_id \
                   WHERE u.username = ?1";
        server.site().query_row(sql, [name], |row| row.get(0)).unwrap()
    };
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
    server.client().script(&[("USER rita", 331), ("PASS rita-secret", 230)]);
    eventually("rita's login is there", || last_login("rita").is_some());
    assert_eq!(last_login("ann"), None);
}

#[test]
fn the_rule_of_a_group_beats_that_of_a_network() {
    let text = "[network.'127.0.0.0/8']\ntls = 'optional'\n[group.'readers']\ntls = 'required'\n";
    let server = with_sections(&[], text);
    server.client().script(&CLEAR_LOGIN).send("EPSV").expect(229);
    server.client().script(&[("USER rita", 331), ("PASS rita-secret", 530)]);
    let text = "[network.'127.0.0.0/8']\ntls = 'required'\n[group.'readers']\ntls = 'optional'\n";
    let server = with_sections(&["--tls", "optional"], text);
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
    server.client().script(&[("USER rita", 331), ("PASS rita-secret", 230), ("EPSV", 229)]);
}

#[test]
fn an_account_that_moves_to_a_group_with_tls_has_to_use_it_at_once() {
    let server = with_sections(&[], "[group.'readers']\ntls = 'optional'\n");
    server.home("readers/rita");
    let mut rita = server.client();
    rita.script(&[("USER rita", 331), ("PASS rita-secret", 230), ("PWD", 257)]);
    let sql = "UPDATE django_ftpserver_ftpuseraccount \
               SET group_id = (SELECT id FROM django_ftpserver_ftpusergroup WHERE name = 'full') \
               WHERE user_id = (SELECT id FROM auth_user WHERE username = 'rita')";
    assert_eq!(server.site().execute(sql, []).unwrap(), 1);
    let mut last = 0;
    eventually("the session ends", || {
        last = rita.code("NOOP");
        last != 200
    });
    assert_eq!(last, 421);
    rita.expect_end();
    let event = server.expect_event("ftp_client_disconnected", &[("username", "rita")]);
    assert_eq!(event["reason"], "account closed: the account may only be used in TLS");
}

#[test]
fn events_name_the_version_and_the_cipher() {
    let server = TestServer::with_tls(&["--tls", "optional"]).start();
    server.home("ann");
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let mut ann = server.login_in_tls("ann", &tls);
        ann.upload("STOR f", b"in TLS");
        ann.send("PROT C").expect(200);
        ann.data_in(None).upload("STOR f", b"clear");
        ann.send("MKD d").expect(257);
        ann.script(&[("RMD d", 250), ("REIN", 230)]);
        ann.leave_tls().script(&CLEAR_LOGIN).upload("STOR f", b"clear");
        ann.send("QUIT").expect(221);
        ann.expect_end();
    }
    let events = server.stop();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or("none").to_string();
    let seen: Vec<(String, String)> = events
        .iter()
        .filter(|event| event["session"].is_number())
        .map(|event| {
            assert_eq!(event.get("tls").is_some(), event.get("cipher").is_some(), "{event}");
            assert_eq!(event.get("data_tls").is_some(), event.get("data_cipher").is_some(), "{event}");
            let protection = ["tls", "cipher", "data_tls", "data_cipher"].map(|key| text(event, key)).join(" ");
            (text(event, "event"), protection)
        })
        .collect();
    let mut expected = Vec::new();
    let clear = "none none none none";
    for both in ["TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLSv1.3 TLS_AES_256_GCM_SHA384"] {
        let (control, all) = (format!("{both} none none"), format!("{both} {both}"));
        for (event, protection) in [
            ("ftp_client_connected", clear),
            ("ftp_login", &control),
            ("ftp_file_received", &all),
            ("ftp_file_received", &control),
            ("ftp_directory_created", &control),
            ("ftp_directory_deleted", &control),
            ("ftp_logout", &control),
            ("ftp_login", clear),
            ("ftp_file_received", clear),
            ("ftp_logout", clear),
            ("ftp_client_disconnected", clear),
        ] {
            expected.push((event.to_string(), protection.to_string()));
        }
    }
    assert_eq!(seen, expected);
}

#[test]
fn the_control_connection_ends_with_close_notify() {
    let server = TestServer::with_tls(&["--timeout", "0.5", "--auth-failed-timeout", "0"]).start();
    server.home("ann");
    // `expect_end` demands it.
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let mut quits = server.login_in_tls("ann", &tls);
        quits.send("QUIT").expect(221);
        quits.expect_end();
        let mut idle = server.login_in_tls("ann", &tls);
        idle.expect(421);
        idle.expect_end();
        let mut guesses = server.client();
        guesses.auth_tls(&tls);
        for _ in 0..3 {
            guesses.script(&[("USER ann", 331), ("PASS wrong", 530)]);
        }
        guesses.expect_end();
    }
    let server = TestServer::with_tls(&[]).start();
    let mut stays = server.login_in_tls("ann", &Tls::new());
    server.signal(crate::support::Signal::TERM);
    stays.expect(421);
    stays.expect_end();
}

#[test]
fn a_client_that_ends_with_close_notify_has_gone() {
    let server = TestServer::with_tls(&[]).start();
    server.home("ann");
    let mut ann = server.login_in_tls("ann", &Tls::new());
    ann.close_tls();
    ann.expect_end();
    let event = server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    assert_eq!(event["reason"], "the client closed the connection");
}

#[test]
fn a_handshake_has_a_thread_of_its_own_and_no_longer_than_it_lasts() {
    let server = TestServer::with_tls(&[]).start();
    server.home("ann");
    let there_are = |sessions: usize, handshakes: usize| {
        let what = format!("{sessions} sessions and {handshakes} handshakes");
        eventually(&what, || (server.threads("session"), server.threads("handshake")) == (sessions, handshakes));
    };
    let mut silent = server.client();
    silent.send("AUTH TLS").expect(234);
    there_are(1, 1);
    drop(silent);
    there_are(0, 0);
    let _ann = server.login_in_tls("ann", &Tls::new());
    there_are(1, 0);
}

#[test]
fn the_rule_of_a_user_beats_that_of_a_group() {
    let text = "[group.'readers']\ntls = 'required'\n[user.'rita']\ntls = 'optional'\n[user.'ann']\ntls = 'required'\n";
    let server = with_sections(&["--tls", "optional"], text);
    server.client().script(&[("USER rita", 331), ("PASS rita-secret", 230), ("EPSV", 229)]);
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
    server.home("ann");
    server.login_in_tls("ann", &Tls::new()).upload("STOR f", b"x");
}
