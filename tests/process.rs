//! The process: its number in a file, signals, and what can be wrong where it starts.

use crate::support::{Builder, Client, Signal, TestServer, eventually, port_of_root, signal_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server with a pidfile beside the homes, and that file.
fn with_pidfile() -> (Builder, PathBuf) {
    let builder = TestServer::with(&[]);
    let pidfile = builder.outside("server.pid");
    (builder.args(&["--pidfile", pidfile.to_str().unwrap()]), pidfile)
}

#[track_caller]
fn refused(builder: Builder, status: i32, parts: &[&str]) {
    let (ended, said) = builder.fails();
    assert!(ended == status && said.starts_with("django-ftpd: ") && said.lines().count() == 1, "{ended} {said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} in {said}"));
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn the_pidfile_has_the_number_for_as_long_as_the_server_runs() {
    let (builder, pidfile) = with_pidfile();
    let mut server = builder.after("umask 077").start();
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), format!("{}\n", server.pid()));
    assert_eq!(std::fs::metadata(&pidfile).unwrap().permissions().mode() & 0o7777, 0o644);
    let (second, _) = with_pidfile();
    let number = server.pid().to_string();
    refused(second.args(&["--pidfile", pidfile.to_str().unwrap()]), 1, &["pidfile: ", &number, "runs with it"]);
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), number);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(!pidfile.exists());
}

#[test]
fn a_pidfile_that_was_left_behind_does_no_harm() {
    let (builder, pidfile) = with_pidfile();
    let mut killed = builder.start();
    killed.signal(Signal::KILL);
    killed.wait();
    assert!(pidfile.exists());
    // Its number may be that of somebody else by now.
    for left in [None, Some(std::process::id().to_string()), Some(String::new())] {
        if let Some(text) = left {
            std::fs::write(&pidfile, text).unwrap();
        }
        let mut server = TestServer::with(&["--pidfile", pidfile.to_str().unwrap()]).start();
        assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), format!("{}\n", server.pid()));
        server.signal(Signal::TERM);
        assert!(server.wait().success());
        assert!(!pidfile.exists());
    }
}

#[test]
fn of_many_that_start_at_once_one_gets_the_pidfile() {
    let (first, pidfile) = with_pidfile();
    let start = |builder: &Builder| builder.command().stderr(Stdio::null()).spawn().unwrap();
    let builders: Vec<Builder> =
        (0..5).map(|_| TestServer::with(&["--pidfile", pidfile.to_str().unwrap()])).chain([first]).collect();
    let mut servers: Vec<_> = builders.iter().map(start).collect();
    let mut ended = vec![None; servers.len()];
    eventually("all others have ended", || {
        ended.iter_mut().zip(&mut servers).for_each(|(ended, server)| *ended = server.try_wait().unwrap());
        ended.iter().flatten().count() == servers.len() - 1
    });
    assert!(ended.iter().flatten().all(|status| status.code() == Some(1)), "{ended:?}");
    let winner = ended.iter().position(Option::is_none).unwrap();
    let number = servers[winner].id().to_string();
    eventually("it has written its number", || std::fs::read_to_string(&pidfile).unwrap().trim() == number);
    signal_process(&servers[winner], Signal::TERM);
    assert!(servers[winner].wait().unwrap().success());
    assert!(!pidfile.exists());
}

/// Whoever may read it can lock it.
#[test]
fn a_pidfile_that_a_stranger_has_locked_does_not_keep_the_server_from_starting() {
    let (builder, pidfile) = with_pidfile();
    for left in ["", "4194305\n"] {
        std::fs::write(&pidfile, left).unwrap();
        let stranger = std::fs::File::open(&pidfile).unwrap();
        stranger.lock_shared().unwrap();
        let server = TestServer::with(&["--pidfile", pidfile.to_str().unwrap()]).start();
        assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), server.pid().to_string());
        server.stop();
        drop(stranger);
    }
    drop(builder);
}

