//! Accounts without Django: `user`, `group` and `account`, what they write, what they refuse, and what a server that
//! runs makes of it.

use crate::support::{Managed, TestServer, eventually, finish};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs::{metadata, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What makes up the tables of a database.
fn schema(database: &Path) -> Vec<(String, Option<String>)> {
    let connection = Connection::open(database).unwrap();
    let mut all = connection.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn the_first_command_makes_a_database_with_djangos_tables_for_its_owner_alone() {
    for first in [&["user", "create", "eva", "--no-password"][..], &["group", "create", "staff"]] {
        let managed = Managed::new();
        let done = managed.run(first, "");
        let made = format!("{} was made with the tables of Django.\n", managed.database.display());
        assert!(done.status == 0 && done.out.starts_with(&made), "{} {}", done.out, done.err);
        assert_eq!(metadata(&managed.database).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(schema(&managed.database), schema(&Managed::site().database));
        let done = managed.run(&["group", "create", "another"], "");
        assert!(done.status == 0 && !done.out.contains("was made"), "{}", done.out);
    }
    // A file without a byte is as good as none; two who come at the same time make it once.
    let managed = Managed::new();
    write(&managed.database, "").unwrap();
    let start = |name| {
        let mut command = managed.command(&["group", "create", name, "--database"]);
        command.arg(&managed.database).spawn().unwrap()
    };
    let both = [start("one"), start("two")].map(|child| child.wait_with_output().unwrap());
    assert!(both.iter().all(|output| output.status.success()), "{both:?}");
    let said = both.map(|output| String::from_utf8(output.stdout).unwrap()).concat();
    assert_eq!((said.matches("was made with").count(), managed.list("group").len()), (1, 2), "{said}");
}

#[test]
fn what_is_made_with_the_commands_is_served_and_changes_reach_who_is_on() {
    let (server, database) = Managed::with_eva().serve();
    server.home("eva");
    let managed = Managed { builder: TestServer::with(&[]), database };
    let login = |password: &str, code| {
        let mut client = server.client();
        client.script(&[("USER eva", 331), (&format!("PASS {password}"), code)]);
        client
    };
    let mut eva = login("first secret", 230);
    eva.send("MKD allowed").expect(257);
    managed.says(
        &["group", "change", "staff", "--permission", "elr"],
        "",
        "FTP user group pk=1, \"staff\" was changed.",
    );
    eva.send("MKD forbidden").expect(550);
    eventually("last_login is written", || managed.list("account")[0]["last_login"].is_string());

    managed.says(
        &["user", "password", "eva", "--password-stdin"],
        "another ü",
        "User pk=1, \"eva\": the password was changed.",
    );
    eva.send("NOOP").expect(421);
    login("first secret", 530);
    let mut eva = login("another ü", 230);
    managed.says(&["user", "change", "eva", "--inactive"], "", "User pk=1, \"eva\" was changed.");
    eva.send("NOOP").expect(421);
    login("another ü", 530);
    managed.says(&["user", "change", "eva", "--active"], "", "User pk=1, \"eva\" was changed.");

    let own = server.home("own").display().to_string();
    managed.says(&["account", "change", "eva", "--home", &own], "", "FTP user account pk=1, \"eva\" was changed.");
    write(server.home("own").join("here"), "").unwrap();
    let mut eva = login("another ü", 230);
    assert_eq!(eva.list("NLST"), ["here"]);
    managed.says(&["account", "delete", "eva"], "", "FTP user account pk=1, \"eva\" was deleted.");
    eva.send("NOOP").expect(421);
    login("another ü", 530);
    managed.says(&["account", "create", "eva", "staff"], "", "FTP user account pk=2, \"eva\" was created.");
    let mut eva = login("another ü", 230);
    managed.says(&["user", "delete", "eva"], "", "User pk=1, \"eva\" was deleted.");
    eva.send("NOOP").expect(421);
    managed.says(&["group", "delete", "staff"], "", "FTP user group pk=1, \"staff\" was deleted.");
}

#[test]
fn columns_get_what_django_would_write() {
    let managed = Managed::new();
    let create = ["user", "create", "Eva@x", "--superuser", "--email", "Eva@Example.ORG", "--no-password"];
    managed.says(&create, "", "User pk=1, \"Eva@x\" was created.");
    let sql =
        "SELECT is_superuser, is_staff, is_active, email, password, date_joined, last_login IS NULL FROM auth_user";
    type Row = (bool, bool, bool, String, String, String, bool);
    let read = |sql: &str| -> Row {
        let row = |row: &rusqlite::Row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        };
        managed.open().query_row(sql, [], row).unwrap()
    };
    let (superuser, staff, active, email, password, joined, never) = read(sql);
    assert!(superuser && staff && active && never);
    assert_eq!(email, "Eva@example.org");
    assert!(password.starts_with('!') && password.len() == 41, "{password}");
    let form: String = joined.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00 00:00:00.000000");

    managed.says(
        &["user", "password", "Eva@x", "--password-stdin"],
        "s\r\n",
        "User pk=1, \"Eva@x\": the password was changed.",
    );
    let stored = read(sql).4;
    assert!(stored.starts_with("pbkdf2_sha256$1000000$") && stored.matches('$').count() == 3, "{stored}");
    let change = ["user", "change", "Eva@x", "--no-superuser", "--inactive", "--rename", "eva"];
    managed.says(&change, "", "User pk=1, \"Eva@x\" was changed.");
    let (superuser, staff, active, ..) = read(sql);
    assert!(!superuser && !staff && !active);

    managed.says(&["group", "create", "a"], "", "FTP user group pk=1, a was created.");
    managed.says(&["group", "create", "b", "/srv/b", "--permission", "MT"], "", "FTP user group pk=2, b was created.");
    managed.says(
        &["account", "create", "eva", "a", "/own/{username}"],
        "",
        "FTP user account pk=1, \"eva\" was created.",
    );
    let group = |id, name, permission, home, accounts| json!({"id": id, "name": name, "permission": permission, "home_dir": home, "accounts": accounts});
    let groups = [group(1, "a", "elradfmw", Value::Null, 1), group(2, "b", "MT", "/srv/b".into(), 0)];
    assert_eq!(managed.list("group"), groups);
    let account = |group, home: Option<&str>| {
        [json!({"id": 1, "username": "eva", "group": group, "home_dir": home, "last_login": null})]
    };
    assert_eq!(managed.list("account"), account("a", Some("/own/{username}")));
    let changed = "FTP user account pk=1, \"eva\" was changed.";
    managed.says(&["account", "change", "eva", "--group", "b"], "", changed);
    assert_eq!(managed.list("account"), account("b", Some("/own/{username}")));
    managed.says(&["account", "change", "eva", "--no-home"], "", changed);
    assert_eq!(managed.list("account"), account("b", None));
    managed.says(
        &["group", "change", "b", "--no-home", "--rename", "c", "--permission", "e"],
        "",
        "FTP user group pk=2, \"b\" was changed.",
    );
    assert_eq!(managed.list("group")[1], group(2, "c", "e", Value::Null, 1));
    managed.says(&["group", "change", "c", "--home", "/x"], "", "FTP user group pk=2, \"c\" was changed.");
    assert_eq!(managed.list("group")[1]["home_dir"], "/x");
}

#[test]
fn lists_are_aligned_and_show_no_hash_and_no_control_character() {
    let managed = Managed::site();
    managed.execute(
        "UPDATE auth_user SET username = 'e' || char(27) || '[31m', is_superuser = 1 WHERE username = 'ann';
         UPDATE auth_user SET password = 'geheim$geheim', last_login = '2026-01-02 03:04:05.678901' WHERE username = 'bob'",
    );
    let done = managed.run(&["user", "list"], "");
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.len(), managed.list("user").len() + 1);
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(words(lines[1]), ["e\\x1b[31m", "yes", "yes", "pbkdf2_sha256", "-"]);
    assert_eq!(words(lines[2]), ["bob", "yes", "no", "unknown", "2026-01-02", "03:04:05"]);
    let column = lines[0].find("ACTIVE").unwrap();
    assert!(
        lines.iter().filter(|line| line.is_ascii()).all(|line| line[column - 1..].starts_with(' ')),
        "{}",
        done.out
    );
    let all = ["user", "group", "account"].map(|noun| managed.run(&[noun, "list"], "").out).concat();
    let json: String = ["user", "group", "account"].map(|noun| managed.run(&[noun, "list", "--json"], "").out).concat();
    for secret in ["fixture0salt", "geheim", "uuuu", "not-a-hash", "\u{1b}"] {
        assert!(!all.contains(secret) && !json.contains(secret), "{secret}");
    }
    assert!(all.contains("unusable") && all.contains("md5") && all.contains("/homes/own-{username}"), "{all}");
    let kinds: Vec<Value> = managed.list("user").iter().map(|user| user["password"].clone()).collect();
    assert!(kinds.contains(&"pbkdf2_sha1".into()) && kinds.contains(&"unusable".into()), "{kinds:?}");
    assert_eq!(managed.list("user")[0]["username"], "e\u{1b}[31m");

    let empty = Managed::new();
    empty.says(&["group", "create", "x"], "", "FTP user group pk=1, x was created.");
    empty.says(&["user", "list"], "", "No users found.");
    empty.says(&["account", "list"], "", "No FTP user accounts found.");
    empty.says(&["group", "delete", "x"], "", "FTP user group pk=1, \"x\" was deleted.");
    empty.says(&["group", "list"], "", "No FTP user groups found.");
    assert!(empty.list("user").is_empty());
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let managed = Managed::site();
    let before = std::fs::read(&managed.database).unwrap();
    let long = "x".repeat(151);
    for (words, text) in [
        (&["user", "create", "ann", "--no-password"][..], "User \"ann\" already exists."),
        // Before it is asked for a password.
        (&["user", "create", "ann"], "User \"ann\" already exists."),
        (&["user", "create", "eva"], "there is no terminal to ask for the password; give it with --password-stdin"),
        (&["user", "create", "eva", "--password-stdin"], "standard input has no password"),
        (&["user", "password", "ann", "--password-stdin"], "standard input has no password"),
        (&["user", "password", "nobody"], "User \"nobody\" does not exist."),
        (&["user", "change", "no\u{1b}body", "--inactive"], "User \"no\\x1bbody\" does not exist."),
        (&["user", "change", "ann", "--rename", "bob"], "User \"bob\" already exists."),
        (&["user", "delete", "nobody"], "User \"nobody\" does not exist."),
        (&["group", "create", "full"], "FTP user group full is already exists."),
        (&["group", "change", "nogroup", "--no-home"], "FTP user group \"nogroup\" does not exist."),
        (&["group", "change", "full", "--rename", "plain"], "FTP user group plain is already exists."),
        (&["group", "delete", "nogroup"], "FTP user group \"nogroup\" does not exist."),
        (&["group", "delete", "plain"], "FTP user group \"plain\" has 1 user account(s). Delete them first."),
        (&["account", "create", "ann", "nogroup"], "FTP user account \"ann\" is already exists."),
        (&["account", "create", "nobody", "nogroup"], "User \"nobody\" is not exists."),
        (&["account", "create", "noaccount", "nogroup"], "FTP user group \"nogroup\" is not exists."),
        (&["account", "change", "noaccount", "--no-home"], "FTP user account for \"noaccount\" does not exist."),
        (&["account", "change", "nobody", "--no-home"], "User \"nobody\" does not exist."),
        (&["account", "change", "ann", "--group", "nogroup"], "FTP user group \"nogroup\" is not exists."),
        (&["account", "delete", "noaccount"], "FTP user account for \"noaccount\" does not exist."),
        (&["account", "delete", "nobody"], "User \"nobody\" does not exist."),
    ] {
        managed.refuses(words, "", 1, text);
    }
    for (words, text) in [
        (
            &["user", "create", "a b", "--no-password"][..],
            "\" \" is not allowed; there are letters, digits and @ . + - _",
        ),
        (&["user", "create", "a\u{1b}", "--no-password"], "\"\\x1b\" is not allowed"),
        (&["user", "create", &long, "--no-password"], "it has 151 characters, and Django's column takes 150"),
        (&["user", "create", "eva", "--no-password", "--email", "x"], "it should be like ann@example.org"),
        (&["user", "change", "ann", "--rename", ""], "username: it is empty"),
        (&["group", "create", &long[..31]], "it has 31 characters, and Django's column takes 30"),
        (&["group", "create", "g", "/srv/{group}"], "only {username}, {{ and }} can be used in braces"),
        (&["group", "create", "g", "--permission", "elx"], "\"x\" is none of the letters elradfmwMT"),
        (
            &["group", "change", "full", "--permission", "elradfmwMT"],
            "it has 10 characters, and Django's column takes 8",
        ),
        (&["group", "change", "full", "--home", ""], "home: it is empty"),
        (&["account", "create", "noaccount", "full", "/{"], "only {username}, {{ and }} can be used in braces"),
        (&["user"], "no command; usage: django-ftpd user create|list|password|change|delete …"),
        (&["user", "add"], "no command add; usage: django-ftpd user create|list|password|change|delete …"),
        (&["group", "create"], "NAME is missing; usage: django-ftpd group create NAME [HOME_DIR]"),
        (
            &["account", "create", "ann"],
            "GROUP is missing; usage: django-ftpd account create USERNAME GROUP [HOME_DIR]",
        ),
        (
            &["user", "delete", "ann", "bob"],
            "bob: is one too many; usage: django-ftpd user delete NAME --database FILE",
        ),
        (&["user", "create", "eva", "--password", "x"], "--password: no such option; usage: "),
        (&["user", "create", "eva", "--password-stdin", "--no-password"], "contradict each other; usage: "),
        (&["user", "change", "ann"], "it is not said what to change; usage: "),
        (&["user", "list", "--json=1"], "usage: django-ftpd user list [--json] --database FILE"),
        (&["user", "create", "eva", "--email"], "--email: ADDRESS is missing; usage: "),
    ] {
        managed.refuses(words, "", 2, text);
    }
    for password in ["\n", "\r\n", "a\u{1}b\n", &"x".repeat(4092)] {
        let done = managed.run(&["user", "create", "eva", "--password-stdin"], password);
        assert!(done.status == 1 && !done.err.contains("xxxx"), "{}", done.err);
    }
    assert_eq!(std::fs::read(&managed.database).unwrap(), before);
}

#[test]
fn a_database_that_is_not_a_sites_is_left_alone() {
    let managed = Managed::new();
    for words in [
        &["user", "list"][..],
        &["account", "list"],
        &["group", "list"],
        &["user", "change", "a", "--active"],
        &["user", "password", "a"],
        &["account", "create", "a", "b"],
    ] {
        managed.refuses(words, "", 1, "made.sqlite3: no such file; user create and group create make it");
        assert!(!managed.database.exists());
    }
    write(&managed.database, "something else, longer than the header of an SQLite database ".repeat(20)).unwrap();
    let list = &["user", "list"];
    let create = &["group", "create", "x"];
    managed.refuses(list, "", 1, "made.sqlite3: it is not an SQLite database");
    managed.refuses(create, "", 1, "made.sqlite3: it is not an SQLite database");
    std::fs::remove_file(&managed.database).unwrap();
    managed.execute("CREATE TABLE something (x)");
    managed.refuses(list, "", 1, "it has no tables of Django; is this the site's database?");
    managed.refuses(create, "", 1, "it has no tables of Django; is this the site's database?");
    managed.refuses(&["user", "create", "eva", "--no-password"], "", 1, "it has no tables of Django");

    let site = Managed::site();
    site.execute("ALTER TABLE auth_user RENAME TO people_person");
    site.refuses(create, "", 1, "the site has a user model of its own, not auth_user");
    // It was migrated from Django's users to others of its own.
    site.execute("CREATE TABLE auth_user AS SELECT * FROM people_person");
    site.refuses(list, "", 1, "the site has a user model of its own, not auth_user");
    let site = Managed::site();
    site.execute("DROP TABLE django_ftpserver_ftpuseraccount");
    site.refuses(list, "", 1, "it has no tables of django-ftpserver; put django_ftpserver into INSTALLED_APPS");
    let nowhere = Managed { database: "/nowhere/x.sqlite3".into(), ..Managed::new() };
    nowhere.refuses(create, "", 1, "database /nowhere/x.sqlite3: No such file or directory");
}

/// Django's own SQLite may know more modules than ours: sites search with them.
#[test]
fn tables_of_modules_that_are_not_there_do_no_harm() {
    let managed = Managed::with_eva();
    managed.execute(
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql)
         VALUES ('table', 'search', 'search', 0, 'CREATE VIRTUAL TABLE search USING fts5(body)');
         PRAGMA writable_schema = OFF",
    );
    assert!(managed.open().prepare("SELECT * FROM search").is_err(), "here there is no such module");
    managed.says(&["group", "create", "guests"], "", "FTP user group pk=2, guests was created.");
    managed.says(&["group", "delete", "guests"], "", "FTP user group pk=2, \"guests\" was deleted.");
    let (server, _) = managed.serve();
    assert_eq!(server.try_login("eva", "first secret").1, 230);
}

