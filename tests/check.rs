//! `django-ftpd check`: accounts, homes, files and the process, and that nothing is changed by it.

use crate::support::{
    Builder, Managed, Report, TestServer, check, copy_program, eventually, is_unread, may_become_others, people,
};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

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
fn where_nobody_can_log_in_it_says_how_somebody_could() {
    let managed = Managed::new();
    let report = |args: &[&str]| check(&[&["--database", text(&managed.database), "127.0.0.1:0"], args].concat());
    managed.says(&["group", "create", "staff"], "", "FTP user group pk=1, staff was created.");
    report(&[]).has("warning", "accounts", "there is no user; django-ftpd user create makes one");
    managed.says(&["user", "create", "eva", "--password-stdin"], "secret\n", "User pk=1, \"eva\" was created.");
    report(&[]).has("warning", "accounts", "no user has an FTP account; give them one");
    report(&["--all-users", "--home", text(&managed.builder.homes())]).has("ok", "accounts", "of whom 1 may log in");
}

#[test]
fn warnings_are_faults_if_one_is_strict() {
    let builder = good_site();
    let home = builder.homes().join("{username}");
    let args = ["--home", text(&home), "127.0.0.1:0"];
    let report = site(&builder, &args);
    report.has("warning", "homes", "does not exist; who logs in finds nothing there; make it with mkdir -p");
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
    if !may_become_others() {
        return;
    }
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
    report.has("warning", "homes", "finds nothing there; make it with mkdir -p, then chown 65534:65534");
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
    match may_become_others() {
        true => check(&["127.0.0.1:0"]).has("warning", "user", "started by root it stays root").has_none("ok", "user"),
        false => check(&["127.0.0.1:0"]).has("ok", "user", ", who runs this").has_none("warning", "user"),
    };
}

#[test]
fn who_is_not_root_can_become_nobody_else_and_has_no_low_ports() {
    let builder = good_site();
    let open = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let binary = builder.outside("django-ftpd");
    copy_program(&binary);
    [builder.outside("").as_path(), &binary].into_iter().for_each(open);
    let check = |args: &[&str]| {
        let words: &[&str] = match rustix::process::geteuid().is_root() {
            true => &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
            false => &["env"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&binary).arg("check").args(args);
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
    assert!(out.contains("ok      user           the user with the number "), "{out}");
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
    is_unread(&socket);
    check(&[&args[..], &more].concat()).has("warning", "syslog", "nobody reads there");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    check(&[&args[..], &more].concat()).has("fault", "syslog", "is no socket");
    if may_become_others() {
        let report = check(&[&args[..], &more, &["--file-access-user", "65534:65534"]].concat());
        for part in ["journal", "xferlog", "audit_database"] {
            report.has("fault", part, "65534:65534 may not make files in it (chown 65534:65534 gives it to them)");
        }
        report.has("warning", "log_file", "it can't be begun anew once it was moved away");
    }
    // And not without a journal.
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
    eventually("nobody listens", || UnixStream::connect(&control).is_err());
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
        "fault",
        "control",
        "RuntimeDirectory=",
    );
}

#[test]
fn limits_and_the_sandbox_are_told() {
    let report = check(&["--max-cons", "100000000", "--no-sandbox", "127.0.0.1:0"]);
    report.has("warning", "limits", "max_cons is 100000000; raise the limit").has("note", "sandbox", "switched off");
    let report = check(&["--sandbox-paths", "/nowhere", "127.0.0.1:0"]);
    report.has("warning", "sandbox", "sandbox_paths: /nowhere does not exist");
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
    eventually("last_login is written", || server.has_last_login("ann"));
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
    let args = ["--accounts-command", &command, "127.0.0.1:0"];
    check(&args).has("fault", "accounts", "accounts_command: only the program knows where homes are");
    let report = check(&[args.as_slice(), &["--sandbox-paths", "/srv"]].concat());
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

#[test]
fn what_the_server_would_refuse_is_a_fault() {
    let builder = good_site();
    let path = |name: &str| text(&builder.outside(name)).to_string();
    fs::write(builder.outside("text"), "some text that is no database\n").unwrap();
    std::os::unix::fs::symlink("/nowhere/pid", builder.outside("link")).unwrap();
    assert!(Command::new("mkfifo").arg(builder.outside("pipe")).status().unwrap().success());
    let long = path(&"x".repeat(108));
    for (option, value, part, why) in [
        ("--pidfile", path("link"), "pidfile", "is a symbolic link; name the file itself"),
        ("--control", path("text"), "control", "there is something that is no socket"),
        ("--control", "/dev/null".to_string(), "control", "there is something that is no socket"),
        ("--control", long, "control", "at most 107 bytes"),
        ("--control", "/nowhere/socket".to_string(), "control", "the directory /nowhere does not exist"),
        ("--implicit-tls", "127.0.0.1:2999".to_string(), "implicit_tls", "it is where address is"),
        ("--metrics-listen", "0.0.0.0:2999".to_string(), "metrics", "FTP is there"),
        ("--audit-database", path("text"), "audit_database", "is no SQLite database"),
        ("--audit-database", path("pipe"), "audit_database", "is no file"),
        ("--log-file", path("pipe"), "log_file", "is no file"),
        ("--log-file", path("journal"), "log_file", "is the file of journal, too"),
    ] {
        check(&[option, &value, "--journal", &path("journal"), "127.0.0.1:2999"]).has("fault", part, why);
    }
    check(&["--audit-database", &path("site.sqlite3"), "127.0.0.1:0"]).has("ok", "audit_database", "site.sqlite3");
    let background = check(&["--daemonize", "127.0.0.1:0"]);
    match UnixDatagram::unbound().unwrap().connect("/dev/log") {
        Ok(()) => background.has_none("fault", "log_file"),
        Err(_) => background.has("fault", "log_file", "daemonize: the log would go nowhere"),
    };
}

#[test]
fn a_configuration_that_cannot_be_read_anew_is_told() {
    if !may_become_others() {
        return;
    }
    let builder = good_site().file("timeout = 5\n");
    let config = builder.outside("ftpd.conf");
    let args = ["--config", text(&config), "--file-access-user", "65534:65534", "127.0.0.1:0"];
    fs::set_permissions(&config, PermissionsExt::from_mode(0o600)).unwrap();
    check(&args).has("warning", "configuration", "may not read it, so it can't be read anew");
}
