//! The journal as a file: old ones, numbers that are given once, what is acknowledged when, and what is done while it
//! can't be written.

use crate::support::{Client, Signal, TestServer, eventually};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The events of a file, which must consist of whole lines.
fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{}: a torn line", path.display());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

fn assert_without_gaps(events: &[Value]) {
    let numbers = numbers(events);
    let first = numbers[0];
    assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>());
}

fn has(server: &TestServer, path: &str) -> bool {
    server.events().iter().any(|event| event["virtual_path"] == path)
}

/// Ann, who has a home.
fn ann(server: &TestServer) -> Client {
    server.home("ann");
    server.login("ann")
}

fn make(client: &mut Client, names: impl Iterator<Item = usize>) {
    for name in names {
        client.send(&format!("MKD {name}")).expect(257);
    }
}

fn stop(mut server: TestServer) -> TestServer {
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.log());
    server
}

/// As if the disk had room for so many bytes more of the journal, and no other file that is larger; None: again for all.
fn set_room(server: &TestServer, room: Option<u64>) {
    let limit = room.map(|room| fs::metadata(server.outside("events.jsonl")).unwrap().len() + room);
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: limit, maximum: None }).unwrap();
}

/// Waits until nothing more comes to the journal, and then lets the disk be full.
fn fill(server: &TestServer, last: &str) {
    eventually("the last event is in the journal", || has(server, last));
    // The limit is that of all files, and what is written of the database now would be cut in the middle.
    eventually("last_login is written", || server.has_last_login("ann"));
    set_room(server, Some(20));
}

#[test]
fn a_large_journal_becomes_an_old_one_and_the_oldest_goes() {
    let server = TestServer::with(&["--journal-size", "2 kB", "--journal-keep", "3"]).start();
    make(&mut ann(&server), 0..60);
    let server = stop(server);
    let names = ["events.jsonl.3", "events.jsonl.2", "events.jsonl.1", "events.jsonl"];
    let files = names.map(|name| read(&server.outside(name)));
    for name in names {
        assert!(fs::metadata(server.outside(name)).unwrap().len() <= 2000, "{name}");
    }
    let all = files.concat();
    assert_without_gaps(&all);
    assert_eq!(all.last().unwrap()["event"], "ftp_server_stopped");
    assert!(numbers(&all)[0] > 1 && all.len() > 15);
    assert!(!server.outside("events.jsonl.4").exists());
}

#[test]
fn a_line_that_is_too_long_has_a_file_of_its_own_and_with_size_0_there_is_one_file() {
    let server = stop(TestServer::with(&["--journal-size", "1"]).start());
    assert_eq!(read(&server.outside("events.jsonl.1")).len(), 1);
    assert_eq!(read(&server.outside("events.jsonl")).len(), 1);
    assert!(!server.outside("events.jsonl.2").exists());
    let server = TestServer::with(&["--journal-size", "0"]).start();
    make(&mut ann(&server), 0..10);
    assert_without_gaps(&read(&stop(server).outside("events.jsonl")));
}

#[test]
fn a_file_that_can_not_be_renamed_grows_on() {
    let builder = TestServer::with(&["--journal-size", "1 kB"]);
    fs::create_dir(builder.outside("events.jsonl.1")).unwrap();
    let server = builder.start();
    make(&mut ann(&server), 0..30);
    let server = stop(server);
    let log = server.log();
    let complaints: Vec<_> = log.lines().filter(|line| line.contains("no new file can be begun")).collect();
    assert!(complaints.len() == 1 && complaints[0].contains("events.jsonl.1 is no file"), "{complaints:?}");
    let events = read(&server.outside("events.jsonl"));
    assert_without_gaps(&events);
    assert_eq!(events.len(), 35);
}

/// A server with the journal of another.
fn after(server: &TestServer) -> TestServer {
    TestServer::with(&["--journal", server.outside("events.jsonl").to_str().unwrap()]).start()
}

