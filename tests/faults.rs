//! Accidents: the process is killed, a session panics, the disk is full, the journal is torn, moved or gone.

use crate::support::{Client, Data, Signal, TestServer, eventually, noise};
use django_ftpd::accounts::{Account, Accounts, Attempt, Limits, Refusal};
use django_ftpd::events::{Entry as Told, Kind};
use django_ftpd::server::{Caps, Server};
use django_ftpd::storage::{
    Detail, Disk, Error, Facts, Footprint, Home, Listing, Result as StorageResult, Source, Storage, Upload,
    VirtualPath, Write,
};
use serde_json::Value;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

#[test]
fn a_server_killed_during_uploads_leaves_no_half_file() {
    let mut server = TestServer::start();
    let home = server.home("ann");
    let (old, new) = (noise(5_000), noise(1 << 20));
    let replaces = |number: usize| number.is_multiple_of(2);
    for number in (0..20).filter(|&number| replaces(number)) {
        fs::write(home.join(format!("file-{number}")), &old).unwrap();
    }
    let mut whole = server.login("ann");
    whole.upload("STOR acknowledged", &new);
    let mut uploads: Vec<(Client, Option<Data>)> = (0..20)
        .map(|number| {
            let mut client = server.login("ann");
            let data = client.passive();
            client.send(&format!("STOR file-{number}")).expect(150);
            (client, Some(data.write(&new[..new.len() / 2])))
        })
        .collect();
    // A third of them is about to be committed when the end comes.
    for (_, data) in uploads.iter_mut().step_by(3) {
        data.take().unwrap().write(&new[new.len() / 2..]).close();
    }
    server.signal(Signal::KILL);
    server.wait();
    drop(uploads);

    assert_eq!(fs::read(home.join("acknowledged")).unwrap(), new);
    for number in 0..20 {
        match fs::read(home.join(format!("file-{number}"))) {
            Ok(bytes) if bytes == old => assert!(replaces(number)),
            Ok(bytes) => assert!(number.is_multiple_of(3) && bytes == new, "file-{number}: half a file"),
            Err(_) => assert!(!replaces(number), "file-{number}: the old one is gone"),
        }
    }
    // A whole file that has not replaced another yet may be there under a hidden name, see the next test.
    let files = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap());
    let (hidden, shown): (Vec<_>, Vec<_>) =
        files.partition(|entry| entry.file_name().as_encoded_bytes().starts_with(LEFT_OVER.as_bytes()));
    assert!(hidden.iter().all(|entry| fs::read(entry.path()).unwrap() == new) && hidden.len() <= 4, "{hidden:?}");
    assert!(shown.len() <= 21, "{shown:?}");
    let journal = fs::read(server.outside("events.jsonl")).unwrap();
    let lines: Vec<_> = journal.split_inclusive(|&b| b == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let is_whole = serde_json::from_slice::<Value>(line).is_ok();
        assert!(is_whole || index + 1 == lines.len(), "line {index} is torn: {}", String::from_utf8_lossy(line));
    }
}

/// What a killed server can leave in a home: a whole upload that was about to replace a file.
const LEFT_OVER: &str = ".django-ftpd-upload-";
const REMOVED: &str = "removed what uploads that were cut have left: ";

#[test]
fn what_a_killed_server_has_left_over_is_in_nobodys_way() {
    let server = TestServer::start();
    let directory = server.home("ann").join("dir");
    fs::create_dir(&directory).unwrap();
    let file = fs::File::create(directory.join(format!("{LEFT_OVER}84f68c3d442c9e00"))).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let mut ann = server.login("ann");
    for listing in ["LIST dir", "NLST dir", "MLSD dir"] {
        assert_eq!(ann.download(listing), b"");
    }
    ann.send("RMD dir").expect(250); // it is empty, as far as anybody can see
    assert!(!directory.exists());
}