#[test]
fn nothing_else_is_taken_for_a_pidfile() {
    let (builder, _) = with_pidfile();
    let precious = builder.outside("precious");
    for text in ["password = x\n", "12a\n", "123456789012345678901234567890"] {
        std::fs::write(&precious, text).unwrap();
        refused(TestServer::with(&["--pidfile", precious.to_str().unwrap()]), 2, &["pidfile: ", "something else"]);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), text);
    }
    std::fs::write(&precious, "1\n").unwrap();
    let (link, pipe) = (builder.outside("link"), builder.outside("pipe"));
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    make_pipe(&pipe);
    for (path, reason) in [
        (link.to_str().unwrap(), "is a symbolic link"),
        (pipe.to_str().unwrap(), "is no plain file"),
        ("/dev/null", "is no plain file"),
        ("/", "is a directory"),
        ("/nonexistent/dir/pid", "No such file"),
    ] {
        refused(TestServer::with(&["--pidfile", path]), 2, &["pidfile: ", path, reason]);
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "1\n");
}

#[test]
fn a_pidfile_that_is_not_ours_any_more_is_left() {
    let (builder, pidfile) = with_pidfile();
    let mut server = builder.start();
    std::fs::remove_file(&pidfile).unwrap();
    std::fs::write(&pidfile, "1\n").unwrap();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), "1\n");
}

