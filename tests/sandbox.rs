//! What the kernel keeps from the server: seen from outside, with links in the place of files and homes that come to be
//! elsewhere. And that the server misses nothing: renewed certificates, replaced databases, rotated journals, programs.

use crate::support::{Builder, Client, Identity, Signal, TestServer, Tls, eventually, has_ended, replace};
use rusqlite::Connection;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A server whose files have directories of their own, so that what is beside them is outside.
fn apart(args: &[&str]) -> Builder {
    let builder = TestServer::with(args).without_site().without_journal();
    let database = database(&builder);
    let journal = in_own_directory(&builder, "log", "events.jsonl");
    fs::rename(builder.outside("site.sqlite3"), &database).unwrap();
    for name in ["homes/ann", "outside"] {
        fs::create_dir_all(builder.outside(name)).unwrap();
    }
    fs::write(builder.outside("outside/secret"), "secret").unwrap();
    builder.args(&["--database", database.to_str().unwrap(), "--journal", journal.to_str().unwrap()])
}

fn in_own_directory(builder: &Builder, directory: &str, name: &str) -> PathBuf {
    fs::create_dir_all(builder.outside(directory)).unwrap();
    builder.outside(directory).join(name)
}

fn database(builder: &Builder) -> PathBuf {
    in_own_directory(builder, "site", "site.sqlite3")
}

fn site(server: &TestServer) -> Connection {
    Connection::open(server.outside("site/site.sqlite3")).unwrap()
}

fn move_ann_to(site: &Connection, home: &Path) {
    let sql = "UPDATE django_ftpserver_ftpuseraccount SET home_dir = ?1 WHERE user_id = \
               (SELECT id FROM auth_user WHERE username = 'ann')";
    assert_eq!(site.execute(sql, [home.to_str().unwrap()]).unwrap(), 1);
}

/// A field of a process's status.
fn status(pid: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end meanwhile.
    let texts = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let of_task = |text: String| {
        let field = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        field.unwrap().to_string()
    };
    texts.map(of_task).collect()
}

#[test]
fn it_is_on_for_every_thread_and_says_what_is_in_force() {
    let server = apart(&[]).start();
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    server.expect_log("sandbox: Landlock ABI ");
    let states = status(server.pid(), "NoNewPrivs");
    assert!(states.len() > 3 && states.iter().all(|state| state == "1"), "{states:?}");
}

#[test]
fn without_it_all_is_open_and_the_log_says_so() {
    let builder = apart(&["--no-sandbox"]);
    move_ann_to(&Connection::open(database(&builder)).unwrap(), &builder.outside("homes/ann"));
    let server = builder.start();
    server.expect_log("sandbox: off");
    assert!(status(server.pid(), "NoNewPrivs").iter().all(|state| state == "0"));
    move_ann_to(&site(&server), &server.outside("outside"));
    assert_eq!(server.login("ann").download("RETR secret"), b"secret");
}

#[test]
fn a_home_that_comes_to_be_elsewhere_is_closed_and_named_in_one_line() {
    let server = apart(&[]).start();
    move_ann_to(&site(&server), &server.outside("outside"));
    let mut ann = server.login("ann");
    ann.script(&[("CWD /", 550), ("SIZE secret", 550), ("RETR secret", 550), ("MKD d", 550), ("DELE secret", 550)]);
    let line = format!("home directory {} is outside of what the sandbox allows", server.outside("outside").display());
    server.expect_log(&format!("{line}; name its parent in sandbox_paths, or restart"));
    assert_eq!(server.log().matches(&line).count(), 1, "{}", server.log());
    // Back where homes are, the session goes on.
    move_ann_to(&site(&server), &server.home("ann"));
    ann.script(&[("MKD d", 257)]);
}

#[test]
fn more_homes_are_where_sandbox_paths_says() {
    let builder = apart(&[]);
    let more = format!("{}, {}", builder.outside("nowhere").display(), builder.outside("outside").display());
    let server = builder.args(&["--sandbox-paths", &more]).start();
    move_ann_to(&site(&server), &server.outside("outside/ann"));
    let mut ann = server.login("ann");
    ann.script(&[("MKD d", 550)]);
    fs::create_dir(server.outside("outside/ann")).unwrap();
    ann.script(&[("MKD d", 257), ("RNFR d", 350), ("RNTO e", 250), ("RMD e", 250)]);
}

