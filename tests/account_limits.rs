//! Limits of an account: how many sessions, until when, and where nothing can be changed.

use crate::support::{Client, Embedded, eventually};
use django_ftpd::accounts::Limits;
use django_ftpd::events::Kind;
use django_ftpd::session::Settings;
use django_ftpd::storage::VirtualPath;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

fn sessions(most: usize) -> Limits {
    Limits { max_sessions: NonZeroUsize::new(most), ..Limits::default() }
}

/// Tries to log in once; the reply.
fn try_login(client: &mut Client, name: &str) -> String {
    client.send(&format!("USER {name}")).expect(331);
    String::from_utf8(client.send("PASS secret").reply()).unwrap()
}

const FULL: &str = "530 Too many sessions of this account.";

#[test]
fn one_session_more_than_an_account_may_have_is_refused() {
    let server = Embedded::with(|server| server.ban_after(2, Duration::from_secs(60)));
    server.account("ann", sessions(2));
    server.account("bob", sessions(1));
    let (mut first, _second) = (server.login("ann"), server.login("ann"));
    let mut late = server.client();
    for _ in 0..5 {
        assert_eq!(try_login(&mut late, "ann"), FULL, "neither a ban nor the end comes of it");
    }
    server.expect_events(Kind::LoginFailed, 5, |reason| reason.contains("as many sessions as it may"));
    late.script(&[("USER ann", 331), ("PASS wrong", 530)]);
    let _bob = server.login("bob");
    first.send("QUIT").expect(221);
    assert!(try_login(&mut late, "ann").starts_with("230"));
    late.send("PWD").expect(257);
}

#[test]
fn a_seat_is_free_whichever_way_a_session_ends() {
    let server = Embedded::start();
    server.account("ann", sessions(1));
    let mut late = server.client();
    for end in ["QUIT", "REIN", "USER other", "vanish", "PASS too late"] {
        let mut ann = server.login("ann");
        assert_eq!(try_login(&mut late, "ann"), FULL);
        match end {
            "vanish" => ann.vanish(),
            "PASS too late" => {
                ann.send(end).expect(503);
                assert_eq!(try_login(&mut late, "ann"), FULL, "nothing has ended");
                ann.send("QUIT").expect(221);
            }
            _ => drop(ann.send(end).reply()),
        }
        eventually("there is a place", || try_login(&mut late, "ann").starts_with("230"));
        late.send("REIN").expect(230);
    }
    server.limit("ann", sessions(2));
    let (_first, mut second) = (server.login("ann"), server.login("ann"));
    server.limit("ann", sessions(1));
    second.send("NOOP").expect(200);
    assert_eq!(try_login(&mut late, "ann"), FULL);
}

#[test]
fn an_account_ends_when_its_time_comes() {
    let server = Embedded::start();
    let expires = Timestamp::now() + SignedDuration::from_secs(2);
    server.account("ann", Limits { expires: Some(expires), ..Limits::default() });
    let mut ann = server.login("ann");
    ann.script(&[("PWD", 257), ("MKD dir", 257)]);
    eventually("its time has come", || Timestamp::now() > expires);
    ann.send("PWD").expect(421);
    ann.expect_end();
    server.expect_events(Kind::ClientDisconnected, 1, |reason| reason.contains("the account has expired"));
    // It is a failure like others: who hears the same reply must not learn from what follows that the password is right.
    let mut late = server.client();
    late.script(&[("USER ann", 331), ("PASS secret", 530)]);
    late.script(&[("USER ann", 331), ("PASS wrong", 530), ("USER ann", 331), ("PASS secret", 530)]).expect_end();
    server.expect_events(Kind::LoginFailed, 2, |reason| reason.contains("the account has expired"));
    server.limit("ann", Limits { expires: Some(Timestamp::MAX), ..Limits::default() });
    let mut ann = server.login("ann");
    server.limit("ann", Limits { expires: Some(Timestamp::now()), ..Limits::default() });
    ann.send("NOOP").expect(421);
}

fn read_only(paths: &[&str]) -> Limits {
    let paths = paths.iter().map(|path| VirtualPath::root().join(path.as_bytes())).collect();
    Limits { read_only: paths, ..Limits::default() }
}

