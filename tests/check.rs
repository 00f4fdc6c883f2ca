//! `django-ftpd check`: each part, with what is right and what is wrong, and that nothing is changed by it.

use crate::support::{Builder, Identity, TestServer, eventually};
use rcgen::date_time_ymd;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What was found, as programs read it.
struct Report {
    status: i32,
    findings: Vec<(String, String, String)>,
    json: Value,
}

impl Report {
    #[track_caller]
    fn has(&self, state: &str, part: &str, text: &str) -> &Report {
        let is_it = |(s, p, t): &(String, String, String)| s == state && p == part && t.contains(text);
        assert!(self.findings.iter().any(is_it), "no {state} of {part}: {text}\n{:#?}", self.findings);
        self
    }

    #[track_caller]
    fn has_none(&self, state: &str, part: &str) -> &Report {
        let found: Vec<_> = self.findings.iter().filter(|(s, p, _)| s == state && p == part).collect();
        assert!(found.is_empty(), "{found:#?}");
        self
    }

    /// The lines to copy.
    fn lines(&self, part: &str) -> Vec<String> {
        let findings = self.json["findings"].as_array().unwrap().iter().filter(|finding| finding["part"] == part);
        let lines = findings.filter_map(|finding| finding["lines"].as_array()).flatten();
        lines.map(|line| line.as_str().unwrap().to_string()).collect()
    }
}

fn output(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_django-ftpd")).arg("check").args(args).output().unwrap()
}