#[test]
fn homes_that_are_made_later_where_homes_are_just_work() {
    let server = apart(&[]).start();
    move_ann_to(&site(&server), &server.outside("homes/later"));
    let mut ann = server.login("ann");
    ann.script(&[("MKD d", 550)]);
    fs::create_dir(server.outside("homes/later")).unwrap();
    ann.script(&[("MKD d", 257), ("MKD e", 257)]);
    ann.upload("STOR d/a", b"x");
    ann.script(&[("RNFR d/a", 350), ("RNTO e/b", 250)]);
    assert_eq!(ann.download("RETR e/b"), b"x");
}

#[test]
fn a_home_that_is_a_link_is_open_where_it_led_at_the_start() {
    let builder = apart(&[]);
    let home = builder.outside("homes/ann");
    fs::remove_dir(&home).unwrap();
    fs::create_dir_all(builder.outside("disk2/ann")).unwrap();
    symlink(builder.outside("disk2/ann"), &home).unwrap();
    let server = builder.start();
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    assert_eq!(fs::read(server.outside("disk2/ann/a")).unwrap(), b"x");
    fs::remove_file(&home).unwrap();
    symlink(server.outside("outside"), &home).unwrap();
    ann.script(&[("RETR secret", 550), ("MKD b", 550)]);
    server.expect_log("is outside of what the sandbox allows");
    assert_eq!(fs::read_dir(server.outside("outside")).unwrap().count(), 1);
}

#[test]
fn a_home_that_an_account_names_itself_is_open_and_what_is_beside_it_is_not() {
    let builder = apart(&[]);
    fs::create_dir_all(builder.outside("far/own")).unwrap();
    fs::create_dir_all(builder.outside("far/other")).unwrap();
    move_ann_to(&Connection::open(database(&builder)).unwrap(), &builder.outside("far/own"));
    let server = builder.start();
    let mut ann = server.login("ann");
    ann.script(&[("MKD d", 257)]);
    move_ann_to(&site(&server), &server.outside("far/other"));
    ann.script(&[("MKD d", 550)]);
    server.expect_log("far/other is outside of what the sandbox allows");
}

#[test]
fn who_puts_a_link_in_the_place_of_a_file_does_not_have_the_server_write_elsewhere() {
    let builder = apart(&[]);
    let xferlog = in_own_directory(&builder, "transfers", "xferlog");
    let server = builder.args(&["--xferlog", xferlog.to_str().unwrap()]).start();
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    eventually("it is written", || fs::read(&xferlog).is_ok_and(|text| !text.is_empty()));
    fs::remove_file(&xferlog).unwrap();
    symlink(server.outside("outside/secret"), &xferlog).unwrap();
    ann.upload("STOR b", b"x");
    server.expect_log("Permission denied");
    assert_eq!(fs::read(server.outside("outside/secret")).unwrap(), b"secret");
    // Moved away as it should be, it goes on.
    fs::remove_file(&xferlog).unwrap();
    eventually("it goes on", || fs::read(&xferlog).is_ok_and(|text| text.ends_with(b" c\n")));
}

