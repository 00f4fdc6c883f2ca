//! Every verb about files and directories that needs no data connection: their names, sizes, times and modes.

use crate::support::TestServer;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn directories_are_entered_and_left() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("a/ b \"c\"");
    home.write("f", "x");
    let mut client = server.login("ann");
    for (line, at) in [
        ("CWD a", "/a"),
        ("CWD  b \"c\"", "/a/ b \"\"c\"\""),
        ("CDUP", "/a"),
        ("CWD ..", "/"),
        ("CWD ../../..", "/"),
        ("CDUP", "/"),
        ("CWD //a", "/a"),
        ("CWD /a/./../a//", "/a"),
        ("XCUP", "/"),
        ("XCWD a", "/a"),
        ("CWD", "/"),
        ("CWD .", "/"),
        ("CWD /a", "/a"),
        ("CWD /", "/"),
    ] {
        client.send(line).expect(250);
        for print in ["PWD", "XPWD"] {
            let reply = client.send(print).expect(257);
            assert!(reply.starts_with(&format!("257 \"{at}\" ")), "after {line:?}: {reply}");
        }
    }
    client.script(&[("CWD f", 550), ("CWD missing", 550), ("CWD f/..", 250), ("CWD ~", 550), ("CWD A", 550)]);
}

#[test]
fn directories_are_made_and_removed() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("f", "x");
    let mut client = server.login("ann");
    assert!(client.send("MKD d").expect(257).starts_with("257 \"/d\" "));
    assert!(client.send("XMKD d/e\"e").expect(257).starts_with("257 \"/d/e\"\"e\" "));
    assert!(home.is_directory("d/e\"e"));
    client.script(&[("MKD d", 550), ("MKD f", 550), ("MKD /", 550), ("MKD x/y", 550), ("MKD f/y", 550)]);
    client.script(&[("RMD d", 550), ("RMD f", 550), ("RMD x", 550), ("RMD /", 550), ("RMD ..", 550), ("DELE d", 550)]);
    client.script(&[("RMD d/e\"e", 250), ("XRMD d", 250), ("DELE f", 250), ("DELE f", 550), ("DELE /", 550)]);
    assert_eq!(home.names("").len(), 0);
    client.script(&[("CWD /", 250), ("MKD gone", 257), ("CWD gone", 250), ("RMD /gone", 250)]);
    // Standing in a directory that has gone leads nowhere, and out of it.
    client.script(&[("MLST", 550), ("CDUP", 250), ("MLST", 250)]);
}

#[test]
fn renames_take_two_commands() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("a", "a");
    home.make_directory("d/sub");
    let mut client = server.login("ann");
    client.script(&[("RNTO b", 503), ("RNFR missing", 550), ("RNTO b", 503), ("RNFR /", 550)]);
    client.script(&[("RNFR a", 350), ("RNFR missing", 550), ("RNTO b", 503), ("RNFR a", 350), ("RNFR /", 550)]);
    client.script(&[
        ("RNTO b", 503),
        ("RNFR d", 350),
        ("RNFR a", 350),
        ("NOOP", 200),
        ("RNTO b c", 250),
        ("RNTO d", 503),
    ]);
    assert_eq!(home.read("b c"), b"a");
    client.script(&[("RNFR b c", 350), ("RNTO d/sub/a", 250), ("RNFR d", 350), ("RNTO D", 250)]);
    assert_eq!(home.read("D/sub/a"), b"a");
    client.script(&[("RNFR D", 350), ("RNTO D/sub/inside", 550), ("RNFR D/sub/a", 350), ("RNTO x/y", 550)]);
    assert!(home.exists("D/sub/a"));
    home.write("old", "old");
    client.script(&[("RNFR D/sub/a", 350), ("RNTO old", 250)]);
    assert_eq!(home.read("old"), b"a");
    client.script(&[("RNFR old", 350), ("RNTO D", 550), ("RNFR old", 350), ("RNTO /", 550)]);
    assert!(home.exists("old"));
}