fn people(args: &[&str]) -> (i32, String, String) {
    let output = output(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn check(args: &[&str]) -> Report {
    let (status, out, err) = people(&[args, &["--json"]].concat());
    assert_eq!((err.as_str(), out.matches('\n').count()), ("", 1), "{out}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_string();
    let all = json["findings"].as_array().unwrap().iter();
    let findings = all.map(|f| (text(f, "state"), text(f, "part"), text(f, "text"))).collect();
    Report { status, findings, json }
}

/// The site of the tests.
fn site(builder: &Builder, args: &[&str]) -> Report {
    let database = builder.outside("site.sqlite3");
    check(&[&["--database", database.to_str().unwrap()], args].concat())
}

/// A site whose users are all in order.
fn good_site() -> Builder {
    let builder = TestServer::with(&[]).shape("bare");
    fs::create_dir_all(builder.homes()).unwrap();
    builder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn all_is_well_and_the_last_line_says_so() {
    let builder = good_site();
    let home = text(&builder.homes()).to_string();
    let database = builder.outside("site.sqlite3");
    let (status, out, err) = people(&["--database", text(&database), "--home", &home, "127.0.0.1:0"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for line in [
        "ok      configuration  no file",
        "ok      address        127.0.0.1:0",
        "ok      homes          1 home, all in order",
    ] {
        assert!(out.lines().any(|row| row.starts_with(line)), "{line}: {out}");
    }
    assert!(!out.contains("FAULT") && out.lines().last().unwrap().contains(" note"), "{out}");
    assert!(!out.contains('\x1b'), "{out}");
}

#[test]
fn every_fault_is_told_and_not_the_first_alone() {
    let (status, out, err) = people(&["--certfile", "/nowhere/c.pem", "--journal", "/nowhere/j", "127.0.0.1:0"]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("FAULT   accounts       no accounts; name the site's SQLite database"), "{out}");
    assert!(out.contains("FAULT   certificate    certfile: /nowhere/c.pem: no such file"), "{out}");
    assert!(out.contains("FAULT   journal        journal: the directory /nowhere does not exist"), "{out}");
    assert!(out.lines().last().unwrap().starts_with("3 faults"), "{out}");
    // What can't be read at all is one line, as for the server.
    let (status, out, err) = people(&["--json", "--max-cons", "many"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(err, "django-ftpd: --max-cons: \"many\" is not a whole number\n");
    let (status, out, _) = people(&["--help"]);
    assert!(status == 0 && out.contains("\n  --strict\n") && out.contains("\n  --json\n"), "{out}");
}

#[test]
fn warnings_are_faults_if_one_is_strict() {
    let builder = good_site();
    let home = builder.homes().join("{username}");
    let args = ["--home", text(&home), "127.0.0.1:0"];
    let report = site(&builder, &args);
    report.has("warning", "homes", "does not exist; who logs in finds nothing there");
    assert_eq!((report.status, &report.json["ok"]), (0, &Value::Bool(true)));
    let report = site(&builder, &[&args[..], &["--strict"]].concat());
    assert_eq!((report.status, &report.json["ok"]), (1, &Value::Bool(false)));
    assert!(report.json["counts"]["warning"].as_u64() > Some(0) && report.json["counts"]["fault"] == 0);
}

#[test]
fn accounts_that_cannot_be_used_and_rules_about_nobody_are_named() {
    let file = "[group.\"full\"]\nquota = 1\n[group.\"fool\"]\nquota = 1\n[user.\"anne\"]\nquota = 1\n";
    let builder = TestServer::with(&[]).file(file);
    let config = builder.outside("ftpd.conf");
    let database = builder.outside("site.sqlite3");
    let (status, out, _) = people(&["--database", text(&database), "--config", text(&config)]);
    assert_eq!(status, 1);
    for fault in [
        "[group.\"fool\"]: there is no such group",
        "[user.\"anne\"]: there is no such user",
        "broken can't log in: the stored password uses no known format",
        "badtemplate can't log in: home directory: \"/x/{group}\": only {username}",
        ".. can't log in: home directory: the username can't be the name of a directory",
    ] {
        assert!(out.contains(&format!("FAULT   accounts       {fault}")), "{fault}: {out}");
    }
    assert!(!out.contains("\"full\"") && !out.contains("unusable can't"), "{out}");
    let report = site(&builder, &["--config", text(&config)]);
    report.has("note", "accounts", "unusable has an unusable password");
    report.has("ok", "accounts", "29 users, of whom 27 may log in; 14 groups");
    report.has("ok", "database", "users in auth_user, with the tables of django-ftpserver");
    // People read the first ten homes that are missing, programs all.
    assert!(out.contains("more like these; --json tells them all\n"), "{out}");
    let homes = report.findings.iter().filter(|(state, part, _)| state == "warning" && part == "homes");
    assert!(homes.count() > 15);
    // A server that starts warns of them.
    builder.start().expect_log("[group.\"fool\"]: there is no such group");
}

#[test]
fn homes_are_looked_at_as_the_user_who_will_serve() {
    let builder = TestServer::with(&[]);
    let home = |name: &str, mode: u32| {
        let home = builder.homes().join(name);
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, PermissionsExt::from_mode(mode)).unwrap();
        home
    };
    for directory in [builder.homes().parent().unwrap(), &builder.homes()] {
        fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    home("ann", 0o700);
    home("md5", 0o755);
    chown(home("sha1", 0o700), Some(65534), Some(65534)).unwrap();
    fs::write(builder.homes().join("perm-a"), "").unwrap();
    home("rita", 0o755); // hers is readers/rita
    let readers = builder.homes().join("readers/rita");
    fs::create_dir_all(&readers).unwrap();
    fs::set_permissions(&readers, PermissionsExt::from_mode(0o755)).unwrap();
    let report = site(&builder, &["--file-access-user", "65534:65534", "127.0.0.1:0"]);
    report.has("fault", "homes", "ann: their home").has(
        "fault",
        "homes",
        "/ann: the user 65534:65534 may not enter and list it",
    );
    report.has("warning", "homes", "/md5: the user 65534:65534 may not make files in it, though they may");
    report.has("fault", "homes", "/perm-a is no directory");
    let told = |name: &str| report.findings.iter().any(|(_, part, text)| part == "homes" && text.starts_with(name));
    assert!(!told("sha1:") && !told("rita:") && told("perm-d:"), "{:#?}", report.findings);
    report.has("warning", "database", "the user 65534:65534 may not").has(
        "ok",
        "user",
        "65534:65534, with the number 65534",
    );
    // Root may.
    let report = site(&builder, &["127.0.0.1:0"]);
    assert!(
        !report.findings.iter().any(|(state, part, text)| state == "fault" && part == "homes" && text.contains("ann"))
    );
}

#[test]
fn what_must_not_be_in_a_home_is_told() {
    let builder = good_site();
    let outside = builder.outside("");
    let report = site(&builder, &["--home", text(&outside), "127.0.0.1:0"]);
    report.has("warning", "homes", "has database in it");
    site(&builder, &["--home", "/", "127.0.0.1:0"]).has(
        "warning",
        "homes",
        "their home is /: they see this whole system",
    );
}

#[test]
fn users_who_are_nobody_are_a_fault() {
    let report = check(&["--file-access-user", "no such one", "127.0.0.1:0"]);
    report.has("fault", "user", "file_access_user: there is no user \"no such one\"").has(
        "fault",
        "accounts",
        "no accounts",
    );
    check(&["--file-access-user", "root", "127.0.0.1:0"]).has(
        "fault",
        "user",
        "root is root; name a user who owns the homes",
    );
    check(&["127.0.0.1:0"]).has("warning", "user", "started by root it stays root");
}

#[test]
fn who_is_not_root_can_become_nobody_else_and_has_no_low_ports() {
    let builder = good_site();
    let open = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let binary = builder.outside("django-ftpd");
    fs::copy(env!("CARGO_BIN_EXE_django-ftpd"), &binary).unwrap();
    [builder.outside("").as_path(), &binary].into_iter().for_each(open);
    let check = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).arg("check").args(args);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let out = check(&["--file-access-user", "0:0", "127.0.0.1:0"]);
    assert!(out.contains("FAULT   user           file_access_user: only root can become 0:0"), "{out}");
    let low: u16 = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap().trim().parse().unwrap();
    let port = format!("127.0.0.1:{}", low.saturating_sub(1));
    let out = check(&["--passive-ports", "20-21", &port]);
    match low {
        0..=21 => assert!(out.contains("ok      address"), "{out}"),
        _ => {
            assert!(out.contains(&format!("FAULT   address        {port}: this user may not listen there")), "{out}");
            assert!(out.contains("FAULT   passive_ports  20-21: this user may not listen there"), "{out}");
        }
    }
    assert!(out.contains("ok      user           the user with the number 65534"), "{out}");
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
    let builder = good_site();
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
    let soon = Identity::server_with(|params| {
        params.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(41 * 43200)).into()
    });
    checked_certificate(&soon, &[]).has("warning", "certificate", "expires in 20 days");
}

#[test]
fn keys_and_authorities_of_clients_are_examined_too() {
    let builder = good_site();
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
    let report = check(&[&args[..], &["--file-access-user", "65534:65534"]].concat());
    report.has("fault", "certificate", "k.pem: this user may not read it");
    check(&["0.0.0.0:2121"]).has("warning", "certificate", "none, so no TLS");
}

#[test]
fn records_are_probed_and_not_touched() {
    let builder = good_site();
    let (journal, xferlog, audit) = (builder.outside("j"), builder.outside("x"), builder.outside("a.sqlite3"));
    let socket = builder.outside("syslog");
    let log = builder.outside("log");
    let args = ["--journal", text(&journal), "--xferlog", text(&xferlog), "--audit-database", text(&audit)];
    let more = ["--syslog", "--syslog-socket", text(&socket), "--log-file", text(&log), "127.0.0.1:0"];
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(builder.outside("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let report = check(&[&args[..], &more].concat());
    report.has("ok", "journal", "it will be made; ").has("ok", "xferlog", "/x").has(
        "ok",
        "audit_database",
        "a.sqlite3",
    );
    report.has("warning", "syslog", "it is tried again until somebody reads there");
    assert_eq!(names(), before);
    let reader = UnixDatagram::bind(&socket).unwrap();
    check(&[&args[..], &more].concat()).has("ok", "syslog", "syslog").has("ok", "log_file", "/log");
    drop(reader);
    check(&[&args[..], &more].concat()).has("warning", "syslog", "nobody reads there");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    check(&[&args[..], &more].concat()).has("fault", "syslog", "is no socket");
    // Not by another user, and not without a journal.
    let report = check(&[&args[..], &more, &["--file-access-user", "65534:65534"]].concat());
    for part in ["journal", "xferlog", "audit_database"] {
        report.has("fault", part, "the user 65534:65534 may not make files in it");
    }
    report.has("warning", "log_file", "it can't be begun anew once it was moved away");
    let report = check(&[&args[2..], &more].concat());
    for part in ["xferlog", "audit_database", "syslog"] {
        report.has("fault", part, "it follows the journal, and there is none");
    }
    check(&["--journal", text(&builder.homes())]).has("fault", "journal", "is a directory, not a file");
    check(&["--audit-days", "3"]).has("fault", "journal", "audit_days: it does nothing without audit_database");
}

#[test]
fn files_of_the_process_tell_whether_a_server_runs() {
    let builder = good_site();
    let (pidfile, control) = (builder.outside("pid"), builder.outside("control.sock"));
    let args = ["--pidfile", text(&pidfile), "--control", text(&control), "127.0.0.1:0"];
    let report = check(&args);
    report.has("ok", "pidfile", "/pid").has("ok", "control", "/control.sock");
    assert!(!pidfile.exists() && !control.exists());
    let server = TestServer::start();
    fs::write(&pidfile, format!("{}\n", server.pid())).unwrap();
    let listener = UnixListener::bind(&control).unwrap();
    let report = check(&args);
    report.has("note", "pidfile", &format!("the server runs, as process {}", server.pid()));
    report.has("note", "control", "in use: the server runs");
    drop((server, listener));
    let report = check(&args);
    report.has("ok", "pidfile", "no server of that number runs").has(
        "ok",
        "control",
        "left by a server that was killed",
    );
    fs::write(&pidfile, "ann:x:1000:").unwrap();
    check(&args).has("fault", "pidfile", "there is something else in it than the number of a process");
    check(&["--pidfile", "/dev/null"]).has("fault", "pidfile", "there is something else in it");
    let nowhere = check(&["--pidfile", "/nowhere/pid", "--control", "/nowhere/socket", "127.0.0.1:0"]);
    nowhere.has("fault", "pidfile", "the directory /nowhere does not exist").has(
        "warning",
        "control",
        "RuntimeDirectory=",
    );
}

#[test]
fn limits_and_the_sandbox_are_told() {
    let report = check(&["--max-cons", "100000000", "--no-sandbox", "127.0.0.1:0"]);
    report.has("warning", "limits", "max_cons is 100000000; raise the limit").has("note", "sandbox", "switched off");
    let report = check(&["--max-cons", "0", "127.0.0.1:0"]);
    report.has("note", "limits", "max_cons sets no limit");
    assert!(report.findings.iter().any(|(_, part, text)| part == "sandbox" && text.contains("Landlock")));
}

#[test]
fn it_may_run_beside_the_server_and_changes_nothing() {
    let server = TestServer::with(&[]).start();
    let mut ann = server.login("ann");
    server.expect_event("ftp_login", &[("username", "ann")]);
    let journal = server.outside("events.jsonl");
    let stamp = |path: &Path| fs::metadata(path).map(|found| (found.ino(), found.size(), found.mtime_nsec())).unwrap();
    // The time of the last login is still to be written there.
    let site = server.site();
    let question = "SELECT count(*) FROM django_ftpserver_ftpuseraccount WHERE last_login IS NOT NULL";
    eventually("last_login is written", || site.query_row(question, [], |row| row.get::<_, i64>(0)).unwrap() > 0);
    let before = [stamp(&journal), stamp(&server.database())];
    let address = server.address().to_string();
    let report = check(&["--database", text(&server.database()), "--journal", text(&journal), &address]);
    report.has("note", "address", "is in use: is the server running?").has("ok", "journal", " are free");
    assert_eq!([stamp(&journal), stamp(&server.database())], before);
    ann.send("NOOP").expect(200);
    let events = server.stop();
    assert!(events.iter().all(|event| event["event"] != "ftp_login_failed"), "{events:?}");
}

#[test]
fn a_program_for_accounts_is_not_run() {
    let builder = good_site();
    let marker = builder.outside("ran");
    let command = format!("/usr/bin/touch {}", marker.display());
    let report = check(&["--accounts-command", &command, "127.0.0.1:0"]);
    report.has("ok", "accounts", "is asked at each login; it was not run now");
    assert!(!marker.exists());
}

#[test]
fn a_write_ahead_log_and_an_old_export_are_noted() {
    let builder = TestServer::with(&[]);
    builder.site().execute_batch("PRAGMA journal_mode = wal").unwrap();
    site(&builder, &["127.0.0.1:0"]).has("ok", "database", ", write-ahead log");
    let export = builder.outside("users.json");
    let user =
        r#"[{"model": "auth.user", "pk": 1, "fields": {"username": "ann", "password": "!", "is_active": true}}]"#;
    fs::write(&export, user).unwrap();
    let args = ["--export", text(&export), "--all-users", "--home", "/srv", "127.0.0.1:0"];
    let report = check(&args);
    report.has("ok", "export", "users.json: ").has("ok", "accounts", "1 user, of whom 1 may log in; no groups");
    report.has_none("warning", "export");
    let file = fs::File::options().append(true).open(&export).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86400)).unwrap();
    let report = check(&args);
    report.has("ok", "export", "written 3 days ago").has("warning", "export", "does the site still write it?");
    check(&["--export", "/nowhere/users.json"]).has("fault", "accounts", "/nowhere/users.json: it does not exist");
}
