//! Accounts from what dumpdata wrote: its forms, its faults, and what becomes of sessions when it changes.

use crate::support::{Builder, TestServer, eventually, replace};
use flate2::{Compression, write::GzEncoder};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::fs::{read_to_string, remove_file, write};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PRETTY: &str = "export.json";
const NATURAL: &str = "export-natural.jsonl";
const HOW: &str = "manage.py dumpdata auth.user auth.group django_ftpserver";

/// What real Django wrote, with the homes of this test.
fn dump(name: &str, homes: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    read_to_string(path).unwrap().replace("/nonexistent", homes.to_str().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A server with such an export, in the file `users.json` beside the homes.
fn with_export(content: impl FnOnce(&Path) -> Vec<u8>) -> Builder {
    let builder = TestServer::with(&[]);
    let path = builder.outside("users.json");
    write(&path, content(&builder.homes())).unwrap();
    builder.export(path)
}

/// A server that runs with what real Django wrote, its export, and the text in it.
fn start() -> (TestServer, PathBuf, String) {
    let builder = with_export(|homes| dump(PRETTY, homes).into_bytes());
    let text = dump(PRETTY, &builder.homes());
    let server = builder.start();
    server.home("ann");
    let path = server.outside("users.json");
    (server, path, text)
}

/// The text with another value in a field of one user.
fn changed(text: &str, username: &str, field: &str, value: Value) -> String {
    let mut objects: Vec<Value> = serde_json::from_str(text).unwrap();
    let user = objects.iter_mut().find(|object| object["fields"]["username"] == username).unwrap();
    user["fields"][field] = value;
    serde_json::to_string(&objects).unwrap()
}

fn without_permissions(text: &str) -> String {
    let changed = text.replace("\"elradfmwMT\"", "\"e\"");
    assert!(changed != text);
    changed
}

fn peak_memory(server: &TestServer) -> u64 {
    let status = read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024
}

#[test]
fn everybody_is_at_home_whatever_the_form() {
    type Form = fn(String) -> Vec<u8>;
    let forms: [(&str, Form); 5] = [
        (PRETTY, |text| text.into_bytes()),
        (NATURAL, |text| text.into_bytes()),
        (PRETTY, |text| gzip(format!("\u{FEFF}{text}").as_bytes())),
        (NATURAL, |text| text.split_inclusive('\n').flat_map(|line| gzip(line.as_bytes())).collect()),
        (NATURAL, |text| {
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            serde_json::to_vec(&lines).unwrap()
        }),
    ];
    for (name, form) in forms {
        let server = with_export(|homes| form(dump(name, homes))).start();
        for (user, home) in [("ann", "ann"), ("bob", "own-bob"), ("rita", "readers/rita"), ("ünï", "ünï")] {
            write(server.home(home).join("here"), home).unwrap();
            assert_eq!(server.login(user).download("RETR here"), home.as_bytes());
        }
        server.login("rita").send("STOR new").expect(550);
        for (user, password) in [("ann", "wrong"), ("inactive", "inactive-secret"), ("noaccount", "noaccount-secret")] {
            server.client().script(&[(&format!("USER {user}"), 331), (&format!("PASS {password}"), 530)]);
        }
    }
}

#[test]
fn a_new_export_holds_from_the_next_command() {
    let (server, path, text) = start();
    let mut ann = server.login("ann");
    ann.send("MLST").expect(250);
    for (text, code) in [(without_permissions(&text), 550), (text.clone(), 250), (without_permissions(&text), 550)] {
        let start = Instant::now();
        replace(&path, &text);
        eventually("the change holds", || ann.code("MLST") == code);
        // A second, and time for a machine that has other things to do.
        assert!(start.elapsed() < Duration::from_secs(6));
        server.login("ann").send("MLST").expect(code);
    }
}

#[test]
fn json_lines_that_are_written_slowly_hold_once_they_are_whole() {
    let builder = with_export(|homes| dump(NATURAL, homes).into_bytes());
    let text = without_permissions(&dump(NATURAL, &builder.homes()));
    let server = builder.start();
    server.home("ann");
    let path = server.outside("users.json");
    let mut ann = server.login("ann");
    // Each part ends where a line does, and has users.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut file = std::fs::File::create(&path).unwrap();
    for part in lines.chunks(lines.len().div_ceil(3)) {
        file.write_all(part.concat().as_bytes()).unwrap();
        sleep(Duration::from_millis(1200));
        ann.send("MLST").expect(250);
        server.login("rita");
    }
    eventually("the change holds", || ann.code("MLST") == 550);
    assert_eq!(server.log().matches("[ERROR").count(), 0, "{}", server.log());
}

#[test]
fn a_small_file_with_more_than_any_site_has_is_told_soon_and_takes_no_memory() {
    const MIB: usize = 1 << 20;
    let (server, path, _) = start();
    let mut ann = server.login("ann");
    let user = |groups: &str| {
        let begin = format!(r#"{{"model": "auth.user", "pk": 1, "fields": {{"groups": {groups}"#);
        gzip(begin.as_bytes())
    };
    let zeros = gzip(format!("[{}0],", "0,".repeat(9_999)).as_bytes());
    let start = Instant::now();
    for (content, why) in [
        ([user("["), zeros.repeat(10_000)].concat(), "line 1, object 1: the object is longer than 16 MiB"),
        (
            [user("["), zeros.repeat(100), gzip(b"0]}}")].concat(),
            "an item of groups is a list that is too long or too deep",
        ),
        (
            [gzip(b"\n{\"model\": \""), gzip(&[b'x'; MIB]).repeat(500)].concat(),
            "line 2, object 1: the object is longer",
        ),
        ([gzip(b"\n\n{\"a\": "), gzip(&[b'['; MIB]).repeat(500)].concat(), "line 3, object 1: the object is longer"),
    ] {
        assert!(content.len() < 8 * MIB);
        write(&path, &content).unwrap();
        server.expect_log(why);
        ann.send("MLST").expect(250);
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(peak_memory(&server) < 100 * MIB as u64, "{}", peak_memory(&server));
}

#[test]
fn who_is_switched_off_or_gone_or_has_another_password_is_out() {
    for (field, value, reason) in [
        ("is_active", json!(false), "the account is inactive"),
        ("username", json!("anna"), "no such account"),
        (
            "password",
            json!("pbkdf2_sha256$10$other$hahlEsQ2oi7ecaMac6sVXvd7JENeZUzx2uJOTf2GPlg="),
            "the password was changed",
        ),
    ] {
        let (server, path, text) = start();
        let (mut ann, mut other) = (server.login("ann"), server.login("sha1"));
        replace(&path, &changed(&text, "ann", field, value));
        eventually("the session ends", || ann.code("NOOP") == 421);
        ann.expect_end();
        other.send("NOOP").expect(200);
        server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
        server.expect_event(
            "ftp_client_disconnected",
            &[("username", "ann"), ("reason", &format!("account closed: {reason}"))],
        );
    }
}

#[test]
fn a_broken_export_changes_nothing_and_is_told_once() {
    let (server, path, text) = start();
    let mut ann = server.login("ann");
    let new = without_permissions(&text);
    let (half, _) = new.split_at(new.len() / 2);
    let reference = new.replace("\"group\": 1,", "\"group\": 999,");
    for (content, why) in [
        (half, "the file ends here; it is cut off, or still being written"),
        ("", "it is empty; write it with manage.py"),
        (&*reference, "its django_ftpserver.ftpusergroup with pk 999 is not in the file; dump both together"),
    ] {
        // In place, as a shell's > does.
        write(&path, content).unwrap();
        server.expect_log(why);
        ann.send("MLST").expect(250);
        server.login("ann").send("MLST").expect(250);
        assert_eq!(server.log().matches(why).count(), 1);
    }
    write(&path, &new).unwrap();
    server.expect_log("users.json: all is well again, with 29 users");
    eventually("the change holds", || ann.code("MLST") == 550);
    assert_eq!(server.log().matches(" ERROR ").count() + server.log().matches("[ERROR").count(), 3, "{}", server.log());
}

#[test]
fn an_export_that_vanishes_stays_in_force() {
    let (server, path, text) = start();
    let mut ann = server.login("ann");
    remove_file(&path).unwrap();
    server.expect_log("it does not exist; write it with manage.py");
    ann.send("MLST").expect(250);
    server.login("bob");
    write(&path, without_permissions(&text)).unwrap();
    server.expect_log("all is well again");
    eventually("the change holds", || ann.code("MLST") == 550);
    assert_eq!(server.log().matches("it does not exist").count(), 1);
}

#[test]
fn an_export_that_is_none_is_refused_at_the_start() {
    let user = r#"{"model": "auth.user", "pk": 1, "fields": {"username": "ann", "password": "x"}}"#;
    let account = r#"{"model": "django_ftpserver.ftpuseraccount", "pk": 1, "fields": {"user": 1, "group": 1}}"#;
    let lines = |lines: &[&str]| lines.join("\n").into_bytes();
    let whole = gzip(user.as_bytes());
    let bomb = gzip(&vec![b' '; 1 << 20]).repeat(513);
    for (content, why) in [
        (lines(&[""]), format!("it is empty; write it with {HOW}")),
        (lines(&["[]"]), format!("it has no users: no auth.user, and nothing else with username and password; write it with {HOW}")),
        (lines(&["users:"]), format!("line 1: it is not JSON, which begins with [ or {{; write it with {HOW}")),
        (lines(&["[", user, user]), "line 3, column 1, after object 1: it is not JSON as dumpdata writes it: expected `,` or `]`".into()),
        (lines(&["[", user]), "line 2, column 79, after object 1: the file ends here; it is cut off, or still being written".into()),
        (lines(&[user, "7"]), "line 2, object 2: invalid type: integer `7`, expected an object with model, pk and fields".into()),
        (lines(&[&user.replace("\"x\"", "7")]), "line 1, object 1 (auth.user, pk 1): password is a number, not a text".into()),
        (lines(&[user, user]), "line 2, object 2 (auth.user): there is another one with username ann: object 1, line 1".into()),
        (lines(&[user, account]), "line 2, object 2 (django_ftpserver.ftpuseraccount): its django_ftpserver.ftpusergroup with pk 1 is not in the file; dump both together".into()),
        (b"{\"\xFF\"".to_vec(), "line 1, object 1: it is not UTF-8, as what dumpdata writes is".into()),
        (whole[..whole.len() - 1].to_vec(), "line 1, after object 1: the gzip file is cut off, or still being written".into()),
        (bomb, format!("line 1: it is longer than 512 MiB; dump no more than is needed: {HOW}")),
    ] {
        let builder = with_export(|_| content);
        let path = builder.outside("users.json").display().to_string();
        assert_eq!(builder.fails(), (2, format!("django-ftpd: export {path}: {why}\n")));
    }
}

#[test]
fn a_file_that_is_none_is_refused_at_the_start() {
    type Make = fn(&Path);
    let makers: [(Make, String); 3] = [
        (|_| (), format!("it does not exist; write it with {HOW}")),
        (|path| std::fs::create_dir(path).unwrap(), "it is a directory; name the file in it".into()),
        (|path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(), "it is not a regular file".into()),
    ];
    for (make, why) in makers {
        let builder = TestServer::with(&[]);
        let path = builder.outside("other.json");
        make(&path);
        let shown = path.display().to_string();
        assert_eq!(builder.export(path).fails(), (2, format!("django-ftpd: export {shown}: {why}\n")));
    }
}

#[test]
fn accounts_come_from_one_place() {
    let builder = with_export(|homes| dump(PRETTY, homes).into_bytes());
    let database = builder.outside("site.sqlite3");
    let (status, text) = builder.args(&["--database", database.to_str().unwrap()]).fails();
    let why = "django-ftpd: database, export, accounts_command: accounts come from one of them; leave out the others\n";
    assert_eq!((status, &*text), (2, why));
}

#[test]
fn check_reads_an_export() {
    let (server, path, text) = start();
    let check = || {
        let binary = env!("CARGO_BIN_EXE_django-ftpd");
        let output = Command::new(binary).args(["check", "--export"]).arg(&path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, out) = check();
    let faults = out.lines().filter(|line| line.starts_with("FAULT   accounts "));
    assert!(
        status == Some(1) && faults.clone().count() > 0 && faults.clone().all(|line| line.contains(" can't log in: ")),
        "{out}"
    );
    assert!(out.contains("rot13 can't log in: the stored password uses rot13, which is not supported"), "{out}");
    let mut known: Vec<Value> = serde_json::from_str(&text).unwrap();
    known.retain(|object| object["model"] != "django_ftpserver.ftpuseraccount" || object["pk"] == 1);
    write(&path, serde_json::to_string(&known).unwrap()).unwrap();
    let (status, out) = check();
    let told = format!("ok      export         {}: ", path.display());
    assert!(status == Some(0) && out.contains(&told) && out.contains("ok      accounts       "), "{out}");
    write(&path, &text[..100]).unwrap();
    let (status, out) = check();
    assert!(status == Some(1) && out.contains("FAULT   accounts       export ") && out.contains("cut off"), "{out}");
    server.login("ann");
}

/// As many users as a large site has, pretty-printed.
fn large(homes: &Path) -> String {
    const USERS: u32 = 100_000;
    let home = homes.join("{username}");
    let group = json!({"name": "full", "permission": "elradfmwMT", "home_dir": home});
    let group = json!({"model": "django_ftpserver.ftpusergroup", "pk": 1, "fields": group});
    let mut text = format!("[\n{group:#}");
    let known = dump(PRETTY, homes);
    let known: Vec<Value> = serde_json::from_str(&known).unwrap();
    let password = &known.iter().find(|object| object["fields"]["username"] == "ann").unwrap()["fields"]["password"];
    for number in 0..USERS {
        let username = if number == 0 { "ann".to_string() } else { format!("user-{number}") };
        let user = json!({"username": username, "password": password, "is_active": true, "email": "a@example.org",
            "first_name": "", "last_name": "", "groups": [], "user_permissions": []});
        let user = json!({"model": "auth.user", "pk": number, "fields": user});
        let account = json!({"user": number, "group": 1, "home_dir": null, "last_login": null});
        let account = json!({"model": "django_ftpserver.ftpuseraccount", "pk": number, "fields": account});
        text += &format!(",\n{user:#},\n{account:#}");
    }
    text + "\n]\n"
}

#[test]
fn a_hundred_thousand_users_are_read_soon_and_kept_in_little_memory() {
    let builder = with_export(|homes| large(homes).into_bytes());
    let path = builder.outside("users.json");
    let start = Instant::now();
    let server = builder.start();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send("MLST").expect(250);
    let at_start = peak_memory(&server);
    replace(&path, &without_permissions(&read_to_string(&path).unwrap()));
    eventually("the change holds", || ann.code("MLST") == 550);
    let in_the_end = peak_memory(&server);
    assert!(at_start < 100 << 20 && in_the_end < 200 << 20, "{at_start} {in_the_end}");
}
