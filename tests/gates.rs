//! Programs that decide about uploads: what they see, what they refuse, and that nothing gets past them.

use crate::support::{Client, Signal, TestServer, eventually, has_ended, noise};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// A server with gates that are shell scripts, each with keys of its own; `$OUT` is a directory for what they find out.
fn server_with(gates: &[(&str, &str)]) -> TestServer {
    server_with_args(gates, &[])
}

fn server_with_args(gates: &[(&str, &str)], args: &[&str]) -> TestServer {
    let builder = TestServer::with(args);
    let out = builder.outside("out");
    fs::create_dir_all(&out).unwrap();
    fs::create_dir_all(builder.homes().join("ann")).unwrap();
    for path in [&out, out.parent().unwrap()] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let mut text = String::new();
    for (number, (script, keys)) in gates.iter().enumerate() {
        let program = builder.outside(&format!("program{number}"));
        let mut file = fs::File::create(&program).unwrap();
        write!(file, "#!/bin/sh\nOUT={}\n{script}\n", out.display()).unwrap();
        file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
        let arguments = r#""{path}", "{virtual_path}", "{target}", "{username}", "{remote_ip}", "{bytes}""#;
        text += &format!("[[gate]]\nname = \"gate{number}\"\ncommand = [{program:?}, {arguments}]\n{keys}\n");
    }
    builder.file(&text).start()
}

fn out(server: &TestServer, name: &str) -> Vec<u8> {
    fs::read(server.outside("out").join(name)).unwrap_or_default()
}

/// Uploads, and has the last reply.
#[track_caller]
fn store(client: &mut Client, command: &str, bytes: &[u8]) -> String {
    let data = client.passive();
    client.send(command).expect(150);
    data.write(bytes).close();
    String::from_utf8(client.reply()).unwrap()
}

