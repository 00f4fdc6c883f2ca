//! What follows the journal: the audit database, the transfer log, the system's log. Each event arrives, over restarts,
//! kill -9 and outages.

use crate::support::{Client, Signal, TestServer, eventually, is_unread};
use rusqlite::Connection;
use serde_json::Value;
use std::fs::{metadata, read, read_to_string, remove_file, rename, write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A name with all that could break a row, a line or a message.
const ODD: &[u8] = b"a\"b' ]\\c\x1b;\xE9 \xC3\xBC";

/// A server whose journal is followed into a file beside the homes.
fn followed(option: &str, name: &str) -> (TestServer, PathBuf) {
    let builder = TestServer::with(&[]);
    let path = builder.outside(name);
    (builder.args(&[option, path.to_str().unwrap()]).start(), path)
}

fn rows(path: &Path) -> Vec<(i64, String)> {
    let read = || {
        let database = Connection::open(path)?;
        database.busy_timeout(Duration::from_secs(10))?;
        let mut query = database.prepare("SELECT id, data FROM django_ftpd_event ORDER BY id")?;
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()
    };
    read().unwrap_or_default()
}

/// All events of the journal are in the database, each once, as they are in the journal.
fn is_complete(server: &TestServer, path: &Path) -> bool {
    let rows: Vec<String> = rows(path).into_iter().map(|(_, data)| data).collect();
    let journal = read_to_string(server.outside("events.jsonl")).unwrap();
    rows.iter().map(String::as_str).eq(journal.lines())
}

fn make_directories(client: &mut Client, from: usize, count: usize) {
    for number in from..from + count {
        client.send(&format!("MKD d{number}")).expect(257);
    }
}

/// The server again, with the files of the first one.
fn again(first: &TestServer, option: &str, path: &Path) -> TestServer {
    let journal = first.outside("events.jsonl");
    TestServer::with(&["--journal", journal.to_str().unwrap(), option, path.to_str().unwrap()]).start()
}

#[test]
fn every_event_is_a_row_with_its_columns() {
    let (server, path) = followed("--audit-database", "audit.sqlite3");
    let home = server.home("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR f", b"12345");
    ann.script(&[("RNFR f", 350), ("RNTO g", 250), ("QUIT", 221)]);
    server.client().script(&[("USER ann", 331), ("PASS wrong", 530)]);
    server.expect_event("ftp_login_failed", &[]);
    server.expect_event("ftp_client_disconnected", &[]);
    eventually("all rows are there", || is_complete(&server, &path));
    assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let database = Connection::open(&path).unwrap();
    let row = |event: &str, columns: &str| {
        let query = format!("SELECT {columns} FROM django_ftpd_event WHERE event_type = '{event}'");
        let text = format!("SELECT json_array({columns}) FROM ({query})");
        let text: String = database.query_row(&text, [], |row| row.get(0)).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let real = |name: &str| home.join(name).display().to_string();
    let who = "username, remote_ip, path, virtual_path, path_to, bytes, reason";
    let received = row("ftp_file_received", who);
    assert_eq!(received, serde_json::json!(["ann", "127.0.0.1", real("f"), "/f", null, 5, null]));
    let renamed = row("ftp_file_renamed", who);
    assert_eq!(renamed, serde_json::json!(["ann", "127.0.0.1", real("f"), "/f", real("g"), null, null]));
    let failed = row("ftp_login_failed", who);
    assert_eq!(failed, serde_json::json!(["ann", "127.0.0.1", null, null, null, null, "wrong password"]));
    assert_eq!(row("ftp_server_started", who), serde_json::json!([null, null, null, null, null, null, null]));
    let event = server.expect_event("ftp_file_received", &[]);
    let time = event["time"].as_str().unwrap().replace('T', " ").replace('Z', "");
    let columns = "id, time, session, duration_ms";
    let expected = serde_json::json!([event["seq"], time, event["session"], event["duration_ms"]]);
    assert_eq!(row("ftp_file_received", columns), expected);
    let plan = |query: &str| -> String {
        let query = format!("EXPLAIN QUERY PLAN SELECT * FROM django_ftpd_event WHERE {query}");
        database.query_row(&query, [], |row| row.get(3)).unwrap()
    };
    for query in ["time > ''", "username = 'x' AND time > ''", "event_type = 'x' AND time > ''", "path = 'x'"] {
        assert!(plan(query).contains("USING INDEX"), "{query}: {}", plan(query));
    }
}

#[test]
fn odd_names_are_rows_too() {
    let (server, path) = followed("--audit-database", "audit.sqlite3");
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send_bytes(&[b"MKD ", ODD, b"\r\n"].concat()).expect(257);
    eventually("all rows are there", || is_complete(&server, &path) && rows(&path).len() == 4);
    let database = Connection::open(&path).unwrap();
    let query = "SELECT virtual_path FROM django_ftpd_event WHERE event_type = 'ftp_directory_created'";
    let shown: String = database.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(shown, format!("/{}", String::from_utf8_lossy(ODD)));
}

#[test]
fn the_site_s_own_database_may_be_the_audit_database() {
    let builder = TestServer::with(&[]);
    let site = builder.outside("site.sqlite3");
    let server = builder.args(&["--audit-database", site.to_str().unwrap()]).start();
    server.home("ann");
    make_directories(&mut server.login("ann"), 0, 50);
    eventually("all rows are there", || is_complete(&server, &site) && rows(&site).len() > 50);
    server.site().execute("UPDATE auth_user SET is_active = 0 WHERE username = 'ann'", []).unwrap();
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
}

#[test]
fn a_database_that_is_locked_for_a_while_gets_all_of_it_later() {
    let (server, path) = followed("--audit-database", "audit.sqlite3");
    server.home("ann");
    eventually("the first row is there", || !rows(&path).is_empty());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut ann = server.login("ann");
    make_directories(&mut ann, 0, 20);
    server.expect_log("audit_database: ");
    server.expect_log("database is locked; it is tried again");
    make_directories(&mut ann, 20, 20);
    other.execute_batch("COMMIT").unwrap();
    eventually("all rows are there", || is_complete(&server, &path) && rows(&path).len() == 43);
}

#[test]
fn a_database_that_is_replaced_or_removed_is_gone_on_with_anew() {
    let (server, path) = followed("--audit-database", "audit.sqlite3");
    server.home("ann");
    let mut ann = server.login("ann");
    // What was written at the moment of the change may be in both files.
    let has = |number: usize| rows(&path).iter().any(|(_, data)| data.contains(&format!("/d{number}\"")));
    make_directories(&mut ann, 0, 1);
    eventually("all rows are there", || is_complete(&server, &path) && has(0));
    remove_file(&path).unwrap();
    make_directories(&mut ann, 1, 1);
    eventually("there is a new one", || has(1));
    rename(&path, path.with_extension("old")).unwrap();
    write(&path, "").unwrap();
    make_directories(&mut ann, 2, 2);
    eventually("the other one is written", || has(2) && has(3));
    Connection::open(&path).unwrap().execute_batch("DROP TABLE django_ftpd_event").unwrap();
    make_directories(&mut ann, 4, 1);
    eventually("there is a new table", || has(4) && !has(0));
}

#[test]
fn what_happened_while_nothing_followed_is_caught_up_with() {
    let (mut first, path) = followed("--audit-database", "audit.sqlite3");
    first.home("ann");
    make_directories(&mut first.login("ann"), 0, 3);
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    assert!(is_complete(&first, &path), "the last events are there when the server has stopped");
    let journal = first.outside("events.jsonl");
    let without = TestServer::with(&["--journal", journal.to_str().unwrap()]).start();
    without.home("ann");
    make_directories(&mut without.login("ann"), 0, 1100);
    eventually("it is in the journal", || read_to_string(&journal).unwrap().contains("/d1099\""));
    drop(without);
    let second = again(&first, "--audit-database", &path);
    eventually("all rows are there", || is_complete(&first, &path) && rows(&path).len() > 1100);
    drop(second);
}

#[test]
fn killed_in_the_middle_no_row_is_missing_or_doubled() {
    let (mut server, path) = followed("--audit-database", "audit.sqlite3");
    server.home("ann");
    make_directories(&mut server.login("ann"), 0, 300);
    eventually("some of it is written", || rows(&path).len() > 50);
    server.signal(Signal::KILL);
    server.wait();
    let second = again(&server, "--audit-database", &path);
    eventually("all rows are there", || is_complete(&server, &path) && rows(&path).len() > 50);
    drop(second);
}

#[test]
fn old_rows_are_removed_and_young_ones_stay() {
    let builder = TestServer::with(&[]);
    let path = builder.outside("audit.sqlite3");
    let args = ["--audit-database", path.to_str().unwrap()];
    let mut first = builder.args(&args).start();
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    let database = Connection::open(&path).unwrap();
    let insert =
        "INSERT INTO django_ftpd_event (id, time, event_type, data) VALUES (?1, datetime('now', ?2), 'x', '{}')";
    for (id, age) in [(-3, "-31 days"), (-2, "-29 days"), (-1, "-300 days")] {
        database.execute(insert, (id, age)).unwrap();
    }
    let ids = || rows(&path).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let unlimited = again(&first, "--audit-database", &path);
    eventually("the second start is there", || ids().contains(&3));
    drop(unlimited);
    assert!(ids().starts_with(&[-3, -2, -1]));
    let journal = first.outside("events.jsonl");
    let _limited =
        TestServer::with(&["--audit-days", "30", "--journal", journal.to_str().unwrap()]).args(&args).start();
    eventually("old rows are gone", || !ids().contains(&-3) && !ids().contains(&-1));
    assert!(ids().starts_with(&[-2, 1, 2, 3]));
}

#[test]
fn transfers_and_deletions_are_lines_of_the_transfer_log() {
    let builder = TestServer::with(&[]).env("TZ", "UTC");
    let path = builder.outside("xferlog");
    let server = builder.args(&["--xferlog", path.to_str().unwrap()]).start();
    let home = server.home("ann").display().to_string();
    let mut ann = server.login("ann");
    ann.upload("STOR my file\u{1}", b"12345");
    ann.download("RETR my file\u{1}");
    ann.epsv();
    ann.send("STOR cut").expect(150);
    ann.send("ABOR").expect(426);
    ann.expect(226);
    ann.script(&[("MKD d", 257), ("DELE my file\u{1}", 250)]);
    let lines = || read_to_string(&path).unwrap().lines().map(String::from).collect::<Vec<_>>();
    eventually("four lines are there", || lines().len() == 4);
    let events: Vec<Value> = server.events().into_iter().filter(|event| event["path"].is_string()).collect();
    let times = events.iter().filter(|event| event["event"] != "ftp_directory_created");
    let expected = [
        (1, 5, "my_file_", 'i', 'c'),
        (1, 5, "my_file_", 'o', 'c'),
        (1, 0, "cut", 'i', 'i'),
        (0, 0, "my_file_", 'd', 'c'),
    ];
    for ((line, event), (seconds, bytes, name, direction, completion)) in lines().iter().zip(times).zip(expected) {
        // `Fri Jan  2 03:04:05 2026`: the month is told by its name.
        let time = event["time"].as_str().unwrap();
        let day = time[8..10].parse::<u8>().unwrap();
        assert_eq!(line[7..24], format!(" {day:2} {} {}", &time[11..19], &time[..4]), "{line}");
        let rest = format!(" {seconds} 127.0.0.1 {bytes} {home}/{name} b _ {direction} r ann ftp 0 * {completion}");
        assert_eq!(line[24..], rest);
    }
}

#[test]
fn the_transfer_log_may_be_renamed_or_deleted_at_any_time() {
    let (server, path) = followed("--xferlog", "xferlog");
    server.home("ann");
    let mut ann = server.login("ann");
    let count = |path: &Path| read_to_string(path).unwrap_or_default().lines().count();
    ann.upload("STOR a", b"1");
    eventually("the first line is there", || count(&path) == 1);
    let old = path.with_extension("1");
    rename(&path, &old).unwrap();
    ann.upload("STOR b", b"1");
    eventually("the second line is in a new file", || count(&path) == 1);
    assert_eq!(count(&old), 1);
    remove_file(&path).unwrap();
    ann.upload("STOR c", b"1");
    // The second may be there once more, if its file was deleted while it was written.
    let third = || read_to_string(&path).unwrap_or_default().matches("/c b _ i ").count();
    eventually("the third line is in a new file", || third() == 1);
}

#[test]
fn the_transfer_log_keeps_names_that_are_not_utf8_and_goes_on_after_kill() {
    let (mut first, path) = followed("--xferlog", "xferlog");
    let home = first.home("ann").display().to_string();
    let mut ann = first.login("ann");
    let mut data = ann.passive();
    ann.send_bytes(&[b"STOR ", ODD, b"\r\n"].concat()).expect(150);
    data = data.write(b"x");
    data.close();
    ann.expect(226);
    let shown = b"/a\"b'_]\\c_;\xE9_\xC3\xBC b _ i r ann";
    let has = |text: &[u8]| read(&path).unwrap().windows(text.len()).any(|window| window == text);
    eventually("the name is there", || has(shown));
    (0..100).for_each(|number| ann.upload(&format!("STOR f{number}"), b"1"));
    first.signal(Signal::KILL);
    first.wait();
    let _second = again(&first, "--xferlog", &path);
    let journal = read_to_string(first.outside("events.jsonl")).unwrap();
    let was_received = |name: &String| journal.contains(&format!("\"{name}\",\"virtual_path\""));
    let names: Vec<String> = (0..100).map(|number| format!("{home}/f{number}")).filter(was_received).collect();
    assert!(names.len() > 50, "{}", names.len());
    eventually("no transfer is missing", || names.iter().all(|name| has(format!(" {name} b _ i r ").as_bytes())));
}

/// A reader of a socket, as the system's log is one.
struct LogReader(UnixDatagram);

impl LogReader {
    fn new(path: &Path) -> LogReader {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        LogReader(socket)
    }

    fn next(&self) -> String {
        let mut message = vec![0; 64 << 10];
        let length = self.0.recv(&mut message).unwrap();
        message.truncate(length);
        String::from_utf8(message).unwrap()
    }

    /// The next one of this kind, with the number of the event.
    #[track_caller]
    fn expect(&self, kind: &str) -> (String, u64) {
        loop {
            let message = self.next();
            if message.contains(&format!(" {kind} [")) {
                let number = message.split("seq=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
                return (message, number);
            }
        }
    }
}

fn with_syslog(path: &Path) -> Vec<String> {
    vec!["--syslog".into(), "--syslog-socket".into(), path.display().to_string()]
}

/// A server, who reads its socket, and ann.
fn heard_by_syslog() -> (TestServer, LogReader, Client) {
    let builder = TestServer::with(&[]);
    let path = builder.outside("log.socket");
    let reader = LogReader::new(&path);
    let args = with_syslog(&path);
    let server = builder.args(&args.iter().map(String::as_str).collect::<Vec<_>>()).start();
    server.home("ann");
    let ann = server.login("ann");
    (server, reader, ann)
}

#[test]
fn the_system_s_log_gets_each_event_with_its_data_and_its_line() {
    let (server, reader, mut ann) = heard_by_syslog();
    let (login, _) = reader.expect("ftp_login");
    let event = server.expect_event("ftp_login", &[]);
    let start = format!("<94>1 {} ", event["time"].as_str().unwrap());
    let middle = format!(" django-ftpd {} ftp_login [event@32473 seq=\"{}\" session=\"", server.pid(), event["seq"]);
    assert!(login.starts_with(&start) && login.contains(&middle), "{login}");
    let line = format!("] ftp_login session={} remote_ip=127.0.0.1 username=\"ann\"", event["session"]);
    assert!(login.ends_with(&line), "{login}");
    ann.send_bytes(&[b"MKD ", ODD, b"\r\n"].concat()).expect(257);
    let (made, _) = reader.expect("ftp_directory_created");
    let shown = r#" virtual_path="/a\\\"b' \]\\\\c\\x1b;\\xe9 ü"] ftp_directory_created "#;
    assert!(made.contains(shown), "{made}");
    assert!(made.ends_with(r#"/a\"b' ]\\c\x1b;\xe9 ü""#), "{made}");
    let line = made.split("] ftp_directory_created ").nth(1).unwrap();
    server.expect_log(&format!("ftp_directory_created {line}"));
    server.client().script(&[("USER ann", 331), ("PASS wrong", 530)]);
    assert!(reader.expect("ftp_login_failed").0.starts_with("<92>1 "));
}

#[test]
fn a_message_too_long_is_cut_and_whole_all_the_same() {
    let (_server, reader, mut ann) = heard_by_syslog();
    let name = "\x1b".repeat(240);
    for _ in 0..4 {
        ann.script(&[(&format!("MKD {name}"), 257), (&format!("CWD {name}"), 250)]);
    }
    for _ in 0..3 {
        assert!(reader.expect("ftp_directory_created").0.len() <= 8192);
    }
    let (message, _) = reader.expect("ftp_directory_created");
    assert_eq!(message.len(), 8192);
    assert!(message.contains("\"] ftp_directory_created session="), "{message}");
    ann.send("QUIT").expect(221);
    reader.expect("ftp_logout");
}

#[test]
fn while_nobody_reads_the_system_s_log_events_wait_and_none_is_left_out() {
    let builder = TestServer::with(&[]);
    let path = builder.outside("log.socket");
    let args = with_syslog(&path);
    let server = builder.args(&args.iter().map(String::as_str).collect::<Vec<_>>()).start();
    server.home("ann");
    server.expect_log("syslog: ");
    let reader = LogReader::new(&path);
    assert_eq!(reader.expect("ftp_server_started").1, 1, "what came before the socket was there");
    let mut ann = server.login("ann");
    let (_, mut last) = reader.expect("ftp_login");
    drop(reader);
    is_unread(&path);
    make_directories(&mut ann, 0, 5);
    remove_file(&path).unwrap();
    make_directories(&mut ann, 5, 5);
    let reader = LogReader::new(&path);
    for _ in 0..10 {
        let (_, number) = reader.expect("ftp_directory_created");
        assert_eq!(number, last + 1);
        last = number;
    }
    // The reader is started anew while the server has nothing to say.
    drop(reader);
    is_unread(&path);
    remove_file(&path).unwrap();
    let reader = LogReader::new(&path);
    make_directories(&mut ann, 10, 1);
    assert_eq!(reader.expect("ftp_directory_created").1, last + 1);
}

#[test]
fn followers_that_can_not_be_are_refused_at_the_start() {
    let fails = |args: &[&str], why: &str| {
        let (status, text) = TestServer::with(args).fails();
        let last = text.lines().last().unwrap();
        assert!(status == 2 && last.contains(why), "{status} {text}");
    };
    fails(&["--audit-days", "30"], "audit_days: it does nothing without audit_database");
    fails(&["--syslog-socket", "/dev/log"], "syslog_socket: it does nothing without syslog");
    fails(&["--audit-database", "/nowhere/audit"], "audit_database: /nowhere/audit: unable to open database file");
    fails(&["--audit-database", "/proc/version"], "audit_database: /proc/version: ");
    fails(&["--xferlog", "/nowhere/xferlog"], "xferlog: /nowhere/xferlog: No such file or directory");
    let long = format!("/tmp/{}", "x".repeat(120));
    fails(&["--syslog", "--syslog-socket", &long], "syslog: syslog_socket: /tmp/xxx");
    let builder = TestServer::with(&[]).without_journal();
    let path = builder.outside("xferlog").display().to_string();
    let (status, text) = builder.args(&["--xferlog", &path]).fails();
    assert!(status == 2 && text.contains("xferlog: it follows the journal, and there is none"), "{text}");
}

#[test]
fn a_journal_that_was_removed_makes_no_follower_mute() {
    let builder = TestServer::with(&[]);
    let path = builder.outside("audit.sqlite3");
    let mut first = builder.args(&["--audit-database", path.to_str().unwrap()]).start();
    first.home("ann");
    (0..20).for_each(|_| drop(first.login("ann")));
    eventually("they are there", || rows(&path).len() > 60);
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    let before = rows(&path);
    for name in ["events.jsonl", "events.jsonl.seq"] {
        std::fs::remove_file(first.outside(name)).unwrap();
    }
    let second = again(&first, "--audit-database", &path);
    eventually("new ones are there, too", || rows(&path).len() > before.len());
    assert_eq!(rows(&path)[..before.len()], before[..]);
    drop(second);
    // Nor if the positions have gone, too: no row is overwritten.
    std::fs::remove_dir_all(first.outside("events.jsonl.followers")).unwrap();
    for name in ["events.jsonl", "events.jsonl.seq"] {
        std::fs::remove_file(first.outside(name)).unwrap();
    }
    let _third = again(&first, "--audit-database", &path);
    eventually("the journal is there", || first.outside("events.jsonl").exists());
    assert_eq!(rows(&path)[..before.len()], before[..]);
}
