//! The configuration read anew: by `django-ftpd reload` and by SIGHUP; what changes at once, for whom, and what does not.

use crate::support::{Builder, Client, Identity, Signal, TestServer, Tls, eventually};
use std::fs;

/// A server with a file of options that can be written again.
fn start(text: &str) -> TestServer {
    with(TestServer::with(&[]), text)
}

fn with(builder: Builder, text: &str) -> TestServer {
    builder.control().file(text).start()
}

fn rewrite(server: &TestServer, text: &str) {
    fs::write(server.outside("ftpd.conf"), text).unwrap();
}

/// What the greeting says.
fn banner(server: &TestServer) -> String {
    Client::connect(server.address()).expect(220)
}

#[test]
fn new_sessions_have_the_new_settings_and_old_ones_the_old() {
    let server = start("banner = 'old words'\ntimeout = 100\n");
    let mut before = server.login("ann");
    rewrite(&server, "banner = 'new words'\ntimeout = 50\n");
    assert!(banner(&server).contains("old words"));
    assert_eq!(server.says(&["reload"]), "the configuration was read anew\n");
    server.expect_log("reload: the configuration was read anew");
    assert!(banner(&server).contains("new words"));
    assert!(before.send("SITE IDLE").expect(200).contains("100"));
    assert!(server.login("ann").send("SITE IDLE").expect(200).contains(" 50 "));
}

#[test]
fn a_hang_up_reads_it_anew() {
    let server = start("banner = 'old words'\n");
    rewrite(&server, "banner = 'new words'\n");
    server.signal(Signal::HUP);
    eventually("the new words are said", || banner(&server).contains("new words"));
    server.expect_log("reload: the configuration was read anew");
    for _ in 0..50 {
        server.signal(Signal::HUP);
    }
    server.login("ann").send("QUIT").expect(221);
    assert_eq!(server.stop().pop().unwrap()["event"], "ftp_server_stopped");
}

#[test]
fn a_broken_configuration_changes_nothing_and_is_told_to_who_asked() {
    let server = start("banner = 'old words'\n");
    let file = server.outside("ftpd.conf").display().to_string();
    for (text, why) in [
        ("banner = 'new words'\ntimeout = 'x'\n", format!("{file}:2: timeout: ")),
        ("banner = \n", format!("{file}:1: ")),
        ("banner = 'new words'\nkeyfile = '/nowhere'\n", "keyfile: there is no certificate to go with it".to_string()),
        ("banner = 'new words'\ncertfile = '/nowhere'\n", "certfile: /nowhere: no such file".to_string()),
        ("banner = 'new words'\nhome = '/srv/{'\n", "home: ".to_string()),
    ] {
        rewrite(&server, text);
        server.refuses(&["reload"], 1, &why);
        server.expect_log(&why);
        assert!(banner(&server).contains("old words"), "{text}");
    }
    fs::remove_file(&file).unwrap();
    server.refuses(&["reload"], 1, &format!("{file}: no such file"));
    server.expect_log("; the configuration stays as it was");
    rewrite(&server, "banner = 'new words'\n");
    server.says(&["reload"]);
    assert!(banner(&server).contains("new words"));
}

#[test]
fn what_waits_for_the_next_start_is_named_in_one_line() {
    let server = start("banner = 'old words'\njournal_keep = 5\n");
    let elsewhere = server.outside("elsewhere").display().to_string();
    let text = format!(
        "banner = 'new words'\njournal_keep = 6\nxferlog = '{elsewhere}'\npidfile = '{elsewhere}'\nsandbox = false\n\
         [[webhook]]\nname = 'x'\nurl = 'http://127.0.0.1:1/'\n"
    );
    rewrite(&server, &text);
    let line = "takes effect at the next start: journal_keep, xferlog, pidfile, sandbox, [[webhook]]";
    for _ in 0..2 {
        assert_eq!(server.says(&["reload"]), format!("the configuration was read anew; {line}\n"));
    }
    assert!(banner(&server).contains("new words"));
    server.expect_log(line);
    rewrite(&server, "journal_keep = 5\n");
    assert_eq!(server.says(&["reload"]), "the configuration was read anew\n");
}

