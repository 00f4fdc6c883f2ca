//! RETR, STOR, APPE, STOU, REST, TYPE A: bytes come back as they went, and a file is whole or isn't there.

use crate::support::{Client, Data, TestServer, eventually, noise};
use std::ffi::OsStr;
use std::fs::{create_dir, metadata, read, read_dir, set_permissions, write};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

fn mode(path: &Path) -> u32 {
    metadata(path).unwrap().permissions().mode() & 0o7777
}

fn entries(directory: &Path) -> usize {
    read_dir(directory).unwrap().count()
}

#[test]
fn every_size_comes_back_as_it_went() {
    for args in [["--sendfile"], ["--no-sendfile"], ["--sync-uploads"], ["--no-atomic-uploads"]] {
        let server = TestServer::with(&args).start();
        let home = server.files("ann");
        let mut ann = server.login("ann");
        for size in [0, 1, 65_535, 65_536, 65_537, 262_143, 262_145, 9_000_001] {
            let bytes = noise(size);
            ann.upload("STOR f", &bytes);
            assert!(home.read("f") == bytes, "{args:?} {size}");
            assert!(ann.download("RETR f") == bytes, "{args:?} {size}");
        }
        assert_eq!(home.names("").len(), 1);
    }
}

#[test]
fn ascii_converts_line_ends_also_across_chunks() {
    let server = TestServer::start();
    let home = server.files("ann");
    let (mut disk, mut wire) = (Vec::new(), Vec::new());
    // Line ends at each place around the usual sizes of a buffer.
    for length in [0, 1, 65_530, 3, 65_533, 131_070, 1, 262_139, 0] {
        let line = vec![b'x'; length];
        disk.extend([&line, b"\n".as_slice()].concat());
        wire.extend([&line, b"\r\n".as_slice()].concat());
    }
    home.write("down", &disk);
    let mut ann = server.login("ann");
    ann.send("TYPE A").expect(200);
    assert!(ann.download("RETR down") == wire);
    ann.upload("STOR up", &wire);
    assert!(home.read("up") == disk);
    ann.upload("STOR odd", b"a\rb\n\r\r\nc\r");
    assert_eq!(home.read("odd"), b"a\rb\n\r\nc\r");
    ann.upload("APPE odd", b"\r\nd\r\n");
    assert_eq!(home.read("odd"), b"a\rb\n\r\nc\r\nd\n");
    ann.send("TYPE I").expect(200);
    assert!(ann.download("RETR down") == disk);
}

#[test]
fn a_line_end_may_be_cut_in_two_packets() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    ann.send("TYPE A").expect(200);
    let mut data = ann.passive();
    ann.send("STOR f").expect(150);
    for byte in b"a\r\n\r\nb\rc\r\n" {
        data.stream.write_all(&[*byte]).unwrap();
        // The server has read the byte when it tells of it.
        eventually("the byte has come", || !ann.send("STAT").expect(211).contains(" 0 bytes"));
    }
    data.close();
    ann.expect(226);
    assert_eq!(home.read("f"), b"a\n\nb\rc\n");
}

#[test]
fn a_session_begins_in_ascii() {
    let server = TestServer::start();
    server.files("ann").write("f", "a\n");
    let mut client = server.client();
    client.script(&[("USER ann", 331), ("PASS ann-secret", 230), ("SIZE f", 550), ("REST 1", 501)]);
    assert_eq!(client.download("RETR f"), b"a\r\n");
}

#[test]
fn a_download_begins_where_rest_says_once() {
    let server = TestServer::start();
    let bytes = noise(300_000);
    server.files("ann").write("f", &bytes);
    let mut ann = server.login("ann");
    for offset in [0, 1, 65_536, 299_999, 300_000] {
        ann.script(&[(&format!("REST {offset}"), 350), ("NOOP", 200)]);
        assert!(ann.download("RETR f") == bytes[offset..], "{offset}");
        assert!(ann.download("RETR f") == bytes, "after {offset}");
    }
    let _data = ann.passive();
    ann.script(&[("REST 300001", 350), ("RETR f", 554), ("REST 5", 350), ("RETR missing", 550)]);
    assert!(ann.download("RETR f") == bytes);
}

#[test]
fn an_upload_goes_on_where_rest_says_once() {
    let server = TestServer::start();
    let file = server.home("ann").join("f");
    write(&file, "0123456789").unwrap();
    let mut ann = server.login("ann");
    for (offset, bytes, expected) in
        [(4, "abc", "0123abc789"), (9, "xyz", "0123abc78xyz"), (12, "!", "0123abc78xyz!"), (1, "", "0123abc78xyz!")]
    {
        ann.send(&format!("REST {offset}")).expect(350);
        ann.upload("STOR f", bytes.as_bytes());
        assert_eq!(read(&file).unwrap(), expected.as_bytes(), "{offset}");
    }
    let _data = ann.passive();
    ann.script(&[("REST 14", 350), ("STOR f", 554), ("REST 1", 350), ("STOR missing", 550)]);
    ann.upload("STOR f", b"new");
    assert_eq!(read(&file).unwrap(), b"new");
}