/// All that is in a home, temporary files, too.
fn files(home: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_sees_the_whole_file_before_anybody_else() {
    let script = "cat > $OUT/stdin; cat \"$1\" > $OUT/path; printf '%s\\0' \"$@\" > $OUT/arguments
        env | grep ^FTP_ | sort > $OUT/env; ls \"$(dirname \"$3\")\" > $OUT/listing";
    let server = server_with(&[(script, "")]);
    let (home, bytes) = (server.home("ann"), noise(300_000));
    let mut ann = server.login("ann");
    assert!(store(&mut ann, "STOR a 'b'", &bytes).starts_with("226 "));
    assert_eq!(fs::read(home.join("a 'b'")).unwrap(), bytes);
    assert!(out(&server, "stdin") == bytes && out(&server, "path") == bytes);
    let target = home.join("a 'b'").display().to_string();
    let arguments = ["/dev/stdin", "/a 'b'", &target, "ann", "127.0.0.1", "300000", ""].join("\0");
    assert_eq!(String::from_utf8(out(&server, "arguments")).unwrap(), arguments);
    let env = format!(
        "FTP_BYTES=300000\nFTP_REMOTE_IP=127.0.0.1\nFTP_TARGET={target}\nFTP_USERNAME=ann\nFTP_VIRTUAL_PATH=/a 'b'\n"
    );
    assert_eq!(String::from_utf8(out(&server, "env")).unwrap(), env);
    assert_eq!(out(&server, "listing"), b"", "the file was there already");
    server.expect_event("ftp_file_received", &[("virtual_path", "/a 'b'")]);
}

#[test]
fn a_virus_scanner_keeps_a_virus_out() {
    let scanner = "if grep -q 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE'; then echo \"Virus found: EICAR.\"; exit 1; fi";
    let server = server_with(&[(scanner, "")]);
    let home = server.home("ann");
    let virus =
        [&noise(100_000)[..], br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    let mut ann = server.login("ann");
    assert_eq!(store(&mut ann, "STOR virus", &virus), "550 Virus found: EICAR.");
    let reason = [("reason", "gate gate0 refused it: Virus found: EICAR."), ("virtual_path", "/virus")];
    server.expect_event("ftp_file_received_incomplete", &reason);
    assert!(files(&home).is_empty());
    assert!(store(&mut ann, "STOR harmless", b"text").starts_with("226 "));
    assert!(store(&mut ann, "STOR harmless", &virus).starts_with("550 "));
    assert!(store(&mut ann, "STOU", &virus).starts_with("550 "));
    assert_eq!(fs::read(home.join("harmless")).unwrap(), b"text", "it was replaced all the same");
    assert_eq!(files(&home), ["harmless"]);
}

#[test]
fn what_it_says_becomes_one_harmless_line_of_the_reply() {
    for (script, reply) in [
        ("exit 1", "550 Upload refused."),
        ("echo why >&2; exit 2", "550 Upload refused."),
        ("printf 'a\\r\\n226 b\\n'; exit 1", "550 a"),
        ("printf '\\033[31mred\\377'; exit 1", "550 \\x1b[31mred\\xff"),
        ("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", &format!("550 {}", "x".repeat(200))),
    ] {
        let server = server_with(&[(script, "")]);
        assert_eq!(store(&mut server.login("ann"), "STOR a", b"x"), reply, "{script}");
    }
}

#[test]
fn gates_are_asked_in_their_order_until_one_refuses() {
    let server = server_with(&[
        ("echo 0 >> $OUT/order", ""),
        ("echo 1 >> $OUT/order; case $2 in */bad) echo second; exit 9;; esac", ""),
        ("echo 2 >> $OUT/order; [ \"$(cat)\" = x ] || exit 1", ""),
    ]);
    let mut ann = server.login("ann");
    assert!(store(&mut ann, "STOR good", b"x").starts_with("226 "));
    assert_eq!(store(&mut ann, "STOR bad", b"x"), "550 second");
    assert_eq!(store(&mut ann, "STOR last", b"y"), "550 Upload refused.");
    assert_eq!(out(&server, "order"), b"0\n1\n2\n0\n1\n0\n1\n2\n");
    assert_eq!(files(&server.home("ann")), ["good"]);
}

#[test]
fn one_that_does_not_decide_refuses_or_accepts_as_told() {
    for (script, why) in [
        ("sleep 600 & echo $! > $OUT/child; sleep 600", "it did not decide within 0.5 seconds"),
        ("yes & yes", "it did not decide within 0.5 seconds"),
        ("kill -9 $$", "signal: 9"),
        ("rm $0", "No such file or directory"),
    ] {
        for (on_error, code) in [("", 451), ("on_error = \"accept\"", 226)] {
            let server = server_with(&[(script, &format!("timeout = 0.5\n{on_error}"))]);
            let mut ann = server.login("ann");
            if script.starts_with("rm") {
                fs::remove_file(server.outside("program0")).unwrap();
            }
            let reply = store(&mut ann, "STOR a", b"x");
            assert!(reply.starts_with(&code.to_string()), "{script}: {reply}");
            server.expect_log(why);
            assert_eq!(files(&server.home("ann")).len(), usize::from(code == 226), "{script}");
            if code == 451 {
                server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/a")]);
            }
            let child = out(&server, "child");
            if !child.is_empty() {
                has_ended(&child);
            }
        }
    }
}

/// A gate that runs until it is killed, unless the file is empty.
const ENDLESS: &str = "[ $6 = 0 ] && exit; sleep 600 & echo $! > $OUT/child; echo $$ > $OUT/pid; sleep 600";

#[track_caller]
fn begin_endless(server: &TestServer) -> Client {
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR a").expect(150);
    data.write(b"x").close();
    eventually("the gate runs", || out(server, "pid").ends_with(b"\n"));
    ann
}

#[track_caller]
fn nothing_is_left(server: &TestServer) {
    has_ended(&out(server, "pid"));
    has_ended(&out(server, "child"));
    assert!(files(&server.home("ann")).is_empty());
}

#[test]
fn noop_and_stat_are_answered_meanwhile_and_abor_ends_it() {
    let server = server_with(&[(ENDLESS, "")]);
    let mut ann = begin_endless(&server);
    ann.script(&[("NOOP", 200), ("STAT", 211), ("ABOR", 426)]).expect(226);
    nothing_is_left(&server);
    server.expect_event("ftp_file_received_incomplete", &[("reason", "aborted by the client")]);
    assert!(store(&mut ann, "STOR b", b"").starts_with("226 "));
}

#[test]
fn a_client_that_leaves_ends_it() {
    let server = server_with(&[(ENDLESS, "")]);
    begin_endless(&server).vanish();
    server.expect_event("ftp_file_received_incomplete", &[("virtual_path", "/a")]);
    nothing_is_left(&server);
}

#[test]
fn a_client_that_says_quit_still_gets_its_reply() {
    let server = server_with(&[("while [ ! -e $OUT/go ]; do sleep 0.05; done; touch $OUT/done", "")]);
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR a").expect(150);
    data.write(b"x").close();
    ann.send("QUIT").expect(221);
    fs::write(server.outside("out/go"), "").unwrap();
    ann.expect(226);
    ann.expect_end();
    assert_eq!(files(&server.home("ann")), ["a"]);
}

#[test]
fn the_end_of_the_server_ends_it() {
    let mut server = server_with_args(&[(ENDLESS, "")], &["--stop-timeout", "0.5"]);
    let mut ann = begin_endless(&server);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    ann.expect(421);
    assert!(server.wait().success());
    assert!(begin.elapsed() < Duration::from_secs(10));
    nothing_is_left(&server);
    server.expect_event("ftp_file_received_incomplete", &[("reason", "the server stopped")]);
}

#[test]
fn a_killed_server_leaves_no_upload() {
    let mut server = server_with(&[(ENDLESS, "")]);
    let _ann = begin_endless(&server);
    server.signal(Signal::KILL);
    server.wait();
    assert!(files(&server.home("ann")).is_empty());
    for name in ["pid", "child"] {
        let pid = String::from_utf8(out(&server, name)).unwrap().trim().parse().unwrap();
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL);
    }
}

#[test]
fn there_is_no_way_around_it() {
    let server = server_with(&[("grep -q bad && exit 1; exit 0", "")]);
    let home = server.home("ann");
    let mut ann = server.login("ann");
    assert!(store(&mut ann, "STOR a", b"ba").starts_with("226 "));
    for commands in [["APPE a", "NOOP"], ["APPE new", "NOOP"], ["REST 2", "STOR a"]] {
        let _data = ann.passive();
        let codes = commands.map(|command| ann.code(command));
        assert!(codes.contains(&550), "{commands:?}: {codes:?}");
    }
    // In the mode of text, it is what is stored that counts.
    ann.send("TYPE A").expect(200);
    assert!(store(&mut ann, "STOR text", b"ba\r\nd").starts_with("226 "));
    assert_eq!(fs::read(home.join("text")).unwrap(), b"ba\nd");
    assert_eq!(fs::read(home.join("a")).unwrap(), b"ba");
    assert_eq!(files(&home), ["a", "text"]);
}

#[test]
fn a_mode_that_forbids_to_read_hides_nothing() {
    let is_root = rustix::process::geteuid().is_root();
    let as_somebody_else = is_root.then_some("on_error = \"accept\"\nuser = \"65534\"");
    for keys in ["on_error = \"accept\""].into_iter().chain(as_somebody_else) {
        let scanner = "grep -q bad && exit 1; exit 0";
        let server = server_with(&[(scanner, keys)]);
        let home = server.home("ann");
        let mut ann = server.login("ann");
        ann.send("SITE UMASK 777").expect(200);
        assert!(store(&mut ann, "STOR a", b"bad").starts_with("550 "));
        assert!(store(&mut ann, "STOR b", b"good").starts_with("226 "));
        assert_eq!(files(&home), ["b"]);
        assert_eq!(fs::metadata(home.join("b")).unwrap().mode() & 0o777, 0);
    }
}

#[test]
fn as_somebody_else_it_reads_the_file_and_cannot_write_it() {
    let script = "id -u > $OUT/id; cat > $OUT/stdin; cat \"$1\" > $OUT/path; echo more >&0; echo more > \"$1\"; exit 0";
    let is_root = rustix::process::geteuid().is_root();
    let server = server_with(&[(script, if is_root { "user = \"65534:65534\"" } else { "" })]);
    let mut ann = server.login("ann");
    assert!(store(&mut ann, "STOR a", b"bytes").starts_with("226 "));
    assert_eq!((out(&server, "stdin"), out(&server, "path")), (b"bytes".to_vec(), b"bytes".to_vec()));
    if is_root {
        assert_eq!(out(&server, "id"), b"65534\n");
        assert_eq!(fs::read(server.home("ann").join("a")).unwrap(), b"bytes");
    }
}

#[test]
fn the_quota_counts_what_waits_for_a_gate_and_forgets_what_was_refused() {
    let builder_text = "[user.\"ann\"]\nquota = 1000\n";
    let builder = TestServer::with(&[]);
    let program = builder.outside("program");
    let mut file = fs::File::create(&program).unwrap();
    file.write_all(b"#!/bin/sh\n! grep -q bad\n").unwrap();
    file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
    drop(file);
    let text = format!("{builder_text}[[gate]]\nname = \"g\"\ncommand = [{program:?}]\n");
    let server = builder.file(&text).start();
    server.home("ann");
    let mut ann = server.login("ann");
    for _ in 0..3 {
        assert!(store(&mut ann, "STOR a", &b"bad ".repeat(200)).starts_with("550 "));
    }
    assert!(store(&mut ann, "STOR a", &[b'x'; 900]).starts_with("226 "));
    assert!(store(&mut ann, "STOR b", &[b'x'; 900]).starts_with("552 "));
}

#[test]
fn nothing_is_left_of_gates_that_ran() {
    let server = server_with(&[("cat > $OUT/seen; exit 1", "")]);
    let mut clients: Vec<Client> = (0..4).map(|_| server.login("ann")).collect();
    for client in &mut clients {
        assert!(store(client, "STOR same", b"x").starts_with("550 "));
    }
    let before = server.resources();
    for client in &mut clients {
        assert!(store(client, "STOR same", b"x").starts_with("550 "));
    }
    eventually("nothing is left", || server.holds_no_more_than(before));
}
