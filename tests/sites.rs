//! Sites of every shape: a user model of their own, no FTP accounts at all; and what the file says of some users.

use crate::support::{Client, TestServer, eventually};
use std::fs;
use std::time::Instant;

/// A site whose users are customers: UUIDs for keys, and the email for a name.
fn custom(args: &[&str]) -> TestServer {
    let builder = TestServer::with(&["--username-field", "email"]).args(args).shape("custom");
    let home = builder.homes().join("{username}").display().to_string();
    builder.site().execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = ?1", [home]).unwrap();
    builder.start()
}

/// A site of Django's users alone, all of whom may log in.
fn bare(args: &[&str]) -> TestServer {
    TestServer::with(args).shape("bare").homes_by_option().start()
}

#[test]
fn a_custom_user_model_is_found_through_the_accounts() {
    let server = custom(&[]);
    fs::write(server.home("ann@example.org").join("f"), "hers").unwrap();
    let (mut ann, code) = server.try_login("ann@example.org", "ann-secret");
    assert_eq!(code, 230);
    ann.send("TYPE I").expect(200);
    assert_eq!(ann.download("RETR f"), b"hers");
    for name in ["ann", "noaccount@example.org", "inactive@example.org"] {
        assert_eq!(server.try_login(name, &format!("{}-secret", name.split('@').next().unwrap())).1, 530, "{name}");
    }
    server.site().execute("UPDATE shop_customer SET is_active = 0 WHERE email = 'ann@example.org'", []).unwrap();
    ann.send("NOOP").expect(421);
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let (status, said) = TestServer::with(&[]).shape("custom").fails();
    assert_eq!(status, 2);
    assert!(said.contains("table shop_customer has no column username; username_field names another"), "{said}");
    assert!(said.contains("email"), "{said}");
    // Users of another table would be those of the accounts by their number alone.
    let (status, said) = TestServer::with(&["--user-table", "auth_group"]).fails();
    assert_eq!(status, 2);
    assert!(
        said.contains("its FTP accounts are those of users in auth_user, and user_table says auth_group"),
        "{said}"
    );
    let (status, said) = TestServer::with(&["--user-table", "people"]).shape("bare").homes_by_option().fails();
    assert_eq!(status, 2);
    assert!(said.contains("there is no table people; is this the site's database"), "{said}");
}

#[test]
fn all_users_may_log_in_where_that_is_said() {
    let home = TestServer::with(&[]).homes();
    let server = custom(&["--all-users", "--home", home.join("{username}").to_str().unwrap()]);
    assert_eq!(server.try_login("noaccount@example.org", "noaccount-secret").1, 230);
    assert_eq!(server.try_login("ann@example.org", "ann-secret").1, 230);
    assert_eq!(server.try_login("inactive@example.org", "inactive-secret").1, 530);
    // Where the site has FTP accounts, a home alone is no invitation.
    let server = custom(&["--home", "/srv/ftp/{username}"]);
    assert_eq!(server.try_login("noaccount@example.org", "noaccount-secret").1, 530);
}

#[test]
fn a_site_without_ftp_accounts_lets_its_users_in_when_they_have_homes() {
    let (status, said) = TestServer::with(&[]).shape("bare").fails();
    assert_eq!(status, 2);
    assert!(said.contains("the site has no FTP accounts (no table django_ftpserver_ftpuseraccount)"), "{said}");
    assert!(said.contains("--home /srv/ftp/{username}"), "{said}");
    let (status, _) = TestServer::with(&["--no-all-users"]).shape("bare").homes_by_option().fails();
    assert_eq!(status, 2);

    let server = bare(&[]);
    for name in ["ann", "root"] {
        fs::write(server.home(name).join("f"), name).unwrap();
    }
    let mut ann = server.login("ann");
    assert_eq!(ann.download("RETR f"), b"ann");
    ann.epsv();
    ann.script(&[("STOR g", 550), ("DELE f", 550), ("MKD d", 550)]);
    let mut root = server.login("root");
    root.upload("STOR g", b"x");
    root.script(&[("DELE g", 250), ("MKD d", 257)]);
    assert_eq!(server.try_login("inactive", "inactive-secret").1, 530);
    assert_eq!(server.try_login("ann", "wrong").1, 530);
    server.site().execute("UPDATE auth_user SET is_superuser = 0 WHERE username = 'root'", []).unwrap();
    root.script(&[("RMD d", 550), ("NOOP", 200)]);
}

