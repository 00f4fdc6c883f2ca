//! Passwords in every way in which Django stores them, and in ways that it does not.

use crate::support::{Client, TestServer};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What tests/fixtures/make has written: algorithm, password, stored value; those that go well with a line of FTP.
fn made_by_django() -> Vec<(String, String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/passwords.json");
    let lines: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let text = |line: &Value, key| line[key].as_str().unwrap().to_string();
    let lines = lines.iter().map(|line| (text(line, "algorithm"), text(line, "password"), text(line, "stored")));
    lines.filter(|(_, password, _)| password.ends_with("tmein")).collect()
}

fn is_given_up(algorithm: &str) -> bool {
    ["sha1", "unsalted_sha1", "unsalted_md5"].contains(&algorithm)
}

fn store(server: &TestServer, name: &str, stored: &str) {
    let update = "UPDATE auth_user SET password = ?2 WHERE username = ?1";
    assert_eq!(server.site().execute(update, [name, stored]).unwrap(), 1);
}

fn log_in(client: &mut Client, name: &str, password: &str) -> u16 {
    client.send(&format!("USER {name}")).expect(331);
    client.code(&format!("PASS {password}"))
}

#[test]
fn every_password_of_django_logs_in() {
    let server = TestServer::with(&["--auth-failed-timeout", "0"]).start();
    server.home("ann");
    let lines = made_by_django();
    let known = lines.iter().filter(|(algorithm, ..)| !is_given_up(algorithm));
    let mut count = 0;
    for (_, password, stored) in known {
        store(&server, "ann", stored);
        let mut client = server.client();
        assert_eq!(log_in(&mut client, "ann", password), 230, "{stored}");
        client.send("MLST").expect(250);
        assert_eq!(log_in(&mut client, "ann", "guess"), 530, "{stored}");
        count += 1;
    }
    assert!(count > 60, "{count}");
}

#[test]
fn what_django_has_given_up_logs_in_only_where_it_is_permitted() {
    let lines = made_by_django();
    let given_up: Vec<_> = lines.iter().filter(|(algorithm, ..)| is_given_up(algorithm)).collect();
    assert!(given_up.len() >= 8);
    let (strict, lenient) = (TestServer::start(), TestServer::with(&["--legacy-hashes"]).start());
    for (_, password, stored) in given_up {
        store(&strict, "ann", stored);
        store(&lenient, "ann", stored);
        assert_eq!(log_in(&mut strict.client(), "ann", password), 530, "{stored}");
        assert_eq!(log_in(&mut lenient.client(), "ann", "guess"), 530, "{stored}");
        assert_eq!(log_in(&mut lenient.client(), "ann", password), 230, "{stored}");
    }
    for name in ["sha1", "unsalted md5"] {
        let why = format!("the stored password uses {name}, which only the option legacy_hashes permits");
        strict.expect_log(&format!("ann can't log in: {why}"));
        strict.expect_event("ftp_login_failed", &[("reason", &why)]);
    }
}

#[test]
fn what_cannot_be_verified_is_named_to_the_administrator_at_once() {
    let server = TestServer::start();
    let start = Instant::now();
    for (stored, what) in [
        ("crypt$$ab1Hv2Lg7ltQo", "crypt, which is not supported"),
        ("bcrypt$$2b$12$short", "a broken bcrypt format"),
        ("pbkdf2_sha256$1000000000$salt$hash", "pbkdf2_sha256 with iterations 1000000000, where 100000000 is the most"),
        (
            "argon2$argon2id$v=19$m=4000000000,t=2,p=8$Zml4dHVyZTBzYWx0$Zml4dHVyZTBzYWx0",
            "argon2 with m 4000000000, where 1048576 is the most that is verified",
        ),
    ] {
        store(&server, "ann", stored);
        assert_eq!(log_in(&mut server.client(), "ann", "ann-secret"), 530, "{stored}");
        server.expect_log(&format!("ann can't log in: the stored password uses {what}"));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn eight_logins_with_argon2_at_once_freeze_nobody() {
    let server = TestServer::start();
    let (_, password, stored) =
        made_by_django().into_iter().find(|(_, _, stored)| stored.contains("$m=102400,t=2,p=8$")).unwrap();
    store(&server, "ann", &stored);
    let mut bob = server.login("bob");
    let (left, mut worst) = (AtomicUsize::new(8), Duration::ZERO);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (server, left, password) = (&server, &left, &password);
            scope.spawn(move || {
                // A right one among them would spare the others their hash.
                assert_eq!(log_in(&mut server.client(), "ann", &format!("{password}{number}")), 530);
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            let asked = Instant::now();
            bob.send("NOOP").expect(200);
            worst = worst.max(asked.elapsed());
        }
    });
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}

#[test]
fn a_password_that_takes_more_memory_than_there_is_fails_alone() {
    // In KiB, of address space.
    let server = TestServer::with(&[]).after("ulimit -v 1000000").start();
    for stored in [
        "argon2$argon2id$v=19$m=1048576,t=1,p=1$Zml4dHVyZTBzYWx0$Zml4dHVyZTBzYWx0",
        "scrypt$1048576$salt$7$1$Zml4dHVyZTBzYWx0",
    ] {
        store(&server, "ann", stored);
        let mut client = server.client();
        assert_eq!(log_in(&mut client, "ann", "ann-secret"), 530, "{stored}");
        client.script(&[("USER bob", 331), ("PASS bob-secret", 230)]);
    }
    for mebibytes in [1024, 896] {
        let why = format!("not enough memory to verify the stored password, which takes {mebibytes} MiB");
        server.expect_event("ftp_login_failed", &[("reason", &why)]);
    }
}
