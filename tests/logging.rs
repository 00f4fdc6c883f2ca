//! The log: what it tells, in which form, and where.

use crate::support::{Signal, TestServer, eventually};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A server that logs into this file.
fn with_file(args: &[&str]) -> (TestServer, PathBuf) {
    let builder = TestServer::with(args);
    let file = builder.outside("server.log");
    (builder.args(&["--log-file", file.to_str().unwrap()]).start_quietly(), file)
}

#[test]
fn the_level_chooses_what_is_told_and_rust_log_beats_it() {
    let log = |level: &str, variable: &str| {
        let server = TestServer::with(&["--log-level", level]).env("RUST_LOG", variable).start_quietly();
        server.try_login("ann", "wrong");
        server.expect_event("ftp_login_failed", &[]);
        let mut server = server;
        server.signal(Signal::TERM);
        server.wait();
        server.log()
    };
    let warn = log("warn", "");
    assert!(warn.contains("WARN  ftp_login_failed") && !warn.contains("INFO"), "{warn}");
    let debug = log("debug", "");
    assert!(debug.contains("DEBUG FTP login failed: username=ann") && debug.contains("INFO"), "{debug}");
    assert_eq!(log("error", ""), "");
    assert_eq!(log("trace", "off"), "");
    assert!(log("error", "info").contains("INFO  ftp_server_started"));
    let logger = log("error", "django_ftpserver=debug");
    assert!(logger.lines().count() >= 3 && logger.lines().all(|line| line.contains("DEBUG FTP ")), "{logger}");
}

#[test]
fn events_are_told_in_the_words_of_django_ftpserver_at_debug() {
    let server = TestServer::with(&[]).env("RUST_LOG", "debug").start();
    let home = server.home("ann").display().to_string();
    let mut ann = server.login("ann");
    ann.upload("STOR f", b"data");
    ann.download("RETR f");
    ann.script(&[("RNFR f", 350), ("RNTO g", 250), ("DELE g", 250), ("MKD d", 257), ("RMD d", 250), ("QUIT", 221)]);
    ann.expect_end();
    server.expect_event("ftp_client_disconnected", &[]);
    server.try_login("ann, remote_ip=9.9.9.9", "x");
    let address = server.address();
    let by = "remote_ip=127.0.0.1";
    for line in [
        format!("server starting: host=127.0.0.1, port={}", address.port()),
        format!("client connected: {by}, remote_port="),
        format!("login: username=ann, {by}"),
        format!("file received: username=ann, path={home}/f, {by}"),
        format!("file sent: username=ann, path={home}/f, {by}"),
        format!("file renamed: username=ann, path_from={home}/f, path_to={home}/g, {by}"),
        format!("file deleted: username=ann, path={home}/g, {by}"),
        format!("directory created: username=ann, path={home}/d, {by}"),
        format!("directory deleted: username=ann, path={home}/d, {by}"),
        format!("logout: username=ann, {by}"),
        format!("client disconnected: username=ann, {by}"),
        format!("login failed: username=ann\\x2c remote_ip=9.9.9.9, {by}"),
    ] {
        server.expect_log(&format!(" DEBUG FTP {line}"));
    }
}