#[test]
fn certificates_are_renewed_by_rename_and_by_links() {
    // As certbot has it: live/ has links to archive/.
    let builder = apart(&[]);
    let [live, archive] = ["live", "archive"].map(|name| builder.outside(name));
    [&live, &archive].iter().for_each(|directory| fs::create_dir(directory).unwrap());
    let (first, second) = (Identity::server(), Identity::server());
    first.save(&archive.join("cert1.pem"), &archive.join("key1.pem"));
    let point_to = |number: u32| {
        for name in ["cert", "key"] {
            let new = live.join("new");
            symlink(format!("../archive/{name}{number}.pem"), &new).unwrap();
            fs::rename(&new, live.join(format!("{name}.pem"))).unwrap();
        }
    };
    point_to(1);
    let [certfile, keyfile] = ["cert.pem", "key.pem"].map(|name| live.join(name).display().to_string());
    let server = builder.args(&["--certfile", &certfile, "--keyfile", &keyfile]).start();
    let shown = || {
        let mut client = server.client();
        client.auth_tls(&Tls::new());
        client.tls().peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    assert_eq!(shown(), first.der());
    second.save(&archive.join("cert2.pem"), &archive.join("key2.pem"));
    point_to(2);
    eventually("the second is shown", || shown() == second.der());
    let third = Identity::server();
    replace(&archive.join("cert2.pem"), &third.pem());
    replace(&archive.join("key2.pem"), &third.key_pem());
    eventually("the third is shown", || shown() == third.der());
    // Elsewhere there is nothing for the server.
    let fourth = Identity::server();
    fourth.save(&server.outside("outside/cert.pem"), &server.outside("outside/key.pem"));
    for name in ["cert.pem", "key.pem"] {
        fs::remove_file(live.join(name)).unwrap();
        symlink(server.outside("outside").join(name), live.join(name)).unwrap();
    }
    eventually("it is refused", || shown() == third.der() && server.log().contains("this user may not read it"));
}

#[test]
fn a_link_to_a_directory_of_certificates_may_lead_to_another_one() {
    // As Kubernetes has it: the directory of this moment is behind a link.
    let builder = apart(&[]);
    let secrets = builder.outside("secrets");
    let (first, second) = (Identity::server(), Identity::server());
    for (name, identity) in [("..1", &first), ("..2", &second)] {
        fs::create_dir_all(secrets.join(name)).unwrap();
        identity.save(&secrets.join(name).join("cert.pem"), &secrets.join(name).join("key.pem"));
    }
    symlink("..1", secrets.join("current")).unwrap();
    let [certfile, keyfile] =
        ["cert.pem", "key.pem"].map(|name| secrets.join("current").join(name).display().to_string());
    let server = builder.args(&["--certfile", &certfile, "--keyfile", &keyfile]).start();
    symlink("..2", secrets.join("new")).unwrap();
    fs::rename(secrets.join("new"), secrets.join("current")).unwrap();
    eventually("the second is shown", || {
        let mut client = server.client();
        client.auth_tls(&Tls::new());
        client.tls().peer_certificates().unwrap()[0].as_ref() == second.der()
    });
}

#[test]
fn a_database_may_be_replaced_and_last_login_is_written() {
    let server = apart(&[]).start();
    let last_login = || {
        let sql = "SELECT count(last_login) FROM django_ftpserver_ftpuseraccount";
        site(&server).query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = last_login();
    server.login("ann");
    eventually("last_login is written", || last_login() > before);
    let (path, copy) = (server.outside("site/site.sqlite3"), server.outside("site/new.sqlite3"));
    fs::copy(&path, &copy).unwrap();
    Connection::open(&copy)
        .unwrap()
        .execute("UPDATE auth_user SET username = 'anna' WHERE username = 'ann'", [])
        .unwrap();
    fs::rename(&copy, &path).unwrap();
    let mut anna = server.client();
    anna.script(&[("USER anna", 331), ("PASS ann-secret", 230)]);
    // In another mode of SQLite's, whose files are beside it.
    let other = site(&server);
    other.pragma_update(None, "journal_mode", "wal").unwrap();
    other.execute("UPDATE auth_user SET username = 'ann' WHERE username = 'anna'", []).unwrap();
    server.login("ann");
}

#[test]
fn an_export_may_be_replaced() {
    let builder = apart(&[]).without_site();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/export.json");
    let export = in_own_directory(&builder, "export", "users.json");
    let homes = builder.homes().display().to_string();
    let text = fs::read_to_string(fixture).unwrap().replace("/nonexistent", &homes);
    replace(&export, &text);
    let server = TestServer::with(&[]).without_site().args(&["--export", export.to_str().unwrap()]).start();
    fs::create_dir_all(builder.homes().join("ann")).unwrap();
    server.login("ann");
    replace(&export, &text.replace("\"ann\"", "\"anna\""));
    eventually("it is read anew", || server.try_login("anna", "ann-secret").1 == 230);
}

#[test]
fn the_journal_rotates_and_followers_keep_their_places() {
    let builder = apart(&["--journal-size", "2000", "--journal-keep", "2"]);
    let audit = in_own_directory(&builder, "audit", "audit.sqlite3");
    let server = builder.args(&["--audit-database", audit.to_str().unwrap()]).start();
    let mut ann = server.login("ann");
    for number in 0..40 {
        ann.upload(&format!("STOR {number}"), b"x");
    }
    let names = ["events.jsonl.1", "events.jsonl.2", "events.jsonl.seq", "events.jsonl.followers"];
    eventually("all are there", || names.iter().all(|name| server.outside("log").join(name).exists()));
    fs::rename(server.outside("log/events.jsonl"), server.outside("log/away")).unwrap();
    ann.upload("STOR last", b"x");
    eventually("a new one is begun", || server.outside("log/events.jsonl").exists());
    let rows = || {
        let sql = "SELECT count(*) FROM django_ftpd_event WHERE virtual_path = '/last'";
        Connection::open(&audit).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0)
    };
    eventually("it is in the audit", || rows() == 1);
}

#[test]
fn passive_and_active_connections_are_made_from_the_ports_that_are_configured() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for args in [vec![], vec!["--passive-ports".to_string(), free.to_string()]] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let server = apart(&args).start();
        let mut ann = server.login("ann");
        ann.upload("STOR a", b"x");
        if !args.is_empty() {
            assert_eq!(ann.epsv().port(), free);
        }
        let listener = ann.active();
        ann.send("RETR a").expect(150);
        assert_eq!(ann.data(listener.accept().unwrap().0).read(), b"x");
        ann.expect(226);
    }
}