#[test]
fn what_users_without_ftp_accounts_may_do_can_be_chosen() {
    let server = bare(&["--read-perms", "elrm", "--write-perms", "d"]);
    server.home("ann");
    server.login("ann").script(&[("MKD d", 257), ("RMD d", 550)]);
    server.home("root");
    server.login("root").script(&[("MKD d", 257), ("RMD d", 250), ("SITE CHMOD 600 x", 550)]);
}

#[test]
fn groups_of_django_have_rules_where_there_are_no_ftp_groups() {
    let builder = TestServer::with(&[]).shape("bare").homes_by_option();
    let editors = builder.homes().join("editors");
    fs::create_dir(&editors).unwrap();
    let text = format!("[group.\"editors\"]\npermission = \"elradfmw\"\nhome = {:?}\n", editors.display().to_string());
    let server = builder.file(&text).start();
    let mut ann = server.login("ann");
    ann.upload("STOR f", b"an article");
    assert_eq!(fs::read(editors.join("f")).unwrap(), b"an article");
    server.home("bob");
    let mut bob = server.login("bob");
    bob.epsv();
    bob.send("STOR f").expect(550);
    // It is live: who leaves the group is somewhere else.
    server.site().execute("DELETE FROM auth_user_groups", []).unwrap();
    server.home("ann");
    assert!(ann.list("NLST").is_empty());
}

#[test]
fn tables_and_columns_can_have_any_names() {
    let builder = TestServer::with(&[
        "--user-table",
        "the people",
        "--username-field",
        "login",
        "--password-field",
        "hash",
        "--active-field",
        "enabled",
        "--superuser-field",
        "boss",
    ]);
    let builder = builder.shape("bare").homes_by_option();
    builder
        .site()
        .execute_batch(
            "CREATE VIEW \"the people\" AS SELECT id, username || '!' AS login, password AS hash, \
             username <> 'bob' AS enabled, username = 'ann' AS boss FROM auth_user \
             UNION ALL SELECT 1000 + id, 'twin', password, 1, 0 FROM auth_user",
        )
        .unwrap();
    let server = builder.start();
    server.home("ann!");
    let (mut ann, code) = server.try_login("ann!", "ann-secret");
    assert_eq!(code, 230);
    ann.send("MKD d").expect(257);
    assert_eq!(server.try_login("bob!", "bob-secret").1, 530);
    assert_eq!(server.try_login("ann", "ann-secret").1, 530);
    // A name that two have is nobody's.
    assert_eq!(server.try_login("twin", "ann-secret").1, 530);
    server.expect_log("twin can't log in: two users of the site have this name");
}

#[test]
fn a_migration_while_the_server_runs_is_noticed() {
    let server = bare(&[]);
    server.home("ann");
    let mut ann = server.login("ann");
    server
        .site()
        .execute_batch(
            "CREATE TABLE new (id integer PRIMARY KEY, is_active bool, username text, is_superuser bool, password text); \
             INSERT INTO new SELECT id, 1, username, 0, password FROM auth_user; \
             PRAGMA foreign_keys = OFF; DROP TABLE auth_user; ALTER TABLE new RENAME TO auth_user;",
        )
        .unwrap();
    ann.send("PWD").expect(257);
    assert_eq!(server.try_login("inactive", "inactive-secret").1, 230);
}

