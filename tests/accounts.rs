//! A site's accounts: whose home is where, who can't log in, and what the database may do meanwhile.

use crate::support::{Client, Signal, TestServer, eventually};
use rusqlite::{Connection, types::Value};
use std::fs::write;

/// Every row of every table, but for the one column that the server may write.
fn contents(site: &Connection) -> Vec<String> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        site.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut contents = Vec::new();
    for table in tables {
        let mut rows = site.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1")).unwrap();
        let columns: Vec<String> = rows.column_names().map(String::from).collect();
        let written = |column: &str| table == "django_ftpserver_ftpuseraccount" && column == "last_login";
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = columns.iter().filter(|column| !written(column));
            let values = values.map(|column| format!("{column}={:?}", row.get::<_, Value>(&**column).unwrap()));
            contents.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    contents
}

fn last_login(server: &TestServer, name: &str) -> Option<String> {
    let sql = "SELECT a.last_login FROM django_ftpserver_ftpuseraccount a JOIN auth_user u ON u.id = a.user_id \
               WHERE u.username = ?1";
    server.site().query_row(sql, [name], |row| row.get(0)).unwrap()
}

/// A session of ann's, after which the server has written to the database what it had to.
fn settled(server: &TestServer) -> Client {
    server.home("ann");
    let ann = server.login("ann");
    eventually("last_login is there", || last_login(server, "ann").is_some());
    ann
}

#[test]
fn everybody_is_at_home() {
    let server = TestServer::start();
    let long = "l".repeat(150);
    for (name, home) in [
        ("ann", "ann"),
        ("bob", "own-bob"),
        ("rita", "rita"),
        ("sha1", "sha1"),
        ("md5", "md5"),
        ("literal", "literal"),
        ("braces", "{x}-braces"),
        ("ünï", "ünï"),
        (&*long, &*long),
    ] {
        server.files(home).write("here", home);
        assert_eq!(server.login(name).download("RETR here"), home.as_bytes(), "{name}");
    }
}

#[test]
fn the_home_option_is_for_those_whom_the_site_gives_none() {
    let builder = TestServer::with(&[]);
    let template = builder.homes().join("default-{username}").display().to_string();
    let server = builder.args(&["--home", &template]).start();
    let sql = "UPDATE django_ftpserver_ftpuseraccount SET home_dir = ?1 \
               WHERE user_id = (SELECT id FROM auth_user WHERE username = 'bob')";
    for (home, expected) in [(None, "default-bob"), (Some(""), "default-bob"), (Some("own"), "own"), (None, "group")] {
        if expected == "group" {
            let sql = "UPDATE django_ftpserver_ftpusergroup SET home_dir = ?1 WHERE name = 'plain'";
            server.site().execute(sql, [server.home("group").to_str()]).unwrap();
        }
        let own =
            home.map(|name| if name.is_empty() { String::new() } else { server.home(name).display().to_string() });
        server.site().execute(sql, [own]).unwrap();
        server.files(expected).write("here", expected);
        assert_eq!(server.login("bob").download("RETR here"), expected.as_bytes());
    }
}

#[test]
fn who_cannot_log_in_is_told_the_same_whatever_the_reason() {
    let server = TestServer::start();
    let longer = "l".repeat(151);
    for (name, reason) in [
        ("ann", "wrong password"),
        ("nobody", "no such account"),
        ("noaccount", "no such account"),
        ("inactive", "the account is inactive"),
        ("unusable", "the account has an unusable password"),
        ("rot13", "the stored password uses rot13, which is not supported"),
        ("broken", ""),
        ("..", "home directory: the username can't be the name of a directory"),
        ("a/b", "home directory: the username can't be the name of a directory"),
        ("badtemplate", ""),
        (&longer, "no such account"),
    ] {
        let mut client = server.client();
        client.send(&format!("USER {name}")).expect(331);
        let password = if name == "ann" { "wrong".to_string() } else { format!("{name}-secret") };
        assert_eq!(client.send(&format!("PASS {password}")).expect(530), "530 Authentication failed.", "{name}");
        client.send("PWD").expect(530);
        let event = server.expect_event("ftp_login_failed", &[("username", name)]);
        let said = event["reason"].as_str().unwrap();
        assert!(said == reason || (reason.is_empty() && !said.is_empty()), "{name}: {said}");
    }
    // What only the administrator can mend is said to the administrator.
    for text in ["rot13 can't log in", "badtemplate can't log in", ".. can't log in"] {
        server.expect_log(text);
    }
    for secret in ["ann-secret", "rot13-secret", "wrong\""] {
        assert!(!server.log().contains(secret));
    }
}

#[test]
fn the_iterations_that_django_uses_by_default() {
    let server = TestServer::start();
    server.home("slow");
    let mut slow = server.client();
    slow.send("USER slow").expect(331);
    slow.send("PASS slow-secret");
    // Nobody else waits for the hash.
    server.login("ann").send("QUIT").expect(221);
    slow.expect(230);
    slow.send("MLST").expect(250);
}

#[test]
fn last_login_is_written_as_django_writes_it_and_nothing_else() {
    let server = TestServer::start();
    let before = contents(&server.site());
    server.client().script(&[("USER bob", 331), ("PASS wrong", 530)]);
    let now = server.site().query_row("SELECT strftime('%Y-%m-%d %H:%M', 'now')", [], |row| row.get::<_, String>(0));
    server.login("ann").send("QUIT").expect(221);
    eventually("last_login is there", || last_login(&server, "ann").is_some());
    let time = last_login(&server, "ann").unwrap();
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00 00:00:00.000000");
    // The same minute, or the next one, in UTC.
    assert!(*time >= *now.unwrap(), "{time}");
    let sql = "SELECT abs(strftime('%s', ?1) - strftime('%s', 'now')) < 60";
    assert!(server.site().query_row(sql, [&time], |row| row.get::<_, bool>(0)).unwrap(), "{time}");
    server.login("ann").send("QUIT").expect(221);
    eventually("the next login is there", || last_login(&server, "ann").unwrap() > time);
    assert_eq!(last_login(&server, "bob"), None);
    assert_eq!(contents(&server.site()), before);
    assert!(server.site().query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap() == "ok");
}

