//! What is read from an export, and what is said of one that is wrong.

use super::fault::Fault;
use super::reader::{LIMITS, Limits, read};
use super::text::explain;
use super::users::Users;
use super::*;
use crate::accounts::user::FtpAccount;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

const PRETTY: &str = include_str!("../../../tests/fixtures/export.json");
const NATURAL: &str = include_str!("../../../tests/fixtures/export-natural.jsonl");

const GROUP: &str = r#"{"model": "auth.group", "pk": 1, "fields": {"name": "editors"}}"#;
const ANN: &str =
    r#"{"model": "auth.user", "pk": 5, "fields": {"username": "ann", "password": "x", "groups": [["staff"], 1]}}"#;
const FTP_GROUP: &str =
    r#"{"model": "django_ftpserver.ftpusergroup", "pk": 2, "fields": {"name": "full", "permission": "elr"}}"#;
const ACCOUNT: &str =
    r#"{"model": "django_ftpserver.ftpuseraccount", "pk": 9, "fields": {"user": 5, "group": 2, "home_dir": "/a"}}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn users(bytes: impl AsRef<[u8]>) -> Result<Users, Fault> {
    read(bytes.as_ref(), &FieldNames::default(), &LIMITS)
}

fn named(text: &str, names: FieldNames) -> Result<Users, String> {
    read(text.as_bytes(), &names, &LIMITS).map_err(|fault| fault.text)
}

#[track_caller]
fn all(bytes: impl AsRef<[u8]>) -> Vec<User> {
    let users = users(bytes).unwrap();
    users.users.iter().map(|stored| users.find(&stored.username).unwrap()).collect()
}

#[track_caller]
fn fault(bytes: impl AsRef<[u8]>) -> String {
    let fault = users(bytes).unwrap_err();
    assert!(!fault.is_passing && !fault.text.contains('\n'), "{fault:?}");
    fault.text
}

fn lines(objects: &[&str]) -> String {
    objects.join("\n")
}

fn account(user: &str, group: &str) -> String {
    ACCOUNT.replace("\"user\": 5", &format!("\"user\": {user}")).replace("\"group\": 2", &format!("\"group\": {group}"))
}

#[test]
fn a_user_has_all_that_the_site_knows() {
    let users = users(lines(&[GROUP, ANN, FTP_GROUP, ACCOUNT])).unwrap();
    let ftp = FtpAccount { id: 9, group: "full".into(), permission: "elr".into(), home: Some("/a".into()) };
    let ann = User {
        id: "5".into(),
        username: "ann".into(),
        password: "x".into(),
        is_active: true,
        is_superuser: false,
        groups: vec!["staff".into(), "editors".into()],
        site_has_accounts: true,
        ftp: Some(ftp),
    };
    assert_eq!(users.find("ann"), Some(ann));
    assert_eq!((users.find("Ann"), users.find("")), (None, None));
    assert!(users.has_ftp_objects);
}

#[test]
fn what_django_writes_is_the_same_in_every_form() {
    let expected = all(PRETTY);
    assert_eq!(expected.len(), 29);
    let ann = expected.iter().find(|user| user.username == "ann").unwrap();
    assert_eq!((&*ann.id, &ann.groups), ("1", &vec!["editors".to_string(), "staff".to_string()]));
    let inactive: Vec<&User> = expected.iter().filter(|user| !user.is_active).collect();
    assert_eq!(inactive.iter().map(|user| &*user.username).collect::<Vec<_>>(), ["inactive"]);
    assert!(expected.iter().all(|user| user.ftp.is_some() == (user.username != "noaccount")));

    let values: Vec<serde_json::Value> = serde_json::from_str(PRETTY).unwrap();
    let compact = serde_json::to_string(&values).unwrap();
    let json_lines: Vec<String> = values.iter().rev().map(|value| value.to_string()).collect();
    let json_lines = json_lines.join("\r\n") + "\n\n";
    let (one, two) = json_lines.as_bytes().split_at(json_lines.len() / 2);
    for form in [
        compact.clone().into_bytes(),
        json_lines.clone().into_bytes(),
        format!("\u{FEFF}{PRETTY}").into_bytes(),
        format!("\u{FEFF}\n\n {json_lines}").into_bytes(),
        gzip(PRETTY.as_bytes()),
        gzip(format!("\u{FEFF}{json_lines}").as_bytes()),
        [gzip(one), gzip(b""), gzip(two)].concat(),
    ] {
        assert!(all(form) == expected);
    }
    // Without primary keys the name is all that there is to know somebody by.
    let natural = all(NATURAL);
    assert!(natural.iter().all(|user| user.id == user.username));
    let same = |user: &User| User { id: user.username.clone(), ..user.clone() };
    assert_eq!(natural, expected.iter().map(same).collect::<Vec<_>>());
}