#[test]
fn the_file_beats_the_site_and_users_beat_groups() {
    let text = "[group.\"full\"]\npermission = \"elr\"\n[user.\"ann\"]\npermission = \"elrm\"\n";
    let server = TestServer::with(&[]).file(text).start();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.script(&[("MKD d", 257), ("RMD d", 550)]);
    server.home("sha1");
    server.login("sha1").script(&[("MKD d", 550)]);
}

#[test]
fn networks_and_dates_keep_people_out() {
    let text = "\
        [user.\"ann\"]\nnetworks = [\"127.0.0.2\", \"10.0.0.0/8\"]\n\
        [user.\"sha1\"]\nexpires = 2020-01-01\n\
        [user.\"rita\"]\nexpires = 2120-01-01\n";
    let server = TestServer::with(&[]).file(text).start();
    assert_eq!(server.try_login("ann", "ann-secret").1, 530);
    server
        .expect_event("ftp_login_failed", &[("username", "ann"), ("reason", "the account may not be used from there")]);
    let mut near = Client::connect_from("127.0.0.2", server.address());
    near.expect(220);
    near.script(&[("USER ann", 331), ("PASS ann-secret", 230)]);
    assert_eq!(server.try_login("sha1", "sha1-secret").1, 530);
    server.expect_event("ftp_login_failed", &[("username", "sha1"), ("reason", "the account has expired")]);
    assert_eq!(server.try_login("rita", "rita-secret").1, 230);
}

#[test]
fn a_login_that_succeeded_spares_the_next_one_its_hash() {
    let seconds = |server: &TestServer, password: &str, code: u16| {
        let begin = Instant::now();
        assert_eq!(server.try_login("slow", password).1, code);
        begin.elapsed().as_secs_f64()
    };
    let server = TestServer::start();
    let first = seconds(&server, "slow-secret", 230);
    let next: Vec<f64> = (0..5).map(|_| seconds(&server, "slow-secret", 230)).collect();
    let quickest = next.iter().copied().fold(f64::MAX, f64::min);
    assert!(quickest < first / 10.0, "{first} {next:?}");
    // Neither another password nor another hash profits.
    assert!(seconds(&server, "wrong", 530) > first / 3.0);
    let sql = "UPDATE auth_user SET password = (SELECT password FROM auth_user WHERE username = 'ann') WHERE username = 'slow'";
    server.site().execute(sql, []).unwrap();
    assert_eq!(server.try_login("slow", "slow-secret").1, 530);
    assert_eq!(server.try_login("slow", "ann-secret").1, 230);

    let server = TestServer::with(&["--login-cache-seconds", "0"]).start();
    let first = seconds(&server, "slow-secret", 230);
    assert!(seconds(&server, "slow-secret", 230) > first / 3.0);
}

#[test]
fn many_logins_that_hash_do_not_keep_a_session_waiting() {
    let server = TestServer::with(&["--login-cache-seconds", "0"]).start();
    server.home("ann");
    let mut ann = server.login("ann");
    let mut waiting: Vec<Client> = (0..30)
        .map(|_| {
            let mut client = server.client();
            client.send("USER slow").expect(331);
            client.send("PASS slow-secret");
            client
        })
        .collect();
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let begin = Instant::now();
            ann.send("NOOP").expect(200);
            begin.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    assert!(times[10] < 0.25, "{times:?}");
    waiting.truncate(2);
    eventually("they come in", || waiting.iter_mut().all(|client| client.code("NOOP") >= 200));
}

