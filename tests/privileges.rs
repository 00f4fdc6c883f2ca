//! Root becomes another user. Who is not root proves the refusal instead.

use crate::support::{Builder, Client, Signal, TestServer, copy_program, eventually, port_of_root};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A user and a group that nobody has a name for.
const UID: u32 = 54321;
const GID: u32 = 54322;
const BOTH: &str = "54321:54322";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give_away(path: &Path) {
    chown(path, Some(UID), Some(GID)).unwrap();
}

/// What a server needs to be that user: everything in its scratch directory is theirs. Where the tests can't do that,
/// the server can't either, and says so.
fn as_somebody_else(builder: Builder) -> Option<Builder> {
    let builder = builder.args(&["--file-access-user", BOTH]);
    if is_root() {
        for name in ["", "homes", "site.sqlite3"] {
            give_away(&builder.outside(name));
        }
        return Some(builder);
    }
    refused(builder, "only root can become another user");
    None
}

#[track_caller]
fn refused(builder: Builder, part: &str) {
    let (status, said) = builder.fails();
    assert!(status == 2 && said.starts_with("django-ftpd: ") && said.lines().count() == 1, "{status} {said}");
    assert!(said.contains(part), "{part:?} in {said}");
}

#[test]
fn all_of_the_process_becomes_that_user_and_there_is_no_way_back() {
    let Some(builder) = as_somebody_else(TestServer::with(&[])) else { return };
    let server = builder.start();
    let proc = format!("/proc/{}", server.pid());
    let tasks = std::fs::read_dir(format!("{proc}/task")).unwrap();
    for task in tasks {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        for line in [
            format!("Uid:\t{UID}\t{UID}\t{UID}\t{UID}"),
            format!("Gid:\t{GID}\t{GID}\t{GID}\t{GID}"),
            format!("Groups:\t{GID}"),
            "CapPrm:\t0000000000000000".to_string(),
            "CapEff:\t0000000000000000".to_string(),
            "CapAmb:\t0000000000000000".to_string(),
        ] {
            assert!(status.lines().any(|seen| seen.trim_end() == line), "{line} in {status}");
        }
    }
    give_away(&server.home("ann"));
    let mut ann = server.login("ann");
    ann.upload("STOR f", b"data");
    ann.script(&[("SITE CHMOD 600 f", 200), ("MFMT 20200102030405 f", 213), ("MKD d", 257)]);
    let file = std::fs::metadata(server.home("ann").join("f")).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777, file.mtime()), (UID, GID, 0o600, 1577934245));
    let journal = std::fs::metadata(server.outside("events.jsonl")).unwrap();
    assert_eq!((journal.uid(), journal.gid()), (UID, GID));
    ann.send("QUIT").expect(221);
    server.stop();
}

#[test]
fn a_link_in_the_place_of_the_log_leads_root_nowhere() {
    let builder = TestServer::with(&[]);
    let (log, precious) = (builder.outside("log"), builder.outside("precious"));
    std::fs::write(&precious, "root's own").unwrap();
    std::fs::set_permissions(&precious, PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&precious, &log).unwrap();
    let Some(builder) = as_somebody_else(builder.args(&["--log-file", log.to_str().unwrap()])) else { return };
    assert!(builder.fails().1.contains("log_file: "));
    let builder = TestServer::with(&[]);
    let (log, closed) = (builder.outside("log"), builder.outside("closed"));
    // Where only root can make files.
    std::fs::create_dir(&closed).unwrap();
    std::os::unix::fs::symlink(closed.join("new"), &log).unwrap();
    let Some(builder) = as_somebody_else(builder.args(&["--log-file", log.to_str().unwrap()])) else { return };
    refused(builder, "log_file: ");
}

#[test]
fn a_log_of_their_own_is_made_by_that_user() {
    let builder = TestServer::with(&[]);
    let log = builder.outside("server.log");
    let Some(builder) = as_somebody_else(builder.args(&["--log-file", log.to_str().unwrap()])) else { return };
    let server = builder.start_quietly();
    let made = std::fs::metadata(&log).unwrap();
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (UID, GID, 0o640));
    std::fs::rename(&log, server.outside("old.log")).unwrap();
    server.signal(Signal::HUP);
    eventually("it is opened anew, in the sandbox, too", || log.exists());
    assert_eq!(std::fs::metadata(&log).unwrap().uid(), UID);
    server.stop();
}