#[test]
fn the_order_of_objects_and_of_their_parts_is_free() {
    let expected = all(lines(&[GROUP, ANN, FTP_GROUP, ACCOUNT]));
    assert_eq!(all(lines(&[ACCOUNT, FTP_GROUP, ANN, GROUP])), expected);
    let turned =
        r#"{"fields": {"groups": [["staff"], 1], "password": "x", "username": "ann"}, "pk": 5, "model": "auth.user"}"#;
    assert_eq!(all(format!("[{ACCOUNT},{turned},\n{FTP_GROUP},{GROUP}]")), expected);
}

#[test]
fn keys_may_be_numbers_or_text_and_references_may_be_names() {
    for key in [
        "5",
        "\"5\"",
        "-1",
        "\"5f0c7a52-08a2-4f0f-8f3d-9c3c0b0f4a11\"",
        "\"05\"",
        "\"ann@example.org\"",
        &format!("\"{}\"", "k".repeat(200)),
    ] {
        let ann = ANN.replace("\"pk\": 5", &format!("\"pk\": {key}"));
        for (user, group) in [(key, "2"), ("[\"ann\"]", "\"2\""), (key, "[\"full\"]")] {
            let user = &all(lines(&[&account(user, group), &ann, FTP_GROUP, GROUP]))[0];
            assert_eq!((&*user.id, user.ftp.as_ref().unwrap().id), (key.trim_matches('"'), 9));
        }
    }
}

#[test]
fn other_models_and_other_fields_are_passed_over() {
    let other =
        r#"{"model": "shop.item", "pk": [1, 2], "fields": {"name": 7, "deep": [[[[{"a": [1e400]}]]]], "groups": {}}}"#;
    let other_user = r#"{"model": "old.member", "pk": 1, "fields": {"username": "ann", "password": "y"}}"#;
    let users = all(lines(&[other, ANN, GROUP, other_user, other]));
    assert_eq!((users.len(), &*users[0].password, &users[0].ftp), (1, "x", &None));
    assert!(!self::users(lines(&[ANN, GROUP])).unwrap().has_ftp_objects);
}

#[test]
fn a_user_model_of_the_site_is_found_or_named() {
    let customer = r#"{"model": "my_shop.customer", "pk": 1, "fields": {"email": "a@b", "password": null, "is_enabled": false, "is_boss": true}}"#;
    let member = r#"{"model": "old.member", "pk": 1, "fields": {"email": "m@b", "password": "y"}}"#;
    let names = |table: Option<&str>| FieldNames {
        user_table: table.map(String::from),
        username: "email".into(),
        active: "is_enabled".into(),
        superuser: "is_boss".into(),
        ..FieldNames::default()
    };
    for table in ["my_shop_customer", "My_Shop_Customer", "my_shop.customer"] {
        let users = named(&lines(&[member, customer]), names(Some(table))).unwrap();
        let user = users.find("a@b").unwrap();
        assert_eq!((user.is_active, user.is_superuser, &*user.password, users.users.len()), (false, true, "!", 1));
    }
    assert!(named(member, names(None)).unwrap().find("m@b").unwrap().is_active);
    let both = lines(&[&member.replace("old", "new"), member]);
    let why = "it may have users in new.member and old.member; say which with user_table";
    assert_eq!(named(&both, names(None)).unwrap_err(), why);
    let why = "it has no users of auth_user; add their model to those that dumpdata names";
    assert_eq!(named(&both, names(Some("auth_user"))).unwrap_err(), why);
    let wrong = member.replace("\"y\"", "\"y\", \"groups\": 3");
    let why = "line 1, object 1 (old.member, pk 1): groups is a number, not a list";
    assert_eq!(named(&wrong, names(None)).unwrap_err(), why);
}

