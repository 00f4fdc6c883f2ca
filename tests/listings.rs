//! LIST, NLST, MLSD, MLST and STAT of a path: what they show, what they don't, and in which form.

use crate::support::{Client, TestServer};
use std::ffi::OsStr;
use std::fs::{File, create_dir, create_dir_all, hard_link, write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);

fn set_time(path: &Path, time: SystemTime) {
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// The names at the end of the lines of LIST.
fn names(lines: &[String]) -> Vec<&str> {
    // Eight columns come before the name; the time is three of them.
    let name = |line: &String| line.split_ascii_whitespace().nth(8).map(|name| line.rfind(name).unwrap());
    lines.iter().map(|line| &line[name(line).unwrap()..]).collect()
}

/// One fact of a line of MLSD or MLST.
fn fact<'a>(line: &'a str, name: &str) -> &'a str {
    let facts = line.trim_start().split_once("; ").unwrap().0;
    facts.split(';').find_map(|fact| fact.strip_prefix(&format!("{name}="))).unwrap_or_else(|| panic!("{name}: {line}"))
}

fn mlst(client: &mut Client, path: &str) -> String {
    let reply = client.send(&format!("MLST {path}")).expect(250);
    let lines: Vec<&str> = reply.split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{reply}");
    assert!(lines[1].starts_with(' ') && !lines[1].starts_with("  "), "{reply}");
    lines[1][1..].to_string()
}

#[test]
fn a_line_of_list_has_the_columns_that_clients_parse() {
    let server = TestServer::start();
    let home = server.home("ann");
    write(home.join("a file"), "12345").unwrap();
    std::fs::set_permissions(home.join("a file"), PermissionsExt::from_mode(0o640)).unwrap();
    create_dir(home.join("dir")).unwrap();
    std::fs::set_permissions(home.join("dir"), PermissionsExt::from_mode(0o751)).unwrap();
    let lines = server.login("ann").list("LIST");
    let columns: Vec<&str> = lines[0].split_ascii_whitespace().collect();
    assert_eq!((columns[0], columns[1], columns[4]), ("-rw-r-----", "1", "5"), "{lines:?}");
    assert!(columns[2].parse::<u32>().is_ok() && columns[3].parse::<u32>().is_ok(), "{lines:?}");
    assert!(lines[0].ends_with(" a file"), "{lines:?}");
    assert!(lines[1].starts_with("drwxr-x--x ") && lines[1].ends_with(" dir"), "{lines:?}");
}

#[test]
fn flags_are_passed_over_and_the_rest_is_the_path() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("a  b/inside", "");
    home.write(".hidden", "");
    home.write("-dash", "");
    home.write("z", "");
    let mut client = server.login("ann");
    for command in ["LIST", "NLST"] {
        let all = client.list(command);
        assert_eq!(all.len(), 4, "{all:?}");
        for flags in
            ["", "-a", "-la", "-al", "-aL", "-l -a", "-1", "-CF", "/", "-a /", "-l .", "-la /../", "--", "-- /"]
        {
            assert_eq!(client.list(&format!("{command} {flags}")), all, "{command} {flags}");
        }
        for path in ["a  b", "-l a  b", "-a -l /a  b", "a  b/"] {
            let lines = client.list(&format!("{command} {path}"));
            assert!(lines.len() == 1 && lines[0].ends_with("inside"), "{command} {path}: {lines:?}");
        }
        for path in ["-- -dash", "./-dash", "/-dash"] {
            let lines = client.list(&format!("{command} {path}"));
            assert!(lines.len() == 1 && lines[0].ends_with("-dash"), "{command} {path}: {lines:?}");
        }
        client.send(&format!("{command} a b")).expect(550);
    }
}

#[test]
fn names_come_sorted_byte_by_byte() {
    let server = TestServer::start();
    let home = server.files("ann");
    let sorted = ["-", ".b", "B", "a", "a b", "aa", "b", "é", "日本"];
    for name in sorted.iter().rev() {
        home.write(name, "");
    }
    let mut client = server.login("ann");
    assert_eq!(client.list("NLST"), sorted);
    let bare: Vec<String> = client.list("MLSD").iter().map(|line| line.split_once("; ").unwrap().1.into()).collect();
    assert_eq!(bare, sorted);
    let lines = client.list("LIST");
    assert!(lines.iter().zip(sorted).all(|(line, name)| line.ends_with(&format!(" {name}"))), "{lines:?}");
}