#[test]
fn a_user_whom_the_site_still_needs_is_not_deleted() {
    let managed = Managed::site();
    let id = "(SELECT id FROM auth_user WHERE username = 'ann')";
    managed.execute(&format!(
        "CREATE TABLE \"blog\"\"post\" (id integer PRIMARY KEY, author varchar(150) REFERENCES auth_user (username));
         CREATE TABLE quotas (id integer PRIMARY KEY, account_id integer REFERENCES DJANGO_FTPSERVER_FTPUSERACCOUNT ON DELETE CASCADE);
         CREATE TABLE colours (id integer PRIMARY KEY, group_id integer REFERENCES django_ftpserver_ftpusergroup (id));
         INSERT INTO \"blog\"\"post\" (author) VALUES ('ann'), ('ann'), ('bob');
         INSERT INTO quotas SELECT 1, id FROM django_ftpserver_ftpuseraccount WHERE user_id = {id};
         INSERT INTO auth_group (id, name) VALUES (7, 'g');
         INSERT INTO auth_user_groups (user_id, group_id) VALUES ({id}, 7);
         INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES ({id}, 1);
         INSERT INTO colours SELECT 1, id FROM django_ftpserver_ftpusergroup WHERE name = 'none'"
    ));
    let before = managed.count("auth_user");
    managed.refuses(&["user", "delete", "ann"], "", 1, "User \"ann\": 1 row(s) of the table quotas refer to it");
    managed.refuses(
        &["account", "delete", "ann"],
        "",
        1,
        "1 row(s) of the table quotas refer to it; delete it in the site",
    );
    managed.execute("DELETE FROM quotas");
    managed.refuses(&["user", "delete", "ann"], "", 1, "2 row(s) of the table blog\\\"post refer to it");
    managed.refuses(&["user", "delete", "bob"], "", 1, "or make them inactive (user change NAME --inactive)");
    assert_eq!((managed.count("auth_user"), managed.count("auth_user_groups")), (before, 1));
    managed.execute("DELETE FROM \"blog\"\"post\"");
    let done = managed.run(&["user", "delete", "ann"], "");
    assert!(
        done.out.starts_with("FTP user account pk=") && done.out.ends_with("\"ann\" was deleted.\n"),
        "{}",
        done.err
    );
    for (table, left) in [("auth_user", before - 1), ("auth_user_groups", 0), ("auth_user_user_permissions", 0)] {
        assert_eq!(managed.count(table), left, "{table}");
    }
    assert_eq!(managed.count("auth_group"), 1);
    assert_eq!(managed.count("pragma_foreign_key_check"), 0);
    let done = managed.run(&["user", "delete", "perm-none"], "");
    assert_eq!(done.status, 0, "{}", done.err);
    managed.refuses(&["group", "delete", "none"], "", 1, "1 row(s) of the table colours refer to it");
}