/// A program that is a shell script; `$OUT` is a directory outside.
fn with_program(table: &str, script: &str, keys: &str) -> TestServer {
    let builder = apart(&[]);
    let (out, program) = (builder.outside("outside"), in_own_directory(&builder, "bin", "program"));
    fs::write(&program, format!("#!/bin/sh\nOUT={}\n{script}\n", out.display())).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let conf = in_own_directory(&builder, "conf", "ftpd.conf");
    fs::write(&conf, format!("[[{table}]]\nname = \"test\"\ncommand = [{program:?}]\n{keys}")).unwrap();
    builder.after("umask 027").args(&["--config", conf.to_str().unwrap()]).start()
}

const LOOK_AROUND: &str = "{ cat $OUT/secret; echo; grep NoNewPrivs /proc/self/status; umask; head -n 1 /etc/passwd
    /bin/sh -c 'echo started'; } > $OUT/new 2>&1; mv $OUT/new $OUT/seen";

#[test]
fn programs_see_the_whole_system_as_ever() {
    for table in ["exec", "gate"] {
        let server = with_program(table, LOOK_AROUND, "");
        server.login("ann").upload("STOR a", b"x");
        let seen = server.outside("outside/seen");
        eventually("it has looked", || seen.exists());
        let text = fs::read_to_string(&seen).unwrap();
        assert_eq!(text, "secret\nNoNewPrivs:\t0\n0027\nroot:x:0:0:root:/root:/bin/bash\nstarted\n", "{table}");
    }
}

#[test]
fn a_program_that_is_changed_is_the_one_that_runs() {
    let server = with_program("exec", "echo old >> $OUT/seen", "");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    let seen = || fs::read_to_string(server.outside("outside/seen")).unwrap_or_default();
    eventually("the old one runs", || seen() == "old\n");
    let (program, new) = (server.outside("bin/program"), server.outside("bin/new"));
    fs::write(&new, fs::read_to_string(&program).unwrap().replace("old", "new")).unwrap();
    fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
    fs::rename(&new, &program).unwrap();
    ann.upload("STOR b", b"x");
    eventually("the new one runs", || seen() == "old\nnew\n");
}

