//! Client certificates that are not what they seem: expired, too large, of another name, of nobody who may log in.

use crate::security_tls::ended;
use crate::support::{Identity, Tls, eventually};
use crate::tls_certificates::{is_let_in, with_authority};
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString, UniversalString};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, date_time_ymd};
use rustls::HandshakeKind::Resumed;
use rustls::version::{TLS12, TLS13};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn an_expired_certificate_lets_nobody_in_by_resuming() {
    let authority = Identity::authority();
    let args = ["--client-cert-login", "cn", "--client-cert-required", "--tls-session-reuse", "require"];
    let server = with_authority(&authority, &args);
    server.home("ann");
    for version in [&TLS12, &TLS13] {
        let end = SystemTime::now() + Duration::from_secs(4);
        let not_after = date_time_ymd(1970, 1, 1) + end.duration_since(UNIX_EPOCH).unwrap();
        let tls = Tls::only(version).showing(&authority.issue_with("ann", |params| params.not_after = not_after));
        let mut ann = server.client();
        ann.auth_tls(&tls).send("USER ann").expect(232);
        eventually("it has expired", || !is_let_in(&server, &tls.clone().forgetful()));
        // Who is in stays in, and her data connections are hers.
        let mut data = ann.protect(&tls).passive();
        ann.send("LIST").expect(150);
        assert_eq!(data.read(), b"");
        ann.expect(226);
        assert_eq!(data.tls.unwrap().handshake_kind(), Some(Resumed));
        assert!(!is_let_in(&server, &tls));
    }
}

#[test]
fn only_text_that_is_read_as_it_is_written_is_a_common_name() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--client-cert-login", "cn"]);
    for (name, code) in [
        (DnValue::Utf8String("rita".into()), 232),
        (DnValue::PrintableString(PrintableString::try_from("rita").unwrap()), 232),
        (DnValue::Ia5String(Ia5String::try_from("rita").unwrap()), 232),
        // Two ideographs, whose bytes are those of "rita".
        (DnValue::BmpString(BmpString::try_from("\u{7269}\u{7461}").unwrap()), 331),
        (DnValue::TeletexString(TeletexString::try_from("rita").unwrap()), 331),
        (DnValue::UniversalString(UniversalString::try_from("rita").unwrap()), 331),
    ] {
        let identity = authority.issue_with("", |params| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name.clone());
        });
        let mut rita = server.client();
        rita.auth_tls(&Tls::new().showing(&identity));
        assert_eq!(rita.code("USER rita"), code, "{name:?}");
    }
}

/// Makes a certificate larger by so many bytes.
fn ballast(size: usize) -> impl Fn(&mut CertificateParams) {
    move |params| {
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![4; size]);
        params.custom_extensions.push(extension);
    }
}

#[test]
fn a_client_that_shows_too_large_certificates_is_refused() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--client-cert-login", "cn"]);
    let ann = authority.issue("ann");
    for version in [&TLS12, &TLS13] {
        let tls = Tls::only(version);
        let [small, large] = [3000, 9000].map(|size| Identity::server_with(ballast(size)));
        assert!(is_let_in(&server, &tls.clone().showing_chain(&ann, &[&small, &small])));
        assert!(!is_let_in(&server, &tls.clone().showing_chain(&ann, &[&large, &large])));
        assert!(!is_let_in(&server, &tls.showing(&authority.issue_with("ann", ballast(17_000)))));
    }
    eventually("each has its event", || {
        ended(&server, "TLS handshake: the client's certificates have more than 16 KiB") == 4
    });
}

#[test]
fn a_certificate_of_nobody_who_may_log_in_is_a_failed_login_once() {
    let authority = Identity::authority();
    let server = with_authority(&authority, &["--client-cert-login", "cn", "--ban-failures", "2"]);
    let tls = Tls::new().showing(&authority.issue("inactive"));
    for tried in 1..=2 {
        let mut client = server.client();
        client.auth_tls(&tls);
        for _ in 0..50 {
            client.send("USER inactive").expect(331);
        }
        client.send("PWD").expect(530);
        let failed = |event: &&serde_json::Value| event["event"] == "ftp_login_failed";
        eventually("each has its event", || server.events().iter().filter(failed).count() == tried);
        server.expect_event("ftp_login_failed", &[("username", "inactive"), ("reason", "the account is inactive")]);
    }
    server.expect_log("is banned for a while: too many failed logins");
    crate::support::Client::connect(server.address()).expect(421);
    let log = server.log();
    assert_eq!(log.lines().filter(|line| line.contains("a certificate does not log in")).count(), 1, "of many");
}
