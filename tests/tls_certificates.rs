//! Certificates: what is wrong with them is said before the server starts, new ones are taken while it runs, and those
//! of clients open or close its door.

use crate::support::{Builder, Identity, TestServer, Tls, eventually, pem, replace};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

/// A server to be, and files of that content.
fn with_files(files: &[(&str, &str)]) -> (Builder, Vec<PathBuf>) {
    let builder = TestServer::with(&[]);
    let paths = files.iter().map(|(name, text)| {
        let path = builder.outside(name);
        replace(&path, text);
        path
    });
    let paths = paths.collect();
    (builder, paths)
}

/// Exit status 2, and one line with all of these.
#[track_caller]
fn assert_refused(builder: Builder, parts: &[&str]) {
    let (status, said) = builder.fails();
    assert_eq!(status, 2, "{said}");
    assert!(said.starts_with("django-ftpd: ") && said.lines().count() == 1, "{said:?}");
    for part in parts {
        assert!(said.contains(part), "{part:?} in {said:?}");
    }
}

#[track_caller]
fn assert_pair_refused(certificate: &str, key: &str, parts: &[&str]) {
    let (builder, paths) = with_files(&[("c.pem", certificate), ("k.pem", key)]);
    let [certfile, keyfile] = [&paths[0], &paths[1]].map(|path| path.to_str().unwrap());
    assert_refused(builder.args(&["--certfile", certfile, "--keyfile", keyfile]), parts);
}

#[test]
fn files_that_are_no_certificate_and_key_are_named_before_the_server_starts() {
    let (good, other) = (Identity::server(), Identity::server());
    let (certificate, key) = (good.pem(), good.key_pem());
    let (c, k) = ("certfile: /", "keyfile: /");
    let encrypted = pem("ENCRYPTED PRIVATE KEY", b"whatever it is");
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let damaged = certificate.replacen("MII", "M!!", 1);
    let truncated = &certificate[..certificate.len() / 2];
    for (certificate, key, parts) in [
        ("", key.as_str(), [c, "c.pem", "there is no certificate in it"]),
        (&key, &key, [c, "c.pem", "there is no certificate in it"]),
        (&certificate, "", [k, "k.pem", "there is no private key in it"]),
        (&certificate, &certificate, [k, "k.pem", "there is no private key in it"]),
        (&certificate, &other.key_pem(), [k, "k.pem", "not the key of the certificate in /"]),
        (&certificate, &encrypted, [k, "k.pem", "passphrase; remove it with `openssl pkey"]),
        (&certificate, old, [k, "k.pem", "passphrase; remove it with `openssl pkey"]),
        (&certificate, &pem("PRIVATE KEY", b"garbage"), [k, "k.pem", "of a kind that is not supported"]),
        (&pem("CERTIFICATE", b"garbage"), &key, [c, "c.pem", "can't be read"]),
        (&pem("CERTIFICATE", b""), &key, [c, "c.pem", "can't be read"]),
        (&damaged, &key, [c, "c.pem", "damaged"]),
        (truncated, &key, [c, "c.pem", "damaged"]),
        ("\0\u{1}garbage\u{7f}", &key, [c, "c.pem", "there is no certificate in it"]),
        (&(other.pem() + &certificate), &key, [k, "k.pem", "must be the first in it"]),
    ] {
        assert_pair_refused(certificate, key, &parts);
    }
    let expired = Identity::valid(1990, 2001);
    assert_pair_refused(&expired.pem(), &expired.key_pem(), &[c, "c.pem", "expired at 2001-01-01", "renew it"]);
}

/// The same certificate as version 1: without the field that says 3.
fn of_version_1(certificate: &[u8]) -> Vec<u8> {
    let (outer, inner) = (&certificate[..4], &certificate[4..8]);
    assert_eq!([outer[..2].to_vec(), inner[..2].to_vec()], [[0x30, 0x82]; 2]);
    let shorter = |length: &[u8]| (u16::from_be_bytes([length[2], length[3]]) - 5).to_be_bytes();
    let rest = certificate[8..].strip_prefix(&[0xA0, 3, 2, 1, 2]).unwrap();
    [&[0x30, 0x82], shorter(outer).as_slice(), &[0x30, 0x82], &shorter(inner), rest].concat()
}