#[test]
fn a_field_of_the_wrong_type_is_named_with_its_place() {
    for (right, wrong, why) in [
        ("\"ann\"", "null", "username is null, not a text"),
        ("\"username\"", "\"name\"", "it has no field username"),
        ("\"password\": \"x\"", "\"password\": 1.5", "password is a fraction, not a text"),
        ("\"password\": \"x\"", "\"password\": \"x\", \"is_active\": 1", "is_active is a number, not true or false"),
        ("[[\"staff\"], 1]", "true", "groups is true or false, not a list"),
        ("[\"staff\"]", "[\"staff\", \"b\"]", "an item of groups is a list, but not of one name"),
        ("[\"staff\"]", "{}", "an item of groups is an object, not a primary key or the list of one name"),
        ("[\"staff\"]", "[[[1]]]", "an item of groups is a list, but not of one name"),
    ] {
        let text = lines(&["", GROUP, &ANN.replace(right, wrong)]);
        assert_eq!(fault(text), format!("line 3, object 2 (auth.user, pk 5): {why}"));
    }
    for (object, why) in [
        (
            GROUP.replace("\"auth.group\"", "7"),
            "(no model, pk 1): model is a number, not a text; each object that dumpdata writes has one",
        ),
        (ANN.replace("\"pk\": 5", "\"pk\": true"), "(auth.user): pk is true or false, not a number or a text"),
        (ANN.replace("5", "18446744073709551615"), "(auth.user): pk is a number too large, not a number or a text"),
        (
            ACCOUNT.replace("\"pk\": 9", "\"pk\": \"x\""),
            "(django_ftpserver.ftpuseraccount, pk x): pk is not a whole number",
        ),
        (ACCOUNT.replace("\"/a\"", "[]"), "(django_ftpserver.ftpuseraccount, pk 9): home_dir is a list, not a text"),
        (
            FTP_GROUP.replace("\"elr\"", "7"),
            "(django_ftpserver.ftpusergroup, pk 2): permission is a number, not a text",
        ),
        (GROUP.replace("\"editors\"", "7"), "(auth.group, pk 1): name is a number, not a text"),
        (
            GROUP.replace("\"model\"", "\"mod\""),
            "(no model, pk 1): model is null, not a text; each object that dumpdata writes has one",
        ),
    ] {
        assert!(
            fault(format!("[\n{object}]")) == format!("line 2, object 1 {why}"),
            "{}",
            fault(format!("[\n{object}]"))
        );
    }
}

#[test]
fn what_refers_to_nothing_or_is_there_twice_is_named_with_its_place() {
    let bob = ANN.replace("\"ann\"", "\"bob\"");
    let other_ann = ANN.replace("5", "6");
    let other_account = ACCOUNT.replace("\"pk\": 9", "\"pk\": 8");
    let same_name = FTP_GROUP.replace("\"pk\": 2", "\"pk\": 3");
    let unknown_group = account("5", "[\"o\\nther\"]");
    for (objects, why) in [
        (
            [GROUP, FTP_GROUP, ACCOUNT, &other_ann],
            "line 3, object 3 (django_ftpserver.ftpuseraccount, pk 9): its auth.user with pk 5 is not in the file; dump both together",
        ),
        (
            [GROUP, FTP_GROUP, &unknown_group, ANN],
            "line 3, object 3 (django_ftpserver.ftpuseraccount): its django_ftpserver.ftpusergroup o\\x0ather is not in the file; dump both together",
        ),
        (
            [FTP_GROUP, ACCOUNT, ANN, FTP_GROUP],
            "line 3, object 3 (auth.user): its auth.group with pk 1 is not in the file; dump both together",
        ),
        (
            [&other_ann, FTP_GROUP, ANN, GROUP],
            "line 3, object 3 (auth.user): there is another one with username ann: object 1, line 1",
        ),
        (
            [&bob, FTP_GROUP, ANN, GROUP],
            "line 3, object 3 (auth.user): there is another one with pk 5: object 1, line 1",
        ),
        (
            [ANN, GROUP, GROUP, FTP_GROUP],
            "line 3, object 3 (auth.group): there is another one with pk 1: object 2, line 2",
        ),
        (
            [ANN, GROUP, FTP_GROUP, FTP_GROUP],
            "line 4, object 4 (django_ftpserver.ftpusergroup): there is another one with pk 2: object 3, line 3",
        ),
        (
            [ANN, GROUP, FTP_GROUP, &same_name],
            "line 4, object 4 (django_ftpserver.ftpusergroup): there is another one with name full: object 3, line 3",
        ),
    ] {
        assert_eq!(fault(lines(&objects)), why);
    }
    let twice = lines(&[GROUP, FTP_GROUP, ACCOUNT, &other_account, ANN]);
    let why =
        "line 4, object 4 (django_ftpserver.ftpuseraccount): there is another one with user ann: object 3, line 3";
    assert_eq!(fault(twice), why);
}

