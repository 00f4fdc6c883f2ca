//! Attacks by way of the files: out of the home, through names, by size, by depth.

use crate::support::{Client, TestServer};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A directory beside the homes, with what no client may learn, change or add to.
struct Beyond {
    path: PathBuf,
    before: BTreeMap<PathBuf, (u32, i64, Vec<u8>)>,
}

impl Beyond {
    fn new(server: &TestServer) -> Beyond {
        let path = server.outside("beyond");
        fs::create_dir_all(path.join("dir/sub")).unwrap();
        for file in ["file", "dir/file", "dir/sub/file", "dir/known-outside"] {
            fs::write(path.join(file), b"the secret").unwrap();
        }
        Beyond { before: Beyond::everything(&path), path }
    }

    fn everything(path: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut ahead = vec![path.to_path_buf()];
        while let Some(path) = ahead.pop() {
            let facts = fs::symlink_metadata(&path).unwrap();
            if facts.is_dir() {
                ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let content = if facts.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path, (facts.mode(), facts.mtime(), content));
        }
        found
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(Beyond::everything(&self.path), self.before);
    }
}

/// What a command is answered at first; a transfer that begins is read to its end.
fn outcome(client: &mut Client, command: &str) -> (String, Vec<u8>) {
    let mut data = client.passive();
    let reply = String::from_utf8(client.send(command).reply()).unwrap();
    if !reply.starts_with("150") {
        return (reply, Vec::new());
    }
    if ["STOR", "STOU", "APPE"].contains(&&command[..4]) {
        data = data.write(b"written");
        data.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let bytes = data.read();
    client.reply();
    (reply, bytes)
}

/// Every verb that takes the name of something that exists.
const READING: [&str; 20] = [
    "SIZE",
    "MDTM",
    "MLST",
    "MLSD",
    "LIST",
    "LIST -R",
    "NLST",
    "STAT",
    "RETR",
    "CWD",
    "XCWD",
    "AVBL",
    "RNFR",
    "DELE",
    "RMD",
    "XRMD",
    "SITE CHMOD 777",
    "MFMT 20200101000000",
    "SITE UTIME 20200101000000",
    "MDTM 20200101000000",
];

#[test]
fn dot_dot_leads_nowhere_in_any_verb() {
    let server = TestServer::start();
    let home = server.files("ann");
    let beyond = Beyond::new(&server);
    home.make_directory("a");
    let mut ann = server.login("ann");
    for cwd in ["/", "/a"] {
        ann.send(&format!("CWD {cwd}")).expect(250);
        for up in ["../../", "/../../", "a/../../../", "./.././/../../", "/a/./../../../../", "..//..//../"] {
            for verb in READING {
                let (reply, bytes) = outcome(&mut ann, &format!("{verb} {up}beyond/file"));
                assert!(reply.starts_with("550"), "{verb} {up}: {reply}");
                assert_eq!(bytes, b"", "{verb} {up}");
            }
            for verb in ["CWD", "LIST", "MLSD", "RNFR", "RMD"] {
                let (reply, bytes) = outcome(&mut ann, &format!("{verb} {up}beyond"));
                assert!(reply.starts_with("550"), "{verb} {up}: {reply}");
                assert_eq!(bytes, b"");
            }
            // What is made there is made in the home.
            for verb in ["STOR", "APPE", "MKD"] {
                outcome(&mut ann, &format!("{verb} {up}{verb}-up"));
                assert!(home.exists(&format!("{verb}-up")), "{verb} {up}");
            }
            ann.send("RNFR /STOR-up").expect(350);
            ann.send(&format!("RNTO {up}renamed")).expect(250);
            for left in ["DELE /renamed", "DELE /APPE-up", "RMD /MKD-up"] {
                ann.send(left).expect(250);
            }
        }
        ann.send("CWD ../../..").expect(250);
        assert!(ann.send("CDUP").expect(250).contains("\"/\""));
    }
    outcome(&mut ann, "STOU ../../unique");
    assert!(home.names("").iter().any(|name| name.starts_with("unique.")));
    beyond.assert_untouched();
}

#[test]
fn what_an_outward_link_points_to_is_as_if_it_were_not() {
    let server = TestServer::start();
    let home = server.home("ann");
    let beyond = Beyond::new(&server);
    let absolute = |name: &str| beyond.path.join(name).into_os_string().into_string().unwrap();
    // The first leads to nothing: all others must look the same.
    let links = [
        ("link-none", absolute("none")),
        ("link-file", absolute("file")),
        ("link-dir", absolute("dir")),
        ("link-relative", "../../beyond/file".to_string()),
        ("link-reldir", "../../beyond/dir".to_string()),
        ("link-chain", "link-chain2".to_string()),
        ("link-chain2", "link-reldir/sub".to_string()),
        ("link-root", "/".to_string()),
        ("link-passwd", "/etc/passwd".to_string()),
        ("link-process", "/proc/self/root/etc/passwd".to_string()),
        ("link-home", "..".to_string()),
        ("link-sibling", absolute("../homes/annex")),
        ("link-loop", "link-loop".to_string()),
    ];
    fs::create_dir(server.outside("homes/annex")).unwrap();
    links.iter().for_each(|(name, target)| symlink(target, home.join(name)).unwrap());
    fs::write(home.join("real"), b"real").unwrap();
    symlink("real", home.join("inside")).unwrap();
    symlink(home.join("real"), home.join("inside-absolute")).unwrap();

    let mut ann = server.login("ann");
    let write = ["STOR", "APPE", "MKD"];
    for verb in READING.iter().chain(&write) {
        for below in ["", "/file", "/sub", "/*"] {
            let nothing = outcome(&mut ann, &format!("{verb} link-none{below}"));
            assert!(nothing.0.starts_with("550"), "{verb} link-none{below}: {}", nothing.0);
            for (name, _) in &links {
                let found = outcome(&mut ann, &format!("{verb} {name}{below}"));
                assert_eq!(found, nothing, "{verb} {name}{below}");
            }
        }
    }
    for (name, _) in &links {
        for to in [name.to_string(), format!("{name}/x")] {
            ann.send("RNFR real").expect(350);
            ann.send(&format!("RNTO {to}")).expect(550);
        }
    }
    for listing in ["LIST", "LIST -R", "LIST link*", "NLST", "NLST *", "MLSD"] {
        let text = String::from_utf8(ann.download(listing)).unwrap();
        assert!(!text.contains("link-"), "{listing}: {text}");
    }
    assert!(!ann.send("STAT /").expect(213).contains("link-"));
    for inside in ["inside", "inside-absolute"] {
        assert_eq!(ann.download(&format!("RETR {inside}")), b"real");
    }
    assert!(links.iter().all(|(name, _)| home.join(name).is_symlink()));
    beyond.assert_untouched();
}

#[test]
fn a_directory_swapped_for_a_link_under_load_leads_nobody_out() {
    let server = TestServer::with(&["--create-parents"]).start();
    let home = server.home("ann");
    fs::create_dir(home.join("dir")).unwrap();
    fs::write(home.join("dir/file"), b"inside").unwrap();
    fs::write(home.join("file"), b"inside").unwrap();
    let beyond = Beyond::new(&server);
    symlink(beyond.path.join("dir"), home.join("dir-link")).unwrap();
    symlink("../../beyond/file", home.join("file-link")).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (seen, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |commands: &[&str]| {
        let mut ann = server.login("ann");
        for command in commands.iter().cycle().take(commands.len() * 150) {
            let (reply, bytes) = outcome(&mut ann, command);
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("secret") && !text.contains("known-outside"), "{command}: {text}");
            assert!(!reply.starts_with("213 10") && !reply.contains("size=10;"), "{command}: {reply}");
            match reply.as_bytes()[0] {
                b'5' => refused.fetch_add(1, Ordering::Relaxed),
                _ => seen.fetch_add(1, Ordering::Relaxed),
            };
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (name, link) in [("dir", "dir-link"), ("file", "file-link")] {
                    let (name, link) = (home.join(name), home.join(link));
                    rustix::fs::renameat_with(CWD, &name, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let workers: Vec<_> = [
            &["RETR dir/file", "RETR file", "SIZE dir/file", "SIZE file", "MLST file", "CWD dir", "CWD /"] as &[&str],
            &[
                "STOR dir/new",
                "MKD dir/made",
                "APPE dir/more",
                "STOR dir/sub/deep/new",
                "RNFR dir/new",
                "RNTO dir/moved",
            ],
            &["LIST dir", "MLSD dir", "NLST dir", "LIST -R", "STAT dir", "MLSD", "NLST dir/*"],
            &["DELE dir/file2", "RMD dir/sub", "RNFR dir/file", "RNTO dir/file", "SITE CHMOD 640 dir/file"],
        ]
        .into_iter()
        .map(|commands| scope.spawn(move || work(commands)))
        .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        stop.store(true, Ordering::Relaxed);
        results.into_iter().for_each(Result::unwrap);
    });
    beyond.assert_untouched();
    let counts = [seen, refused, swaps].map(|count| count.load(Ordering::Relaxed));
    assert!(counts.iter().all(|&count| count > 100), "no race was run: {counts:?}");
}

#[test]
fn a_fifo_in_the_home_stops_nobody() {
    let server = TestServer::start();
    let home = server.home("ann");
    assert!(Command::new("mkfifo").arg(home.join("fifo")).status().unwrap().success());
    let mut ann = server.login("ann");
    for verb in ["RETR", "STOR", "APPE", "SIZE", "MDTM", "CWD", "MLSD", "MFMT 20200101000000", "RMD"] {
        let (reply, _) = outcome(&mut ann, &format!("{verb} fifo"));
        let code: u16 = reply[..3].parse().unwrap();
        assert!((400..600).contains(&code) && code != 421, "{verb}: {reply}");
    }
    assert!(String::from_utf8(ann.download("LIST")).unwrap().ends_with(" fifo\r\n"));
    ann.send("DELE fifo").expect(250);
}

#[test]
fn a_username_that_is_no_directory_name_does_not_log_in() {
    let builder = TestServer::with(&[]);
    let site = builder.site();
    for (name, odd) in [("rita", "."), ("sha1", "x\u{1b}y"), ("bob", "homes/../..")] {
        let update = "UPDATE auth_user SET username = ?1 WHERE username = ?2";
        assert_eq!(site.execute(update, [odd, name]).unwrap(), 1);
    }
    let server = builder.start();
    for (name, secret, code) in [
        ("..", "..", 530),
        (".", "rita", 530),
        ("a/b", "a/b", 530),
        ("x\u{1b}y", "sha1", 530),
        ("homes/../..", "bob", 530),
        ("badtemplate", "badtemplate", 530),
        ("literal", "literal", 230),
        ("braces", "braces", 230),
        ("ünï", "ünï", 230),
    ] {
        let mut client = server.client();
        client.send(&format!("USER {name}")).expect(331);
        assert_eq!(client.code(&format!("PASS {secret}-secret")), code, "{name:?}");
    }
    let home = server.files("{x}-braces");
    server.login("braces").upload("STOR here", b"");
    assert!(home.exists("here"));
}

#[test]
fn no_file_name_imitates_a_reply_or_a_line() {
    let server = TestServer::start();
    let home = server.files("ann");
    let names = ["x\r\n213 End of status.", "x\r\n226 Transfer complete.\r\n", "213 End", "\n", "\r", "213-x", "y\n z"];
    names.iter().for_each(|name| home.write(name, b""));
    home.make_directory("250 End");
    let mut ann = server.login("ann");
    let stat = ann.send("STAT /").expect(213);
    let lines: Vec<_> = stat.split("\r\n").collect();
    assert_eq!(lines.len(), names.len() + 3, "{stat}");
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with(' ')), "{stat}");
    assert!(stat.ends_with("\r\n213 End of status."), "{stat}");
    ann.send("NOOP").expect(200);
    for command in ["LIST", "NLST", "MLSD"] {
        let text = String::from_utf8(ann.download(command)).unwrap();
        assert_eq!(text.split("\r\n").count(), names.len() + 2, "{command}: {text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{command}: {text}");
    }
    let mlst = ann.send("MLST 250 End").expect(250);
    assert!(mlst.split("\r\n").nth(1).unwrap().starts_with(' ') && mlst.ends_with("\r\n250 End MLST."), "{mlst}");
    ann.send("CWD 250 End").expect(250);
    ann.send("MKD say \"250 ok\"").expect(257);
    assert!(ann.send("CWD say \"250 ok\"").expect(250).contains("\"/250 End/say \"\"250 ok\"\"\""));
    ann.send("NOOP").expect(200);
}

#[test]
fn a_pattern_made_to_be_slow_is_not() {
    let server = TestServer::start();
    let home = server.files("ann");
    (0..300).for_each(|number| home.write(&format!("{number:03}{}", "a".repeat(250)), b""));
    let mut ann = server.login("ann");
    let start = Instant::now();
    for pattern in ["a*".repeat(120) + "b", "*".repeat(250) + "b", "*a".repeat(120) + "*b", "[a*".repeat(80)] {
        for verb in ["NLST", "LIST"] {
            assert_eq!(ann.download(&format!("{verb} {pattern}")), b"");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(
        ann.download("NLST *1*a*a*").split(|&b| b == b'\n').count(),
        1 + (0..300).filter(|n| has_one(*n)).count()
    );
}

fn has_one(number: usize) -> bool {
    format!("{number:03}").contains('1')
}

/// A directory in a directory, ten thousand times; taken apart again by renames, for no path is long enough.
struct DeepTree(PathBuf);

impl DeepTree {
    const DEPTH: usize = 10_000;

    fn new(top: PathBuf) -> DeepTree {
        fs::create_dir(&top).unwrap();
        let open = |at, name: &Path| {
            rustix::fs::openat(at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        let mut handle = open(CWD, &top);
        for _ in 1..DeepTree::DEPTH {
            rustix::fs::mkdirat(&handle, "d", Mode::RWXU).unwrap();
            handle = rustix::fs::openat(&handle, "d", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        }
        DeepTree(top)
    }
}

impl Drop for DeepTree {
    fn drop(&mut self) {
        let next = self.0.with_extension("next");
        while fs::rename(self.0.join("d"), &next).is_ok() {
            fs::remove_dir(&self.0).unwrap();
            fs::rename(&next, &self.0).unwrap();
        }
        fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn a_tree_ten_thousand_deep_breaks_nothing() {
    let server = TestServer::start();
    let home = server.home("ann");
    let tree = DeepTree::new(home.join("d"));
    let mut ann = server.login("ann");
    let start = Instant::now();
    let listed = String::from_utf8(ann.download("LIST -R")).unwrap();
    let directories = listed.lines().filter(|line| line.ends_with(':')).count();
    assert!((10..100).contains(&directories), "{directories} directories are listed");
    ann.send("RMD d").expect(550);
    // Down to where the path is as long as one may be, and on.
    let steps = ["d"; 1_000].join("/");
    ann.send(&format!("CWD {steps}")).expect(250);
    ann.send(&format!("CWD {steps}")).expect(250);
    for _ in 0..3 {
        ann.download("LIST -R");
        let code = ann.code(&format!("CWD {steps}"));
        assert!(matches!(code, 550 | 553), "{code}");
        for verb in ["RMD", "MKD", "SIZE", "MLST", "RNFR", "DELE", "LIST"] {
            let code = ann.code(&format!("{verb} {steps}"));
            assert!(matches!(code, 550 | 553), "{verb}: {code}");
        }
    }
    ann.send("CWD /").expect(250);
    ann.send("RNFR d").expect(350);
    ann.send("RNTO e").expect(250);
    ann.send("RNFR e").expect(350);
    ann.send("RNTO d").expect(250);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(tree);
}

#[test]
fn big_numbers_are_refused_or_exact() {
    let server = TestServer::start();
    let home = server.home("ann");
    let huge = (1u64 << 40) + 7;
    let file = fs::File::create(home.join("huge")).unwrap();
    file.set_len(huge).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"the end", huge - 7).unwrap();
    fs::write(home.join("small"), b"small").unwrap();
    let mut ann = server.login("ann");
    assert_eq!(ann.send("SIZE huge").expect(213), format!("213 {huge}"));
    assert!(ann.send("MLST huge").expect(250).contains(&format!("size={huge};")));
    assert!(String::from_utf8(ann.download("LIST huge")).unwrap().contains(&format!(" {huge} ")));
    for (back, rest) in [(7, b"the end".as_slice()), (3, b"end"), (0, b"")] {
        ann.send(&format!("REST {}", huge - back)).expect(350);
        assert_eq!(ann.download("RETR huge"), rest);
    }
    for (offset, command) in [(huge + 1, "RETR huge"), (6, "RETR small"), (6, "STOR small"), (1, "STOR none")] {
        ann.passive();
        ann.send(&format!("REST {offset}")).expect(350);
        let code = ann.code(command);
        assert_eq!(code, if command.ends_with("none") { 550 } else { 554 }, "REST {offset}, {command}");
    }
    for command in ["RETR huge", "RETR small", "STOR small"] {
        ann.send("REST 9223372036854775807").expect(350);
        ann.passive();
        ann.send(command).expect(554);
    }
    for number in ["9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "+1", "1e3", "0x10", ""]
    {
        ann.send(&format!("REST {number}")).expect(501);
    }
    assert_eq!(ann.download("RETR small"), b"small", "a REST that was refused does nothing");
    ann.send("ALLO 9223372036854775807").expect(200);
    for number in ["18446744073709551616", "99999999999999999999999999", "-1", "1 R 18446744073709551616"] {
        ann.send(&format!("ALLO {number}")).expect(501);
    }
    for command in ["PORT 256,0,0,1,1,1", "PORT 127,0,0,1,256,1", "EPRT |1|127.0.0.1|65536|", "EPRT |4294967297|::1|1|"]
    {
        ann.send(command).expect(501);
    }
    assert_eq!(fs::read(home.join("small")).unwrap(), b"small");
}