/// Everything that would change something; `#` is where.
const CHANGES: [&str; 12] = [
    "STOR #/file",
    "STOR #/new",
    "APPE #/file",
    "APPE #/new",
    "STOU #/new",
    "DELE #/file",
    "MKD #/new",
    "RMD #/empty",
    "SITE CHMOD 600 #/file",
    "SITE CHMOD 700 #",
    "MFMT 20200101000000 #/file",
    "SITE UTIME 20200101000000 #/file",
];

#[track_caller]
fn assert_nothing_changes(client: &mut Client, at: &str) {
    for command in CHANGES {
        let _data = client.passive();
        let command = command.replace('#', at);
        assert_eq!(client.code(&command), 550, "{command}");
    }
    for (from, to) in [("#/file", "taken"), ("other", "#/other"), ("other", "#/file"), ("#/empty", "taken")] {
        client.send(&format!("RNFR {}", from.replace('#', at))).expect(350);
        client.send(&format!("RNTO {}", to.replace('#', at))).expect(550);
    }
    client.send("REST 1").expect(350);
    let _data = client.passive();
    client.send(&format!("STOR {at}/file")).expect(550);
}

#[test]
fn below_a_read_only_path_nothing_changes_whatever_the_way_to_it() {
    for atomic_uploads in [true, false] {
        let settings = Settings { atomic_uploads, create_parents: true, ..Embedded::settings() };
        let server = Embedded::with(|server| server.settings(settings));
        let home = server.account("ann", read_only(&["/pub/fixed", "/alias"]));
        for directory in ["pub/fixed/below/empty", "pub/fixed/empty", "real/below/empty", "real/empty", "free"] {
            fs::create_dir_all(home.join(directory)).unwrap();
        }
        for directory in ["pub/fixed", "pub/fixed/below", "real", "real/below"] {
            fs::write(home.join(directory).join("file"), b"fixed").unwrap();
        }
        fs::write(home.join("other"), b"other").unwrap();
        symlink("real", home.join("alias")).unwrap();
        symlink("pub", home.join("link")).unwrap();
        symlink(home.join("pub/fixed"), home.join("absolute")).unwrap();
        symlink("pub/fixed/file", home.join("link-to-file")).unwrap();
        symlink("../pub/fixed/new", home.join("free/dangling")).unwrap();
        let before = snapshot(&home);
        let mut ann = server.login("ann");
        for at in [
            "pub/fixed",
            "/pub/fixed/below",
            "link/fixed",
            "link/fixed/below",
            "absolute",
            "absolute/below",
            "alias",
            "alias/below",
            "real",
            "free/../pub/fixed",
        ] {
            assert_nothing_changes(&mut ann, at);
        }
        ann.send("CWD absolute/below").expect(250);
        for command in ["STOR file", "STOU", "MKD new", "STOR new/deep/file"] {
            let _data = ann.passive();
            let code = ann.code(command);
            assert!(code == 550 || command == "STOU" && code == 450, "{command}: {code}");
        }
        ann.send("CWD /").expect(250);
        for command in ["STOR link-to-file", "APPE link-to-file", "STOR free/dangling"] {
            let _data = ann.passive();
            ann.send(command).expect(550);
        }
        ann.script(&[("SITE CHMOD 600 link-to-file", 550), ("MFMT 20200101000000 link-to-file", 550)]);
        for ancestor in ["pub", "pub/fixed", "alias", "real"] {
            ann.script(&[(&format!("RNFR {ancestor}"), 350), ("RNTO moved", 550)]);
            ann.script(&[("RNFR other", 350), (&format!("RNTO {ancestor}"), 550)]);
            ann.send(&format!("RMD {ancestor}")).expect(550);
            ann.send(&format!("DELE {ancestor}")).expect(550);
        }
        assert_eq!(snapshot(&home), before);
        assert_eq!(ann.download("RETR absolute/file"), b"fixed");

        ann.upload("STOR pub/beside", b"x");
        ann.upload("STOR free/deep/file", b"x");
        ann.upload("APPE link/beside", b"y");
        assert_eq!(fs::read(home.join("pub/beside")).unwrap(), b"xy");
        ann.script(&[("MKD pub/fixed-not", 257), ("RNFR pub/beside", 350), ("RNTO pub/fixed-too", 250)]);
        ann.script(&[("DELE pub/fixed-too", 250), ("RMD pub/fixed-not", 250), ("DELE free/dangling", 250)]);
        ann.script(&[("DELE link-to-file", 250), ("SITE CHMOD 600 other", 200), ("MFMT 20200101000000 other", 213)]);
    }
}