#[test]
fn a_certificate_of_an_old_version_is_called_so() {
    let long = "so that lengths have two bytes, ".repeat(8);
    let good = Identity::server_with(|params| params.distinguished_name.push(rcgen::DnType::OrganizationName, long));
    let old = pem("CERTIFICATE", &of_version_1(good.der()));
    assert_pair_refused(
        &old,
        &good.key_pem(),
        &["certfile: /", "c.pem", "not of X.509 version 3", "openssl req -x509"],
    );
}

#[test]
fn a_long_serial_number_and_a_mark_before_the_text_are_no_fault() {
    let long = |params: &mut rcgen::CertificateParams| params.serial_number = Some(vec![0x5A; 30].into());
    let (identity, authority) = (Identity::server_with(long), Identity::authority());
    let marked = |text: String| format!("\u{feff}{text}");
    let files = [marked(identity.pem()), marked(identity.key_pem()), marked(authority.pem())];
    let (builder, paths) = with_files(&[("c.pem", &files[0]), ("k.pem", &files[1]), ("ca.pem", &files[2])]);
    let [certfile, keyfile, client_ca] = [0, 1, 2].map(|index| paths[index].to_str().unwrap());
    let builder = builder.args(&["--certfile", certfile, "--keyfile", keyfile, "--client-ca", client_ca]);
    let server = builder.args(&["--client-cert-login", "cn"]).start();
    let mut ann = server.client();
    ann.auth_tls(&Tls::new().showing(&authority.issue_with("ann", long))).send("USER ann").expect(232);
}

#[test]
fn files_that_cannot_be_read_are_named_before_the_server_starts() {
    let good = Identity::server();
    let (builder, paths) = with_files(&[("c.pem", &good.pem())]);
    let certfile = paths[0].to_str().unwrap();
    // The key is looked for in the same file if no other is named.
    let args = ["--certfile", certfile];
    assert_refused(builder.args(&args), &["certfile: /", "c.pem", "no private key in it; name its file with keyfile"]);
    for (path, why) in [("/nonexistent/c.pem", "no such file"), ("/", "is a directory")] {
        let builder = TestServer::with(&["--certfile", path, "--keyfile", path]);
        assert_refused(builder, &[&format!("certfile: {path}: {why}")]);
        let (builder, paths) = with_files(&[("c.pem", &good.pem())]);
        let builder = builder.args(&["--certfile", paths[0].to_str().unwrap(), "--keyfile", path]);
        assert_refused(builder, &[&format!("keyfile: {path}: {why}")]);
        let builder = TestServer::with_tls(&["--client-ca", path]);
        assert_refused(builder, &[&format!("client_ca: {path}: {why}")]);
    }
    let builder = TestServer::with_tls(&[]);
    let authorities = builder.outside("empty.pem");
    fs::write(&authorities, "").unwrap();
    let builder = builder.args(&["--client-ca", authorities.to_str().unwrap()]);
    assert_refused(builder, &["client_ca: /", "empty.pem", "there is no certificate in it"]);
}

