//! A program that decides logins: what it is asked, what it may answer, and what becomes of it when it doesn't.

use crate::support::{Signal, TestServer, eventually, has_ended};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A server whose logins a shell script decides; `$HOMES` is where homes are.
fn server_with(script: &str, args: &[&str]) -> TestServer {
    let builder = TestServer::with(args).without_site();
    let program = builder.outside("accounts");
    let homes = builder.homes();
    fs::set_permissions(homes.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    write_program(&program, &format!("#!/bin/sh\nHOMES={}\n{script}\n", homes.display()));
    let (command, homes) = (format!("{} one two", program.display()), homes.display().to_string());
    builder.args(&["--accounts-command", &command, "--sandbox-paths", &homes]).start()
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn it_is_asked_in_json_and_answers_with_an_account() {
    let server = server_with(
        r#"
        read question
        printf '%s %s\n%s\n' "$1" "$2" "$question" > "$HOMES/asked"
        case "$question" in
            *'"password":"right"'*) printf '{"home":"%s","permission":"elrm","groups":["a"],"id":"7"}' "$HOMES/ann" ;;
            *) echo '{"denied":"no such luck"}' ;;
        esac"#,
        &[],
    );
    server.home("ann");
    let (mut ann, code) = server.try_login("ann", "right");
    assert_eq!(code, 230);
    ann.script(&[("MKD d", 257), ("RMD d", 550)]);
    let asked = fs::read_to_string(server.outside("homes/asked")).unwrap();
    let (arguments, question) = asked.split_once('\n').unwrap();
    assert_eq!(arguments, "one two");
    let question: serde_json::Value = serde_json::from_str(question).unwrap();
    let expected = serde_json::json!({"username": "ann", "password": "right", "remote_ip": "127.0.0.1"});
    assert_eq!(question, expected);
    assert_eq!(server.try_login("ann", "wrong").1, 530);
    server.expect_event("ftp_login_failed", &[("reason", "accounts_command: no such luck")]);
}

#[test]
fn a_file_may_give_its_arguments_as_a_list() {
    let builder = TestServer::with(&[]).without_site();
    let (program, home) = (builder.outside("accounts"), builder.homes());
    write_program(&program, "#!/bin/sh\n[ \"$1\" = 'a b' ] && [ $# = 2 ] && printf '{\"home\":\"%s\"}' \"$2\"\n");
    let text = format!(
        "accounts_command = [{:?}, \"a b\", {:?}]\n",
        program.display().to_string(),
        home.display().to_string()
    );
    let server = builder.file(&text).args(&["--sandbox-paths", home.to_str().unwrap()]).start();
    assert_eq!(server.try_login("anybody", "x").1, 230);
}

#[test]
fn an_answer_that_is_none_is_421_and_a_line_in_the_log() {
    for (script, why) in [
        ("exit 3", "exit status: 3: no word of why"),
        ("echo 'the database is away' >&2; exit 1", "exit status: 1: the database is away"),
        ("", "its answer is no JSON"),
        ("echo '[1]'", "its answer is no JSON object"),
        ("echo '{}'", "its answer has neither home nor denied"),
        ("echo '{\"home\":\"relative\"}'", "home: is no absolute path"),
        ("echo '{\"home\":\"/x\",\"qouta\":1}'", "qouta: nothing of that name can be answered"),
        ("echo '{\"home\":\"/x\",\"quota\":\"1\"}'", "quota: is no whole number"),
        ("echo '{\"home\":7}'", "home: is no text"),
        ("echo '{\"home\":\"/x\",\"max_sessions\":0}'", "max_sessions: is no number above 0"),
        ("echo '{\"home\":\"/x\",\"upload_rate\":0}'", "upload_rate: is no number above 0"),
        ("echo '{\"home\":\"/x\",\"session_upload_rate\":0}'", "session_upload_rate: is no number above 0"),
        ("kill -9 $$", "signal: 9"),
        ("head -c 100000 /dev/zero", "it says more than can be an answer"),
    ] {
        let server = server_with(script, &[]);
        assert_eq!(server.try_login("ann", "x").1, 421, "{script}");
        server.expect_log(why);
    }
}

#[test]
fn who_does_not_answer_in_time_is_killed_with_all_its_children() {
    let server = server_with("sleep 60 & echo $! > \"$HOMES/child\"; sleep 60", &["--accounts-command-timeout", "0.5"]);
    let begin = Instant::now();
    assert_eq!(server.try_login("ann", "x").1, 421);
    assert!(begin.elapsed() < Duration::from_secs(10));
    server.expect_log("no answer within 0.5 seconds");
    has_ended(&fs::read(server.outside("homes/child")).unwrap());
}

