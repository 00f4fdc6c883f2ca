//! Programs that run for events: what they are told, byte for byte, and what becomes of those that fail, hang, flood or
//! are not there.

use crate::support::{Builder, Signal, TestServer, eventually, has_ended};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A server with a program that is a shell script; `$OUT` is a directory for what it finds out.
fn server_with(script: &str, keys: &str) -> TestServer {
    builder_with(script, keys).start()
}

fn builder_with(script: &str, keys: &str) -> Builder {
    let builder = TestServer::with(&[]);
    let program = write_program(&builder.outside("program"), &builder.outside("out"), script);
    let text = format!("[[exec]]\nname = \"test\"\ncommand = [{:?}]\n{keys}", program.display().to_string());
    builder.file(&text)
}

/// Everybody may come to it, for some tests run it as somebody else.
fn write_program(path: &Path, out: &Path, script: &str) -> PathBuf {
    fs::create_dir_all(out).unwrap();
    fs::create_dir_all(out.with_file_name("homes").join("ann")).unwrap();
    fs::set_permissions(out, PermissionsExt::from_mode(0o777)).unwrap();
    fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut file = fs::File::create(path).unwrap();
    write!(file, "#!/bin/sh\nOUT={}\n{script}\n", out.display()).unwrap();
    file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
    path.to_path_buf()
}

/// With other arguments than none.
fn server_with_arguments(script: &str, arguments: &str, keys: &str) -> TestServer {
    let builder = TestServer::with(&[]);
    let program = write_program(&builder.outside("program"), &builder.outside("out"), script);
    let command = format!("command = [{:?}, {arguments}]", program.display().to_string());
    builder.file(&format!("[[exec]]\nname = \"test\"\n{command}\n{keys}")).start()
}

fn out(server: &TestServer, name: &str) -> Vec<u8> {
    fs::read(server.outside("out").join(name)).unwrap_or_default()
}

#[track_caller]
fn expect_out(server: &TestServer, name: &str, expected: &[u8]) {
    eventually(&format!("{name} holds {:?}", String::from_utf8_lossy(expected)), || out(server, name) == expected);
}

fn state(server: &TestServer, name: &str) -> PathBuf {
    server.outside("events.jsonl.followers").join(name)
}

/// A program that writes each argument with a NUL behind it.
const ARGUMENTS: &str = "printf '%s\\0' \"$@\" > $OUT/new; mv $OUT/new $OUT/arguments";

#[test]
fn arguments_are_names_byte_for_byte_and_never_read_by_a_shell() {
    let server = server_with_arguments(
        ARGUMENTS,
        r#""{path}", "-x={virtual_path};{{}}", "{event} {username} {remote_ip}", "{path_to}", "$HOME `id` *""#,
        "",
    );
    let home = server.home("ann").into_os_string().into_encoded_bytes();
    let mut ann = server.login("ann");
    let names: [&[u8]; 7] = [
        b"a b  c",
        b"-rf --help",
        b"'; cd $OUT; touch pwned; '\"`touch pwned`$(touch pwned)",
        b"tab\there\\n",
        b"caf\xe9 \xfe\x80",
        "ü\u{202e}😀".as_bytes(),
        b"{path} {{",
    ];
    for name in names {
        let data = ann.passive();
        ann.send_bytes(&[b"STOR ", name, b"\r\n"].concat()).expect(150);
        data.write(b"x").close();
        ann.expect(226);
        let expected = [
            [&home, b"/".as_slice(), name].concat(),
            [b"-x=/", name, b";{}"].concat(),
            b"ftp_file_received ann 127.0.0.1".to_vec(),
            b"".to_vec(),
            b"$HOME `id` *".to_vec(),
        ];
        expect_out(&server, "arguments", &[&expected.join(&0)[..], b"\0"].concat());
    }
    assert_eq!(fs::read_dir(server.outside("out")).unwrap().count(), 1, "something was obeyed");
}