#[test]
fn an_empty_directory_is_an_empty_listing() {
    let server = TestServer::start();
    server.files("ann").make_directory("empty");
    let mut client = server.login("ann");
    for command in
        ["LIST empty", "LIST -R empty", "NLST empty", "MLSD empty", "NLST empty/*", "NLST *.none", "LIST *.none"]
    {
        assert_eq!(client.download(command), b"", "{command}");
    }
    let status = client.send("STAT empty").expect(213);
    assert_eq!(status.split("\r\n").count(), 2, "{status}");
}

#[test]
fn what_is_not_there_is_refused_before_a_connection_is_used() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    let mut client = server.login("ann");
    let mut data = client.passive();
    for path in ["missing", "missing/", "f/x", "/missing/x", "missing/*"] {
        for verb in ["LIST", "LIST -R", "NLST", "MLSD", "MLST", "STAT"] {
            client.send(&format!("{verb} {path}")).expect(550);
        }
    }
    client.send("MLSD f").expect(501);
    client.send("NLST").expect(150);
    assert_eq!(data.read(), b"f\r\n");
    client.expect(226);
}

#[test]
fn a_file_is_listed_alone() {
    let server = TestServer::start();
    server.files("ann").write("d/f", "123");
    let mut client = server.login("ann");
    assert_eq!(names(&client.list("LIST d/f")), ["f"]);
    assert_eq!(client.list("NLST d/f"), ["d/f"]);
    assert_eq!(client.list("NLST d"), ["f"]);
    assert_eq!(client.list("NLST /d/"), ["f"]);
    client.send("CWD d").expect(250);
    assert_eq!(client.list("NLST f"), ["f"]);
    assert_eq!(client.list("NLST"), ["f"]);
    let status = client.send("STAT f").expect(213);
    assert!(status.split("\r\n").nth(1).unwrap().ends_with(" f"), "{status}");
}

#[test]
fn patterns_match_in_the_last_component() {
    let server = TestServer::start();
    let home = server.files("ann");
    for name in ["a.txt", "b.txt", "c.jpg", ".h.txt", "[x]", "sub.d/one.txt", "sub.d/two.jpg"] {
        home.write(name, "");
    }
    let mut client = server.login("ann");
    for (pattern, expected) in [
        ("*.txt", vec!["a.txt", "b.txt"]),
        ("?.txt", vec!["a.txt", "b.txt"]),
        ("[bc].*", vec!["b.txt", "c.jpg"]),
        ("[!b].txt", vec!["a.txt"]),
        ("*", vec!["[x]", "a.txt", "b.txt", "c.jpg", "sub.d"]),
        (".*", vec![".h.txt"]),
        ("[x]", vec!["[x]"]),
        ("/*.jpg", vec!["/c.jpg"]),
        ("sub.d/*.txt", vec!["sub.d/one.txt"]),
        ("-1 ./sub.d/*", vec!["./sub.d/one.txt", "./sub.d/two.jpg"]),
        ("*.none", vec![]),
    ] {
        assert_eq!(client.list(&format!("NLST {pattern}")), expected, "{pattern}");
        let short: Vec<&str> = expected.iter().map(|name| name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names(&client.list(&format!("LIST {pattern}"))), short, "{pattern}");
    }
    client.send("STAT *.txt").expect(550);
    client.send("NLST */one.txt").expect(550);
}