#[test]
fn what_needs_a_certificate_is_refused_without_one() {
    let without = "there is no certificate to go with it; name one with certfile";
    for (args, option) in [
        (vec!["--keyfile", "/k.pem"], "keyfile"),
        (vec!["--implicit-tls", "127.0.0.1:0"], "implicit_tls"),
        (vec!["--tls", "optional"], "tls"),
        (vec!["--tls", "required"], "tls"),
        (vec!["--tls-control-required"], "tls_control_required"),
        (vec!["--no-tls-data-required"], "tls_data_required"),
        (vec!["--client-ca", "/ca.pem"], "client_ca"),
    ] {
        assert_refused(TestServer::with(&args), &[&format!("django-ftpd: {option}: {without}")]);
    }
    for (text, section) in [("[group.a]", "[group]"), ("[network.'10.0.0.0/8']", "[network]")] {
        let (builder, paths) = with_files(&[("ftpd.conf", &format!("{text}\ntls = 'required'\n"))]);
        assert_refused(builder.args(&["--config", paths[0].to_str().unwrap()]), &[section, without]);
    }
    for args in [["--client-cert-required"].as_slice(), &["--client-cert-login", "cn"]] {
        let option = args[0].trim_start_matches('-').replace('-', "_");
        assert_refused(TestServer::with_tls(args), &[&option, "there is no client_ca"]);
    }
}

#[test]
fn unknown_words_are_answered_with_those_there_are() {
    for (option, words) in [
        ("--tls", "required or optional"),
        ("--tls-session-reuse", "off, warn or require"),
        ("--client-cert-login", "off or cn"),
        ("--tls-timeout", "number of seconds"),
    ] {
        assert_refused(TestServer::with_tls(&[option, "on"]), &[option, "\"on\"", words]);
    }
    assert_refused(TestServer::with_tls(&["--implicit-tls", "990"]), &["--implicit-tls", "\"990\"", "address"]);
    assert_refused(TestServer::with_tls(&["--certfile", ""]), &["--certfile", "\"\" is not the name of a file"]);
}

#[test]
fn one_file_may_hold_the_certificate_its_chain_and_the_key() {
    let authority = Identity::authority();
    let server = authority.issue("localhost");
    let text = format!("A comment\n{}{}{}", server.pem(), authority.pem(), server.key_pem());
    let (builder, paths) = with_files(&[("all.pem", &text)]);
    let server = builder.args(&["--certfile", paths[0].to_str().unwrap()]).start();
    let mut client = server.client();
    client.auth_tls(&Tls::new());
    assert_eq!(client.tls().peer_certificates().unwrap().len(), 2);
}

#[test]
fn a_certificate_that_is_not_in_force_yet_is_taken_with_a_complaint() {
    let builder = TestServer::with_tls(&[]);
    Identity::valid(4000, 4001).save(&builder.outside("cert.pem"), &builder.outside("key.pem"));
    let server = builder.start();
    server.expect_log("cert.pem: the certificate is not valid before 4000-01-01");
    server.client().auth_tls(&Tls::new()).send("NOOP").expect(200);
}