#[test]
fn a_newline_in_a_path_stays_in_its_argument() {
    // A client can't write one, but the administrator can.
    let builder = TestServer::with(&[]);
    let home = builder.outside("a\nb");
    fs::create_dir(&home).unwrap();
    let text = home.to_str().unwrap();
    builder.site().execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = ?1", [text]).unwrap();
    builder.site().execute("UPDATE django_ftpserver_ftpuseraccount SET home_dir = NULL", []).unwrap();
    let program = write_program(&builder.outside("program"), &builder.outside("out"), ARGUMENTS);
    let command = format!("command = [{:?}, \"{{path}}\"]", program.display().to_string());
    let server = builder.file(&format!("[[exec]]\nname = \"test\"\n{command}\n")).start();
    server.login("ann").upload("STOR c", b"x");
    expect_out(&server, "arguments", format!("{text}/c\0").as_bytes());
}

#[test]
fn the_environment_has_the_event_and_little_else_and_stdin_has_the_line() {
    let script =
        "cat > $OUT/line; env | grep -v -e ^PWD= -e ^OUT= -e ^SHLVL= -e ^_= | sort > $OUT/new; mv $OUT/new $OUT/env";
    let builder = builder_with(script, "events = [\"ftp_file_renamed\", \"ftp_file_received\"]");
    let server = builder.env("TZ", "UTC").env("SECRET", "x").env("LANG", "C").env("HOME", "/root/x").start();
    let mut ann = server.login("ann");
    ann.upload("STOR a=b", b"12345");
    let kept = format!("HOME=/root/x\nLANG=C\nPATH={}\nTZ=UTC\n", std::env::var("PATH").unwrap());
    let event = server.expect_event("ftp_file_received", &[]);
    let as_text = |value: &Value| value.as_str().map_or(value.to_string(), String::from);
    let variables = |event: &Value| {
        let fields = event.as_object().unwrap().iter();
        let mut lines: Vec<String> =
            fields.map(|(key, value)| format!("FTP_{}={}\n", key.to_uppercase(), as_text(value))).collect();
        lines.extend(kept.split_inclusive('\n').map(String::from));
        lines.sort();
        lines.concat()
    };
    expect_out(&server, "env", variables(&event).as_bytes());
    assert!(variables(&event).contains("FTP_BYTES=5\n") && variables(&event).contains("FTP_VIRTUAL_PATH=/a=b\n"));
    let line: Value = serde_json::from_slice(&out(&server, "line")).unwrap();
    assert_eq!(line, event);
    ann.script(&[("RNFR a=b", 350), ("RNTO c", 250)]);
    let event = server.expect_event("ftp_file_renamed", &[]);
    expect_out(&server, "env", variables(&event).as_bytes());
    assert!(variables(&event).contains("FTP_VIRTUAL_PATH_TO=/c\n"));
}

#[test]
fn a_rename_has_both_names() {
    let server =
        server_with_arguments(ARGUMENTS, r#""{virtual_path}", "{virtual_path_to}""#, "events = [\"ftp_file_renamed\"]");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    ann.script(&[("RNFR a", 350), ("RNTO b", 250)]);
    expect_out(&server, "arguments", b"/a\0/b\0");
}

#[test]
fn events_come_in_order_each_once() {
    let server = server_with("echo $FTP_VIRTUAL_PATH >> $OUT/paths", "");
    let mut ann = server.login("ann");
    let mut expected = String::new();
    for number in 0..20 {
        ann.upload(&format!("STOR {number}"), b"x");
        expected += &format!("/{number}\n");
    }
    expect_out(&server, "paths", expected.as_bytes());
}

#[test]
fn several_that_wait_run_at_once() {
    // Behind the first, each waits until the other two are there, too.
    let script = "touch $OUT/$(basename $FTP_PATH); for i in $(seq 200); do case $FTP_PATH in
        */first) [ -e $OUT/go ] && exit;;
        *) [ -e $OUT/a ] && [ -e $OUT/b ] && [ -e $OUT/c ] && { touch $OUT/done-$FTP_SEQ; exit; };;
        esac; sleep 0.05; done; exit 1";
    let server = server_with(script, "parallel = 3\ntries = 1");
    let mut ann = server.login("ann");
    ann.upload("STOR first", b"x");
    eventually("the first runs", || server.outside("out/first").exists());
    for name in ["a", "b", "c"] {
        ann.upload(&format!("STOR {name}"), b"x");
        server.expect_event("ftp_file_received", &[("virtual_path", &format!("/{name}"))]);
    }
    fs::write(server.outside("out/go"), "").unwrap();
    eventually("all three met", || fs::read_dir(server.outside("out")).unwrap().count() == 8);
}