#[test]
fn every_command_shows_the_same_instant() {
    let server = TestServer::start();
    let home = server.home("ann");
    let now = SystemTime::now();
    for (name, time) in [
        ("old", now - 200 * DAY),
        ("recent", now - 100 * DAY),
        ("future", now + 2 * DAY),
        ("epoch", SystemTime::UNIX_EPOCH),
    ] {
        write(home.join(name), "").unwrap();
        set_time(&home.join(name), time);
    }
    let mut client = server.login("ann");
    let facts = client.list("MLSD");
    for line in client.list("LIST") {
        let (columns, name) = (line.split_ascii_whitespace().collect::<Vec<_>>(), line.rsplit(' ').next().unwrap());
        let time = client.send(&format!("MDTM {name}")).expect(213)[4..].to_string();
        let facts = facts.iter().find(|line| line.ends_with(&format!("; {name}"))).unwrap();
        assert_eq!(fact(facts, "modify"), time);
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            [time[4..6].parse::<usize>().unwrap() - 1];
        let last = if name == "recent" { format!("{}:{}", &time[8..10], &time[10..12]) } else { time[..4].to_string() };
        assert_eq!(columns[5..8], [month, &time[6..8], &last], "{line}");
    }
    assert_eq!(client.send("MDTM epoch").expect(213), "213 19700101000000");
}

#[test]
fn local_times_are_an_option_of_list_alone() {
    let server = TestServer::with(&["--local-times"]).env("TZ", "XXX-9:30").start();
    let file = server.home("ann").join("f");
    write(&file, "").unwrap();
    // Far from both ends of the day and of the last 180.
    let midnight = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 * 86_400;
    set_time(&file, SystemTime::UNIX_EPOCH + Duration::from_secs(midnight) - 10 * DAY + DAY / 12);
    let mut client = server.login("ann");
    assert_eq!(client.list("LIST")[0].split_ascii_whitespace().nth(7), Some("11:30"));
    assert_eq!(&fact(&client.list("MLSD")[0], "modify")[8..], "020000");
    assert_eq!(&client.send("MDTM f").expect(213)[12..], "020000");
    assert!(client.send("STAT f").expect(213).contains(" 11:30 f"));
}

#[test]
fn facts_are_those_of_rfc_3659() {
    let server = TestServer::start();
    let home = server.home("ann");
    write(home.join("a b"), "12345").unwrap();
    hard_link(home.join("a b"), home.join("twin")).unwrap();
    write(home.join("other"), "").unwrap();
    create_dir(home.join("dir")).unwrap();
    let mut client = server.login("ann");
    let lines = client.list("MLSD");
    assert!(lines[0].ends_with("; a b") && lines[1].ends_with("; dir"), "{lines:?}");
    assert_eq!((fact(&lines[0], "type"), fact(&lines[0], "size")), ("file", "5"));
    assert_eq!(fact(&lines[1], "type"), "dir");
    let unique: Vec<&str> = lines.iter().map(|line| fact(line, "unique")).collect();
    assert_eq!(unique[0], unique[3]);
    assert!(unique[0] != unique[1] && unique[0] != unique[2]);
    client.send("OPTS MLST type;unix.mode;").expect(200);
    assert_eq!(client.list("MLSD")[0], "type=file;unix.mode=0644; a b");
    client.send("OPTS MLST").expect(200);
    assert_eq!(client.list("MLSD"), [" a b", " dir", " other", " twin"]);
}

#[test]
fn the_perm_fact_tells_what_this_account_may() {
    let server = TestServer::start();
    for user in ["ann", "rita", "own-bob"] {
        server.files(user).make_directory("d");
        server.files(user).write("f", "");
    }
    for (name, file, directory) in [("ann", "radfwMT", "eldfmMTcp"), ("bob", "radfw", "eldfmcp"), ("rita", "r", "el")] {
        let lines = server.login(name).list("MLSD");
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        assert_eq!(sorted(fact(&lines[0], "perm")), sorted(directory), "{name}: {lines:?}");
        assert_eq!(sorted(fact(&lines[1], "perm")), sorted(file), "{name}: {lines:?}");
    }
}