#[test]
fn it_need_not_hear_the_question_nor_wait_for_what_it_leaves_behind() {
    let server = server_with("exec <&-; sleep 2 & printf '{\"home\":\"%s\"}' \"$HOMES\"", &[]);
    let begin = Instant::now();
    assert_eq!(server.try_login("ann", "x").1, 230);
    assert!(begin.elapsed() < Duration::from_secs(2), "it waited for the background");
}

#[test]
fn nothing_is_left_of_programs_that_ran() {
    let server = server_with("printf '{\"home\":\"%s\"}' \"$HOMES\"", &[]);
    server.try_login("ann", "x").0.send("QUIT").expect(221);
    let before = server.resources();
    for _ in 0..20 {
        assert_eq!(server.try_login("ann", "x").1, 230);
    }
    eventually("nothing is left", || server.holds_no_more_than(before));
    eventually("nothing is left in the helper", || server.programs().is_empty());
}

#[test]
fn root_has_it_run_as_somebody_else() {
    if !rustix::process::getuid().is_root() {
        let (status, said) = failing(&["--accounts-command", "/bin/true", "--accounts-command-user", "no such user"]);
        assert_eq!((status, said.contains("there is no user")), (2, true), "{said}");
        return;
    }
    let script = "read q; printf '{\"home\":\"%s\",\"groups\":[\"%s\"]}' \"/tmp\" \"$(id -u)\"; id -u > /dev/stderr; [ $(id -u) = 65534 ]";
    let server = server_with(script, &["--accounts-command-user", "65534:65534"]);
    assert_eq!(server.try_login("ann", "x").1, 230);
}

fn failing(args: &[&str]) -> (i32, String) {
    TestServer::with(args).without_site().fails()
}

#[test]
fn a_program_that_is_none_is_an_error_at_the_start() {
    for (args, why) in [
        (["--accounts-command", "relative"].as_slice(), "relative: a program is named by its absolute path"),
        (&["--accounts-command", "/nowhere/x"], "accounts_command: /nowhere/x: No such file"),
        (&["--accounts-command", "/etc/passwd"], "/etc/passwd: Permission denied"),
        (&["--accounts-command", ""], "is not a program and its arguments"),
        (
            &["--accounts-command", "/bin/sh", "--accounts-command-user", "no such user"],
            "there is no user \"no such user\"",
        ),
        (&["--accounts-command", "/bin/sh", "--database", "/x"], "accounts come from one of them"),
    ] {
        let (status, said) = failing(args);
        assert_eq!(status, 2, "{args:?}");
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn what_the_file_says_of_users_and_groups_holds_here_too() {
    let builder = TestServer::with(&["--accounts-command", "/bin/false"]).without_site();
    let program = builder.outside("accounts");
    write_program(
        &program,
        &format!("#!/bin/sh\nprintf '{{\"home\":\"{}\",\"groups\":[\"staff\"]}}'\n", builder.homes().display()),
    );
    let text = "[user.ann]\nnetworks = [\"10.0.0.0/8\"]\n[user.bob]\nexpires = 2020-01-01\n[group.staff]\npermission = \"elm\"\n";
    let homes = builder.homes().display().to_string();
    let args = ["--accounts-command", program.to_str().unwrap(), "--sandbox-paths", &homes];
    let server = builder.file(text).args(&args).start();
    assert_eq!(server.try_login("ann", "x").1, 530);
    assert_eq!(server.try_login("bob", "x").1, 530);
    let (mut eva, code) = server.try_login("eva", "x");
    assert_eq!(code, 230);
    eva.script(&[("MKD d", 257), ("RMD d", 550)]);
}

#[test]
fn the_program_learns_nothing_of_what_the_server_was_started_with() {
    let builder = TestServer::with(&[]).without_site().env("SECRET_TOKEN", "hush");
    let (program, seen) = (builder.outside("accounts"), builder.outside("seen"));
    write_program(&program, &format!("#!/bin/sh\nenv > {}\necho '{{\"home\":\"/\"}}'\n", seen.display()));
    let server = builder.args(&["--accounts-command", program.to_str().unwrap(), "--home", "/srv/{username}"]).start();
    assert_eq!(server.try_login("ann", "x").1, 230);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("SECRET_TOKEN"), "{seen}");
}

#[test]
fn a_server_that_stops_takes_its_programs_along() {
    let mut server =
        server_with("sleep 60 & echo $! > \"$HOMES/child\"; sleep 60", &["--accounts-command-timeout", "50"]);
    let mut client = server.client();
    client.send("USER ann").expect(331);
    client.send("PASS x");
    let child = || fs::read_to_string(server.outside("homes/child")).unwrap_or_default();
    eventually("it runs", || child().ends_with('\n'));
    let child = child();
    let begin = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    has_ended(child.as_bytes());
}