#[test]
fn also_a_second_signal_leaves_no_pidfile() {
    let (builder, pidfile) = with_pidfile();
    let mut server = builder.args(&["--stop-timeout", "60"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let _data = ann.passive();
    ann.send("STOR up").expect(150);
    server.signal(Signal::TERM);
    server.expect_log("stopping");
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(130));
    assert!(!pidfile.exists());
}

#[test]
fn a_signal_while_the_server_starts_waits_until_it_can_end_in_order() {
    for signals in [1, 2] {
        let (builder, pidfile) = with_pidfile();
        // The number of the last event is read before the first client comes.
        let pipe = builder.outside("events.jsonl.seq");
        make_pipe(&pipe);
        let mut child = builder.command().stderr(Stdio::piped()).spawn().unwrap();
        eventually("it waits for the number", || std::fs::read(&pidfile).is_ok_and(|text| !text.is_empty()));
        signal_process(&child, Signal::HUP);
        signal_process(&child, Signal::USR1);
        signal_process(&child, Signal::TERM);
        if signals == 2 {
            eventually("the first one has come", || {
                let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
                status.contains("ShdPnd:\t0000000000000000")
            });
            signal_process(&child, Signal::TERM);
            assert_eq!(child.wait().unwrap().code(), Some(130), "a start that hangs can be ended");
            continue;
        }
        std::fs::write(&pipe, "7\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{log}");
        for text in ["listens on", "ftp_server_started", "stopping", "ftp_server_stopped"] {
            assert!(log.contains(text), "{text} in {log}");
        }
        assert!(!pidfile.exists());
    }
}

#[test]
fn while_it_opens_its_files_there_is_one_thread() {
    let (builder, pidfile) = with_pidfile();
    let pipe = builder.outside("events.jsonl.seq");
    make_pipe(&pipe);
    let args = ["--accounts-command", "/bin/true", "--no-sandbox"];
    let builder = builder.without_site().args(&args);
    let mut child = builder.command().stderr(Stdio::null()).spawn().unwrap();
    eventually("it waits for the number", || std::fs::read(&pidfile).is_ok_and(|text| !text.is_empty()));
    let waits = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains(") S ");
    eventually("nothing else is done", waits);
    assert_eq!(std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sighup_and_sigusr1_are_answered_in_the_log() {
    let server = TestServer::start();
    server.signal(Signal::USR1);
    server.expect_log("state: ");
    server.signal(Signal::HUP);
    server.expect_log("reload: the configuration was read anew");
    server.signal(Signal::USR1);
    eventually("the thread of signals goes on", || server.log().matches("state: ").count() >= 2);
    server.login("ann").send("QUIT").expect(221);
    server.stop();
}

#[test]
fn a_poor_environment_is_enough() {
    for shell in [
        "unset HOME PATH",
        "export TZ=No/Where LC_ALL=xx_YY.nothing LANG=zz",
        "cd / && unset PWD",
        "ulimit -c 0; export TZ= HOME= RUST_LOG=debug",
    ] {
        let server = TestServer::with(&["--local-times"]).after(shell).start();
        std::fs::write(server.home("ann").join("f"), "x").unwrap();
        let mut ann = server.login("ann");
        assert!(ann.list("LIST").iter().any(|line| line.ends_with(" f")), "{shell}");
        ann.send("STAT /").expect(213);
        server.stop();
    }
}

#[test]
fn standard_streams_that_are_closed_are_nobodys_files() {
    let builder = TestServer::with(&[]);
    let log = builder.outside("log");
    let mut server = builder.args(&["--log-file", log.to_str().unwrap()]).after("exec 0<&- 1>&- 2>&-").start_quietly();
    for number in [0, 1, 2] {
        let file = std::fs::read_link(format!("/proc/{}/fd/{number}", server.pid())).unwrap();
        assert_eq!(file, Path::new("/dev/null"));
    }
    server.home("ann");
    let mut ann = server.login("ann");
    ann.script(&[("MKD d", 257), ("QUIT", 221)]);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(std::fs::read_to_string(log).unwrap().contains("ftp_directory_created"));
}

#[test]
fn a_port_of_root_is_refused_to_others_with_advice() {
    let lowest: u16 =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap().trim().parse().unwrap();
    if rustix::process::geteuid().is_root() || lowest <= 1 {
        // Nothing is refused to who may have any port: it listens there, which is what was asked for.
        let builder = TestServer::with_tls(&[]);
        let free = port_of_root();
        let server = builder.args(&["--implicit-tls", &format!("127.0.0.1:{free}")]).start();
        assert_eq!(server.implicit_address().port(), free);
        return;
    }
    let server = TestServer::with_tls(&["--implicit-tls", "127.0.0.1:1"]);
    refused(server, 1, &["can't listen on 127.0.0.1:1: ", "setcap cap_net_bind_service"]);
}

#[test]
fn where_nothing_can_be_written_the_line_says_what() {
    // As root too: nobody can make files there.
    for option in ["--pidfile", "--log-file", "--journal"] {
        let builder = TestServer::with(&[option, "/proc/django-ftpd"]);
        refused(builder, 2, &[&option[2..].replace('-', "_"), ": /proc/django-ftpd: "]);
    }
    refused(TestServer::with(&["--log-file", "/"]), 2, &["log_file: /: ", "directory"]);
    let (builder, _) = with_pidfile();
    let pipe = builder.outside("pipe");
    make_pipe(&pipe);
    refused(builder.args(&["--log-file", pipe.to_str().unwrap()]), 2, &["log_file: ", "No such device"]);
    Client::connect(TestServer::start().address()).expect(220);
}

#[test]
fn two_files_that_are_one_are_refused() {
    let (builder, pidfile) = with_pidfile();
    let both = pidfile.to_str().unwrap().to_string();
    refused(builder.args(&["--log-file", &both]), 2, &["pidfile: ", "is the file of log_file, too"]);
    assert!(!pidfile.exists());
}

#[test]
fn only_regular_files_are_read() {
    let builder = TestServer::with(&[]);
    let pipe = builder.outside("pipe");
    make_pipe(&pipe);
    for path in ["/dev/zero", pipe.to_str().unwrap()] {
        for option in ["--certfile", "--keyfile", "--client-ca"] {
            let server = TestServer::with_tls(&[option, path]);
            refused(server, 2, &[&option[2..].replace('-', "_"), path, ": it is no regular file"]);
        }
        refused(TestServer::with(&["--config", path]), 2, &[path, ": cannot be read: it is no regular file"]);
    }
}