#[test]
fn limits_of_the_file_hold() {
    let text = "\
        [group.\"full\"]\nquota = \"100 kB\"\nmax_sessions = 2\nread_only = [\"/archive\"]\n\
        [user.\"sha1\"]\nquota = \"200 kB\"\nupload_rate = \"50 kB\"\ndownload_rate = \"60 kB\"\n";
    let server = TestServer::with(&[]).file(text).start();
    for name in ["ann", "sha1"] {
        fs::create_dir(server.home(name).join("archive")).unwrap();
    }
    let mut ann = server.login("ann");
    assert_eq!(ann.send("SITE QUOTA").expect(200), "200 0 of 100000 bytes used.");
    ann.upload("STOR f", &[7; 99_000]);
    let data = ann.passive();
    ann.send("STOR g").expect(150);
    data.write(&[7; 2000]).close();
    ann.expect(552);
    ann.script(&[("MKD archive/d", 550), ("DELE f", 250)]);
    let _second = server.login("ann");
    let (_, code) = server.try_login("ann", "ann-secret");
    assert_eq!(code, 530);
    // Hers beat those of the group, which hold where she has none.
    let begin = Instant::now();
    let mut sha1 = server.login("sha1");
    sha1.upload("STOR f", &[7; 120_000]);
    assert!(begin.elapsed().as_secs_f64() > 1.5, "{:?}", begin.elapsed());
    let begin = Instant::now();
    assert_eq!(sha1.download("RETR f").len(), 120_000);
    assert!(begin.elapsed().as_secs_f64() > 1.2, "{:?}", begin.elapsed());
    sha1.send("MKD archive/d").expect(550);
}

#[test]
fn a_name_that_looks_like_a_template_is_a_name() {
    let builder = TestServer::with(&[]);
    builder.site().execute("UPDATE auth_user SET username = '{username}' WHERE username = 'ann'", []).unwrap();
    let server = builder.start();
    fs::write(server.home("{username}").join("f"), "here").unwrap();
    let (mut client, code) = server.try_login("{username}", "ann-secret");
    assert_eq!(code, 230);
    client.send("TYPE I").expect(200);
    assert_eq!(client.download("RETR f"), b"here");
}

#[test]
fn what_is_wrong_with_one_user_is_theirs_alone() {
    let builder = TestServer::with(&[]).shape("custom");
    builder
        .site()
        .execute_batch(
            "CREATE VIEW people AS SELECT id, email AS username, CASE email WHEN 'ann@example.org' THEN NULL ELSE password END \
             AS password, CASE email WHEN 'bob@example.org' THEN 'maybe' ELSE is_active END AS is_active FROM shop_customer",
        )
        .unwrap();
    let home = builder.homes().display().to_string();
    let server = builder.args(&["--user-table", "people", "--all-users", "--home", &home]).start();
    for name in ["ann", "bob", "inactive"] {
        assert_eq!(server.try_login(&format!("{name}@example.org"), &format!("{name}-secret")).1, 530, "{name}");
    }
    assert_eq!(server.try_login("noaccount@example.org", "noaccount-secret").1, 230);
    server.expect_event("ftp_login_failed", &[("reason", "the account has an unusable password")]);
}

#[test]
fn only_the_table_that_django_makes_for_it_says_who_is_in_a_group() {
    let builder = TestServer::with(&[]).shape("bare").homes_by_option();
    builder
        .site()
        .execute_batch(
            "DROP TABLE auth_user_groups; \
             CREATE TABLE tickets (id integer PRIMARY KEY, author_id integer REFERENCES auth_user (id), \
             assigned_id integer REFERENCES auth_group (id), title text); \
             INSERT INTO tickets SELECT NULL, u.id, g.id, 'broken printer' FROM auth_user u, auth_group g",
        )
        .unwrap();
    let server = builder.file("[group.\"staff\"]\npermission = \"elradfmw\"\n").start();
    server.home("ann");
    server.login("ann").send("MKD d").expect(550);
}