#[test]
fn in_json_each_line_is_an_object() {
    let mut server = TestServer::with(&["--log-format", "json"]).env("RUST_LOG", "debug").start_quietly();
    server.try_login("it \"said\"\u{1b}\\\u{fc}", "x");
    server.expect_event("ftp_login_failed", &[]);
    server.signal(Signal::TERM);
    server.wait();
    let lines: Vec<Value> = server.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |text: &str| {
        lines
            .iter()
            .find(|line| line["message"].as_str().unwrap().starts_with(text))
            .unwrap_or_else(|| panic!("{text}"))
    };
    assert_eq!(
        (&find("ftp_server_started")["level"], &find("ftp_server_started")["target"]),
        (&"info".into(), &"django_ftpd::events".into())
    );
    let failed = find("ftp_login_failed");
    assert_eq!(failed["level"], "warn");
    assert!(failed["message"].as_str().unwrap().contains(r#"username="it \"said\"\x1b\\ü""#), "{failed}");
    assert_eq!(find("FTP login failed")["target"], "django_ftpserver.handlers");
    for line in &lines {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["level", "message", "target", "time"]);
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
}

#[test]
fn journald_gets_priorities_and_no_time() {
    let stream = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)";
    let mut server = TestServer::with(&[]).env("RUST_LOG", "debug").after(stream).start_quietly();
    server.try_login("ann", "wrong");
    server.expect_log("<4>ftp_login_failed session=");
    server.expect_log("<7>FTP login failed: ");
    server.signal(Signal::TERM);
    server.wait();
    assert!(server.log().lines().all(|line| line.starts_with('<') && line.as_bytes()[2] == b'>'), "{}", server.log());
    assert!(server.log().contains("<6>django-ftpd "));
    let server = TestServer::with(&["--log-format", "json"]).after(stream).start_quietly();
    server.expect_log("<6>{\"time\":");
    // Somebody else's journal: a service of systemd whose standard error is a file has the variable, too.
    let server = TestServer::with(&[]).after("export JOURNAL_STREAM=1:1").start();
    assert!(!server.log().contains("<6>"));
}

#[test]
fn the_file_grows_and_is_made_anew_when_it_was_moved_or_removed() {
    let builder = TestServer::with(&[]);
    let file = builder.outside("server.log");
    std::fs::write(&file, "from before\n").unwrap();
    let server = builder.args(&["--log-file", file.to_str().unwrap()]).start_quietly();
    assert!(read(&file).starts_with("from before\n") && server.log().is_empty(), "{}", server.log());
    let moved = server.outside("server.log.1");
    std::fs::rename(&file, &moved).unwrap();
    // Each client leaves some lines.
    eventually("a new file", || {
        server.client();
        read(&file).contains("ftp_client_connected")
    });
    assert!(read(&moved).contains("ftp_server_started"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    std::fs::remove_file(&file).unwrap();
    eventually("another one", || {
        server.client();
        read(&file).contains("ftp_client_connected")
    });
    std::fs::rename(&file, server.outside("server.log.2")).unwrap();
    server.signal(Signal::HUP);
    eventually("it says so", || read(&file).contains("INFO  the log is opened anew"));
}

#[test]
fn a_file_that_can_not_be_opened_anew_is_written_on() {
    let (server, file) = with_file(&[]);
    let moved = server.outside("moved");
    std::fs::rename(&file, &moved).unwrap();
    std::fs::create_dir(&file).unwrap();
    server.signal(Signal::HUP);
    eventually("it says so", || {
        read(&moved).contains("ERROR the log can't be opened anew, and goes on in the old file")
    });
    server.client();
    eventually("it goes on", || read(&moved).contains("ftp_client_connected"));
    std::fs::remove_dir(&file).unwrap();
    eventually("a new file", || {
        server.client();
        read(&file).contains("ftp_client_connected")
    });
    assert_eq!(
        read(&moved).matches("goes on in the old file").count(),
        1 + read(&moved).matches("WARN  the log goes on").count()
    );
}

#[test]
fn a_full_disk_stops_nobody() {
    let server = TestServer::with(&["--log-file", "/dev/full"]).start_quietly();
    server.home("ann");
    server.login("ann").script(&[("MKD d", 257), ("QUIT", 221)]);
    server.stop();
    // Where there is room again, what was lost is counted.
    let file = TestServer::with(&[]).outside("server.log");
    let builder = TestServer::with(&["--log-file", file.to_str().unwrap()]);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let server = builder.after("ulimit -f 1000").start_quietly();
    let log = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    log.set_len(512_000).unwrap();
    server.home("ann");
    server.login("ann").script(&[("MKD d", 257), ("QUIT", 221)]);
    server.expect_event("ftp_directory_created", &[]);
    log.set_len(0).unwrap();
    eventually("the lost ones are counted", || {
        server.client();
        read(&file).contains("lines of the log could not be written")
    });
    let lost = read(&file);
    let count: u64 = lost.split("WARN  ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(count > 5 && lost.matches("could not be written").count() == 1, "{lost}");
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
}
