//! Passwords that the real Django has stored, and values that nobody should have stored.

use super::*;
use serde_json::Value;

/// What tests/fixtures/make has written: algorithm, password, stored value.
fn made_by_django() -> Vec<(String, String, String)> {
    let lines: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/passwords.json")).unwrap();
    let text = |line: &Value, key| line[key].as_str().unwrap().to_string();
    lines.iter().map(|line| (text(line, "algorithm"), text(line, "password"), text(line, "stored"))).collect()
}

fn believing_all() -> Checker {
    let mut checker = Checker::default().legacy(true);
    // Nobody waits here for what a denial should cost.
    checker.learn("md5$salt$0123456789abcdef0123456789abcdef");
    checker
}

fn reason(checker: &Checker, stored: &str) -> String {
    match checker.believed(stored) {
        Err(Denial::UnknownAlgorithm(reason)) => reason,
        other => panic!("{stored}: {other:?}"),
    }
}

#[test]
fn what_encode_writes_verifies() {
    let stored = encode("geheim ü".as_bytes(), 3).unwrap();
    assert!(stored.starts_with("pbkdf2_sha256$3$"), "{stored}");
    assert_eq!(believing_all().check(&stored, "geheim ü".as_bytes()), Ok(()));
    assert_eq!(believing_all().check(&stored, b"geheim"), Err(Denial::WrongPassword));
}

#[test]
#[cfg(feature = "all-hashers")]
fn every_password_that_django_has_stored_verifies_and_no_other() {
    let checker = believing_all();
    let mut algorithms = BTreeMap::new();
    for (algorithm, password, stored) in made_by_django() {
        assert_eq!(checker.check(&stored, password.as_bytes()), Ok(()), "{password:?} {stored}");
        let other = format!("x{password}");
        assert_eq!(checker.check(&stored, other.as_bytes()), Err(Denial::WrongPassword), "{other:?} {stored}");
        *algorithms.entry(algorithm).or_insert(0) += 1;
    }
    let names: Vec<&str> = algorithms.keys().map(String::as_str).collect();
    let expected = [
        "argon2",
        "bcrypt",
        "bcrypt_sha256",
        "md5",
        "pbkdf2_sha1",
        "pbkdf2_sha256",
        "scrypt",
        "sha1",
        "unsalted_md5",
        "unsalted_sha1",
    ];
    assert_eq!(names, expected);
    assert!(algorithms.values().all(|count| *count >= 5), "{algorithms:?}");
}

#[test]
#[cfg(feature = "all-hashers")]
fn of_a_bcrypt_password_72_bytes_count() {
    let whole = "0123456789".repeat(10);
    let lines =
        made_by_django().into_iter().filter(|(algorithm, password, _)| algorithm == "bcrypt" && *password == whole);
    let mut stored = lines.map(|(_, _, stored)| stored);
    let stored = stored.next().unwrap();
    assert_eq!(believing_all().check(&stored, &whole.as_bytes()[..72]), Ok(()));
    assert_eq!(believing_all().check(&stored, &whole.as_bytes()[..71]), Err(Denial::WrongPassword));
}

#[test]
#[cfg(not(feature = "all-hashers"))]
fn what_this_build_leaves_out_is_named_and_the_rest_verifies() {
    let checker = believing_all();
    for (algorithm, password, stored) in made_by_django() {
        if let "argon2" | "bcrypt" | "bcrypt_sha256" | "scrypt" = &*algorithm {
            assert_eq!(reason(&checker, &stored), format!("{algorithm}, which this build leaves out"));
        } else {
            assert_eq!(checker.check(&stored, password.as_bytes()), Ok(()), "{password:?} {stored}");
        }
    }
}

