//! The command line as people use it: where a value may stand, what is said when it is wrong, and the demo.

use crate::support::{Client, Signal, TestServer, eventually, signal_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn django_ftpd(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit status, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = django_ftpd(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// One line that names the program, and all of these.
#[track_caller]
fn assert_complaint(text: &str, parts: &[&str]) {
    assert!(text.starts_with("django-ftpd: ") && text.lines().count() == 1 && text.ends_with('\n'), "{text:?}");
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let greeting = |env: Option<&str>, flag: Option<&str>| {
        let builder = TestServer::with(&[]);
        let file = builder.outside("ftpd.conf");
        std::fs::write(&file, "# a comment\nbanner = 'from the file'\nmax_login_attempts = 1\n").unwrap();
        let mut builder = builder.args(&["--config", file.to_str().unwrap()]);
        if let Some(text) = env {
            builder = builder.env("FTPSERVER_BANNER", text);
        }
        if let Some(text) = flag {
            builder = builder.args(&["--banner", text]);
        }
        let server = builder.start();
        let mut client = Client::connect(server.address());
        let greeting = client.expect(220);
        // What nothing beats stays.
        client.script(&[("USER ann", 331), ("PASS wrong", 530)]).expect_end();
        greeting
    };
    assert_eq!(greeting(None, None), "220 from the file");
    assert_eq!(greeting(Some("from outside"), None), "220 from outside");
    assert_eq!(greeting(Some("from outside"), Some("from the flag")), "220 from the flag");
    assert_eq!(greeting(None, Some("from the flag")), "220 from the flag");
}

#[test]
fn the_environment_may_name_the_file_and_the_last_flag_counts() {
    let builder = TestServer::with(&["--banner", "first"]);
    let file = builder.outside("ftpd.conf");
    std::fs::write(
        &file,
        "max_login_attempts = 1\nsendfile = false\numask = '077'\npassive_ports = [50000, '50001-50099']\n",
    )
    .unwrap();
    let server = builder.env("FTPSERVER_CONFIG", file.to_str().unwrap()).args(&["--banner=second"]).start();
    let mut client = Client::connect(server.address());
    assert_eq!(client.expect(220), "220 second");
    client.script(&[("USER ann", 331), ("PASS wrong", 530)]).expect_end();
    server.home("ann");
    let mut ann = server.login("ann");
    assert!(ann.send("SITE UMASK").expect(200).contains("077"));
    let port = ann.pasv().port();
    assert!((50_000..50_100).contains(&port), "{port}");
}

#[test]
fn every_mistake_is_one_line_that_says_where_it_is() {
    for (args, parts) in [
        (vec!["--max-cons", "many"], vec!["--max-cons", "many"]),
        (vec!["--timeout", "--local-times"], vec!["--timeout", "SECONDS is missing"]),
        (vec!["--max-con", "5"], vec!["--max-con: no such option", "--max-cons?"]),
        (vec!["--no-sendfile=1"], vec!["--no-sendfile", "takes no value"]),
        (vec!["-x"], vec!["-x", "no such option"]),
        (vec!["--umask", "999"], vec!["--umask", "999", "octal"]),
        (vec!["--passive-ports", "5-4"], vec!["--passive-ports", "5-4"]),
        (vec!["--banner", "a\nb"], vec!["--banner", "a\\nb"]),
        (vec!["--timeout", "-1"], vec!["--timeout", "-1"]),
        (vec!["--home", "/srv/{group}"], vec!["home", "/srv/{group}"]),
        (vec!["--journal", "/nonexistent/dir/events.jsonl"], vec!["journal", "/nonexistent/dir/events.jsonl"]),
        (vec!["--journal", "/"], vec!["journal", "/"]),
        (vec!["--config", "/nonexistent/ftpd.conf"], vec!["/nonexistent/ftpd.conf", "no such file"]),
        (vec!["--config", "/"], vec!["/", "is a directory"]),
        (vec!["127.0.0.1:1"], vec!["one HOST:PORT is enough"]),
    ] {
        let (status, said) = TestServer::with(&args).fails();
        assert_eq!(status, 2, "{args:?}: {said}");
        assert_complaint(&said, &parts);
    }
    for (name, value, parts) in [
        ("FTPSERVER_TIMEOUT", "soon", vec!["FTPSERVER_TIMEOUT", "soon"]),
        ("FTPSERVER_TIMEOT", "5", vec!["FTPSERVER_TIMEOT", "FTPSERVER_TIMEOUT?"]),
        ("FTPSERVER_SENDFILE", "maybe", vec!["FTPSERVER_SENDFILE", "maybe"]),
    ] {
        let (status, said) = TestServer::with(&[]).env(name, value).fails();
        assert_eq!(status, 2, "{name}: {said}");
        assert_complaint(&said, &parts);
    }
}

#[test]
fn a_mistake_in_the_file_is_named_with_file_line_and_key() {
    for (text, parts) in [
        ("\n\npasive_ports = 1\n", vec!["ftpd.conf:3", "pasive_ports", "passive_ports?"]),
        ("timeout = 5\nmax_cons = 'x'\n", vec!["ftpd.conf:2", "max_cons", "\"x\""]),
        ("timeout = 5\ntimeout = 6\n", vec!["ftpd.conf:2", "duplicate"]),
        ("# x\n[server]\nport = 1\n", vec!["ftpd.conf:2", "server"]),
        ("timeout 5\n", vec!["ftpd.conf:1"]),
        ("home = /srv\n", vec!["ftpd.conf:1"]),
        ("umask = 022\n", vec!["ftpd.conf:1"]),
        ("config = 'x'\n", vec!["ftpd.conf:1", "config"]),
        ("local_times = \"perhaps\"\n", vec!["ftpd.conf:1", "local_times", "perhaps"]),
    ] {
        let builder = TestServer::with(&[]);
        let file = builder.outside("ftpd.conf");
        std::fs::write(&file, text).unwrap();
        let (status, said) = builder.args(&["--config", file.to_str().unwrap()]).fails();
        assert_eq!(status, 2, "{text:?}: {said}");
        assert_complaint(&said, &parts);
        assert_complaint(&said, &[file.to_str().unwrap()]);
    }
}

#[test]
fn a_database_that_cannot_serve_is_named_with_advice() {
    let (status, _, said) = run(&["serve", "127.0.0.1:0"]);
    assert_eq!(status, 2, "{said}");
    assert_complaint(&said, &["--database FILE", "FTPSERVER_DATABASE"]);
    for (name, make, advice) in [
        ("missing.sqlite3", None, "does it exist"),
        (
            "text.sqlite3",
            Some("this is no database, but text that is long enough to look like one".repeat(9)),
            "is not an SQLite database",
        ),
        ("empty.sqlite3", Some(String::new()), "manage.py migrate"),
    ] {
        let builder = TestServer::with(&[]);
        let path = builder.outside(name);
        if let Some(text) = &make {
            std::fs::write(&path, text).unwrap();
        }
        let (status, said) = builder.args(&["--database", path.to_str().unwrap()]).fails();
        assert_eq!(status, 2, "{name}: {said}");
        assert_complaint(&said, &[path.to_str().unwrap(), advice]);
    }
    for (sql, advice) in [
        ("DROP TABLE django_ftpserver_ftpusergroup", "manage.py migrate"),
        (
            "ALTER TABLE auth_user RENAME COLUMN is_active TO other",
            "table auth_user has no column is_active; active_field",
        ),
        ("ALTER TABLE django_ftpserver_ftpuseraccount RENAME COLUMN home_dir TO other", "manage.py migrate"),
    ] {
        let builder = TestServer::with(&[]);
        builder.site().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
        let (status, said) = builder.fails();
        assert_eq!(status, 2, "{sql}: {said}");
        assert_complaint(&said, &["site.sqlite3", advice]);
    }
}

#[test]
fn nothing_is_made_where_there_was_no_database() {
    let builder = TestServer::with(&[]);
    let directory = builder.outside("empty");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("db.sqlite3").display().to_string();
    let args = ["serve", "--database", &path, "127.0.0.1:0"];
    assert_eq!(run(&args).0, 2);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn an_address_that_is_taken_or_not_ours_is_an_error_with_advice() {
    let server = TestServer::start();
    let database = server.database().display().to_string();
    for (address, advice) in
        [(server.address().to_string(), "another FTP server"), ("192.0.2.1:2121".to_string(), "no interface")]
    {
        let (status, _, said) = run(&["serve", "--database", &database, &address]);
        assert_eq!(status, 1, "{said}");
        assert_complaint(&said, &[&address, advice]);
    }
    server.login("ann").send("QUIT").expect(221);
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (args, parts) in [
        (vec!["--help"], vec!["serve", "demo", "127.0.0.1:21", "user create", "group create", "account create"]),
        (vec!["group", "--help"], vec!["Usage: django-ftpd group", "group create NAME [HOME_DIR]", "--database FILE"]),
        (vec!["user", "create", "--help"], vec!["Usage: django-ftpd user", "--password-stdin"]),
        (vec!["-h"], vec!["serve"]),
        (vec!["help"], vec!["serve"]),
        (
            vec!["serve", "--help"],
            vec!["--database FILE", "--max-cons NUMBER", "--no-sendfile", "FTPSERVER_", "default"],
        ),
        (vec!["serve", "--database", "/nowhere", "-h"], vec!["--database FILE"]),
        (vec!["demo", "--help"], vec!["127.0.0.1:2121"]),
        (vec!["--version"], vec![concat!("django-ftpd ", env!("CARGO_PKG_VERSION"), "\n")]),
        (vec!["-V"], vec![env!("CARGO_PKG_VERSION")]),
        (vec!["serve", "--version"], vec![env!("CARGO_PKG_VERSION")]),
    ] {
        let (status, out, said) = run(&args);
        assert_eq!((status, &*said), (0, ""), "{args:?}");
        for part in parts {
            assert!(out.contains(part), "{args:?}: {part:?} in {out}");
        }
        assert!(out.lines().all(|line| line.len() <= 80), "{args:?}");
    }
}

#[test]
fn an_unknown_command_is_an_error_that_names_the_known_ones() {
    for args in [vec![], vec!["srve"], vec!["--databse"], vec!["127.0.0.1:21"], vec!["a\nb\u{1b}[31m"]] {
        let (status, out, said) = run(&args);
        assert_eq!((status, &*out), (2, ""), "{args:?}");
        assert_complaint(&said, &["serve", "demo", "--help"]);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

/// A demo that runs, with what it said; ended when dropped.
struct Demo {
    child: Child,
    said: String,
}

impl Demo {
    fn start(temporary: &Path) -> Demo {
        let mut command = django_ftpd(&["demo", "127.0.0.1:0"]);
        let mut child = command.env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        for line in lines {
            said += &format!("{line}\n");
            if line.contains("removed when it stops") {
                break;
            }
        }
        Demo { child, said }
    }

    fn word(&self, start: &str) -> &str {
        self.said.split_whitespace().find(|word| word.starts_with(start)).unwrap_or_else(|| panic!("{}", self.said))
    }

    fn behind(&self, words: &str) -> &str {
        let rest = self.said.split_once(words).unwrap_or_else(|| panic!("{}", self.said)).1;
        rest.split_whitespace().next().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_can_be_tried_at_once_and_leaves_nothing() {
    let builder = TestServer::with(&[]);
    let temporary = builder.outside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut demo = Demo::start(&temporary);
    let url = demo.word("ftp://demo:demo@127.0.0.1:");
    assert!(demo.said.contains(&format!("curl {url}")), "{}", demo.said);
    let (host, path) = url.strip_prefix("ftp://demo:demo@").unwrap().split_once('/').unwrap();
    let mut client = Client::connect(host.parse().unwrap());
    client.expect(220);
    client.script(&[("USER demo", 331), ("PASS demo", 230), ("TYPE I", 200)]);
    assert!(client.download(&format!("RETR {path}")).starts_with(b"Hello"));
    client.upload("STOR pictures/mine.jpg", b"picture");
    client.script(&[("MKD a", 257), ("RMD a", 250)]);
    let home = Path::new(demo.behind("Its files are in").trim_end_matches(',')).to_path_buf();
    assert_eq!(std::fs::read(home.join("pictures/mine.jpg")).unwrap(), b"picture");
    let place = std::fs::read_dir(&temporary).unwrap().next().unwrap().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&place.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "others can look in");
    signal_process(&demo.child, Signal::TERM);
    client.expect(421);
    eventually("the demo ends", || demo.child.try_wait().unwrap().is_some_and(|status| status.success()));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn two_demos_do_not_meet() {
    let builder = TestServer::with(&[]);
    let temporary = builder.outside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let (mut one, two) = (Demo::start(&temporary), Demo::start(&temporary));
    assert_ne!(one.word("ftp://"), two.word("ftp://"));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 2);
    // The terminal of one is closed: it takes its files along, and no others.
    signal_process(&one.child, Signal::HUP);
    eventually("one ends", || one.child.try_wait().unwrap().is_some_and(|status| status.success()));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
}

#[test]
fn the_demo_refuses_another_database() {
    let (status, _, said) = run(&["demo", "--database", "/srv/db.sqlite3", "127.0.0.1:0"]);
    assert_eq!(status, 2);
    assert_complaint(&said, &["serve"]);
}