#[test]
fn what_is_no_export_is_named_with_its_place() {
    let cut = &lines(&[GROUP, ANN])[..100];
    for (text, why) in [
        ("", "it is empty; write it with manage.py dumpdata auth.user auth.group django_ftpserver"),
        (" \n\u{a}", "it is empty; write it with manage.py dumpdata auth.user auth.group django_ftpserver"),
        (
            "[]",
            "it has no users: no auth.user, and nothing else with username and password; write it with manage.py dumpdata auth.user auth.group django_ftpserver",
        ),
        (
            GROUP,
            "it has no users: no auth.user, and nothing else with username and password; write it with manage.py dumpdata auth.user auth.group django_ftpserver",
        ),
        (
            "\n<?xml",
            "line 2: it is not JSON, which begins with [ or {; write it with manage.py dumpdata auth.user auth.group django_ftpserver",
        ),
        ("[\n5]", "line 2, object 1: invalid type: integer `5`, expected an object with model, pk and fields"),
        (
            "{\"model\": \"a\", \"fields\": []}",
            "line 1, object 1: invalid type: sequence, expected an object with the fields",
        ),
        ("{}\n{]", "line 1, object 1 (no model): model is null, not a text; each object that dumpdata writes has one"),
        (cut, "line 2, column 36, object 2: the file ends here; it is cut off, or still being written"),
        ("[", "line 1, column 1: the file ends here; it is cut off, or still being written"),
        ("\n\n[}", "line 3, column 2, object 1: it is not JSON as dumpdata writes it: expected value"),
    ] {
        assert_eq!(fault(text), why);
    }
    let text = lines(&[GROUP, ANN, "]"]);
    assert_eq!(fault(text), "line 3, column 1, object 3: it is not JSON as dumpdata writes it: expected value");
    let text = format!("[{GROUP}\n{ANN}]");
    assert_eq!(
        fault(text),
        "line 2, column 1, after object 1: it is not JSON as dumpdata writes it: expected `,` or `]`"
    );
    let text = format!("[{GROUP}] x");
    assert!(fault(text).ends_with("after object 1: it is not JSON as dumpdata writes it: trailing characters"));
}

#[test]
fn bytes_that_are_no_text_are_found_wherever_they_stand() {
    let why = "it is not UTF-8, as what dumpdata writes is";
    let with = |bytes: &[u8]| [format!("{GROUP}\n{ANN}\n{{\"a").as_bytes(), bytes, b"b\": 1}"].concat();
    for bytes in [&b"\xFF"[..], b"\xC3\"", b"\xE2\x82", b"\xED\xA0\x80"] {
        assert_eq!(fault(with(bytes)), format!("line 3, object 3: {why}"));
    }
    assert_eq!(fault(b"\xFF\xFE[\0]\0"), why);
    assert_eq!(fault([ANN.as_bytes(), b"\n\xC3"].concat()), format!("line 2, after object 1: {why}"));
    // A character that stands across the pieces in which a file is read.
    for padding in 0..4 {
        let text = format!(
            "{}{}\n{}\n{GROUP}",
            " ".repeat(65_530 - ANN.len() / 2 + padding),
            ANN.replace("ann", &"€".repeat(100)),
            " "
        );
        assert_eq!(all(text)[0].username, "€".repeat(100));
    }
}