#[test]
fn a_user_of_the_system_has_all_groups() {
    if !is_root() {
        return refused(TestServer::with(&["--file-access-user", "nobody"]), "only root can become another user");
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let nobody = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap().split(':').collect::<Vec<_>>();
    let builder = TestServer::with(&["--file-access-user", "nobody"]);
    chown(builder.outside(""), Some(nobody[2].parse().unwrap()), None).unwrap();
    let server = builder.start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let groups = Command::new("id").args(["-G", "nobody"]).output().unwrap().stdout;
    let mut groups: Vec<&str> = std::str::from_utf8(&groups).unwrap().split_whitespace().collect();
    let mut ours: Vec<&str> =
        status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap().split_whitespace().collect();
    groups.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, groups);
}

#[test]
fn a_port_of_root_is_bound_before() {
    let free = port_of_root();
    let builder = TestServer::with_tls(&["--implicit-tls", &format!("127.0.0.1:{free}")]);
    if is_root() {
        ["cert.pem", "key.pem"].iter().for_each(|name| give_away(&builder.outside(name)));
    }
    let Some(builder) = as_somebody_else(builder) else { return };
    let server = builder.start();
    assert_eq!(server.implicit_address().port(), free);
    Client::connect(server.address()).expect(220);
}

#[test]
fn pidfile_and_log_outlive_root() {
    let builder = TestServer::with(&[]);
    let ours = builder.outside("run");
    std::fs::create_dir(&ours).unwrap();
    let (pidfile, log) = (ours.join("pid"), builder.outside("log"));
    let args = ["--pidfile", pidfile.to_str().unwrap(), "--log-file", log.to_str().unwrap()];
    let Some(builder) = as_somebody_else(builder.args(&args)) else { return };
    let mut server = builder.start_quietly();
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), server.pid().to_string());
    let metadata = std::fs::metadata(&log).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (UID, GID, 0o640));
    std::fs::rename(&log, server.outside("log.1")).unwrap();
    server.signal(Signal::HUP);
    eventually("a new log", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("opened anew")));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    // That user may not remove it, but whoever looks sees that nobody has it.
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), "");
    let (status, said) =
        TestServer::with(&["--pidfile", pidfile.to_str().unwrap(), "--certfile", "/nonexistent"]).fails();
    assert!(status == 2 && said.contains("certfile"), "the pidfile is taken over: {said}");
}