#[test]
fn sizes_and_times_of_files() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("a b", "12345");
    home.make_directory("d");
    let mut client = server.login("ann");
    assert_eq!(client.send("SIZE a b").expect(213), "213 5");
    client.script(&[("SIZE d", 550), ("SIZE missing", 550), ("MDTM d", 550), ("MDTM missing", 550)]);
    client.script(&[("MFMT 20260102030405 missing", 550), ("TYPE A", 200), ("SIZE a b", 550), ("MDTM a b", 213)]);
    for (set, code, shown) in [
        ("MDTM 20260102030405 a b", 213, "20260102030405"),
        ("MFMT 20250630235959 a b", 213, "20250630235959"),
        ("MFMT 20250630235959.5 a b", 213, "20250630235959"),
        ("MDTM 20000229120000.250 a b", 213, "20000229120000"),
        ("MFMT 19691231235959 a b", 213, "19691231235959"),
        ("SITE UTIME 20260102030405 a b", 200, "20260102030405"),
        ("SITE UTIME 202601020304 a b", 200, "20260102030400"),
        ("SITE UTIME a b 20250101000000 20240101000000 20250101000000 UTC", 200, "20240101000000"),
    ] {
        let reply = client.send(set).expect(code);
        assert!(code == 200 || reply.contains(&format!("Modify={shown}")), "{set}: {reply}");
        assert_eq!(client.send("MDTM a b").expect(213), format!("213 {shown}"), "{set}");
    }
}

#[test]
fn a_time_that_was_set_survives_renaming() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    let mut client = server.login("ann");
    client.script(&[("MFMT 20010203040506 f", 213), ("RNFR f", 350), ("RNTO g", 250)]);
    assert_eq!(client.send("MDTM g").expect(213), "213 20010203040506");
}

#[test]
fn times_are_kept_to_the_fraction_of_a_second() {
    let server = TestServer::start();
    let file = server.home("ann").join("f");
    std::fs::write(&file, "x").unwrap();
    let mut client = server.login("ann");
    for (time, seconds) in [
        ("20260102030405", 1_767_323_045.0),
        ("20250630235959.5", 1_751_327_999.5),
        ("20000229120000.250", 951_825_600.25),
        ("19691231235959", -1.0),
    ] {
        client.send(&format!("MFMT {time} f")).expect(213);
        let expected = match seconds >= 0.0 {
            true => UNIX_EPOCH + Duration::from_secs_f64(seconds),
            false => UNIX_EPOCH - Duration::from_secs_f64(-seconds),
        };
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), expected, "{time}");
    }
}

#[test]
fn a_file_whose_name_begins_like_a_time_can_be_asked_about() {
    let server = TestServer::start();
    server.files("ann").write("20260102 x", "x");
    server.login("ann").script(&[("MDTM 20260102 x", 213)]);
}

#[test]
fn modes_are_changed_but_for_the_dangerous_bits() {
    let server = TestServer::start();
    let home = server.home("ann");
    std::fs::write(home.join("a b"), "x").unwrap();
    std::fs::create_dir(home.join("d")).unwrap();
    let mode = |name: &str| std::fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o7777;
    let mut client = server.login("ann");
    for (line, name, expected) in [
        ("SITE CHMOD 600 a b", "a b", 0o600),
        ("site chmod 0640 a b", "a b", 0o640),
        ("SITE CHMOD 777 d", "d", 0o777),
        ("SITE CHMOD 750 /d", "d", 0o750),
    ] {
        client.send(line).expect(200);
        assert_eq!(mode(name), expected, "{line}");
    }
    client.script(&[("SITE CHMOD 4755 a b", 550), ("SITE CHMOD 1777 d", 550), ("SITE CHMOD 600 missing", 550)]);
    assert_eq!((mode("a b"), mode("d")), (0o640, 0o750));
}