#[test]
fn one_that_fails_is_run_again_and_then_its_event_is_set_aside() {
    let script = "echo x >> $OUT/$(basename $FTP_PATH); case $FTP_PATH in */bad) printf 'no\\033[31m room\\nmore\\n' >&2; exit 3;; esac";
    let server = server_with(script, "tries = 3");
    let mut ann = server.login("ann");
    ann.upload("STOR bad", b"x");
    ann.upload("STOR good", b"x");
    expect_out(&server, "good", b"x\n");
    expect_out(&server, "bad", b"x\nx\nx\n");
    server.expect_log("exec-test: event");
    server.expect_log("after 3 attempts: exit status: 3: no\\x1b[31m room");
    assert!(!server.log().contains("more"), "{}", server.log());
    let aside = fs::read(state(&server, "exec-test.aside.jsonl")).unwrap();
    let aside: Value = serde_json::from_slice(&aside).unwrap();
    assert_eq!(aside["virtual_path"], "/bad");
}

#[test]
fn with_several_at_once_only_what_failed_is_run_again() {
    let script = "echo x >> $OUT/$(basename $FTP_PATH); case $FTP_PATH in */bad*) exit 1;; esac";
    let server = server_with(script, "tries = 2\nparallel = 4");
    let mut ann = server.login("ann");
    for name in ["good1", "bad1", "good2", "bad2", "good3"] {
        ann.upload(&format!("STOR {name}"), b"x");
    }
    expect_out(&server, "bad2", b"x\nx\n");
    expect_out(&server, "good3", b"x\n");
    for (name, times) in [("good1", 1), ("good2", 1), ("bad1", 2)] {
        assert_eq!(out(&server, name), "x\n".repeat(times).as_bytes(), "{name}");
    }
    eventually("two are aside", || {
        fs::read_to_string(state(&server, "exec-test.aside.jsonl")).is_ok_and(|text| text.lines().count() == 2)
    });
}

#[test]
fn one_that_hangs_is_killed_with_all_it_has_started() {
    let script = "case $FTP_PATH in */bad) sleep 600 & echo $! > $OUT/child; echo $$ > $OUT/parent; sleep 600;; esac; touch $OUT/done";
    let server = server_with(script, "timeout = 0.5\ntries = 1");
    let mut ann = server.login("ann");
    ann.upload("STOR bad", b"x");
    ann.upload("STOR good", b"x");
    server.expect_log("after 1 attempts: it did not end within 0.5 seconds");
    eventually("the next one runs", || server.outside("out/done").exists());
    for name in ["child", "parent"] {
        has_ended(&out(&server, name));
    }
}

#[test]
fn one_that_floods_or_reads_nothing_or_closes_everything_is_no_trouble() {
    let script = "exec <&-; head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exec >&- 2>&-; touch $OUT/done";
    let server = server_with(script, "tries = 1");
    server.login("ann").upload("STOR a", b"x");
    eventually("it has ended", || server.outside("out/done").exists());
    eventually("it is dealt with", || !fs::read(state(&server, "exec-test.position")).unwrap().is_empty());
    assert!(!server.log().contains("set aside"), "{}", server.log());
}

#[test]
fn an_endless_flood_ends_with_the_time() {
    let server = server_with("yes & yes >&2 & yes", "tries = 1\ntimeout = 0.5");
    server.login("ann").upload("STOR a", b"x");
    server.expect_log("it did not end within 0.5 seconds");
    server.login("ann").upload("STOR b", b"x");
}

