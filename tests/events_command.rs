//! `django-ftpd events`: what it finds in a journal, how it shows that, and how it ends.

use crate::support::{Builder, Client, TestServer, eventually, signal_process};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions, create_dir, remove_file, rename, write};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A scratch directory with a journal in it.
struct Journal {
    builder: Builder,
    path: PathBuf,
}

/// What the command did.
struct Done {
    status: i32,
    out: String,
    err: String,
}

const LINES: &[&str] = &[
    r#"{"seq":1,"time":"2024-01-01T23:59:59.999999Z","event":"ftp_server_started","host":"::1","port":21}"#,
    r#"{"seq":2,"time":"2024-01-02T03:04:05.000001Z","event":"ftp_login_failed","session":7,"username":"b\u000ab","remote_ip":"10.0.0.1","remote_port":5,"reason":"no such user"}"#,
    r#"{"seq":3,"time":"2024-01-02T03:05:00.000000Z","event":"ftp_file_received","session":8,"username":"ann","remote_ip":"192.0.2.7","remote_port":5,"path":"/srv/ann/a\u001b.jpg","virtual_path":"/a\u001b.jpg","bytes":5,"duration_ms":12}"#,
    r#"{"seq":4,"time":"2024-01-03T00:00:00.000000Z","event":"ftp_file_renamed","session":8,"username":"ann","remote_ip":"192.0.2.7","remote_port":5,"path_from":"/srv/ann/x","virtual_path_from":"/x","path_to":"/srv/ann/d/\udcff","virtual_path_to":"/d/\udcff"}"#,
    r#"{"seq":5,"time":"2024-01-03T00:00:01.000000Z","event":"ftp_file_sent_incomplete","session":9,"username":"anna","remote_ip":"fd00::1","remote_port":5,"path":"/srv/anna/y","virtual_path":"/y","bytes":1,"duration_ms":2,"reason":"reset"}"#,
];

impl Journal {
    fn new() -> Journal {
        let builder = TestServer::with(&[]);
        let journal = Journal { path: builder.outside("j"), builder };
        journal.append(LINES);
        journal
    }

    fn append(&self, lines: &[&str]) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        command.arg("events").arg("--journal").arg(&self.path).args(args).env("TZ", "UTC").env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        done(&mut self.command(args))
    }

    /// The numbers of the events that are found.
    #[track_caller]
    fn expect(&self, args: &[&str], numbers: &[u64]) {
        let done = self.run(&[args, &["--json"]].concat());
        let event = |line: &str| line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok();
        let found: Vec<u64> = done.out.lines().filter_map(event).collect();
        assert_eq!((found.as_slice(), done.err.as_str()), (numbers, ""), "{args:?}");
        assert_eq!(done.status, i32::from(numbers.is_empty()), "{args:?}");
    }
}