#[test]
fn flags_and_environment_beat_the_new_file_too() {
    let builder = TestServer::with(&["--banner", "flag words"]).env("FTPSERVER_TIMEOUT", "77");
    let server = with(builder, "timeout = 100\n");
    rewrite(&server, "banner = 'new words'\ntimeout = 50\n");
    server.says(&["reload"]);
    assert!(banner(&server).contains("flag words"));
    assert!(server.login("ann").send("SITE IDLE").expect(200).contains("77"));
}

#[test]
fn caps_and_bans_hold_at_once() {
    let server = start("max_cons_per_ip = 0\n");
    let (_one, _two) = (server.client(), server.client());
    rewrite(&server, "max_cons_per_ip = 2\n");
    server.says(&["reload"]);
    Client::connect(server.address()).expect(421);
    rewrite(&server, "");
    server.says(&["reload"]);
    server.client();
    // The flag of the tests says that there are none, and beats the file.
    for _ in 0..3 {
        server.try_login("ann", "wrong");
    }
    server.client();
}

#[test]
fn ban_rules_change_for_all() {
    let builder = TestServer::with(&[]);
    // Without the flag of the tests.
    let server = builder.only_args(&["--auth-failed-timeout", "0.05"]).control().file("ban_failures = 0\n").start();
    for _ in 0..3 {
        assert_eq!(server.try_login("ann", "wrong").1, 530);
    }
    let mut before = server.client();
    rewrite(&server, "ban_failures = 1\n");
    server.says(&["reload"]);
    before.send("USER ann").expect(331);
    before.send("PASS wrong").expect(530);
    Client::connect(server.address()).expect(421);
    rewrite(&server, "ban_failures = 0\n");
    server.says(&["reload"]);
    server.client();
}

#[test]
fn rules_of_users_and_groups_are_read_anew() {
    let server = start("");
    server.home("ann");
    let mut before = server.login("ann");
    rewrite(&server, "[user.ann]\npermission = 'el'\n");
    server.says(&["reload"]);
    let mut after = server.login("ann");
    after.send("MKD new").expect(550);
    before.send("MKD old").expect(257);
    // What changes in the site's database holds for both.
    server.site().execute("UPDATE auth_user SET is_active = 0 WHERE username = 'ann'", []).unwrap();
    for client in [&mut before, &mut after] {
        client.send("NOOP").expect(421);
    }
}

#[test]
fn tls_and_networks_are_read_anew() {
    let (builder, tls) = (TestServer::with(&[]), Tls::new());
    let (certfile, keyfile) = (builder.outside("cert.pem"), builder.outside("key.pem"));
    Identity::server().save(&certfile, &keyfile);
    let text = format!("certfile = '{}'\nkeyfile = '{}'\n", certfile.display(), keyfile.display());
    let server = with(builder, "");
    let mut before = server.client();
    server.client().send("AUTH TLS").expect(500);
    rewrite(&server, &text);
    server.says(&["reload"]);
    before.send("AUTH TLS").expect(500);
    server.login_in_tls("ann", &tls).send("NOOP").expect(200);
    server.client().send("USER ann").expect(550);
    rewrite(&server, &format!("{text}[network.'127.0.0.0/8']\ntls = 'optional'\n"));
    server.says(&["reload"]);
    server.login("ann").send("NOOP").expect(200);
    // A certificate that is broken now is told now.
    fs::write(&certfile, "x").unwrap();
    server.refuses(&["reload"], 1, "certfile: ");
    server.login_in_tls("ann", &tls).send("NOOP").expect(200);
}

#[test]
fn passive_ports_that_stay_are_shared() {
    let server = start("sandbox = false\npassive_ports = '20210-20210'\n");
    let mut before = server.login("ann");
    assert_eq!(before.epsv().port(), 20210);
    server.says(&["reload"]);
    server.login("ann").send("EPSV").expect(425);
    rewrite(&server, "sandbox = false\npassive_ports = '20211-20211'\n");
    server.says(&["reload"]);
    assert_eq!(server.login("ann").epsv().port(), 20211);
    before.epsv();
}