#[test]
fn a_gzip_file_that_is_cut_off_or_damaged_is_no_export() {
    let whole = gzip(PRETTY.as_bytes());
    for length in [3, 20, whole.len() / 2, whole.len() - 9, whole.len() - 4, whole.len() - 1] {
        let fault = fault(&whole[..length]);
        assert!(fault.ends_with("the gzip file is cut off, or still being written"), "{length}: {fault}");
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(fault(&damaged).contains("the gzip file is damaged"), "{}", fault(&damaged));
    assert!(fault([&whole[..], b"garbage, and more"].concat()).contains("the gzip file is damaged"));
}

#[test]
fn what_the_system_refuses_is_told_and_tried_again_where_that_may_help() {
    let refused = explain(&std::io::ErrorKind::PermissionDenied.into());
    assert_eq!(refused, Fault::new("it can't be read; may this user read it, and enter its directory?"));
    let no_more_files = std::io::Error::from_raw_os_error(24);
    assert!(explain(&no_more_files).is_passing);
}

#[test]
fn no_more_is_read_than_a_limit() {
    let text = lines(&[ANN, GROUP]);
    let names = FieldNames::default();
    for file in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        let most = |text| Limits { text, ..LIMITS };
        assert_eq!(read(&*file, &names, &most(text.len())).unwrap().users.len(), 1);
        let fault = read(&*file, &names, &most(text.len() - 1)).unwrap_err();
        assert!(fault.text.contains("it is longer than 512 MiB; dump no more than is needed: manage.py"), "{fault:?}");
    }
}

#[test]
fn no_more_is_kept_than_a_limit() {
    let user = |number: u32| ANN.replace("5,", &format!("{number},")).replace("ann", &format!("user-{number}"));
    let with_group = |number: u32| user(number).replace("[\"staff\"], 1", &format!("[\"group-{number}\"]"));
    let group = |number: u32| GROUP.replace("1,", &format!("{number},"));
    let account = |number: u32| account(&number.to_string(), &format!("[\"group-{number}\"]"));
    let ftp_group = |number: u32| FTP_GROUP.replace("2,", &format!("{number},"));
    let long = |number: u32| user(number).replace("\"x\"", &format!("\"{}\"", "x".repeat(1000)));
    let makers: [(&dyn Fn(u32) -> String, usize); 6] =
        [(&user, 352), (&with_group, 185), (&group, 380), (&account, 189), (&ftp_group, 380), (&long, 45)];
    let limits = Limits { memory: 100 * 1024, ..LIMITS };
    for (make, most) in makers {
        let text = (100..1000).map(make).collect::<Vec<_>>().join("\n");
        let fault = read(text.as_bytes(), &FieldNames::default(), &limits).unwrap_err().text;
        let why =
            "users and groups up to here take more than 512 MiB of memory; dump no more than is needed: manage.py";
        assert!(fault.starts_with(&format!("line {most}, object {most} (")) && fault.contains(why), "{fault}");
    }
}

#[test]
fn of_a_value_no_more_is_kept_than_a_site_has() {
    let long = "x".repeat(64 * 1024);
    assert_eq!(&*all(lines(&[GROUP, &ANN.replace("\"x\"", &format!("\"{long}\""))]))[0].password, long);
    let items = |count: usize| ANN.replace("[\"staff\"], 1", &vec!["1"; count].join(","));
    assert_eq!(all(lines(&[GROUP, &items(10_000)]))[0].groups.len(), 10_000);
    let too_deep = "an item of groups is a list that is too long or too deep";
    for (object, why) in [
        (ANN.replace("\"x\"", &format!("\"{long}x\"")), "password is a text that is too long, not a text"),
        (ANN.replace("\"ann\"", &format!("\"{long}x\"")), "username is a text that is too long, not a text"),
        (items(10_001), "groups is a list that is too long or too deep, not a list"),
        (ANN.replace("\"staff\"", "0, 0, 0"), &format!("{too_deep}, not a primary key or the list of one name")),
    ] {
        assert_eq!(fault(lines(&[GROUP, &object])), format!("line 2, object 2 (auth.user, pk 5): {why}"));
    }
    let model = ANN.replace("auth.user", &format!("{long}x"));
    assert!(fault(model).contains("model is a text that is too long, not a text"));
}