#[test]
fn append_adds_to_the_end_or_begins() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    for (bytes, expected) in [("one", "one"), ("", "one"), (" two", "one two")] {
        ann.upload("APPE f", bytes.as_bytes());
        assert_eq!(home.read("f"), expected.as_bytes());
    }
    ann.script(&[("REST 1", 350), ("APPE f", 450), ("STOU", 450), ("REST 0", 350)]);
    ann.upload("APPE f", b"!");
    assert_eq!(home.read("f"), b"one two!");
}

#[test]
fn stou_tells_a_name_that_is_new() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("d");
    let mut ann = server.login("ann");
    for (command, directory, start) in [("STOU", "", "ftpd."), ("STOU", "", "ftpd."), ("STOU d/pic", "d/", "pic.")] {
        let data = ann.passive();
        let reply = ann.send(command).expect(150);
        let name = reply.strip_prefix("150 FILE: ").unwrap();
        assert!(name.starts_with(start), "{reply}");
        data.write(command.as_bytes()).close();
        ann.expect(226);
        assert_eq!(home.read(&format!("{directory}{name}")), command.as_bytes());
    }
    assert_eq!((home.names("").len(), home.names("d").len()), (3, 1));
}

#[test]
fn what_cannot_be_transferred_is_refused_before_150() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("d");
    home.write("f", "x");
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.script(&[("RETR d", 550), ("RETR missing", 550), ("RETR f/x", 550)]);
    ann.script(&[("STOR d", 550), ("STOR missing/f", 550), ("STOR f/x", 550)]);
    ann.script(&[("APPE d", 550), ("APPE missing/f", 550), ("STOU missing/f", 550), ("STOR /", 550)]);
    // The data connection still waits.
    ann.send("STOR g").expect(150);
    data.write(b"x").close();
    ann.expect(226);
    assert_eq!(ann.list("NLST"), ["d", "f", "g"]);
}

#[test]
fn what_is_no_file_or_leads_out_is_refused_before_150() {
    let server = TestServer::start();
    let home = server.home("ann");
    symlink("/etc/passwd", home.join("out")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(home.join("pipe")).status().unwrap().success());
    let mut ann = server.login("ann");
    let _data = ann.passive();
    ann.script(&[("RETR out", 550), ("RETR pipe", 550), ("STOR out", 550), ("STOR pipe", 550), ("APPE out", 550)]);
    assert_eq!(ann.list("NLST"), ["pipe"]);
}

#[test]
fn an_upload_is_invisible_until_it_is_whole() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("old", "old");
    let (mut ann, mut other) = (server.login("ann"), server.login("ann"));
    for (name, names) in [("new", vec!["old"]), ("old", vec!["new", "old"])] {
        let mut data = ann.passive();
        ann.send(&format!("STOR {name}")).expect(150);
        data.stream.write_all(&noise(100_000)).unwrap();
        eventually("the bytes have come", || ann.send("STAT").expect(211).contains("100000 bytes"));
        assert_eq!(other.list("NLST"), names);
        assert_eq!(home.names(""), names);
        assert_eq!(home.read("old"), b"old");
        data.close();
        ann.expect(226);
        assert!(home.read(name) == noise(100_000));
    }
}

#[test]
fn an_upload_that_breaks_leaves_what_was_there() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("old", "old");
    let mut ann = server.login("ann");
    for name in ["new", "old"] {
        let data = ann.passive();
        ann.send(&format!("STOR {name}")).expect(150);
        data.write(&noise(100_000)).reset();
        ann.expect(426);
        assert_eq!((home.names("").len(), home.read("old")), (1, b"old".to_vec()));
        let event = server.expect_event("ftp_file_received_incomplete", &[("virtual_path", &format!("/{name}"))]);
        assert!(event["reason"].as_str().unwrap().contains("broke"), "{event}");
    }
    ann.upload("STOR new", b"again");
    assert_eq!(home.read("new"), b"again");
}

#[test]
fn without_atomic_uploads_a_broken_one_can_be_resumed() {
    let server = TestServer::with(&["--no-atomic-uploads"]).start();
    let file = server.home("ann").join("f");
    write(&file, noise(300_000)).unwrap();
    let bytes = noise(200_000);
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    ann.send("STOR f").expect(150);
    data.stream.write_all(&bytes[..50_000]).unwrap();
    eventually("the bytes have come", || metadata(&file).unwrap().len() == 50_000);
    ann.send("ABOR").expect(426);
    ann.expect(226);
    assert_eq!(ann.send("SIZE f").expect(213), "213 50000");
    ann.send("REST 50000").expect(350);
    ann.upload("STOR f", &bytes[50_000..]);
    assert!(read(&file).unwrap() == bytes);
    assert_eq!(entries(file.parent().unwrap()), 1);
}