#[test]
fn what_it_leaves_in_the_background_is_not_waited_for() {
    let server = server_with("sleep 600 & echo $! > $OUT/child; echo x >> $OUT/done", "");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    ann.upload("STOR b", b"x");
    expect_out(&server, "done", b"x\nx\n");
    let child = String::from_utf8(out(&server, "child")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn nothing_is_left_of_programs_that_ran() {
    let server = server_with("echo x >> $OUT/done", "");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    expect_out(&server, "done", b"x\n");
    let before = server.resources();
    for number in 0..20 {
        ann.upload(&format!("STOR {number}"), b"x");
    }
    expect_out(&server, "done", &b"x\n".repeat(21));
    eventually("nothing is left", || server.holds_no_more_than(before));
    eventually("nothing is left in the helper", || server.programs().is_empty());
    let threads = || fs::read_dir(format!("/proc/{}/task", server.helper())).unwrap().count();
    eventually("no thread is left there", || threads() == 1);
}

#[test]
fn a_program_that_goes_away_is_waited_for() {
    let server = server_with("echo $FTP_VIRTUAL_PATH >> $OUT/paths", "tries = 1");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    expect_out(&server, "paths", b"/a\n");
    let (program, away) = (server.outside("program"), server.outside("away"));
    fs::rename(&program, &away).unwrap();
    ann.upload("STOR b", b"x");
    server.expect_log("No such file or directory");
    fs::rename(&away, &program).unwrap();
    expect_out(&server, "paths", b"/a\n/b\n");
    assert!(!server.log().contains("set aside"), "{}", server.log());
}

/// A server that can be started again in the same place; what it said is in a file.
struct Lives {
    home: PathBuf,
    config: PathBuf,
    database: PathBuf,
    out: PathBuf,
    /// Holds the scratch directory.
    first: TestServer,
}

impl Lives {
    fn new(script: &str, keys: &str) -> Lives {
        let first = server_with(script, keys);
        Lives {
            home: first.home("ann"),
            config: first.outside("ftpd.conf"),
            database: first.database(),
            out: first.outside("out"),
            first,
        }
    }

    fn next(&self) -> TestServer {
        let journal = self.first.outside("events.jsonl");
        let args = ["--config", "--database", "--journal"]
            .into_iter()
            .zip([&self.config, &self.database, &journal])
            .flat_map(|(flag, path)| [flag, path.to_str().unwrap()]);
        TestServer::with(&args.collect::<Vec<_>>()).without_site().start()
    }
}

#[test]
fn a_restart_catches_up() {
    let mut lives = Lives::new("[ -e $OUT/open ] || exit 1; echo $FTP_VIRTUAL_PATH >> $OUT/paths", "tries = 1000");
    let mut ann = lives.first.login("ann");
    for name in ["a", "b", "c"] {
        ann.upload(&format!("STOR {name}"), b"x");
    }
    lives.first.expect_log("it is tried again");
    lives.first.signal(Signal::TERM);
    assert!(lives.first.wait().success());
    assert!(lives.home.join("c").exists());
    fs::write(lives.out.join("open"), "").unwrap();
    let _next = lives.next();
    eventually("all three", || fs::read(lives.out.join("paths")).is_ok_and(|paths| paths == b"/a\n/b\n/c\n"));
}

#[test]
fn what_ran_when_the_server_was_killed_runs_again() {
    let mut lives = Lives::new("echo $FTP_VIRTUAL_PATH >> $OUT/paths; [ -e $OUT/open ] || sleep 600", "");
    lives.first.login("ann").upload("STOR a", b"x");
    let paths = lives.out.join("paths");
    eventually("it runs", || fs::read(&paths).is_ok_and(|paths| paths == b"/a\n"));
    lives.first.signal(Signal::KILL);
    lives.first.wait();
    fs::write(lives.out.join("open"), "").unwrap();
    let _next = lives.next();
    eventually("it ran again", || fs::read(&paths).is_ok_and(|paths| paths == b"/a\n/a\n"));
}

#[test]
fn at_the_end_of_the_server_it_gets_a_little_time_and_is_killed() {
    let mut lives = Lives::new("echo $$ > $OUT/pid; [ -e $OUT/open ] || sleep 600; touch $OUT/done", "");
    lives.first.login("ann").upload("STOR a", b"x");
    eventually("it runs", || fs::read(lives.out.join("pid")).is_ok_and(|pid| pid.ends_with(b"\n")));
    let begin = Instant::now();
    lives.first.signal(Signal::TERM);
    assert!(lives.first.wait().success());
    assert!(begin.elapsed() < Duration::from_secs(15));
    has_ended(&fs::read(lives.out.join("pid")).unwrap());
    fs::write(lives.out.join("open"), "").unwrap();
    let _next = lives.next();
    eventually("it ran again", || lives.out.join("done").exists());
}

#[test]
fn root_has_it_run_as_somebody_else() {
    let keys = "user = \"65534:65534\"\nevents = [\"ftp_login\"]";
    if !rustix::process::geteuid().is_root() {
        let (status, said) = builder_with("true", "user = \"root\"").fails();
        assert_eq!(status, 2);
        assert!(said.contains("exec test: user: only root can have it run as somebody else"), "{said}");
        return;
    }
    let server = server_with("echo $(id -u) $(id -g) $(id -G) ${HOME-none} > $OUT/new; mv $OUT/new $OUT/ids", keys);
    server.login("ann");
    expect_out(&server, "ids", b"65534 65534 65534 none\n");
}

#[test]
fn faults_are_told_at_the_start_and_by_check() {
    for (keys, args, why) in [
        ("command = [\"/nowhere/x\"]", [].as_slice(), "exec a: command: /nowhere/x: No such file"),
        ("command = [\"/etc/passwd\"]", &[], "exec a: command: /etc/passwd: Permission denied"),
        ("command = [\"/tmp\"]", &[], "exec a: command: /tmp: is no file"),
        ("command = [\"/bin/true\"]\nuser = \"no one\"", &[], "exec a: user: there is no user \"no one\""),
        (
            "command = [\"/bin/true\"]\n[[gate]]\nname = \"g\"\ncommand = \"/nowhere/y\"",
            &[],
            "gate g: command: /nowhere/y",
        ),
        (
            "command = [\"/bin/true\"]\n[[gate]]\nname = \"g\"\ncommand = \"/bin/true\"",
            &["--no-atomic-uploads"],
            "gate g: it decides before an upload gets its name",
        ),
    ] {
        let text = format!("[[exec]]\nname = \"a\"\n{keys}\n");
        let builder = TestServer::with(args).file(&text);
        let (config, database) = (builder.outside("ftpd.conf"), builder.outside("site.sqlite3"));
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        check.args(["check", "--journal", "/tmp/j", "--config"]).arg(config).arg("--database").arg(database).args(args);
        let checked = check.output().unwrap();
        let report = String::from_utf8(checked.stdout).unwrap();
        assert!(report.contains(why) && report.contains("FAULT"), "{report}");
        assert_eq!(checked.status.code(), Some(1));
        let (status, said) = builder.fails();
        assert_eq!(status, 2, "{keys}");
        assert!(said.contains(why), "{keys}: {said}");
    }
}

#[test]
fn without_a_journal_it_would_never_run() {
    let builder = TestServer::with(&[]).file("[[exec]]\nname = \"a\"\ncommand = \"/bin/true\"\n");
    let (config, database) = (builder.outside("ftpd.conf"), builder.outside("site.sqlite3"));
    for (command, status) in [("check", 1), ("serve", 2)] {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        let process = process.arg(command).arg("--config").arg(&config).arg("--database").arg(&database);
        let output = process.arg("127.0.0.1:0").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("exec-a: it follows the journal, and there is none; name one with journal"), "{said}");
        assert_eq!(output.status.code(), Some(status));
    }
}