#[test]
fn what_a_killed_server_has_left_over_goes_at_the_next_start() {
    let builder = TestServer::with(&[]);
    let directory = |name: &str| {
        let path = builder.homes().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let (deep, other) = (directory("ann/a/b"), directory("rita"));
    // Nobody can look into it, and that keeps nobody from the rest.
    let closed = directory("ann/a/0");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let leave = |directory: &Path, digit: char, modified: SystemTime| {
        let file = fs::File::create(directory.join(format!("{LEFT_OVER}84f68c3d442c9e0{digit}"))).unwrap();
        file.set_modified(modified).unwrap();
        file
    };
    let now = SystemTime::now();
    leave(&deep, '0', SystemTime::UNIX_EPOCH);
    leave(&deep, '1', now + Duration::from_secs(48 * 3600));
    leave(&deep, '2', now);
    let written = leave(&deep, '3', SystemTime::UNIX_EPOCH);
    written.lock().unwrap();
    leave(&other, '4', SystemTime::UNIX_EPOCH);
    fs::write(deep.join(format!("{LEFT_OVER}but-not-quite")), "").unwrap();
    let server = builder.start();
    server.expect_log(&format!("{}: {REMOVED}2", server.home("ann").display()));
    server.expect_log(&format!("{}: {REMOVED}1", other.display()));
    let names = fs::read_dir(&deep).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<_> = names.map(|name| name.replace(LEFT_OVER, "")).collect();
    left.sort();
    assert_eq!(left, ["84f68c3d442c9e02", "84f68c3d442c9e03", "but-not-quite"]);
    // The young one is looked at again in a minute.
    assert_eq!(server.threads("leftovers"), 1);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_hidden_name_is_nobodys_to_take() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    let name = format!("{LEFT_OVER}84f68c3d442c9e00");
    ann.upload("STOR file", b"x");
    ann.send("RNFR file").expect(350);
    for command in ["RNTO", "MKD", "RETR", "DELE", "SIZE", "CWD"] {
        ann.send(&format!("{command} {name}")).expect(550);
    }
    let _data = ann.passive();
    ann.send(&format!("STOR {name}")).expect(550);
    ann.upload(&format!("STOR {LEFT_OVER}but-not-quite"), b"x");
    assert_eq!(ann.download("NLST"), format!("{LEFT_OVER}but-not-quite\r\nfile\r\n").as_bytes());
}

#[test]
fn what_was_acknowledged_long_enough_ago_is_in_the_journal_of_a_killed_server() {
    let mut server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    for number in 0..50 {
        ann.upload(&format!("STOR {number}"), b"x");
    }
    server.expect_event("ftp_file_received", &[("virtual_path", "/49")]);
    server.signal(Signal::KILL);
    server.wait();
    let received: Vec<_> = server.events().into_iter().filter(|event| event["event"] == "ftp_file_received").collect();
    let paths: Vec<_> = received.iter().map(|event| event["virtual_path"].as_str().unwrap().to_string()).collect();
    assert_eq!(paths, (0..50).map(|number| format!("/{number}")).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_no_journal_is_refused() {
    let builder = TestServer::with(&[]);
    fs::write(builder.outside("events.jsonl"), "something else\nwithout an end").unwrap();
    let (status, said) = builder.fails();
    assert_eq!((status, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("events.jsonl: it is something else than a journal"), "{said}");
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_torn_last_line_of_the_journal_is_cut_off_at_the_next_start() {
    let torn: &[(&[u8], bool)] = &[
        (b"{\"seq\":99,\"time\":\"2026-", true),
        (b"{", true),
        (b"", false),
        (b"{\"seq\":99,\"event\":\"ftp_login\"}", true), // without its line end it was never whole
    ];
    for (rest, is_torn) in torn {
        let first = TestServer::start();
        first.client().send("QUIT").expect(221);
        let journal = first.outside("events.jsonl");
        first.signal(Signal::TERM);
        eventually("it has stopped", || fs::read_to_string(&journal).unwrap().contains("ftp_server_stopped"));
        let whole = fs::read(&journal).unwrap();
        let before = numbers(&first.events());

        let builder = TestServer::with(&[]);
        fs::write(builder.outside("events.jsonl"), [&whole, *rest].concat()).unwrap();
        let second = builder.start();
        second.client().send("QUIT").expect(221);
        second.expect_event("ftp_client_disconnected", &[("reason", "quit")]);
        assert_eq!(second.log().contains("torn"), *is_torn);
        let after = second.stop();
        assert_eq!(numbers(&after), (1..=after.len() as u64).collect::<Vec<_>>(), "after {rest:?}");
        assert_eq!(numbers(&after)[..before.len()], before);
    }
}

#[test]
fn a_journal_that_is_rotated_or_deleted_goes_on_in_a_new_file() {
    let server = TestServer::start();
    server.home("ann");
    let journal = server.outside("events.jsonl");
    let mut ann = server.login("ann");
    let mut tell = |name: &str| {
        ann.send(&format!("MKD {name}")).expect(257);
        let path = format!("/{name}");
        eventually("the event is in the journal", || {
            fs::read_to_string(&journal).is_ok_and(|text| text.ends_with('\n') && text.contains(&path))
        });
    };
    tell("first");
    fs::rename(&journal, server.outside("events.jsonl.1")).unwrap();
    tell("second");
    let old = fs::read_to_string(server.outside("events.jsonl.1")).unwrap();
    let old: Vec<Value> = old.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let new = server.events();
    let all = [numbers(&old), numbers(&new)].concat();
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>(), "none is lost, none is there twice");
    assert!(!new.is_empty() && !old.is_empty());

    fs::remove_file(&journal).unwrap();
    tell("third");
    assert_eq!(server.events()[0]["virtual_path"], "/third");
    assert_eq!(server.stop().pop().unwrap()["event"], "ftp_server_stopped");
}

/// A small file system in the server's home; gone when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// None where that needs privileges that we lack.
    fn mount(path: PathBuf) -> Option<Tmpfs> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs"]).arg(&path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Tmpfs(path))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}

/// `old` exists and has one byte; nothing of two megabytes fits.
fn uploads_that_do_not_fit_leave_nothing(server: &TestServer) {
    let home = server.home("ann");
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let mut ann = server.login("ann");
    let bytes = noise(2 << 20);
    for command in ["STOR new", "STOR old", "STOU"] {
        let data = ann.passive();
        ann.send(command).expect(150);
        // It may be cut off while we send.
        let _ = std::io::Write::write_all(&mut &data.stream, &bytes);
        drop(data);
        let reply = String::from_utf8(ann.reply()).unwrap();
        assert!(reply.starts_with("452") || reply.starts_with("552"), "{command}: {reply}");
        ann.send("NOOP").expect(200);
        eventually("nothing is left", || names() == ["old"]);
        assert_eq!(fs::read(home.join("old")).unwrap(), b"o");
    }
    let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/new")]);
    assert!(event["reason"].as_str().unwrap().len() > 5, "{event}");
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/old")]);
    ann.upload("STOR fits", b"it does");
    assert_eq!(fs::read(home.join("fits")).unwrap(), b"it does");
}

#[test]
fn a_full_disk_ends_an_upload_and_nothing_else() {
    let server = TestServer::with(&[]);
    let home = server.homes().join("ann");
    fs::create_dir(&home).unwrap();
    let (server, small) = match Tmpfs::mount(home.clone()) {
        Some(small) => (server.start(), Some(small)),
        None => {
            eprintln!("no privilege to mount a small file system: a limit of file sizes takes its place");
            (server.after("ulimit -f 1000").start(), None)
        }
    };
    fs::write(home.join("old"), b"o").unwrap();
    uploads_that_do_not_fit_leave_nothing(&server);
    drop(small);
}

#[test]
fn a_limit_of_file_sizes_ends_an_upload_and_nothing_else() {
    let server = TestServer::with(&[]).after("ulimit -f 1000").start();
    fs::write(server.home("ann").join("old"), b"o").unwrap();
    uploads_that_do_not_fit_leave_nothing(&server);
}

/// The disk, but some names in it are bombs.
struct Mined(Disk);

struct MinedHome(Box<dyn Home>);

struct MinedUpload;

fn bomb(path: &VirtualPath) {
    if path.name() == Some(b"bomb") {
        std::panic::panic_any("injected");
    }
}

impl Storage for Mined {
    fn home(&self, account: &Account) -> Box<dyn Home> {
        Box::new(MinedHome(self.0.home(account)))
    }
}

impl Home for MinedHome {
    fn facts(&self, path: &VirtualPath, detail: Detail) -> StorageResult<Facts> {
        bomb(path);
        self.0.facts(path, detail)
    }

    fn list(&self, path: &VirtualPath, detail: Detail) -> StorageResult<Listing> {
        let bombs = self.0.list(path, detail)?;
        Ok(Box::new(bombs.inspect(|_| std::panic::panic_any("injected"))))
    }

    fn read(&self, path: &VirtualPath) -> StorageResult<Box<dyn Source>> {
        bomb(path);
        self.0.read(path)
    }

    fn write(&self, path: &VirtualPath, how: Write, mode: u32) -> StorageResult<Box<dyn Upload>> {
        match path.name() {
            Some(b"upload-bomb") => Ok(Box::new(MinedUpload)),
            _ => self.0.write(path, how, mode),
        }
    }

    fn make_directory(&self, _: &VirtualPath, _: u32) -> StorageResult<()> {
        Err(Error::Denied)
    }

    fn remove_directory(&self, _: &VirtualPath) -> StorageResult<()> {
        Err(Error::Denied)
    }

    fn remove_file(&self, path: &VirtualPath) -> StorageResult<()> {
        bomb(path);
        self.0.remove_file(path)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath) -> StorageResult<()> {
        Err(Error::Denied)
    }

    fn set_modified(&self, _: &VirtualPath, _: jiff::Timestamp) -> StorageResult<()> {
        Err(Error::Denied)
    }

    fn set_mode(&self, _: &VirtualPath, _: u32) -> StorageResult<()> {
        Err(Error::Denied)
    }

    fn available(&self, path: &VirtualPath) -> StorageResult<u64> {
        self.0.available(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Vec<u8> {
        self.0.real_path(path)
    }

    fn used(&self) -> StorageResult<u64> {
        self.0.used()
    }

    fn resolve(&self, path: &VirtualPath, detail: Detail) -> StorageResult<VirtualPath> {
        self.0.resolve(path, detail)
    }

    fn direct(&self) -> Box<dyn Home> {
        Box::new(MinedHome(self.0.direct()))
    }
}

impl Upload for MinedUpload {
    fn write(&mut self, _: &[u8]) -> StorageResult<()> {
        std::panic::panic_any("injected")
    }

    fn footprint(&self) -> StorageResult<Footprint> {
        Ok(Footprint::Apart { replaces: 0 })
    }

    fn commit(self: Box<Self>) -> StorageResult<()> {
        Ok(())
    }
}

/// Lets everybody in once, to the same home.
struct Everybody(PathBuf);

impl Accounts for Everybody {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let limits = Limits { max_sessions: NonZeroUsize::new(1), ..Limits::default() };
        Ok(Account { limits, ..Account::new(attempt.username, &self.0) })
    }
}

/// The messages of the errors that this process logs.
struct Errors;

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for Errors {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            ERRORS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// A session that is logged in, as soon as there is a place for it.
fn enter(server: std::net::SocketAddr, name: &str) -> Client {
    let mut entered = None;
    eventually("there is a place", || {
        let mut client = Client::connect(server);
        let is_in = client.reply().starts_with(b"220");
        entered = Some(client);
        is_in
    });
    let mut client = entered.unwrap();
    client.send(&format!("USER {name}")).expect(331);
    client.send("PASS x").expect(230);
    client.send("TYPE I").expect(200);
    client
}

fn assert_same_file(home: &Path, client: &mut Client, bytes: &[u8]) {
    client.upload("STOR fine", bytes);
    assert_eq!(client.download("RETR fine"), bytes);
    assert_eq!(fs::read(home.join("fine")).unwrap(), bytes);
}

#[test]
fn a_panic_ends_its_own_session_and_is_logged() {
    log::set_logger(&Errors).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let scratch = TestServer::with(&[]); // only its directory
    let home = scratch.homes();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .accounts(Everybody(home.clone()))
        .storage(Mined(Disk::new()))
        .caps(Caps { total: Some(2), per_address: None, pending: None })
        .sink(move |entry: &Told| sink.lock().unwrap().push((entry.event.kind, entry.event.clone())));
    let (address, stopper) = (server.address(), server.stopper());
    let running = std::thread::spawn(move || server.run());
    let mut other = enter(address, "other");
    // With one place besides, each of these sessions needs the place of the one before, also that of its account.
    for command in ["SIZE bomb", "RETR bomb", "DELE bomb", "LIST", "NLST", "MLSD", "STOR upload-bomb", "CWD bomb"] {
        let mut victim = enter(address, "victim");
        fs::write(home.join("entry"), b"").unwrap();
        let data = victim.passive();
        victim.send(command);
        let _ = std::io::Write::write_all(&mut &data.stream, b"bytes");
        drop(data);
        let replies: Vec<_> = std::iter::from_fn(|| victim.line()).collect();
        let (last, first) = replies.split_last().unwrap();
        assert!(first.iter().all(|reply| reply.starts_with(b"150")), "{command}: {replies:?}");
        assert!(last.starts_with(b"421"), "{command}: {replies:?}");
        assert_same_file(&home, &mut other, command.as_bytes());
        let logged = || ERRORS.lock().unwrap().iter().filter(|error| error.contains("panicked")).count();
        eventually("it is logged", || logged() > 0);
        ERRORS.lock().unwrap().clear();
    }
    stopper.stop();
    running.join().unwrap().unwrap();
    let told = told.lock().unwrap();
    let count = |kind: Kind| told.iter().filter(|(told, _)| *told == kind).count();
    assert_eq!((count(Kind::ClientConnected), count(Kind::ClientDisconnected)), (9, 9), "refused ones are no sessions");
    assert_eq!(told.last().unwrap().0, Kind::ServerStopped);
}