#[test]
fn of_two_uploads_to_one_name_one_wins_whole() {
    let server = TestServer::start();
    let home = server.files("ann");
    let (mut one, mut two) = (server.login("ann"), server.login("ann"));
    let (first, second) = (one.passive(), two.passive());
    one.send("STOR f").expect(150);
    two.send("STOR f").expect(150);
    let (first, second) = (first.write(&[b'1'; 200_000]), second.write(&[b'2'; 100_000]));
    second.close();
    two.expect(226);
    assert!(home.read("f") == [b'2'; 100_000]);
    first.close();
    one.expect(226);
    assert!(home.read("f") == [b'1'; 200_000]);
    assert_eq!(home.names("").len(), 1);
}

#[test]
fn missing_parents_are_made_if_the_option_says_so() {
    let server = TestServer::with(&["--create-parents"]).start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR 2026/11/20/cam.jpg", b"x");
    ann.script(&[("MKD a/b/c", 257), ("CWD a/b/c", 250), ("MKD /a/b/c", 550)]);
    ann.upload("APPE ../x/log", b"y");
    assert_eq!(home.read("2026/11/20/cam.jpg"), b"x");
    assert_eq!(home.read("a/b/x/log"), b"y");
    server.expect_event("ftp_directory_created", &[("virtual_path", "/2026/11")]);

    // Not without the right to make directories, nor without a data connection.
    server.home("perm-w");
    let mut writer = server.login("perm-w");
    writer.passive();
    writer.send("STOR d/f").expect(550);
    ann.script(&[("STOR /never/f", 425)]);
    assert_eq!((server.files("perm-w").names("").len(), home.exists("never")), (0, false));
}

#[test]
fn modes_follow_the_umask_and_stay_on_overwriting() {
    for (args, file, directory) in
        [(vec![], 0o644, 0o755), (vec!["--umask", "027"], 0o640, 0o750), (vec!["--umask", "0"], 0o666, 0o777)]
    {
        let server = TestServer::with(&args).start();
        let home = server.home("ann");
        write(home.join("kept"), "old").unwrap();
        set_permissions(home.join("kept"), PermissionsExt::from_mode(0o604)).unwrap();
        let mut ann = server.login("ann");
        ann.upload("STOR new", b"x");
        ann.upload("APPE appended", b"x");
        ann.upload("STOR kept", b"new");
        ann.send("MKD d").expect(257);
        let modes = ["new", "appended", "kept", "d"].map(|name| mode(&home.join(name)));
        assert_eq!(modes, [file, file, 0o604, directory], "{args:?}");
        ann.send("SITE UMASK 077").expect(200);
        ann.upload("STOR narrow", b"x");
        assert_eq!(mode(&home.join("narrow")), 0o600);
    }
}

#[test]
fn an_upload_over_a_link_writes_what_the_link_names() {
    let server = TestServer::start();
    let home = server.home("ann");
    create_dir(home.join("d")).unwrap();
    write(home.join("d/real"), "old").unwrap();
    symlink("d/real", home.join("link")).unwrap();
    let mut ann = server.login("ann");
    ann.upload("STOR link", b"new");
    assert_eq!(read(home.join("d/real")).unwrap(), b"new");
    assert!(home.join("link").is_symlink());
}

#[test]
fn an_appended_file_stays_the_same_file() {
    let server = TestServer::start();
    let file = server.home("ann").join("f");
    write(&file, "0123").unwrap();
    let before = metadata(&file).unwrap().ino();
    let mut ann = server.login("ann");
    ann.upload("APPE f", b"4");
    ann.send("REST 1").expect(350);
    ann.upload("STOR f", b"x");
    assert_eq!((metadata(&file).unwrap().ino(), read(&file).unwrap()), (before, b"0x234".to_vec()));
}

/// Sends a verb with a name of any bytes; telnet's 0xFF goes twice over the control connection.
fn say<'a>(client: &'a mut Client, verb: &str, name: &[u8]) -> &'a mut Client {
    let name: Vec<u8> = name.iter().flat_map(|&byte| vec![byte; if byte == 0xFF { 2 } else { 1 }]).collect();
    client.send_bytes(&[verb.as_bytes(), b" ", &name, b"\r\n"].concat())
}