#[test]
fn ports_that_the_sandbox_does_not_know_wait_for_the_next_start() {
    let server = start("passive_ports = '20212-20214'\n");
    rewrite(&server, "passive_ports = '20215-20215'\n");
    assert!(server.says(&["reload"]).contains("takes effect at the next start: passive_ports"));
    assert!((20212..=20214).contains(&server.login("ann").epsv().port()));
    rewrite(&server, "passive_ports = '20213-20213'\n");
    assert!(!server.says(&["reload"]).contains("next start"));
    assert_eq!(server.login("ann").epsv().port(), 20213);
}

#[test]
fn an_export_is_read_at_once() {
    let builder = TestServer::with(&[]);
    let homes = builder.homes().join("{username}").display().to_string();
    let users = |names: &[&str]| {
        let database = builder.site();
        let hash = |name: &str| -> String {
            database.query_row("SELECT password FROM auth_user WHERE username = ?1", [name], |row| row.get(0)).unwrap()
        };
        let user = |(pk, name): (usize, &&str)| {
            let hash = hash(name);
            format!(
                "{{\"model\":\"auth.user\",\"pk\":{pk},\"fields\":{{\"username\":\"{name}\",\"password\":\"{hash}\",\"is_active\":true}}}}\n"
            )
        };
        names.iter().enumerate().map(user).collect::<String>()
    };
    // Lines of JSON that are written in place would be waited for.
    let (one, two) = (users(&["ann"]), users(&["ann", "rita"]));
    let export = builder.outside("users.jsonl");
    fs::write(&export, one).unwrap();
    let server = builder.export(export.clone()).args(&["--all-users", "--home", &homes]).control().start();
    server.home("rita");
    server.login("ann");
    assert_eq!(server.try_login("rita", "rita-secret").1, 530);
    fs::write(&export, two).unwrap();
    server.says(&["reload"]);
    server.login("rita");
    fs::write(&export, "[").unwrap();
    server.refuses(&["reload"], 1, "export ");
    server.login("rita");
}

#[test]
fn nothing_is_left_of_what_was_replaced() {
    let server = start("");
    server.login("ann");
    let reload = |number: usize| {
        rewrite(&server, &format!("banner = 'x{number}'\n[user.ann]\nupload_rate = {}\n", 1000 + number));
        server.says(&["reload"]);
        server.login("ann").send("QUIT").expect(221);
    };
    reload(0);
    let before = server.resources();
    (1..30).for_each(reload);
    eventually("threads and files have ended", || server.holds_no_more_than(before));
}

#[test]
fn a_demo_reads_nothing_anew() {
    let builder = TestServer::with(&[]);
    let socket = builder.outside("demo.sock");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
    let mut demo = command
        .args(["demo", "127.0.0.1:0", "--control", socket.to_str().unwrap()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ask = |word: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        command.args([word, "--control", socket.to_str().unwrap()]).output().unwrap()
    };
    eventually("it can be asked", || ask("who").status.success());
    let said = String::from_utf8(ask("reload").stderr).unwrap();
    assert!(said.contains("this server has no configuration that it could read anew"), "{said}");
    assert!(ask("stop").status.success());
    assert!(demo.wait().unwrap().success());
}

#[test]
fn what_the_sandbox_keeps_out_of_reach_waits_for_the_next_start() {
    let (builder, tls) = (TestServer::with(&[]), Tls::new());
    let other = TestServer::with(&[]);
    let texts = [builder.outside(""), other.outside("")].map(|directory| {
        let (certfile, keyfile) = (directory.join("cert.pem"), directory.join("key.pem"));
        Identity::server().save(&certfile, &keyfile);
        format!("certfile = '{}'\nkeyfile = '{}'\n", certfile.display(), keyfile.display())
    });
    let server = with(builder.args(&["--implicit-tls", "127.0.0.1:0"]), &texts[0]);
    for (text, later) in [
        (&texts[1], "certfile, keyfile"),
        (&format!("{}masquerade_address = 'localhost'", texts[0]), "masquerade_address"),
    ] {
        rewrite(&server, text);
        let said = server.says(&["reload"]);
        assert_eq!(said, format!("the configuration was read anew; takes effect at the next start: {later}\n"));
    }
    server.login_in_tls("ann", &tls).send("NOOP").expect(200);
    rewrite(&server, "");
    server.refuses(&["reload"], 1, "certfile: implicit TLS has a port of its own");
    server.login_in_tls("ann", &tls).send("NOOP").expect(200);
}