fn last_number(path: &Path) -> u64 {
    *numbers(&read(path)).last().unwrap()
}

#[test]
fn numbers_go_on_where_the_journal_was_moved_away() {
    let first = stop(TestServer::start());
    let journal = first.outside("events.jsonl");
    let (old, kept) = (first.outside("events.jsonl.1"), first.outside("events.jsonl.seq"));
    let last = last_number(&journal);
    // Neither the old file nor the kept number alone is needed.
    fs::rename(&journal, &old).unwrap();
    fs::remove_file(&kept).unwrap();
    stop(after(&first));
    assert_eq!(numbers(&read(&journal)), [last + 1, last + 2]);
    fs::remove_file(&journal).unwrap();
    fs::remove_file(&old).unwrap();
    stop(after(&first));
    assert_eq!(numbers(&read(&journal)), [last + 3, last + 4]);
    // Nor is either trusted more than the other.
    fs::write(&kept, "1\n").unwrap();
    stop(after(&first));
    assert_eq!(numbers(&read(&journal)), [last + 3, last + 4, last + 5, last + 6]);
}

#[test]
fn a_killed_server_gives_no_number_that_the_next_gives_again() {
    let mut first = TestServer::start();
    make(&mut ann(&first), 0..20);
    eventually("all is written", || has(&first, "/19"));
    first.signal(Signal::KILL);
    first.wait();
    let journal = first.outside("events.jsonl");
    let last = last_number(&journal);
    fs::remove_file(&journal).unwrap();
    let mut second = after(&first);
    eventually("it has begun a journal", || journal.exists() && !read(&journal).is_empty());
    second.signal(Signal::KILL);
    second.wait();
    let next = last_number(&journal);
    assert!(next > last && next < last + 1_000_000, "{last}, then {next}");
    stop(after(&first));
    let all = numbers(&read(&journal));
    assert!(all.is_sorted() && all[1] > next, "{all:?}");
}

#[test]
fn what_holds_no_number_is_refused() {
    for text in ["", "12x\n", "-1\n", "99999999999999999999999\n"] {
        let builder = TestServer::with(&[]);
        fs::write(builder.outside("events.jsonl.seq"), text).unwrap();
        let (status, said) = builder.fails();
        assert_eq!((status, said.lines().count()), (2, 1), "{said}");
        assert!(said.contains("events.jsonl.seq holds no number; remove it"), "{said}");
    }
}

