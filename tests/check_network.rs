//! `django-ftpd check`: addresses, ports, the firewall, certificates.

use crate::support::{Builder, Identity, Report, TestServer, check, may_become_others};
use rcgen::date_time_ymd;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn addresses_are_tried_and_may_be_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let report = check(&["--metrics-listen", "0.0.0.0:0", &address]);
    report.has("note", "address", &format!("{address} is in use: is the server running?"));
    report.has("warning", "metrics", "whoever reaches 0.0.0.0:0 can read the metrics").has_none("fault", "address");
    check(&["192.0.2.1:2121"]).has("fault", "address", "no interface of this host has that address");
    check(&["localhost:0"]).has("ok", "address", "localhost:0, which is ");
    check(&["no-such-host.invalid:21"]).has("fault", "address", "no-such-host.invalid:21: ");
    let report = check(&["--implicit-tls", "192.0.2.1:990", "127.0.0.1:0"]);
    report.has("fault", "implicit_tls", "no interface").has("note", "address", "only this host can reach that");
}

#[test]
fn passive_ports_are_compared_with_everything_else() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let range = format!("{port},{}-{}", 20000, 20009);
    let report = check(&["--passive-ports", &range, "--max-cons", "11", "127.0.0.1:0"]);
    report.has("ok", "passive_ports", &format!("20000-20009, {port}: 11 transfers at once"));
    report.has("note", "passive_ports", &format!("in use now, by transfers or by other programs: {port}"));
    let report = check(&["--passive-ports", "20000-20009", "--max-cons", "12", "127.0.0.1:20003"]);
    report.has("note", "passive_ports", "10 transfers at once, of up to 12 sessions");
    report.has("warning", "passive_ports", "20003 is in it, where the server itself listens");
    check(&["--passive-ports", &port.to_string(), "127.0.0.1:0"]).has(
        "warning",
        "passive_ports",
        "all of them are in use",
    );
    let system = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first = system.split_whitespace().next().unwrap();
    let report = check(&["--passive-ports", &format!("{first},1025"), "127.0.0.1:0"]);
    report.has("note", "passive_ports", &format!("{first}: other programs may be given these"));
    assert_eq!(report.lines("passive_ports"), [format!("sysctl -w net.ipv4.ip_local_reserved_ports={first}")]);
}

#[test]
fn the_masquerade_address_is_looked_up() {
    let told = |name: &str, state: &str, text: &str| {
        check(&["--masquerade-address", name, "127.0.0.1:0"]).has(state, "masquerade", text);
    };
    told("192.0.2.7", "ok", "192.0.2.7");
    told("10.1.2.3", "warning", "10.1.2.3: a private address");
    told("localhost", "warning", "localhost, which is 127.0.0.1: a private address");
    told("no-such-host.invalid", "warning", "no-such-host.invalid: ");
    check(&["--masquerade-local"]).has("warning", "masquerade", "it does nothing without masquerade_address");
}

#[test]
fn the_firewall_is_explained_in_lines_to_copy() {
    let report = check(&["--passive-ports", "30000-30100,12345", "--implicit-tls", "0.0.0.0:990", "0.0.0.0:2121"]);
    report.has("note", "firewall", "let clients reach TCP 2121, 990 (commands) and 12345, 30000-30100 (data");
    assert_eq!(
        report.lines("firewall"),
        [
            "nft add rule inet filter input tcp dport { 2121, 990, 12345, 30000-30100 } accept",
            "ufw allow 2121/tcp",
            "ufw allow 990/tcp",
            "ufw allow 12345/tcp",
            "ufw allow 30000:30100/tcp",
        ]
    );
    report.has("note", "firewall", "masquerade_address").has_none("warning", "firewall");
    let report = check(&["0.0.0.0:2121"]);
    report.has("warning", "firewall", "without passive_ports").has("warning", "passive_ports", "any free port");
    check(&["127.0.0.1:2121"]).has("ok", "firewall", "only this host").has("note", "passive_ports", "any free port");
}

