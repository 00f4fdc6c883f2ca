//! Each verb needs its letter, and no other letter will do; what the site changes holds from the next command.

use crate::support::{TestServer, eventually};

/// The accounts that have one letter each, or none.
const ACCOUNTS: [(&str, char); 11] = [
    ("perm-e", 'e'),
    ("perm-l", 'l'),
    ("perm-r", 'r'),
    ("perm-a", 'a'),
    ("perm-d", 'd'),
    ("perm-f", 'f'),
    ("perm-m", 'm'),
    ("perm-w", 'w'),
    ("perm-CHMOD", 'M'),
    ("perm-TIME", 'T'),
    ("perm-none", '-'),
];

/// Django keeps eight letters.
const LONGER_THAN_THE_COLUMN: &str = "radfwmMTradfwmMTradfwmMTel";

/// The line, the letter that it needs, and the code if it has it. Without a data connection a transfer is 425.
const TABLE: [(&str, char, u16); 42] = [
    ("CWD /d", 'e', 250),
    ("XCWD /d", 'e', 250),
    ("CWD", 'e', 250),
    ("CDUP", 'e', 250),
    ("XCUP", 'e', 250),
    ("LIST", 'l', 425),
    ("LIST -R d", 'l', 425),
    ("NLST", 'l', 425),
    ("NLST *", 'l', 425),
    ("MLSD", 'l', 425),
    ("MLST f", 'l', 250),
    ("MLST", 'l', 250),
    ("STAT f", 'l', 213),
    ("STAT -l /", 'l', 213),
    ("SIZE f", 'l', 213),
    ("MDTM f", 'l', 213),
    ("RETR f", 'r', 425),
    ("HASH f", 'r', 213),
    ("XCRC f", 'r', 250),
    ("XMD5 f", 'r', 250),
    ("XSHA1 f", 'r', 250),
    ("XSHA256 f", 'r', 250),
    ("XSHA512 \"f\" 0 1", 'r', 250),
    ("APPE f", 'a', 425),
    ("APPE new", 'a', 425),
    ("DELE f", 'd', 250),
    ("RMD d", 'd', 250),
    ("XRMD d", 'd', 250),
    ("RNTO g", 'f', 503),
    ("RNFR f", 'f', 350),
    ("RNFR d", 'f', 350),
    ("MKD n", 'm', 257),
    ("XMKD n", 'm', 257),
    ("STOR f", 'w', 425),
    ("STOR new", 'w', 425),
    ("STOU", 'w', 425),
    ("STOU n", 'w', 425),
    ("SITE UMASK 077", 'M', 200),
    ("MFMT 20260102030405 f", 'T', 213),
    ("MDTM 20260102030405 f", 'T', 213),
    ("SITE UTIME 20260102030405 f", 'T', 200),
    ("SITE UTIME f 20260102030405 20260102030405 20260102030405 UTC", 'T', 200),
];

#[test]
fn every_verb_needs_its_letter_and_no_other() {
    needs_its_letter_and_no_other(&TABLE);
}

#[test]
fn to_change_modes_needs_its_letter_and_no_other() {
    needs_its_letter_and_no_other(&[("SITE CHMOD 600 f", 'M', 200), ("SITE CHMOD 700 d", 'M', 200)]);
}

#[track_caller]
fn needs_its_letter_and_no_other(table: &[(&str, char, u16)]) {
    let server = TestServer::start();
    for (account, has) in ACCOUNTS {
        let home = server.files(account);
        let mut client = server.login(account);
        for &(line, needs, code) in table {
            home.clear();
            home.make_directory("d");
            home.write("f", "content");
            let reply = String::from_utf8(client.send(line).reply()).unwrap();
            if has == needs {
                assert!(reply.starts_with(&code.to_string()), "{account}: {line:?}: expected {code}, got {reply:?}");
            } else {
                assert_eq!(reply, "550 Not enough privileges.", "{account}: {line:?}");
                assert_eq!(home.read("f"), b"content", "{account}: {line:?}");
                assert_eq!(home.names("").len(), 2, "{account}: {line:?}");
            }
        }
    }
}

#[test]
fn what_needs_no_letter_is_for_everybody() {
    let server = TestServer::start();
    server.home("perm-none");
    server.login("perm-none").script(&[
        ("PWD", 257),
        ("XPWD", 257),
        ("NOOP", 200),
        ("SYST", 215),
        ("FEAT", 211),
        ("HELP", 214),
        ("STAT", 211),
        ("TYPE A", 200),
        ("TYPE I", 200),
        ("STRU F", 200),
        ("MODE S", 200),
        ("ALLO 5", 200),
        ("REST 5", 350),
        ("OPTS MLST size;", 200),
        ("SITE HELP", 214),
        ("SITE IDLE", 200),
        ("SITE UMASK", 200),
        ("PASV", 227),
        ("EPSV", 229),
        ("ABOR", 225),
        ("QUIT", 221),
    ]);
}

#[test]
fn resuming_an_upload_needs_append_and_write() {
    let server = TestServer::start();
    for (permission, allowed) in [("w", false), ("a", false), ("wa", true), ("rlwm", false)] {
        let site = server.site();
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = ?1 WHERE name = 'full'", [permission])
            .unwrap();
        let home = server.files("ann");
        home.write("f", "0123");
        let mut ann = server.login("ann");
        ann.send("REST 4").expect(350);
        if allowed {
            ann.upload("STOR f", b"x");
        } else {
            ann.passive();
            ann.send("STOR f").expect(550);
        }
        let expected = if allowed { "0123x" } else { "0123" };
        assert_eq!(home.read("f"), expected.as_bytes(), "{permission}");
    }
}