#[test]
fn a_key_that_everybody_can_read_is_worth_a_warning() {
    let builder = TestServer::with_tls(&[]);
    let keyfile = builder.outside("key.pem");
    fs::set_permissions(&keyfile, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    builder.start().expect_log("key.pem: everybody on this host can read the private key; chmod o= it");
}

/// The certificate that the server shows to a new client.
fn shown(server: &TestServer) -> Vec<u8> {
    let mut client = server.client();
    client.auth_tls(&Tls::new());
    client.tls().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_new_certificate_is_taken_at_the_next_handshake_and_sessions_go_on() {
    let server = TestServer::with_tls(&["--tls-session-reuse", "require"]).start();
    server.home("ann");
    let (certfile, keyfile) = (server.outside("cert.pem"), server.outside("key.pem"));
    let (old_tls, new_tls) = (Tls::new(), Tls::new());
    let mut old = server.login_in_tls("ann", &old_tls);
    old.upload("STOR f", b"before");
    let before = shown(&server);

    let good = Identity::server();
    good.save(&certfile, &keyfile);
    assert_eq!(shown(&server), good.der());
    assert_ne!(before, good.der());
    let mut new = server.login_in_tls("ann", &new_tls);
    new.upload("STOR f", b"new");
    old.upload("STOR f", b"old");
    assert_eq!(new.download("RETR f"), b"old");
    assert_eq!(old.download("RETR f"), b"old");

    // A client that has tickets of the old certificate just shakes hands anew.
    let mut again = server.client();
    again.auth_tls(&old_tls);
    assert_eq!(again.tls().handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn broken_files_change_nothing_and_are_told_once() {
    let server = TestServer::with_tls(&[]).start();
    let (certfile, keyfile) = (server.outside("cert.pem"), server.outside("key.pem"));
    let complaints = || server.log().lines().filter(|line| line.contains("stays in use")).count();
    let before = shown(&server);
    let (first, second) = (Identity::server(), Identity::server());

    first.save(&certfile, &keyfile);
    replace(&keyfile, &second.key_pem());
    for _ in 0..5 {
        assert_eq!(shown(&server), before);
    }
    server.expect_log("key.pem: it is not the key of the certificate in ");
    assert_eq!(complaints(), 1);

    replace(&certfile, "garbage");
    assert_eq!([shown(&server), shown(&server)], [before.clone(), before.clone()]);
    fs::remove_file(&certfile).unwrap();
    assert_eq!([shown(&server), shown(&server)], [before.clone(), before]);
    assert_eq!(complaints(), 3);
    server.expect_log("cert.pem: no such file");

    second.save(&certfile, &keyfile);
    assert_eq!(shown(&server), second.der());
    assert_eq!(complaints(), 3);
}

/// A server that knows this authority of clients.
pub fn with_authority(authority: &Identity, args: &[&str]) -> TestServer {
    let builder = TestServer::with_tls(args);
    let file = builder.outside("ca.pem");
    replace(&file, &authority.pem());
    let server = builder.args(&["--client-ca", file.to_str().unwrap()]).start();
    server.home("ann");
    server
}

/// Whether the server goes on behind the handshake; with TLS 1.3, only its next word tells.
pub fn is_let_in(server: &TestServer, tls: &Tls) -> bool {
    let mut client = server.client();
    client.send("AUTH TLS").expect(234);
    let (mut tls, mut socket) = (tls.begin(), client.stream());
    let mut stream = rustls::Stream::new(&mut *tls, &mut socket);
    let answered = stream.write_all(b"NOOP\r\n").and_then(|()| stream.read(&mut [0; 64]));

    answered.is_ok_and(|length| length > 0)
}

#[test]
fn a_client_may_show_a_certificate_but_only_a_good_one() {
    let (authority, stranger) = (Identity::authority(), Identity::authority());
    let server = with_authority(&authority, &[]);
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        assert!(is_let_in(&server, &tls), "none");
        assert!(is_let_in(&server, &tls.clone().showing(&authority.issue("ann"))), "a good one");
        assert!(!is_let_in(&server, &tls.clone().showing(&stranger.issue("ann"))), "one of another authority");
        assert!(!is_let_in(&server, &tls.clone().showing(&Identity::server())), "one of none");
    }
    eventually("each has its event", || {
        let events = server.events();
        let reasons = events.iter().filter_map(|event| event["reason"].as_str());
        reasons.filter(|reason| reason.starts_with("TLS handshake: ")).count() == 4
    });
}

#[test]
fn a_client_may_have_to_show_a_certificate() {
    let (authority, stranger) = (Identity::authority(), Identity::authority());
    let server = with_authority(&authority, &["--client-cert-required"]);
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        assert!(!is_let_in(&server, &tls), "none");
        assert!(!is_let_in(&server, &tls.clone().showing(&stranger.issue("ann"))), "one of another authority");
        let good = tls.clone().showing(&authority.issue("whoever"));
        assert!(is_let_in(&server, &good), "a good one");
        // It does not log in, if that is not asked for; and data connections need one, too.
        let mut ann = server.login_in_tls("ann", &good);
        ann.upload("STOR f", b"x");
        ann.data_in(Some(&good.clone().forgetful())).upload("STOR f", b"x");
        let mut data = ann.data_in(Some(&tls.forgetful())).passive();
        ann.send("RETR f").expect(150);
        let _ = data.shake_hands();
        ann.expect(522);
        ann.send("NOOP").expect(200);
    }
    server.expect_event("ftp_client_disconnected", &[("reason", "TLS handshake: the client has no certificate")]);
}

#[test]
fn a_new_authority_is_taken_at_the_next_handshake() {
    let (old, new) = (Identity::authority(), Identity::authority());
    let server = with_authority(&old, &["--client-cert-required"]);
    let [with_old, with_new] = [&old, &new].map(|authority| Tls::new().showing(&authority.issue("ann")));
    assert!(is_let_in(&server, &with_old) && !is_let_in(&server, &with_new));
    let mut waits = server.client();
    waits.auth_tls(&with_old).send("NOOP").expect(200);
    replace(&server.outside("ca.pem"), &new.pem());
    // Not even by resuming what the old one let in.
    assert!(!is_let_in(&server, &with_old) && is_let_in(&server, &with_new));
    waits.send("NOOP").expect(200);
}

#[test]
fn the_common_name_logs_in_without_a_password() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--client-cert-login", "cn"]);
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version).showing(&authority.issue("ann"));
        for _ in 0..2 {
            let mut ann = server.client();
            ann.auth_tls(&tls).script(&[("USER ann", 232), ("PWD", 257), ("PASS x", 503), ("TYPE I", 200)]);
            assert_eq!(ann.tls().handshake_kind(), Some(HandshakeKind::Full), "each certificate is looked at");
            ann.protect(&tls).upload("STOR f", b"x");
            // Somebody else needs a password.
            ann.script(&[("USER bob", 331), ("PASS ann-secret", 530), ("USER bob", 331), ("PASS bob-secret", 230)]);
            ann.script(&[("USER ann", 232), ("REIN", 230)]);
            ann.leave_tls().send("USER ann").expect(550);
        }
    }
    server.expect_event("ftp_login", &[("username", "ann"), ("tls", "TLSv1.3")]);
    // Without the certificate there is nothing but the password.
    server.login_in_tls("ann", &Tls::new()).send("PWD").expect(257);
}