#[test]
fn groups_of_django_are_found_where_an_older_django_made_the_table() {
    let text = "[group.\"editors\"]\npermission = \"elradfmw\"\n";
    for (refers_to, code) in
        [("", 257), ("REFERENCES auth_user__old (id)", 257), ("REFERENCES auth_permission (id)", 550)]
    {
        let builder = TestServer::with(&[]).shape("bare").homes_by_option();
        let sql = format!(
            "ALTER TABLE auth_user_groups RENAME TO before; \
             CREATE TABLE auth_user_groups (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL {refers_to}, \
             group_id integer NOT NULL REFERENCES auth_group (id), UNIQUE (user_id, group_id)); \
             INSERT INTO auth_user_groups SELECT * FROM before; DROP TABLE before"
        );
        builder.site().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
        let server = builder.file(text).start();
        server.home("ann");
        server.login("ann").send("MKD d").expect(code);
    }
}

#[test]
fn changes_behind_a_link_to_a_database_in_wal_mode_are_seen() {
    let builder = TestServer::with(&[]);
    let link = builder.outside("link.sqlite3");
    std::os::unix::fs::symlink(builder.outside("site.sqlite3"), &link).unwrap();
    let server = builder.without_site().args(&["--database", link.to_str().unwrap()]).start();
    let site = server.site();
    site.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;").unwrap();
    server.home("ann");
    let mut ann = server.login("ann");
    ann.send("PWD").expect(257);
    // Long ago, as far as time stamps can tell.
    std::thread::sleep(std::time::Duration::from_millis(100));
    site.execute("UPDATE auth_user SET is_active = 0 WHERE username = 'ann'", []).unwrap();
    ann.send("PWD").expect(421);
}

#[test]
fn a_session_that_may_not_come_from_there_any_more_ends() {
    let text = "[group.\"readers\"]\nnetworks = [\"10.0.0.0/8\"]\n";
    let server = TestServer::with(&[]).file(text).start();
    let mut ann = server.login("ann");
    let sql = "UPDATE django_ftpserver_ftpuseraccount SET group_id = \
               (SELECT id FROM django_ftpserver_ftpusergroup WHERE name = 'readers') \
               WHERE user_id = (SELECT id FROM auth_user WHERE username = 'ann')";
    assert_eq!(server.site().execute(sql, []).unwrap(), 1);
    ann.send("NOOP").expect(421);
    let event = server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    assert_eq!(event["reason"], "account closed: the account may not be used from there");
}

#[test]
fn who_is_remembered_does_not_wait_for_the_hashes_of_others_and_who_has_gone_has_none() {
    let server = TestServer::with(&["--max-pending", "0"]).start();
    assert_eq!(server.try_login("slow", "slow-secret").1, 230);
    let begin = Instant::now();
    assert_eq!(server.try_login("slow", "wrong").1, 530);
    let one = begin.elapsed();
    let guess = || {
        let mut client = server.client();
        client.send("USER slow").expect(331);
        client.send("PASS wrong");
        client
    };
    let waiting: Vec<Client> = (0..60).map(|_| guess()).collect();
    let begin = Instant::now();
    assert_eq!(server.try_login("slow", "slow-secret").1, 230);
    assert!(begin.elapsed() < one * 8, "{:?} against {one:?}", begin.elapsed());
    drop(waiting);
    let begin = Instant::now();
    assert_eq!(server.try_login("slow", "wrong").1, 530);
    assert!(begin.elapsed() < one * 12, "{:?} against {one:?}", begin.elapsed());
}

#[test]
fn ftp_accounts_that_a_site_gets_shut_out_who_has_none() {
    let server = bare(&[]);
    assert_eq!(server.try_login("ann", "ann-secret").1, 230);
    server
        .site()
        .execute_batch(
            "CREATE TABLE django_ftpserver_ftpusergroup (id integer PRIMARY KEY, name text, permission text, home_dir text); \
             CREATE TABLE django_ftpserver_ftpuseraccount (id integer PRIMARY KEY, last_login datetime, home_dir text, \
             group_id integer REFERENCES django_ftpserver_ftpusergroup (id), user_id integer REFERENCES auth_user (id))",
        )
        .unwrap();
    assert_eq!(server.try_login("ann", "ann-secret").1, 530);
}