#[test]
fn mlst_tells_of_one_path_in_full() {
    let server = TestServer::start();
    server.files("ann").write("d/a b", "123");
    let mut client = server.login("ann");
    for (path, kind, full) in [
        ("d", "dir", "/d"),
        ("", "dir", "/"),
        ("/", "dir", "/"),
        ("d/a b", "file", "/d/a b"),
        ("/d/../d/.", "dir", "/d"),
    ] {
        let line = mlst(&mut client, path);
        assert!(line.ends_with(&format!("; {full}")), "{path}: {line}");
        assert_eq!(fact(&line, "type"), kind, "{path}");
    }
    client.send("CWD d").expect(250);
    assert!(mlst(&mut client, "").ends_with("; /d"));
    assert!(mlst(&mut client, "a b").contains("size=3;"));
}

#[test]
fn no_name_can_imitate_the_end_of_stat() {
    let server = TestServer::start();
    let home = server.files("ann");
    for name in ["213 End of status.", "\r\n213 End of status.\r\n230 welcome.", "\n213 x"] {
        home.write(name, "");
    }
    let mut client = server.login("ann");
    let status = client.send("STAT -la /").expect(213);
    let lines: Vec<&str> = status.split("\r\n").collect();
    assert_eq!(lines.len(), 5, "{status}");
    assert!(lines[1..4].iter().all(|line| line.starts_with(" -rw")), "{status}");
    client.send("NOOP").expect(200);
}

#[test]
fn a_line_end_in_a_name_does_not_end_the_line() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("one\ntwo\rthree", "");
    let mut client = server.login("ann");
    for command in ["LIST", "NLST", "MLSD", "LIST -R", "NLST *"] {
        let lines = client.list(command);
        assert!(lines.len() == 1 && lines[0].ends_with("one?two?three"), "{command}: {lines:?}");
    }
}

#[test]
fn names_that_are_not_utf8_come_byte_for_byte() {
    let server = TestServer::start();
    let home = server.home("ann");
    let name = b"caf\xE9 \xFF\x80";
    write(home.join(OsStr::from_bytes(name)), "").unwrap();
    let mut client = server.login("ann");
    assert_eq!(client.download("NLST"), [name, b"\r\n".as_slice()].concat());
    for command in ["LIST", "MLSD"] {
        let text = client.download(command);
        assert!(text.ends_with(&[b" ", name.as_slice(), b"\r\n"].concat()), "{command}: {text:?}");
    }
}

#[test]
fn twelve_thousand_files_are_listed_whole_and_sorted() {
    let server = TestServer::start();
    let home = server.files("ann");
    let expected: Vec<String> = (0..12_000).map(|number| format!("file-{number:05} with a longish name")).collect();
    for name in &expected {
        home.write(name, "");
    }
    let mut client = server.login("ann");
    assert!(client.list("NLST") == expected);
    let lines = client.list("LIST");
    assert!(lines.len() == 12_000 && lines.iter().zip(&expected).all(|(line, name)| line.ends_with(name)));
    let lines = client.list("MLSD");
    assert!(lines.iter().zip(&expected).all(|(line, name)| line.ends_with(&format!("; {name}"))));
    assert_eq!(lines.len(), 12_000);
    assert_eq!(client.send("STAT /").expect(213).split("\r\n").count(), 12_002);
    assert_eq!(client.list("NLST *-1199? *").len(), 10);
}

#[test]
fn recursion_goes_through_directories_but_not_through_links() {
    let server = TestServer::start();
    let home = server.home("ann");
    create_dir_all(home.join("a/b")).unwrap();
    create_dir_all(home.join("c")).unwrap();
    write(home.join("a/b/deep"), "").unwrap();
    write(home.join("c/f"), "").unwrap();
    symlink("..", home.join("a/loop")).unwrap();
    let mut client = server.login("ann");
    for command in ["LIST -R", "LIST -lR /", "LIST -aR ."] {
        let lines = client.list(command);
        let headings: Vec<&String> = lines.iter().filter(|line| line.ends_with(':')).collect();
        let mut sorted = headings.clone();
        sorted.sort();
        assert_eq!(sorted, ["/a/b:", "/a:", "/c:"], "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.ends_with(" deep") || line.ends_with(" f")).count(), 2);
        assert!(headings.iter().all(|heading| lines[lines.iter().position(|l| l == *heading).unwrap() - 1].is_empty()));
    }
    assert_eq!(client.list("LIST -R c/f").len(), 1);
}

#[test]
fn recursion_ends_somewhere() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory(&["d"; 200].join("/"));
    let lines = server.login("ann").list("LIST -R");
    let headings = lines.iter().filter(|line| line.ends_with(':')).count();
    assert!((10..100).contains(&headings), "{headings}");
}