#[test]
fn another_name_than_the_common_name_needs_its_password() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--client-cert-login", "cn", "--auth-failed-timeout", "0"]);
    for name in ["Ann", "ann ", "ann\0x", "", "noaccount", "*"] {
        let mut ann = server.client();
        ann.auth_tls(&Tls::new().showing(&authority.issue(name))).script(&[("USER ann", 331), ("PWD", 530)]);
        ann.script(&[("PASS", 530), ("USER ann", 331), ("PASS ann-secret", 230)]);
    }
    // A name that nobody may log in with.
    for name in ["inactive", "noaccount", ".."] {
        let mut client = server.client();
        client.auth_tls(&Tls::new().showing(&authority.issue(name)));
        let (user, pass) = (format!("USER {name}"), format!("PASS {name}-secret"));
        client.script(&[(&user, 331), ("PWD", 530), (&pass, 530), (&user, 331), ("PWD", 530)]);
    }
}

#[test]
fn a_certificate_logs_in_only_where_that_is_asked_for() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &[]);
    let mut ann = server.client();
    ann.auth_tls(&Tls::new().showing(&authority.issue("ann"))).send("USER ann").expect(331);
}

#[test]
fn a_certificate_shows_whose_a_data_connection_is() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--tls-session-reuse", "require"]);
    let ours = Tls::new().showing(&authority.issue("ann")).forgetful();
    let theirs = Tls::new().showing(&authority.issue("ann")).forgetful();
    let mut ann = server.login_in_tls("ann", &ours);
    ann.upload("STOR f", b"x");
    for other in [&theirs, &Tls::new()] {
        let mut data = ann.data_in(Some(other)).passive();
        ann.send("RETR f").expect(150);
        let _ = data.shake_hands();
        ann.expect(522);
    }
    assert_eq!(ann.data_in(Some(&ours)).download("RETR f"), b"x");
}