/// Names, modes and contents.
fn snapshot(home: &std::path::Path) -> String {
    let output =
        std::process::Command::new("find").arg(home).args(["-printf", "%p %y %m %s %T@ %l\\n"]).output().unwrap();
    let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn a_link_swapped_in_time_does_not_lead_into_what_is_read_only() {
    let server = Embedded::start();
    let home = server.account("ann", read_only(&["/fixed"]));
    fs::create_dir(home.join("fixed")).unwrap();
    fs::create_dir(home.join("place")).unwrap();
    symlink("fixed", home.join("link")).unwrap();
    let mut swapper = server.login("ann");
    thread::scope(|scope| {
        let writers: Vec<_> = ["MKD place/made", "STOR place/stored", "RNTO place/renamed"]
            .into_iter()
            .map(|command| {
                let mut client = server.login("ann");
                scope.spawn(move || {
                    for number in 0..150 {
                        if command.starts_with("RNTO") {
                            client.code(&format!("MKD free-{number}"));
                            client.code(&format!("RNFR free-{number}"));
                        }
                        let data = command.starts_with("STOR").then(|| client.passive());
                        if client.code(&format!("{command}-{number}")) == 150 {
                            drop(data);
                            client.reply();
                        }
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            for (from, to) in [("place", "aside"), ("link", "place"), ("place", "link"), ("aside", "place")] {
                swapper.script(&[(&format!("RNFR {from}"), 350), (&format!("RNTO {to}"), 250)]);
            }
        }
    });
    assert_eq!(fs::read_dir(home.join("fixed")).unwrap().count(), 0);
    assert!(fs::read_dir(home.join("place")).unwrap().count() > 0);
}

#[test]
fn facts_tell_what_is_possible_below_a_read_only_path() {
    let server = Embedded::start();
    let home = server.account("ann", read_only(&["/fixed"]));
    for directory in ["fixed/dir", "free"] {
        fs::create_dir_all(home.join(directory)).unwrap();
    }
    fs::write(home.join("fixed/file"), b"x").unwrap();
    fs::write(home.join("file"), b"x").unwrap();
    symlink("fixed/file", home.join("link")).unwrap();
    let mut ann = server.login("ann");
    ann.send("OPTS MLST perm;").expect(200);
    assert_eq!(ann.list("MLSD fixed"), ["perm=el; dir", "perm=r; file"]);
    let (dir, file) = ("perm=eldfmMTcp;", "perm=radfwMT;");
    let home_lists = [format!("{file} file"), "perm=el; fixed".into(), format!("{dir} free"), "perm=r; link".into()];
    assert_eq!(ann.list("MLSD"), home_lists);
    for (path, perm) in [("fixed", "perm=el;"), ("fixed/file", "perm=r;"), ("link", "perm=r;"), ("file", file)] {
        let reply = ann.send(&format!("MLST {path}")).expect(250);
        assert!(reply.contains(&format!("{perm} /{path}")), "{reply}");
    }
    server.limit("ann", Limits::default());
    assert_eq!(ann.list("MLSD fixed"), [format!("{dir} dir"), format!("{file} file")]);
    ann.send("DELE fixed/file").expect(250);
    server.limit("ann", read_only(&["/"]));
    assert_eq!(ann.list("MLSD"), ["perm=r; file", "perm=el; fixed", "perm=el; free"]);
    ann.script(&[("MKD new", 550), ("DELE file", 550), ("RNFR free", 350), ("RNTO elsewhere", 550)]);
}