#[test]
fn what_is_no_file_or_can_not_be_one_is_refused_at_the_start() {
    let builder = TestServer::with(&[]);
    fs::create_dir(builder.outside("events.jsonl")).unwrap();
    let (status, said) = builder.fails();
    assert_eq!((status, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("events.jsonl: Is a directory"), "{said}");
    let (status, said) = TestServer::with(&["--journal", "/proc/version"]).fails();
    assert_eq!((status, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("journal: /proc/version: "), "{said}");
}

fn make_pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_neither_start_nor_end() {
    let builder = TestServer::with(&[]);
    make_pipe(&builder.outside("events.jsonl"));
    let server = stop(builder.start());
    assert!(!server.outside("events.jsonl.seq").exists());
}

#[test]
fn a_link_is_written_through_and_never_renamed() {
    let builder = TestServer::with(&["--journal-size", "1 kB"]);
    let (link, target) = (builder.outside("events.jsonl"), builder.outside("target"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let server = builder.start();
    make(&mut ann(&server), 0..10);
    let server = stop(server);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&target).len(), 15);
    assert!(["1", "seq"].iter().all(|suffix| !server.outside(&format!("events.jsonl.{suffix}")).exists()));
}

#[test]
fn a_journal_that_becomes_something_else_is_one_complaint_and_goes_on_when_that_is_gone() {
    let make_directory = |path: &Path| fs::create_dir(path).unwrap();
    for make_other in [make_directory, make_pipe] {
        let server = TestServer::start();
        server.home("ann");
        let journal = server.outside("events.jsonl");
        let mut ann = server.login("ann");
        make(&mut ann, 0..1);
        eventually("it is written", || has(&server, "/0"));
        fs::rename(&journal, server.outside("old")).unwrap();
        make_other(&journal);
        make(&mut ann, 1..5);
        server.expect_log("the name stands for something else than a file now");
        fs::rename(&journal, server.outside("other")).unwrap();
        eventually("it goes on", || journal.exists() && has(&server, "/4"));
        let server = stop(server);
        assert_eq!(server.log().matches("something else than a file").count(), 1);
        assert_without_gaps(&[read(&server.outside("old")), read(&journal)].concat());
    }
}

#[test]
fn what_a_client_was_told_is_in_the_journal_of_a_killed_server() {
    let mut server = TestServer::with(&["--journal-sync", "always"]).start();
    server.home("ann");
    let clients: Vec<Client> = (0..50).map(|_| server.login("ann")).collect();
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (thread, mut ann) in clients.into_iter().enumerate() {
            let told = &told;
            // Until the server is gone.
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("{thread}-{number}");
                    if !uploads(&mut ann, &name) {
                        return;
                    }
                    told.lock().unwrap().push(format!("/{name}"));
                }
            });
        }
        eventually("some were told", || told.lock().unwrap().len() > 200);
        server.signal(Signal::KILL);
        server.wait();
    });
    // The last line may be torn: nobody was told of it.
    let events = server.events();
    let recorded: Vec<_> = events.iter().filter_map(|event| event["virtual_path"].as_str()).collect();
    let lost: Vec<_> =
        told.into_inner().unwrap().into_iter().filter(|path| !recorded.contains(&path.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Whether an upload is acknowledged, by a server that may be killed at any moment.
fn uploads(client: &mut Client, name: &str) -> bool {
    let mut said = |line: &str| {
        use std::io::Write;
        write!(&mut client.stream(), "{line}\r\n").is_ok().then(|| client.line()).flatten()
    };
    let Some(port) = said("EPSV") else { return false };
    let port = String::from_utf8(port).unwrap().split('|').nth(3).and_then(|port| port.parse().ok()).unwrap();
    let Ok(data) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    if said(&format!("STOR {name}")).is_none() {
        return false;
    }
    drop(data);
    client.line().is_some_and(|line| line.starts_with(b"226"))
}

#[test]
fn every_kind_of_change_is_acknowledged_when_it_is_on_the_disk() {
    let server = TestServer::with(&["--journal-sync", "always"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let is_recorded = |kind: &str, path: &str| {
        server
            .events()
            .iter()
            .any(|event| event["event"] == kind && (event["virtual_path"] == path || event["virtual_path_to"] == path))
    };
    // No waiting: the event is there when the reply is.
    ann.upload("STOR f", b"x");
    assert!(is_recorded("ftp_file_received", "/f"));
    ann.download("RETR f");
    assert!(is_recorded("ftp_file_sent", "/f"));
    ann.script(&[("MKD d", 257)]);
    assert!(is_recorded("ftp_directory_created", "/d"));
    ann.script(&[("RNFR f", 350), ("RNTO d/g", 250)]);
    assert!(is_recorded("ftp_file_renamed", "/d/g"));
    ann.script(&[("DELE d/g", 250)]);
    assert!(is_recorded("ftp_file_deleted", "/d/g"));
    ann.script(&[("RMD d", 250)]);
    assert!(is_recorded("ftp_directory_deleted", "/d"));
}

#[test]
fn with_block_a_change_waits_for_a_journal_that_can_not_be_written() {
    let server = TestServer::with(&["--journal-sync", "always", "--journal-full", "block"]).start();
    let home = server.home("ann");
    let mut ann = server.login("ann");
    make(&mut ann, 0..1);
    fill(&server, "/0");
    ann.send("MKD 1");
    server.expect_log("bytes wait, and sessions will");
    assert!(home.join("1").exists() && !has(&server, "/1"));
    ann.stream().set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut byte = [0];
    assert!(ann.stream().peek(&mut byte).is_err(), "it was acknowledged");
    ann.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    set_room(&server, None);
    ann.expect(257);
    assert!(has(&server, "/1"));
    server.expect_log("written again, nothing is lost");
    assert_without_gaps(&server.stop());
}

#[test]
fn without_block_nothing_is_acknowledged_that_is_not_safe() {
    for full in ["refuse", "continue"] {
        let server = TestServer::with(&["--journal-sync", "always", "--journal-full", full]).start();
        let home = server.home("ann");
        let mut ann = server.login("ann");
        make(&mut ann, 0..1);
        fill(&server, "/0");
        assert!(ann.send("MKD 1").expect(451).contains("Done, but"));
        assert!(home.join("1").exists());
        set_room(&server, None);
        eventually("it is written after all", || has(&server, "/1"));
        eventually("changes are acknowledged again", || {
            let code = ann.code("MKD 2");
            ann.code("RMD 2");
            code == 257
        });
        assert_without_gaps(&server.stop());
    }
}

#[test]
fn with_refuse_who_reads_directories_may_go_on_and_transfers_end() {
    let server = TestServer::with(&["--journal-full", "refuse"]).start();
    let home = server.home("ann");
    let (mut ann, mut runs) = (server.login("ann"), server.login("ann"));
    let mut waits = server.client();
    let data = runs.passive();
    runs.send("STOR running").expect(150);
    make(&mut ann, 0..1);
    fill(&server, "/0");
    make(&mut ann, 1..2); // told before anybody knows
    server.expect_log("logins, transfers and changes are refused");
    eventually("changes are refused", || {
        let code = ann.code("MKD x");
        let _ = fs::remove_dir(home.join("x"));
        code == 451
    });
    fs::write(home.join("f"), b"f").unwrap();
    for line in ["DELE f", "RMD 0", "RNFR f", "MFMT 20260101000000 f", "SITE CHMOD 600 f"] {
        assert!(ann.send(line).expect(451).contains("The journal can't be written; try again later."), "{line}");
    }
    let _data = ann.passive();
    ann.script(&[("STOR g", 451), ("APPE f", 451), ("RETR f", 451), ("NOOP", 200), ("PWD", 257), ("CWD 0", 250)]);
    ann.list("LIST");
    ann.script(&[("SIZE /f", 213), ("MLST /f", 250)]);
    assert!(waits.send("USER ann").expect(421).contains("The journal can't be written"));
    waits.expect_end();
    data.write(b"all of it").close();
    runs.expect(226);
    ann.send("QUIT").expect(221);
    set_room(&server, None);
    eventually("the transfer is in the journal", || has(&server, "/running"));
    server.login("ann").script(&[("DELE f", 250)]);
    let events = server.stop();
    assert_without_gaps(&events);
    assert!(events.iter().any(|event| event["reason"] == "the journal can't be written"), "{events:?}");
}

/// A directory so deep, and of such names, that an event about it is large.
fn descend(client: &mut Client) {
    let name = "\u{85}".repeat(120);
    for _ in 0..14 {
        client.script(&[(&format!("MKD {name}"), 257), (&format!("CWD {name}"), 250)]);
    }
}

#[test]
fn with_continue_all_goes_on_and_what_is_lost_is_counted() {
    let server = TestServer::with(&["--journal-full", "continue"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    make(&mut ann, 0..1);
    fill(&server, "/0");
    make(&mut ann, 1..20);
    server.expect_log("sessions go on");
    server.login("ann").send("QUIT").expect(221);
    descend(&mut ann);
    while !server.log().contains("events are lost so far") {
        ann.script(&[("MKD d", 257), ("RMD d", 250)]);
    }
    make(&mut ann, 0..20);
    let full = server.events().len();
    set_room(&server, None);
    server.expect_log("events were lost");
    make(&mut ann, 20..21);
    let server = stop(server);
    let log = server.log();
    assert_eq!(log.matches("events are lost so far").count(), 1, "not for each");
    let lost: u64 = log
        .lines()
        .find_map(|line| line.split_once("written again, but "))
        .unwrap()
        .1
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let events = read(&server.outside("events.jsonl"));
    let numbers = numbers(&events);
    assert!(events.len() > full + 100 && has(&server, "/19"));
    // Exactly the lost ones have numbers that are missing.
    assert!(lost >= 20 && numbers.last().unwrap() - numbers.len() as u64 == lost, "{lost} of {numbers:?}");
}

#[test]
fn a_journal_that_can_not_be_written_does_not_keep_the_server_from_stopping() {
    let stop_full = |full: &str| {
        let mut server = TestServer::with(&["--journal-full", full, "--stop-timeout", "0"]).start();
        server.home("ann");
        let mut ann = server.login("ann");
        make(&mut ann, 0..1);
        fill(&server, "/0");
        make(&mut ann, 1..2);
        server.expect_log("bytes wait, and");
        let start = Instant::now();
        server.signal(Signal::TERM);
        assert!(!server.wait().success());
        assert!(start.elapsed() < Duration::from_secs(20), "{full}: {:?}", start.elapsed());
        server.expect_log("the last events could not be written within 10 s; they are lost");
        let events = read(&server.outside("events.jsonl"));
        assert_without_gaps(&events);
        let next = after(&server);
        eventually("the next goes on", || server.events().len() > events.len());
        stop(next);
        let numbers = numbers(&server.events());
        assert!(numbers[events.len()] > 1000 + numbers[events.len() - 1], "no number is given again: {numbers:?}");
    };
    std::thread::scope(|scope| {
        for full in ["block", "refuse", "continue"] {
            scope.spawn(move || stop_full(full));
        }
    });
}

#[test]
fn mistakes_in_the_options_of_the_journal_are_named() {
    let cases: [(&[&str], &str); 4] = [
        (&["--journal-size", "much"], "--journal-size: \"much\" is not a number of bytes such as 500 MB or 2 GiB"),
        (&["--journal-keep", "0"], "--journal-keep: \"0\" is not a whole number above 0"),
        (&["--journal-sync", "never"], "--journal-sync: \"never\" is not os or always"),
        (&["--journal-full", "drop"], "--journal-full: \"drop\" is not block, refuse or continue"),
    ];
    for (args, expected) in cases {
        let (status, said) = TestServer::with(args).fails();
        assert!(status == 2 && said.contains(expected), "{said}");
    }
}

#[test]
fn two_servers_do_not_write_one_journal() {
    let mut first = TestServer::start();
    let journal = first.outside("events.jsonl");
    let (status, said) = TestServer::with(&["--journal", journal.to_str().unwrap()]).fails();
    assert_eq!(status, 2);
    assert!(said.contains("another server writes it"), "{said}");
    first.signal(Signal::TERM);
    first.wait();
    TestServer::with(&["--journal", journal.to_str().unwrap()]).start();
}

#[test]
fn zeros_that_a_power_cut_has_left_are_a_torn_line() {
    let mut first = TestServer::start();
    first.signal(Signal::TERM);
    first.wait();
    let journal = first.outside("events.jsonl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let whole = bytes.len();
    bytes.extend([0; 500]);
    std::fs::write(&journal, &bytes).unwrap();
    let second = TestServer::with(&["--journal", journal.to_str().unwrap()]).start();
    second.expect_log("its last line was torn, 500 bytes are cut off");
    assert!(std::fs::read(&journal).unwrap().starts_with(&bytes[..whole]));
}