#[test]
fn without_programs_there_is_no_helper() {
    let server = apart(&[]).start();
    server.login("ann");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap();
    assert_eq!(children, "");
}

#[test]
fn when_the_helper_is_gone_gates_refuse_and_the_log_says_what_to_do() {
    let server = with_program("gate", "exit 0", "");
    let mut ann = server.login("ann");
    ann.upload("STOR a", b"x");
    let helper = server.helper();
    rustix::process::kill_process(rustix::process::Pid::from_raw(helper.cast_signed()).unwrap(), Signal::KILL).unwrap();
    has_ended(helper.to_string().as_bytes());
    for name in ["b", "c"] {
        let data = ann.passive();
        ann.send(&format!("STOR {name}")).expect(150);
        data.write(b"x").close();
        ann.expect(451);
    }
    server.expect_log("the process that starts programs has ended; restart the server");
    assert_eq!(ann.download("RETR a"), b"x");
    assert!(!Path::new(&format!("/proc/{helper}")).exists(), "a zombie is left");
}

#[test]
fn what_runs_when_the_server_is_killed_ends_with_the_helper() {
    let script = "sleep 600 & echo $! > $OUT/child; echo $$ > $OUT/pid; sleep 600";
    let mut server = with_program("exec", script, "");
    server.login("ann").upload("STOR a", b"x");
    let seen = |name: &str| fs::read(server.outside("outside").join(name)).unwrap_or_default();
    eventually("it runs", || seen("pid").ends_with(b"\n"));
    let (child, pid, helper) = (seen("child"), seen("pid"), server.helper());
    server.signal(Signal::KILL);
    server.wait();
    has_ended(&child);
    has_ended(&pid);
    has_ended(helper.to_string().as_bytes());
}

#[test]
fn signals_to_all_leave_the_helper_to_the_server() {
    // As Ctrl-C and supervisors have it, which mean all processes of a service.
    let mut server = with_program("exec", "echo x >> $OUT/seen; sleep 0.5; echo y >> $OUT/seen", "");
    server.login("ann").upload("STOR a", b"x");
    let seen = server.outside("outside/seen");
    eventually("it runs", || seen.exists());
    let helper = rustix::process::Pid::from_raw(server.helper().cast_signed()).unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        rustix::process::kill_process(helper, signal).unwrap();
    }
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert_eq!(fs::read(&seen).unwrap(), b"x\ny\n");
    has_ended(helper.as_raw_nonzero().to_string().as_bytes());
}

#[test]
fn where_a_program_decides_about_homes_they_have_to_be_named() {
    let refused = TestServer::with(&["--accounts-command", "/bin/true"]).without_site();
    let (status, said) = refused.fails();
    assert_eq!(status, 2);
    assert!(said.contains("accounts_command: only the program knows where homes are"), "{said}");
    assert!(said.contains("sandbox_paths") && said.contains("--no-sandbox"), "{said}");
    let homes = ["--home", "/srv/ftp/{username}"];
    for more in [&["--no-sandbox"][..], &["--sandbox-paths", "/srv"], &homes] {
        TestServer::with(&["--accounts-command", "/bin/true"]).without_site().args(more).start();
    }
}

#[test]
fn a_demo_removes_its_files_in_the_sandbox_too() {
    let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"))
        .args(["demo", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(demo.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Its files are in ") {
        assert!(std::io::BufRead::read_line(&mut out, &mut text).unwrap() > 0, "{text}");
    }
    let home = text.split("Its files are in ").nth(1).unwrap().split(',').next().unwrap();
    let place = Path::new(home).parent().unwrap().to_path_buf();
    assert!(place.exists());
    let address = text.split(" is at ").nth(1).unwrap().split(": ").next().unwrap();
    Client::connect(address.parse().unwrap()).expect(220);
    eventually("it is kept", || status(demo.id(), "NoNewPrivs").iter().all(|state| state == "1"));
    crate::support::signal_process(&demo, Signal::TERM);
    assert!(demo.wait().unwrap().success());
    assert!(!place.exists());
}