#[test]
fn a_locked_database_is_waited_for_and_then_told() {
    let managed = Managed::site();
    let django = managed.open();
    django.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let start = Instant::now();
    let words = [&["group", "create", "x"][..], &["user", "list"]];
    let children = words.map(|words| {
        let mut command = managed.command(words);
        command.arg("--database").arg(&managed.database).spawn().unwrap()
    });
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.ends_with(": another program holds it locked\n"), "{said}");
    }
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
    django.execute_batch("ROLLBACK").unwrap();
    assert_eq!(managed.run(&["group", "create", "x"], "").status, 0);
}

#[test]
fn the_database_is_found_as_serve_finds_it() {
    let managed = Managed::site();
    let site = managed.database.to_str().unwrap();
    let file = managed.builder.outside("x.conf");
    write(&file, format!("timeout = 5\ndatabase = '{site}'\n")).unwrap();
    let file = file.to_str().unwrap();
    let run = |words: &[&str], env: &[(&str, &str)]| {
        finish(managed.command(&[&["user", "list"], words].concat()).envs(env.iter().copied()), "")
    };
    for (words, env) in [
        (&["--config", file][..], &[][..]),
        (&[], &[("FTPSERVER_CONFIG", file)]),
        (&[], &[("FTPSERVER_DATABASE", site)]),
        (&[], &[("FTPSERVER_DATABASE", site), ("FTPSERVER_CONFIG", file)]),
        (&["--database", site], &[("FTPSERVER_DATABASE", "/nowhere")]),
    ] {
        let done = run(words, env);
        assert!(done.status == 0 && done.out.contains("rita"), "{words:?} {env:?}: {}", done.err);
    }
    let done = run(&["--config", file], &[("FTPSERVER_DATABASE", "/nowhere")]);
    assert_eq!((done.status, done.err.contains("database /nowhere: no such file")), (1, true), "{}", done.err);
    let done = run(&[], &[]);
    let why = "django-ftpd: no database; name it with --database FILE (FTPSERVER_DATABASE, or database in the file)\n";
    assert_eq!((done.status, &*done.err), (2, why));
    let done = run(&["--config", "/nowhere/x.conf"], &[]);
    assert_eq!((done.status, &*done.err), (2, "django-ftpd: /nowhere/x.conf: no such file\n"));
}

#[test]
fn the_commands_of_the_readme_can_be_pasted() {
    let managed = Managed::new();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split_once("## Without Django\n").unwrap().1.split_once("\n## ").unwrap().0;
    let commands = section.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.filter(|line| !line.contains(" serve ")).collect();
    assert_eq!(commands.len(), 9, "{commands:?}");
    for command in commands {
        let asks = command.contains(" user create ") || command.contains(" user password ");
        let line = command
            .replace("django-ftpd", "\"$0\"")
            .replace("/srv/ftp.sqlite3", managed.database.to_str().unwrap())
            .replace("/srv/ftp", managed.builder.homes().to_str().unwrap());
        let line = if asks { format!("echo secret | {line} --password-stdin") } else { line };
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_django-ftpd")]);
        let done = finish(shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()), "");
        assert_eq!((done.status, &*done.err), (0, ""), "{line}");
    }
    assert!(managed.list("user").is_empty());
    assert_eq!(managed.list("group")[0]["permission"], "elr");
}