#[test]
fn an_object_of_another_model_may_be_long_but_not_endless() {
    let other = |length: usize| {
        let begin = r#"{"model": "shop.picture", "pk": 1, "fields": {"data": ""#;
        format!("{begin}{}\"}}}}", "x".repeat(length - begin.len() - 3))
    };
    let limit = 16 * 1024 * 1024;
    // The first byte is looked at before it is known that an object begins.
    assert_eq!(all(lines(&[&other(limit), ANN, GROUP, &other(limit)])).len(), 1);
    let why = "line 2, object 2: the object is longer than 16 MiB; dump no more than is needed: manage.py";
    assert!(fault(lines(&[ANN, &other(limit + 2)])).starts_with(why));
    let deep = format!("{{\"a\": {}", "[".repeat(limit));
    assert!(fault(lines(&[ANN, &deep])).starts_with(why));
    // Between objects there may be anything that is blank.
    assert_eq!(all(lines(&[ANN, &" ".repeat(limit + 2), GROUP])).len(), 1);
}

#[test]
fn models_that_may_have_users_are_named_as_far_as_anybody_reads() {
    let member = |number: u32| {
        let fields = r#""fields": {"username": "ann", "password": "x"}"#;
        format!(r#"{{"model": "app.model{number}", {fields}}}"#)
    };
    let objects: Vec<String> = (100..1000).map(member).collect();
    let fault = fault(objects.join("\n"));
    assert!(
        fault.starts_with("it may have users in app.model100 and app.model101 and ") && fault.len() < 400,
        "{fault}"
    );
    assert_eq!(all(lines(&[&objects.join("\n"), ANN, GROUP]))[0].username, "ann");
}

#[test]
fn no_damage_does_more_than_a_fault() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let small = lines(&[GROUP, ANN, FTP_GROUP, ACCOUNT]);
    let pieces: &[&[u8]] =
        &[b"", b"\"", b"{", b"[", b"}", b"]", b",", b"null", b"-", b"1e999", b"\\u", b"\xFF", b"\xE2", b"\0", b"\n"];
    let seeds =
        [small.clone().into_bytes(), format!("[{}]", small.replace('\n', ",")).into_bytes(), gzip(small.as_bytes())];
    let (mut good, mut bad) = (0, 0);
    for round in 0..30_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            let end = (at + random(12)).min(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.splice(at..end, pieces[random(pieces.len())].iter().copied())),
                _ => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            }
            if bytes.is_empty() {
                break;
            }
        }
        match users(&bytes) {
            Ok(users) => {
                users.users.iter().for_each(|user| assert!(users.find(&user.username).is_some()));
                good += 1;
            }
            Err(fault) => {
                assert!(!fault.text.contains('\n') && fault.text.len() < 1000, "{fault:?}");
                bad += 1;
            }
        }
    }
    assert!(good > 500 && bad > 10_000, "{good} {bad}");
}

#[test]
fn nothing_is_left_of_a_directory_that_is_dropped() {
    let path = std::env::temp_dir().join(format!("django-ftpd-{}-export.json", std::process::id()));
    std::fs::write(&path, PRETTY).unwrap();
    let export = DjangoExport::open(&path, FieldNames::default()).unwrap();
    let in_force = Arc::downgrade(&export.in_force);
    let mut passwords = 0;
    export.visit(&mut |_| passwords += 1).unwrap();
    assert!(passwords == 29 && export.has_ftp_accounts());
    assert!(export.find("ann", Patience::Login).unwrap().is_some());
    drop(export);
    let start = std::time::Instant::now();
    while in_force.upgrade().is_some() {
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::fs::remove_file(path).unwrap();
}