#[test]
fn odd_permission_texts_grant_what_they_name() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("d");
    for (permission, cwd, list) in
        [("", 550, 550), ("e", 250, 550), ("E,l L", 550, 250), ("éeelz", 250, 250), (LONGER_THAN_THE_COLUMN, 250, 250)]
    {
        let site = server.site();
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = ?1 WHERE name = 'full'", [permission])
            .unwrap();
        server.login("ann").script(&[("CWD d", cwd), ("MLST", list)]);
    }
}

#[test]
fn a_permission_taken_away_or_given_holds_from_the_next_command() {
    let server = TestServer::start();
    server.files("ann").make_directory("d");
    let mut ann = server.login("ann");
    let site = server.site();
    for _ in 0..20 {
        ann.send("MLST").expect(250);
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = 'e' WHERE name = 'full'", []).unwrap();
        ann.script(&[("MLST", 550), ("CWD /d", 250)]);
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = 'l' WHERE name = 'full'", []).unwrap();
        ann.script(&[("CWD /", 550), ("MLST", 250)]);
    }
}

#[test]
fn another_group_holds_from_the_next_command() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    let mut ann = server.login("ann");
    let changed = server.site().execute(
        "UPDATE django_ftpserver_ftpuseraccount \
         SET group_id = (SELECT id FROM django_ftpserver_ftpusergroup WHERE name = 'readers') \
         WHERE user_id = (SELECT id FROM auth_user WHERE username = 'ann')",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    ann.script(&[("DELE f", 550), ("SIZE f", 213)]);
}

#[test]
fn another_home_holds_from_the_next_command() {
    let server = TestServer::start();
    server.files("ann").make_directory("d");
    server.files("moved").write("new", "x");
    let mut ann = server.login("ann");
    ann.script(&[("CWD d", 250), ("RNFR /d", 350)]);
    let sql = "UPDATE django_ftpserver_ftpuseraccount SET home_dir = ?1 \
               WHERE user_id = (SELECT id FROM auth_user WHERE username = 'ann')";
    assert_eq!(server.site().execute(sql, [server.files("moved").path()]).unwrap(), 1);
    assert!(ann.send("PWD").expect(257).starts_with("257 \"/\""));
    assert_eq!(ann.list("NLST"), ["new"]);
    ann.send("RNTO /e").expect(503);
    assert!(server.files("ann").is_directory("d"));
}

#[test]
fn a_transfer_that_runs_is_not_cut_but_the_next_is() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR f").expect(150);
    server
        .site()
        .execute("UPDATE django_ftpserver_ftpusergroup SET permission = 'elr' WHERE name = 'full'", [])
        .unwrap();
    data.write(b"whole").close();
    ann.expect(226);
    assert_eq!(home.read("f"), b"whole");
    ann.passive();
    ann.send("STOR g").expect(550);
}

#[test]
fn an_account_that_is_closed_ends_its_sessions_and_no_others() {
    for sql in [
        "UPDATE auth_user SET is_active = 0 WHERE username = 'ann'",
        "DELETE FROM django_ftpserver_ftpuseraccount WHERE user_id = (SELECT id FROM auth_user WHERE username = 'ann')",
        "UPDATE auth_user SET username = 'anna' WHERE username = 'ann'",
        "UPDATE django_ftpserver_ftpuseraccount SET home_dir = '/{nonsense}'",
    ] {
        let server = TestServer::start();
        server.home("ann");
        let (mut ann, mut twin) = (server.login("ann"), server.login("ann"));
        let mut rita = (!sql.contains("nonsense")).then(|| server.login("rita"));
        let site = server.site();
        site.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        assert!(site.execute(sql, []).unwrap() > 0, "{sql}");
        for client in [&mut ann, &mut twin] {
            client.send("NOOP").expect(421);
            client.expect_end();
        }
        if let Some(rita) = &mut rita {
            rita.send("NOOP").expect(200);
        }
        server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
        eventually("both ends are in the journal", || {
            let closed = |event: &&serde_json::Value| {
                event["event"] == "ftp_client_disconnected"
                    && event["reason"].as_str().unwrap().starts_with("account closed: ")
            };
            server.events().iter().filter(closed).count() == 2
        });
    }
}

#[test]
fn another_account_that_changes_ends_nothing() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send("REST 7").expect(350);
    server.site().execute("DELETE FROM django_ftpserver_ftpuseraccount WHERE home_dir IS NOT NULL", []).unwrap();
    server.site().execute("UPDATE auth_user SET password = '!' WHERE username <> 'ann'", []).unwrap();
    ann.script(&[("NOOP", 200), ("MLST", 250)]);
}

#[test]
fn a_password_that_changes_ends_the_sessions_of_the_old_one() {
    let server = TestServer::start();
    let mut ann = server.login("ann");
    server.site().execute("UPDATE auth_user SET password = '!' WHERE username = 'ann'", []).unwrap();
    ann.send("NOOP").expect(421);
    ann.expect_end();
    let event = server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    assert_eq!(event["reason"], "account closed: the password was changed");
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 530)]);
}