/// The files of a certificate, with others behind it.
fn certificate(builder: &Builder, identity: &Identity, others: &[&Identity]) -> [PathBuf; 2] {
    let files = [builder.outside("c.pem"), builder.outside("k.pem")];
    identity.save(&files[0], &files[1]);
    let chain: String = [&[identity], others].concat().iter().map(|identity| identity.pem()).collect();
    fs::write(&files[0], chain).unwrap();
    files
}

fn checked_certificate(identity: &Identity, others: &[&Identity]) -> Report {
    let builder = TestServer::with(&[]);
    let [certfile, keyfile] = certificate(&builder, identity, others);
    check(&["--certfile", text(&certfile), "--keyfile", text(&keyfile), "127.0.0.1:0"])
}

#[test]
fn certificates_are_read_for_people() {
    let authority = Identity::authority();
    let report = checked_certificate(&Identity::server(), &[]);
    report.has("ok", "certificate", "for localhost, 127.0.0.1; by CN=localhost");
    report.has("note", "certificate", "signed by itself").has("ok", "certificate", "valid until ");
    let issued = authority.issue("ftp.example.org");
    checked_certificate(&issued, &[]).has("warning", "certificate", "is the intermediate certificate missing?");
    checked_certificate(&issued, &[&authority]).has_none("warning", "certificate");
    let stranger = Identity::server();
    let report = checked_certificate(&issued, &[&stranger, &authority]);
    report.has(
        "warning",
        "certificate",
        "certificate 1 in the file is by \"CN=An authority\", and the next one is that of \"CN=localhost\"",
    );
    checked_certificate(&Identity::valid(2001, 2002), &[]).has(
        "fault",
        "certificate",
        "expired at 2002-01-01T00:00:00Z; renew it",
    );
    let report = checked_certificate(&Identity::valid(2900, 2999), &[]);
    report.has("fault", "certificate", "CN=localhost: not valid before 2900-01-01T00:00:00Z; is the clock right?");
    let old = Identity::server_with(|params| params.not_after = date_time_ymd(2002, 1, 1));
    checked_certificate(&issued, &[&authority, &old]).has("fault", "certificate", "CN=localhost: expired at 2002");
    let soon =
        Identity::server_with(|params| params.not_after = (SystemTime::now() + Duration::from_secs(41 * 43200)).into());
    checked_certificate(&soon, &[]).has("warning", "certificate", "expires in 20 days");
}

#[test]
fn keys_and_authorities_of_clients_are_examined_too() {
    let builder = TestServer::with(&[]);
    let [certfile, keyfile] = certificate(&builder, &Identity::server(), &[]);
    fs::set_permissions(&keyfile, PermissionsExt::from_mode(0o644)).unwrap();
    let client_ca = builder.outside("ca.pem");
    fs::write(&client_ca, Identity::authority().pem() + &Identity::valid(2001, 2002).pem()).unwrap();
    let args = ["--certfile", text(&certfile), "--keyfile", text(&keyfile), "127.0.0.1:0"];
    let report = check(&[&args[..], &["--client-ca", text(&client_ca)]].concat());
    report.has("warning", "certificate", "everybody on this host can read the private key; chmod o= ");
    report.has("ok", "client_ca", "ca.pem: 2 authorities").has("fault", "client_ca", "expired at 2002");
    // The key of another, and a key that the user who will serve can't read.
    fs::write(&keyfile, Identity::server().key_pem()).unwrap();
    check(&args).has("fault", "certificate", "it is not the key of the certificate in ");
    let [certfile, keyfile] = certificate(&builder, &Identity::server(), &[]);
    fs::set_permissions(builder.outside(""), PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(&certfile, PermissionsExt::from_mode(0o644)).unwrap();
    let args = ["--certfile", text(&certfile), "--keyfile", text(&keyfile), "127.0.0.1:0"];
    check(&args).has("ok", "certificate", "localhost");
    if may_become_others() {
        let report = check(&[&args[..], &["--file-access-user", "65534:65534"]].concat());
        report.has("fault", "certificate", "k.pem: this user may not read it");
    }
    check(&["0.0.0.0:2121"]).has("warning", "certificate", "none, so no TLS");
}