#[test]
fn any_name_goes_and_comes_byte_for_byte() {
    let server = TestServer::start();
    let home = server.home("ann");
    let mut ann = server.login("ann");
    let long = [b'n'; 255];
    for name in [
        b" lead and trail ".as_slice(),
        b"-dash",
        b"quo\"te'`",
        b"back\\slash\\..\\x",
        b"caf\xE9",
        b"\xFF\xFE\x80",
        b"\xE2\x82",
        "ünï 日本 🙂".as_bytes(),
        b"a;b=c; d",
        b"tab\there\x07\x1B[31m",
        b"*?[x]",
        b"...",
        b"~",
        b"%s%n{}",
        b"213 End",
        &long,
    ] {
        let path = home.join(OsStr::from_bytes(name));
        let data = ann.passive();
        say(&mut ann, "STOR", name).expect(150);
        data.write(b"bytes").close();
        ann.expect(226);
        assert_eq!(read(&path).unwrap(), b"bytes", "{name:?}");
        assert_eq!(ann.download("NLST"), [name, b"\r\n"].concat());
        assert!(ann.download("MLSD").ends_with(&[b" ", name, b"\r\n"].concat()));
        say(&mut ann, "SIZE", name).expect(213);
        let mut data = ann.passive();
        say(&mut ann, "RETR", name).expect(150);
        assert_eq!(data.read(), b"bytes");
        ann.expect(226);
        say(&mut ann, "RNFR", name).expect(350);
        ann.send("RNTO plain").expect(250);
        say(ann.script(&[("RNFR plain", 350)]), "RNTO", name).expect(250);
        say(&mut ann, "DELE", name).expect(250);
        let made = say(&mut ann, "MKD", name).reply();
        let shown: Vec<u8> = name.iter().flat_map(|&b| vec![b; if b == b'"' { 2 } else { 1 }]).collect();
        let shown: &[u8] = &[b"\"/".as_slice(), &shown, b"\""].concat();
        let unescaped =
            made.windows(2).position(|pair| pair == b"\xFF\xFF").map(|at| [&made[..at], &made[at + 1..]].concat());
        assert!(
            [Some(made), unescaped].iter().flatten().any(|made| made.windows(shown.len()).any(|part| part == shown))
        );
        say(&mut ann, "CWD", name).expect(250);
        ann.script(&[("CDUP", 250)]);
        say(&mut ann, "RMD", name).expect(250);
        assert_eq!(entries(&home), 0, "{name:?}");
    }
    let too_long = "n".repeat(256);
    ann.passive();
    for verb in ["STOR", "APPE", "MKD", "RETR", "SIZE", "CWD", "DELE"] {
        let code = ann.code(&format!("{verb} {too_long}"));
        assert!([550, 553].contains(&code), "{verb}: {code}");
    }
}

#[test]
fn a_home_that_is_replaced_by_another_is_noticed() {
    let server = TestServer::start();
    let home = server.home("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR before", b"x");
    std::fs::rename(&home, server.outside("old")).unwrap();
    assert_eq!(ann.code("CWD /"), 550);
    create_dir(&home).unwrap();
    ann.upload("STOR after", b"x");
    assert_eq!(ann.download("NLST"), b"after\r\n");
    assert!(home.join("after").exists() && !server.outside("old").join("after").exists());
}

#[test]
fn who_connects_after_150_gets_a_small_download_too() {
    let server = TestServer::start();
    server.files("ann").write("f", b"hello");
    let mut ann = server.login("ann");
    let address = ann.pasv();
    ann.send("RETR f").expect(150);
    assert_eq!(Data::over(TcpStream::connect(address).unwrap()).read(), b"hello");
    ann.expect(226);
}

#[test]
fn a_small_download_that_takes_its_time_is_told_of_before() {
    let server = TestServer::with(&["--session-download-rate", "1 kB"]).start();
    server.files("ann").write("f", noise(16_000));
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    let began = Instant::now();
    ann.send("RETR f").expect(150);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    ann.send("ABOR").expect(426);
    ann.expect(226);
    assert!(data.read().len() < 16_000);
}

#[test]
fn what_a_client_does_not_read_waits_in_the_file_and_not_in_the_kernel() {
    const AT_MOST: u64 = 1 << 20;
    let server = TestServer::start();
    server.files("ann").write("big", noise(8 << 20));
    let mut ann = server.login("ann");
    let mut data = ann.passive();
    socket2::SockRef::from(&data.stream).set_recv_buffer_size(64 << 10).unwrap();
    ann.send("RETR big").expect(150);
    let mut sent = || {
        let status = ann.send("STAT").expect(211);
        let words: Vec<_> = status.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "bytes").expect("so many bytes");
        words[at - 1].parse::<u64>().unwrap()
    };
    eventually("the client has what it takes", || {
        let before = sent();
        std::thread::sleep(Duration::from_millis(200));
        before > 0 && sent() == before
    });
    let sent = sent();
    assert!(sent <= AT_MOST, "{sent} bytes");
    assert_eq!(data.read().len(), 8 << 20);
    ann.expect(226);
}
