//! HASH, XCRC, XMD5, XSHA1, XSHA256, XSHA512: what they say of a file, and what is heard while they read it.

use crate::support::{Client, TestServer, eventually, noise};
use std::fs::File;

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const CRC32: &str = "352441c2";
const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

/// Ann, while a file is read that takes hours.
fn reading(command: &str) -> (TestServer, Client) {
    let server = TestServer::with(&["--stop-timeout", "0.3"]).start();
    File::create(server.home("ann").join("endless")).unwrap().set_len(1 << 42).unwrap();
    let mut ann = server.login("ann");
    ann.send(&format!("{command} endless"));
    (server, ann)
}

#[test]
fn hash_has_the_form_of_its_draft_by_the_algorithm_that_was_chosen() {
    let server = TestServer::start();
    server.files("ann").write("d/a b", "abc");
    let mut ann = server.login("ann");
    ann.send("CWD d").expect(250);
    assert_eq!(ann.send("HASH a b").expect(213), format!("213 SHA-256 0-3 {SHA256} /d/a b"));
    assert_eq!(ann.send("OPTS HASH").expect(200), "200 SHA-256");
    for (name, digest) in
        [("SHA-1", SHA1), ("md5", MD5), ("CRC32", CRC32), ("SHA-512", SHA512), ("sha-256", SHA256), ("MD5", MD5)]
    {
        let upper = name.to_uppercase();
        assert_eq!(ann.send(&format!("OPTS HASH {name}")).expect(200), format!("200 {upper}"));
        assert_eq!(ann.send("HASH /d/a b").expect(213), format!("213 {upper} 0-3 {digest} /d/a b"));
    }
    ann.script(&[("OPTS HASH X", 501), ("OPTS HASH SHA", 501), ("OPTS HASH MD5 x", 501)]);
    assert!(ann.send("FEAT").expect(211).contains(" HASH SHA-256;SHA-512;SHA-1;MD5*;CRC32\r\n"));
    // The type has no say in it, and a REST before it is for the transfer behind it.
    ann.script(&[("REST 1", 350), ("TYPE A", 200)]);
    assert!(ann.send("HASH a b").expect(213).contains(MD5));
    ann.send("TYPE I").expect(200);
    assert_eq!(ann.download("RETR a b"), b"bc");
    ann.script(&[("REIN", 230), ("USER ann", 331), ("PASS ann-secret", 230)]);
    assert_eq!(ann.send("OPTS HASH").expect(200), "200 SHA-256");
}

#[test]
fn the_older_verbs_have_one_algorithm_each_and_take_a_part_behind_quotes() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("a b", "abc");
    home.write("long", "..abc.....");
    home.write("12", "abc");
    let mut ann = server.login("ann");
    for (verb, digest) in [("XCRC", CRC32), ("XMD5", MD5), ("XSHA1", SHA1), ("XSHA256", SHA256), ("XSHA512", SHA512)] {
        for argument in ["a b", "\"a b\"", "/12", "\"long\" 2 5", "\"a b\" 0", "\"a b\" 0 99", "./12"] {
            assert_eq!(ann.send(&format!("{verb} {argument}")).expect(250), format!("250 {digest}"), "{argument}");
        }
        let wrong = ["\"long\" 5 2", "\"long\" x", "\"long\" 1 2 3", "\"\""];
        wrong.iter().for_each(|argument| drop(ann.send(&format!("{verb} {argument}")).expect(501)));
        ann.send(&format!("{verb} \"long\" 11")).expect(554);
    }
}

#[test]
fn what_is_no_file_has_no_digest_and_an_empty_file_has_one() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.make_directory("d");
    home.write("empty", "");
    let bytes = noise(3_000_001);
    home.write("large", &bytes);
    let mut ann = server.login("ann");
    for verb in ["HASH", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512"] {
        for path in ["d", "missing", "empty/x", "/"] {
            ann.send(&format!("{verb} {path}")).expect(550);
        }
    }
    assert_eq!(ann.send("XCRC empty").expect(250), "250 00000000");
    assert!(ann.send("HASH empty").expect(213).starts_with("213 SHA-256 0-0 e3b0c44298fc1c14"));
    let whole = ann.send("XMD5 large").expect(250);
    ann.upload("STOR again", &bytes);
    assert_eq!(ann.send("XMD5 again").expect(250), whole);
    ann.upload("STOR again", &bytes[..3_000_000]);
    assert_ne!(ann.send("XMD5 again").expect(250), whole);
}

#[test]
fn who_waits_for_a_digest_is_heard_and_may_abort_it() {
    for command in ["HASH", "XCRC", "XSHA512"] {
        let (_server, mut ann) = reading(command);
        ann.send("NOOP").expect(200);
        assert!(ann.send("STAT").expect(211).contains("A digest is made: "), "{command}");
        ann.send("ABOR").expect(426);
        ann.expect(226);
        ann.script(&[("PWD", 257), ("ABOR", 225)]);
    }
}

#[test]
fn a_client_that_leaves_or_a_server_that_stops_ends_a_digest() {
    let (server, ann) = reading("XMD5");
    ann.vanish();
    server.expect_event("ftp_client_disconnected", &[("username", "ann")]);
    eventually("its thread has ended", || server.threads("session") == 0);
    let (server, mut ann) = reading("XMD5");
    ann.send("NOOP").expect(200);
    let stopped = server.stop();
    assert_eq!(stopped.last().unwrap()["event"], "ftp_server_stopped");
}