#[test]
fn links_that_stay_inside_are_shown_and_followed() {
    let server = TestServer::start();
    let home = server.home("ann");
    create_dir(home.join("d")).unwrap();
    write(home.join("d/f"), "12345").unwrap();
    symlink("d/f", home.join("relative")).unwrap();
    symlink(home.join("d/f"), home.join("absolute")).unwrap();
    symlink("d", home.join("to-d")).unwrap();
    symlink("nothing", home.join("dangling")).unwrap();
    let mut client = server.login("ann");
    assert_eq!(client.list("NLST"), ["absolute", "d", "dangling", "relative", "to-d"]);
    let lines = client.list("LIST");
    for (line, shown) in
        [(0, " absolute -> /d/f"), (2, " dangling -> nothing"), (3, " relative -> d/f"), (4, " to-d -> d")]
    {
        assert!(lines[line].starts_with('l') && lines[line].ends_with(shown), "{lines:?}");
    }
    for name in ["relative", "absolute", "to-d/f"] {
        let facts = mlst(&mut client, name);
        assert_eq!((fact(&facts, "type"), fact(&facts, "size")), ("file", "5"));
        assert_eq!(client.download(&format!("RETR {name}")), b"12345");
        assert_eq!(client.send(&format!("SIZE {name}")).expect(213), "213 5");
    }
    assert_eq!(client.list("NLST to-d"), ["f"]);
    client.send("CWD to-d").expect(250);
    assert_eq!(client.list("NLST"), ["f"]);
    client.script(&[
        ("CWD /", 250),
        ("RETR dangling", 550),
        ("DELE dangling", 250),
        ("DELE to-d", 250),
        ("SIZE d/f", 213),
    ]);
}

#[test]
fn links_that_lead_out_do_not_exist() {
    let server = TestServer::start();
    let home = server.home("ann");
    write(server.outside("secret"), "secret").unwrap();
    symlink("../../secret", home.join("relative")).unwrap();
    symlink(server.outside("secret"), home.join("absolute")).unwrap();
    symlink(server.outside(""), home.join("directory")).unwrap();
    symlink("absolute", home.join("chain")).unwrap();
    write(home.join("mine"), "").unwrap();
    let mut client = server.login("ann");
    assert_eq!(client.list("NLST"), ["mine"]);
    assert_eq!(client.list("NLST *"), ["mine"]);
    assert_eq!(names(&client.list("LIST")), ["mine"]);
    assert_eq!(client.list("MLSD").len(), 1);
    assert_eq!(client.list("LIST -R").len(), 1);
    client.passive();
    for name in ["relative", "absolute", "chain", "directory", "directory/secret"] {
        for verb in ["LIST", "NLST", "MLSD", "MLST", "STAT", "SIZE", "MDTM", "RETR", "CWD", "RNFR", "DELE", "RMD"] {
            client.script(&[(&format!("{verb} {name}"), 550)]);
        }
    }
    assert_eq!(std::fs::read(server.outside("secret")).unwrap(), b"secret");
}

#[test]
fn a_link_to_nothing_inside_can_be_seen_and_deleted() {
    let server = TestServer::start();
    let home = server.home("ann");
    for (name, target) in [("near", "missing"), ("far", "missing/deep/down"), ("around", "missing/../gone")] {
        std::os::unix::fs::symlink(target, home.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("missing/../../outside", home.join("out")).unwrap();
    let mut ann = server.login("ann");
    assert_eq!(ann.download("NLST"), b"around\r\nfar\r\nnear\r\n");
    ann.script(&[("SIZE far", 550), ("DELE out", 550), ("DELE near", 250), ("DELE far", 250), ("DELE around", 250)]);
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1);
}