#[test]
fn what_that_user_may_not_use_is_told_with_advice() {
    let private = |option: &str, name: &str, text: &[u8]| {
        let builder = TestServer::with(&[]);
        let path = builder.outside(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        builder.args(&[option, path.to_str().unwrap()])
    };
    for (option, part) in [("--database", "database: "), ("--certfile", "certfile: "), ("--keyfile", "keyfile: ")] {
        let builder = private(option, "private", b"x");
        let Some(builder) = as_somebody_else(builder) else { continue };
        refused(builder, "may not read it: chgrp and chmod g+r");
        let builder = as_somebody_else(private(option, "private", b"x")).unwrap();
        refused(builder, part);
    }
    for option in ["--journal", "--xferlog", "--audit-database"] {
        let Some(builder) = as_somebody_else(private(option, "private", b"")) else { continue };
        refused(builder, "(file_access_user) may not write it: chown");
        let builder = TestServer::with(&[]);
        let path = builder.outside("dir/new");
        std::fs::create_dir(builder.outside("dir")).unwrap();
        let builder = as_somebody_else(builder.args(&[option, path.to_str().unwrap()])).unwrap();
        refused(builder, "dir to that user");
    }
}

#[test]
fn users_that_nobody_can_become_are_refused() {
    for (user, part) in [
        ("root", "root is who"),
        ("0", "root is who"),
        ("0:5", "root is who"),
        ("no-such-user", "there is no user \"no-such-user\""),
        ("-1", "there is no user"),
        ("", "is not one line of text"),
        ("4294967296", "there is no user"),
    ] {
        refused(TestServer::with(&["--file-access-user", user]), part);
    }
    let demo = Command::new(env!("CARGO_BIN_EXE_django-ftpd")).args(["demo", "--file-access-user", "nobody"]).output();
    assert!(String::from_utf8(demo.unwrap().stderr).unwrap().contains("file_access_user: demo is for who starts it"));
}

#[test]
fn who_is_that_user_already_needs_no_root_and_who_is_another_does() {
    let builder = TestServer::with(&[]);
    let (uid, gid) = if is_root() {
        ["", "homes", "site.sqlite3"].iter().for_each(|name| give_away(&builder.outside(name)));
        (UID, GID)
    } else {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    };
    let program = builder.outside("django-ftpd");
    copy_program(&program);
    let start = |user: &str| {
        let mut command = Command::new(&program);
        command.args(["serve", "--database", builder.outside("site.sqlite3").to_str().unwrap()]);
        command.args(["--journal", builder.outside("events.jsonl").to_str().unwrap()]);
        command.args(["--file-access-user", user, "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        if is_root() {
            command.uid(uid).gid(gid);
        }
        command.spawn().unwrap()
    };
    let mut server = start(&format!("{uid}:{gid}"));
    let address = || crate::support::started(&builder.outside("events.jsonl"));
    eventually("it serves", || address().is_some());
    Client::connect(address().unwrap()).expect(220);
    server.kill().unwrap();
    server.wait().unwrap();
    let output = start("54323").wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains(&format!("and this is user {uid}")), "{said}");
}

#[test]
fn a_configuration_is_read_anew_where_the_user_cannot_be_looked_up_any_more() {
    let text = |limit: u32| format!("[user.ann]\nupload_rate = {limit}\n");
    let Some(builder) = as_somebody_else(TestServer::with(&[]).control().file(&text(1000))) else { return };
    let server = builder.start();
    std::fs::write(server.outside("ftpd.conf"), text(2000)).unwrap();
    assert_eq!(server.says(&["reload"]), "the configuration was read anew\n");
    give_away(&server.home("ann"));
    server.login("ann").send("MKD d").expect(257);
}

#[test]
fn a_socket_that_another_user_left_is_replaced_where_only_root_writes() {
    if !is_root() {
        return refused(TestServer::with(&["--file-access-user", BOTH]), "only root can become another user");
    }
    let builder = TestServer::with(&[]).control();
    let socket = builder.outside("control.sock");
    let left = |mode: u32| {
        std::fs::set_permissions(builder.outside(""), PermissionsExt::from_mode(mode)).unwrap();
        let _ = std::fs::remove_file(&socket);
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        give_away(&socket);
    };
    left(0o1777);
    let other = TestServer::with(&["--control", socket.to_str().unwrap()]);
    refused(other, "there is a socket of somebody else (UID 54321)");
    left(0o755);
    assert!(builder.start().says(&["who"]).contains("nobody is on"));
}

#[test]
fn passive_ports_that_only_root_has_are_told_apart_from_taken_ones() {
    let Some(builder) = as_somebody_else(TestServer::with(&["--passive-ports", "901-902"])) else { return };
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let server = builder.start();
    give_away(&server.home("ann"));
    let mut ann = server.login("ann");
    let report = crate::support::check(&["--passive-ports", "901-902", "--file-access-user", BOTH, "127.0.0.1:0"]);
    match text.trim().parse::<u16>().unwrap() {
        0..=902 => drop(ann.epsv()),
        _ => {
            ann.send("PASV").expect(425);
            server.expect_log("2 of 2 passive ports are not for this user");
            report.has(
                "fault",
                "passive_ports",
                "901-902: the user 54321:54322 (file_access_user) may not listen there",
            );
        }
    }
}

#[test]
fn a_directory_that_can_not_be_synced_gets_no_file_that_is_to_be() {
    let Some(builder) = as_somebody_else(TestServer::with(&["--sync-uploads"])) else { return };
    let home = builder.homes().join("ann");
    let unread = home.join("unread");
    std::fs::create_dir_all(&unread).unwrap();
    give_away(&home);
    give_away(&unread);
    std::fs::set_permissions(&unread, PermissionsExt::from_mode(0o300)).unwrap();
    let server = builder.start();
    let mut ann = server.login("ann");
    ann.upload("STOR file", b"x");
    let data = ann.passive();
    ann.send("STOR unread/file").expect(150);
    data.write(b"x").close();
    ann.expect(550);
    assert_eq!(std::fs::read_dir(&unread).unwrap().count(), 0, "nobody was told that it is there");
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/unread/file")]);
}