#[test]
fn what_django_has_given_up_is_believed_only_where_it_is_permitted() {
    for (algorithm, password, stored) in made_by_django() {
        if algorithm.starts_with("unsalted") || algorithm == "sha1" {
            let mut checker = Checker::default();
            checker.learn("md5$salt$0123456789abcdef0123456789abcdef");
            let denial = checker.check(&stored, password.as_bytes());
            assert!(matches!(&denial, Err(Denial::UnknownAlgorithm(_))), "{stored}: {denial:?}");
            let name = if algorithm == "unsalted_md5" { "unsalted md5" } else { "sha1" };
            let expected = format!("{name}, which only the option legacy_hashes permits");
            assert_eq!(reason(&checker, &stored), expected);
        }
    }
}

#[test]
fn a_change_in_any_place_of_a_stored_password_is_no_success_and_no_panic() {
    let checker = believing_all();
    let mut seen = std::collections::BTreeSet::new();
    for (algorithm, password, stored) in made_by_django() {
        if password.is_empty() || !seen.insert(algorithm.clone()) {
            continue;
        }
        for (at, _) in stored.char_indices() {
            let cut = [&stored[..at], &format!("{}{}", &stored[..at], &stored[at + 1..])].map(str::to_string);
            let other = if &stored[at..=at] == "a" { "b" } else { "a" };
            let changed =
                ["$", "", "é", "\0", ",", other].map(|new| format!("{}{new}{}", &stored[..at], &stored[at + 1..]));
            for value in cut.iter().chain(&changed).filter(|value| **value != stored) {
                let result = checker.check(value, password.as_bytes());
                // The version of bcrypt is the only part that may change and matter nothing.
                let is_version = value.contains("$2a$");
                assert!(result.is_err() || is_version, "{value:?} for {stored:?}");
                assert!(!matches!(result, Err(Denial::Other(_))), "{value}: {result:?}");
            }
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}

#[test]
fn what_cannot_be_verified_is_named() {
    let checker = Checker::default();
    assert_eq!(checker.believed("!abc"), Err(Denial::UnusablePassword));
    for (stored, expected) in [
        ("", "no known format"),
        ("not-a-hash", "no known format"),
        ("0123456789abcdef0123456789abcdeg", "no known format"),
        ("$", ", which is not supported"),
        ("crypt$$ab1Hv2Lg7ltQo", "crypt, which is not supported"),
        ("rot13$salt$hash", "rot13, which is not supported"),
        ("MD5$salt$0123456789abcdef0123456789abcdef", "MD5, which is not supported"),
        ("md5$salt", "a broken md5 format"),
        ("md5$salt$0123", "a broken md5 format"),
        ("md5$$0123", "a broken md5 format"),
        ("sha1$", "a broken sha1 format"),
        ("sha1$salt$0123", "a broken sha1 format"),
        ("pbkdf2_sha1$1", "a broken pbkdf2_sha1 format"),
        ("pbkdf2_sha256$x$salt$hash", "a broken pbkdf2_sha256 format"),
        ("pbkdf2_sha256$0$salt$hash", "a broken pbkdf2_sha256 format"),
        ("pbkdf2_sha256$-1$salt$hash", "a broken pbkdf2_sha256 format"),
        ("pbkdf2_sha256$1$$hash", "a broken pbkdf2_sha256 format"),
        ("pbkdf2_sha256$1$salt", "a broken pbkdf2_sha256 format"),
        ("pbkdf2_sha256$1$salt$hash$", "a broken pbkdf2_sha256 format"),
        (
            "pbkdf2_sha256$100000001$salt$hash",
            "pbkdf2_sha256 with iterations 100000001, where 100000000 is the most that is verified",
        ),
    ] {
        assert_eq!(reason(&checker, stored), expected, "{stored}");
    }
}

#[test]
#[cfg(feature = "all-hashers")]
fn broken_and_immoderate_values_of_the_slower_ones_are_named() {
    const ARGON2_TAIL: &str = "Zml4dHVyZTBzYWx0MGZpeHR1cmUwMA$gSt4kjHNRUkw5wMsBxhISEukMmC49spnbPPfUsfn2Cs";
    const BCRYPT_TAIL: &str = "fixture0salt0fixture0.i07m5pRrwc4HGR7kBBasUSSdvgt89/i";
    let argon2 = |head: &str| (format!("argon2${head}${ARGON2_TAIL}"), "argon2");
    let bcrypt = |head: &str| (format!("bcrypt${head}${BCRYPT_TAIL}"), "bcrypt");
    let scrypt = |n, r, p| (format!("scrypt${n}$salt${r}${p}$hash"), "scrypt");
    let checker = Checker::default();
    for head in [
        "",
        "argon2",
        "argon2x$m=8,t=1,p=1",
        "argon2id$v=18$m=8,t=1,p=1",
        "argon2id$v=19$m=8,t=1",
        "argon2id$v=19$m=7,t=1,p=1",
        "argon2id$v=19$m=8,t=0,p=1",
        "argon2id$v=19$m=8,t=1,p=0",
        "argon2id$v=19$m=8,t=1,p=2",
        "argon2id$v=19$t=1,m=8,p=1",
        "argon2id$v=19$m=8,t=1,p=1,keyid=x",
        "argon2id$v=19$x$m=8,t=1,p=1",
        "argon2id$v=19$m=99999999999999999999,t=1,p=1",
    ] {
        let (stored, name) = argon2(head);
        assert_eq!(reason(&checker, &stored), format!("a broken {name} format"), "{stored}");
    }
    for stored in [
        "argon2$argon2id$v=19$m=8,t=1,p=1$c2hvcnQ$gSt4kjHNRUkw5wMsBxhISEukMmC49spnbPPfUsfn2Cs",
        "argon2$argon2id$v=19$m=8,t=1,p=1$Zml4dHVyZTBzYWx0MGZpeHR1cmUwMA$",
        "argon2$argon2id$v=19$m=8,t=1,p=1$Zml4dHVyZTBzYWx0MGZpeHR1cmUwMA$gSt4",
        "argon2$argon2id$v=19$m=8,t=1,p=1$Zml4dHVyZTBzYWx0MGZpeHR1cmUwMA$****",
        "argon2$argon2id$v=19$m=8,t=1,p=1$****$gSt4kjHNRUkw5wMsBxhISEukMmC49spnbPPfUsfn2Cs",
    ] {
        assert_eq!(reason(&checker, stored), "a broken argon2 format", "{stored}");
    }
    for head in ["", "2b$12", "$2c$12", "$2b$3", "$2b$03", "$2b$4", "$2b$", "$2b$012", "$2b$xx", "$2b$12$x"] {
        let (stored, name) = bcrypt(head);
        assert_eq!(reason(&checker, &stored), format!("a broken {name} format"), "{stored}");
        assert_eq!(reason(&checker, &stored.replace("bcrypt$", "bcrypt_sha256$")), "a broken bcrypt_sha256 format");
    }
    for stored in ["bcrypt$$2b$12$short", "bcrypt$$2b$12$ünïcödeünïcödeünïcödeünïcödeünïcödeüüü", "bcrypt$"]
    {
        assert_eq!(reason(&checker, stored), "a broken bcrypt format", "{stored}");
    }
    for (n, r, p) in
        [("", "8", "1"), ("15", "8", "1"), ("1", "8", "1"), ("16", "0", "1"), ("16", "8", "0"), ("16", "8", "x")]
    {
        let (stored, name) = scrypt(n, r, p);
        assert_eq!(reason(&checker, &stored), format!("a broken {name} format"), "{stored}");
    }
    for ((stored, name), what) in [
        (argon2("argon2id$v=19$m=1048577,t=1,p=1"), "m 1048577, where 1048576"),
        (argon2("argon2id$v=19$m=8,t=1001,p=1"), "t 1001, where 1000"),
        (argon2("argon2id$v=19$m=8,t=1,p=16777216"), "p 16777216, where 16777215"),
        (argon2("argon2id$v=19$m=1048576,t=33,p=1"), "m·t bytes 35433480192, where 34359738368"),
        (bcrypt("$2b$19"), "cost 19, where 18"),
        (bcrypt("$2b$99"), "cost 99, where 18"),
        (scrypt("2097152", "8", "1"), "bytes of memory 2147484672, where 1073741824"),
        (scrypt("2", "8", "1073741824"), "bytes of memory 1099511629824, where 1073741824"),
        (scrypt("1073741824", "1073741824", "1"), "bytes of memory 18446744073709551615, where 1073741824"),
        (scrypt("524288", "8", "65"), "n·r·p bytes 34896609280, where 34359738368"),
    ] {
        assert_eq!(reason(&checker, &stored), format!("{name} with {what} is the most that is verified"), "{stored}");
    }
}

fn usual_of(stored: &[&str], legacy: bool) -> Recipe {
    let mut checker = Checker::default();
    stored.iter().for_each(|stored| checker.learn(stored));
    checker.legacy(legacy).usual()
}

fn recipe(stored: &str) -> Recipe {
    parse(stored).unwrap().recipe
}

#[test]
fn what_cannot_match_costs_what_most_passwords_of_the_site_cost() {
    let (cheap, dear) = ("pbkdf2_sha256$870000$salt$hash", "pbkdf2_sha256$1000000$salt$hash");
    let md5 = "md5$salt$0123456789abcdef0123456789abcdef";
    let (sha1, broken) = ("sha1$salt$0123456789abcdef0123456789abcdef01234567", "pbkdf2_sha256$x$salt$hash");
    assert_eq!(usual_of(&[], false), recipe("pbkdf2_sha256$1000000$salt$hash"));
    assert_eq!(usual_of(&["!unusable", broken, "rot13$salt$hash", ""], false), Recipe::DJANGO);
    assert_eq!(usual_of(&[cheap, cheap, dear], false), recipe(cheap));
    assert_eq!(usual_of(&[cheap, dear, dear], false), recipe(dear));
    // Of two that are as many, the costlier.
    assert_eq!(usual_of(&[dear, cheap], false), recipe(dear));
    assert_eq!(usual_of(&[cheap, dear], false), recipe(dear));
    assert_eq!(usual_of(&[md5, cheap], false), recipe(cheap));
    assert_eq!(usual_of(&[md5, md5, cheap], false), recipe(md5));
    // What can't be verified costs nobody anything.
    assert_eq!(usual_of(&[sha1, sha1, cheap], false), recipe(cheap));
    assert_eq!(usual_of(&[sha1, sha1, cheap], true), recipe(sha1));
}

#[test]
#[cfg(feature = "all-hashers")]
fn sites_of_the_slower_hashers_are_known_by_algorithm_and_parameters() {
    let defaults: Vec<String> =
        made_by_django().into_iter().rev().map(|(_, _, stored)| stored).filter(|stored| is_default(stored)).collect();
    assert_eq!(defaults.len(), 6, "{defaults:?}");
    let pbkdf2 = "pbkdf2_sha256$1000000$salt$hash";
    for stored in &defaults {
        assert_eq!(usual_of(&[stored, pbkdf2, stored], false), recipe(stored), "{stored}");
        // None of them is taken for nothing beside another.
        assert!(recipe(stored).work() > 50_000, "{stored}: {}", recipe(stored).work());
        assert_eq!(recipe(stored).rest_after(recipe("md5$salt$0123456789abcdef0123456789abcdef")), [recipe(stored)]);
    }
    let cost = |cost| recipe(&format!("bcrypt$$2b${cost}$fixture0salt0fixture0.i07m5pRrwc4HGR7kBBasUSSdvgt89/i"));
    assert_eq!(cost("12").rest_after(cost("10")), [cost("10"); 3]);
    assert_eq!(cost("12").rest_after(cost("12")), []);
    assert_eq!(cost("10").rest_after(cost("12")), []);
    assert_eq!(cost("12").rest_after(cost("04")), [cost("12")]);
}

#[cfg(feature = "all-hashers")]
fn is_default(stored: &str) -> bool {
    let parts = ["$1000000$", "$m=102400,t=2,p=8$", "$2b$12$", "scrypt$16384$"];
    parts.iter().any(|part| stored.contains(part))
}