fn done(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn filters_leave_out_what_is_not_asked_for() {
    let journal = Journal::new();
    for (args, numbers) in [
        (vec![], vec![1, 2, 3, 4, 5]),
        (vec!["--user", "ann"], vec![3, 4]),
        (vec!["--user", "b\nb"], vec![2]),
        (vec!["--event", "login_failed,ftp_file_renamed"], vec![2, 4]),
        (vec!["--event", "logout"], vec![]),
        (vec!["--path", "/srv/ann"], vec![3, 4]),
        (vec!["--path", "/srv/ann/d"], vec![4]),
        (vec!["--path", "/y"], vec![5]),
        (vec!["--path", "/srv/*.jpg"], vec![3]),
        (vec!["--address", "192.0.2.0/24"], vec![3, 4]),
        (vec!["--address", "fd00::1"], vec![5]),
        (vec!["--since", "2024-01-02"], vec![2, 3, 4, 5]),
        (vec!["--until", "2024-01-02"], vec![1, 2, 3]),
        (vec!["--since", "2024-01-02T03:05", "--until", "2024-01-03T00:00"], vec![3, 4, 5]),
        (vec!["--since", "2024-01-02T03:05", "--until", "2024-01-02T23:59"], vec![3]),
        (vec!["--since", "2024-01-03T00:00:00.5Z"], vec![5]),
        (vec!["--until", "7d"], vec![1, 2, 3, 4, 5]),
        (vec!["--since", "2s"], vec![]),
        (vec!["--last", "2"], vec![4, 5]),
        (vec!["--last", "9"], vec![1, 2, 3, 4, 5]),
        (vec!["--last", "0"], vec![]),
        (vec!["--user", "ann", "--last", "1"], vec![4]),
        (vec!["--user", "ann", "--event", "file_sent_incomplete"], vec![]),
    ] {
        journal.expect(&args, &numbers);
    }
}

#[test]
fn days_and_minutes_are_those_of_this_place() {
    let journal = Journal::new();
    let mut command = journal.command(&["--since", "2024-01-02T00:59", "--until", "2024-01-02T00:59"]);
    let found = done(command.env("TZ", "UTC-1"));
    assert!(found.out.starts_with("2024-01-02 00:59:59 server_started "), "{} {}", found.out, found.err);
    assert_eq!((found.out.lines().count(), found.status), (1, 0));
}

#[test]
fn people_get_columns_without_control_characters_and_machines_the_lines_themselves() {
    let journal = Journal::new();
    let expected = [
        r"2024-01-01 23:59:59 server_started           -            -               [::1]:21",
        r"2024-01-02 03:04:05 login_failed             b\x0ab       10.0.0.1        (no such user)",
        r"2024-01-02 03:05:00 file_received            ann          192.0.2.7       /srv/ann/a\x1b.jpg 5 bytes in 12 ms",
        r"2024-01-03 00:00:00 file_renamed             ann          192.0.2.7       /srv/ann/x -> /srv/ann/d/\xff",
        r"2024-01-03 00:00:01 file_sent_incomplete     anna         fd00::1         /srv/anna/y 1 bytes in 2 ms (reset)",
    ];
    let done = journal.run(&[]);
    assert_eq!((done.out.lines().collect::<Vec<_>>(), done.err.as_str(), done.status), (expected.to_vec(), "", 0));
    let json = journal.run(&["--json"]);
    assert_eq!(json.out.lines().collect::<Vec<_>>(), LINES);
}

#[test]
fn rotated_files_and_torn_lines_are_read_around() {
    let journal = Journal::new();
    let old = |number: u32| PathBuf::from(format!("{}.{number}", journal.path.display()));
    let line = |seq: u64| format!("{{\"seq\":{seq},\"time\":\"2024-01-04T00:00:00.000000Z\",\"event\":\"ftp_login\"}}");
    rename(&journal.path, old(2)).unwrap();
    write(old(1), format!("{}\n{}\n", line(6), line(7))).unwrap();
    journal.expect(&["--since", "2024-01-03T00:00:01"], &[5, 6, 7]);
    write(&journal.path, format!("{}\nnothing\n{}\n{{\"seq\":10,\"ti", line(8), line(9))).unwrap();
    let done = journal.run(&["--last", "3", "--json"]);
    assert_eq!(done.out, format!("{}\n{}\n{}\n", line(7), line(8), line(9)));
    assert_eq!((done.status, done.err.as_str()), (0, "django-ftpd: journal: 1 broken lines of it were left out\n"));
}

#[test]
fn what_can_not_be_read_or_understood_is_status_2_and_one_line() {
    let journal = Journal::new();
    let directory = journal.path.with_extension("directory");
    create_dir(&directory).unwrap();
    let other = journal.path.with_extension("other");
    write(&other, "Dear diary,\n").unwrap();
    let empty = journal.path.with_extension("empty");
    write(&empty, "").unwrap();
    let path = |path: &PathBuf| path.to_str().unwrap().to_string();
    let fails = |args: &[&str], why: &str| {
        let done = journal.run(args);
        assert_eq!((done.status, done.out.as_str(), done.err.lines().count()), (2, "", 1), "{}", done.err);
        assert!(done.err.starts_with("django-ftpd: ") && done.err.contains(why), "{}", done.err);
    };
    fails(&["--journal", "/nowhere/j"], "journal /nowhere/j: No such file or directory");
    fails(&["--journal", &path(&directory)], "it is no file");
    fails(&["--journal", &path(&other)], "there is no event in it");
    fails(&["--journal"], "--journal: FILE is missing");
    fails(&["--event", "logon"], "there is no event \"logon\"");
    fails(&["--since", "yesterday"], "\"yesterday\" is not a time such as");
    fails(&["--address", "10.0.0.1/8"], "has bits behind its prefix");
    fails(&["--last", "x"], "--last: \"x\" is not a whole number");
    fails(&["--folow"], "--folow: no such option");
    fails(&["ann"], "ann: is one too many");
    assert_eq!(journal.run(&["--journal", &path(&empty)]).status, 1, "an empty journal is one");
    let mut bare = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    let done = done(bare.arg("events").env_remove("FTPSERVER_JOURNAL"));
    assert!(done.status == 2 && done.err.contains("no journal; name it with --journal FILE"), "{}", done.err);
}

#[test]
fn the_journal_may_be_named_by_environment_and_file() {
    let journal = Journal::new();
    let file = journal.builder.outside("ftpd.conf");
    write(&file, format!("journal = \"{}\"\n", journal.path.display())).unwrap();
    let run = |command: &mut Command| {
        let done = done(command.arg("events"));
        assert_eq!((done.status, done.out.lines().count()), (0, 5), "{}", done.err);
    };
    let command = || Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    run(command().env("FTPSERVER_JOURNAL", &journal.path));
    run(command().env("FTPSERVER_CONFIG", &file));
    let done = done(command().args(["events", "--config"]).arg(&file).args(["--user", "nobody"]));
    assert_eq!((done.status, done.out.as_str(), done.err.as_str()), (1, "", ""));
}

#[test]
fn help_is_told_and_the_command_is_in_the_list() {
    let journal = Journal::new();
    let help = journal.run(&["--help"]);
    assert!(help.status == 0 && help.out.starts_with("Usage: django-ftpd events [OPTIONS]\n"), "{}", help.out);
    let all = done(Command::new(env!("CARGO_BIN_EXE_django-ftpd")).arg("--help"));
    assert!(all.out.contains("\n  events [OPTIONS] "), "{}", all.out);
    assert!(all.out.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn following_goes_on_over_rotations_and_ends_with_its_reader() {
    let journal = Journal::new();
    let mut child = journal.command(&["--follow", "--last", "1", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let line = |seq: u64| format!("{{\"seq\":{seq},\"time\":\"2024-01-04T00:00:00.000000Z\",\"event\":\"ftp_login\"}}");
    assert_eq!(next(), LINES[4]);
    journal.append(&[&line(6)]);
    assert_eq!(next(), line(6));
    rename(&journal.path, journal.path.with_extension("1")).unwrap();
    let rotated = PathBuf::from(format!("{}.1", journal.path.display()));
    rename(journal.path.with_extension("1"), &rotated).unwrap();
    journal.append(&[&line(7), &line(8)]);
    assert_eq!((next(), next()), (line(7), line(8)));
    remove_file(&journal.path).unwrap();
    journal.append(&[&line(9)]);
    assert_eq!(next(), line(9));
    // Nothing is written any more, and yet it notices.
    drop(lines);
    let mut status = None;
    eventually("it ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let journal = Journal::new();
    for seq in 6..3000 {
        journal.append(&[&format!(
            "{{\"seq\":{seq},\"time\":\"2024-01-04T00:00:00.000000Z\",\"event\":\"ftp_login\",\"username\":\"{}\"}}",
            "x".repeat(100)
        )]);
    }
    let mut child = journal.command(&[]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

/// What a terminal shows.
fn on_terminal(journal: &Journal, env: &[(&str, &str)]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut command = journal.command(&["--follow"]);
    command.stdout(slave).env("TERM", "xterm").envs(env.iter().copied());
    let mut child = command.spawn().unwrap();
    drop(command);
    let (shown, mut master) = (Arc::new(Mutex::new(String::new())), File::from(master));
    let kept = shown.clone();
    let reader = std::thread::spawn(move || {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = master.read(&mut piece) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    });
    eventually("all is shown", || shown.lock().unwrap().contains("(reset)"));
    signal_process(&child, Signal::INT);
    child.wait().unwrap();
    reader.join().unwrap();
    let shown = shown.lock().unwrap();
    shown.clone()
}

#[test]
fn a_terminal_gets_colours_unless_people_mind() {
    let journal = Journal::new();
    let coloured = on_terminal(&journal, &[]);
    assert!(coloured.contains("\x1b[31mlogin_failed            \x1b[0m b\\x0ab "), "{coloured}");
    assert!(coloured.contains("\x1b[33mfile_sent_incomplete    \x1b[0m anna "), "{coloured}");
    assert_eq!(coloured.matches('\x1b').count(), 4, "{coloured}");
    for env in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let plain = on_terminal(&journal, &env);
        assert!(!plain.contains('\x1b') && plain.contains("login_failed "), "{plain}");
    }
}

#[test]
fn what_a_server_writes_is_found_while_it_runs() {
    let server = TestServer::start();
    server.home("ann");
    let journal = Journal { builder: TestServer::with(&[]), path: server.outside("events.jsonl") };
    let mut ann: Client = server.login("ann");
    ann.upload("STOR f", b"12345");
    server.expect_event("ftp_file_received", &[]);
    let done = journal.run(&["--user", "ann", "--event", "file_received", "--since", "5m", "--address", "127.0.0.0/8"]);
    assert!(done.out.contains(" file_received            ann          127.0.0.1       /"), "{}", done.out);
    assert_eq!((done.out.lines().count(), done.status), (1, 0));
}