#[test]
fn a_last_login_is_not_lost_when_the_server_stops_at_once() {
    let mut server = TestServer::start();
    server.login("ann");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(last_login(&server, "ann").is_some());
}

#[test]
fn a_database_in_wal_mode_is_read_while_django_has_it_open() {
    let builder = TestServer::with(&[]);
    let site = builder.site();
    site.pragma_update(None, "journal_mode", "WAL").unwrap();
    site.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let server = builder.start();
    server.home("ann");
    let mut ann = server.login("ann");
    for (permission, code) in [("e", 550), ("l", 250), ("r", 550)] {
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = ?1", [permission]).unwrap();
        ann.send("MLST").expect(code);
        server.login("ann").send("MLST").expect(code);
    }
    // A reader of Django's in the middle of a transaction is in nobody's way.
    site.execute_batch("BEGIN; SELECT * FROM auth_user").unwrap();
    server.login("ann");
    eventually("last_login is there", || last_login(&server, "ann").is_some());
    site.execute_batch("COMMIT").unwrap();
}

#[test]
fn the_journal_mode_may_change_while_the_server_runs() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let site = server.site();
    site.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    site.pragma_update(None, "journal_mode", "WAL").unwrap();
    site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = 'e'", []).unwrap();
    ann.send("MLST").expect(550);
    server.login("ann").send("MLST").expect(550);
}

#[test]
fn a_login_waits_for_a_lock_and_sessions_do_not() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let site = server.site();
    site.execute_batch("BEGIN EXCLUSIVE; UPDATE django_ftpserver_ftpusergroup SET permission = 'r'").unwrap();
    let mut bob = server.client();
    bob.send("USER bob").expect(331);
    bob.send("PASS bob-secret");
    server.expect_log("<- PASS");
    ann.script(&[("NOOP", 200), ("MLST", 250), ("MLST", 250)]);
    site.execute_batch("COMMIT").unwrap();
    bob.expect(230);
    eventually("the change holds", || ann.code("MLST") == 550);
}

#[test]
fn a_lock_that_is_never_given_back_is_421_for_logins() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let site = server.site();
    site.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut bob = server.client();
    bob.script(&[("USER bob", 331), ("PASS bob-secret", 421)]).expect_end();
    server.expect_log("another program holds it locked");
    ann.send("MLST").expect(250);
    site.execute_batch("ROLLBACK").unwrap();
    server.login("bob");
}

/// Nobody can log in, but who is there stays; when the database is back, everything is as before.
fn survives_without_database(server: &TestServer, ann: &mut Client, log: &str, put_back: impl FnOnce()) {
    ann.script(&[("NOOP", 200), ("MLST", 250)]);
    server.client().script(&[("USER ann", 331), ("PASS ann-secret", 421)]).expect_end();
    server.expect_log(log);
    ann.script(&[("MLST", 250)]);
    put_back();
    server.login("bob");
    server.site().execute("UPDATE django_ftpserver_ftpusergroup SET permission = 'e'", []).unwrap();
    eventually("the session hears of changes again", || ann.code("MLST") == 550);
}

#[test]
fn a_database_that_is_deleted_and_comes_back() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let (database, aside) = (server.database(), server.outside("aside"));
    std::fs::rename(&database, &aside).unwrap();
    survives_without_database(&server, &mut ann, "can't be opened", || {
        assert!(!database.exists(), "an empty database was made in its place");
        std::fs::rename(&aside, &database).unwrap();
    });
}

#[test]
fn a_database_that_is_overwritten_with_rubbish_and_comes_back() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let whole = std::fs::read(server.database()).unwrap();
    write(server.database(), vec![b'x'; whole.len()]).unwrap();
    survives_without_database(&server, &mut ann, "is not an SQLite database", || {
        assert!(std::fs::read(server.database()).unwrap() == vec![b'x'; whole.len()]);
        write(server.database(), &whole).unwrap();
    });
}

#[test]
fn a_database_that_is_replaced_by_another_is_used_at_once() {
    let server = TestServer::start();
    let mut ann = settled(&server);
    let replacement = server.outside("replacement.sqlite3");
    for (permission, code) in [("e", 550), ("elr", 250), ("", 550)] {
        std::fs::copy(server.database(), &replacement).unwrap();
        let site = Connection::open(&replacement).unwrap();
        site.execute("UPDATE django_ftpserver_ftpusergroup SET permission = ?1", [permission]).unwrap();
        site.close().unwrap();
        std::fs::rename(&replacement, server.database()).unwrap();
        ann.send("MLST").expect(code);
        let before = last_login(&server, "ann");
        server.login("ann").send("MLST").expect(code);
        // SQLite forbids to replace a file while somebody writes to it.
        eventually("last_login is in the new file", || last_login(&server, "ann") != before);
    }
}

#[test]
fn a_name_that_now_belongs_to_somebody_else_does_not_take_the_session_along() {
    let server = TestServer::start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send("NOOP").expect(200);
    let site = server.site();
    site.execute("UPDATE auth_user SET username = 'old' WHERE username = 'ann'", []).unwrap();
    site.execute("UPDATE auth_user SET username = 'ann' WHERE username = 'bob'", []).unwrap();
    ann.send("NOOP").expect(421);
    ann.expect_end();
}
