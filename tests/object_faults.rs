//! What becomes of transfers when an object store fails: they succeed a little later, or the client is told that they
//! did not, and never is a part of a file taken for the whole.

use crate::object_stores::{LARGE, builder, sections, server, server_with};
use crate::support::store::{Fault, Store};
use crate::support::{Client, TestServer, eventually, noise};
use std::io::Write;
use std::time::{Duration, Instant};

const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>Less.</Message></Error>";
const INTERNAL: &str = "<Error><Code>InternalError</Code><Message>Again.</Message></Error>";
const DIGEST: &str = "<Error><Code>BadDigest</Code><Message>Other bytes.</Message></Error>";

/// What passes when it is tried again.
const PASSING: [Fault; 6] = [
    Fault::HangUp,
    Fault::HangUpAfter,
    Fault::Say(503, SLOW_DOWN),
    Fault::Say(500, INTERNAL),
    Fault::Say(429, ""),
    Fault::Say(502, "<html>"),
];

#[test]
fn a_fault_at_any_step_of_an_upload_passes() {
    let large = noise(LARGE);
    let s3 = ["HEAD /media/ftp/ann/x", "GET /media/?", "uploads=", "partNumber=1&", "partNumber=3&", "uploadId="];
    let google = ["GET /storage/v1/b/media/o/", "uploadType=resumable", "PUT /resume/"];
    for (store, steps) in [(Store::s3(), &s3[..]), (Store::google(), &google[..])] {
        let server = server(&store);
        let mut ann = server.login("ann");
        for fault in PASSING {
            for step in steps {
                store.fault(step, 1, fault);
                assert_eq!(ann.try_upload("STOR x", &large), 226, "{step}");
                assert!(store.bytes("ftp/ann/x") == large, "{step}");
                assert_eq!(store.parts(), 0, "{step}");
                store.heal();
            }
        }
        assert!(store.state().complaints.is_empty());
    }
}

#[test]
fn a_fault_of_any_other_verb_passes() {
    for (store, steps) in [
        (Store::s3(), &["HEAD", "GET", "PUT", "DELETE"][..]),
        (Store::google(), &["GET", "POST", "DELETE", "PATCH", "compose", "alt=media"]),
    ] {
        let server = server(&store);
        let mut ann = server.login("ann");
        for fault in PASSING {
            for step in steps {
                store.put("ftp/ann/x", b"0123456789");
                store.fault(step, 2, fault);
                ann.script(&[("MKD d", 257), ("RNFR x", 350), ("RNTO d/y", 250), ("MFMT 20200102030405 d/y", 213)]);
                assert_eq!(ann.try_upload("APPE d/y", b"abc"), 226, "{step}");
                assert_eq!(ann.download("RETR d/y"), b"0123456789abc", "{step}");
                assert_eq!(ann.list("NLST d"), ["y"], "{step}");
                ann.script(&[("DELE d/y", 250), ("RMD d", 250)]);
                assert!(store.keys().is_empty(), "{step}: {:?}", store.keys());
                store.heal();
            }
        }
    }
}

#[test]
fn a_download_that_breaks_goes_on_where_it_broke() {
    for store in [Store::s3(), Store::google()] {
        let bytes = noise(LARGE);
        store.put("ftp/ann/x", &bytes);
        let server = server(&store);
        let mut ann = server.login("ann");
        let request = if store.is_google() { "alt=media" } else { "GET /media/ftp/ann/x" };
        for length in [0, 1, LARGE / 2, LARGE - 1] {
            store.fault(request, 2, Fault::Cut(length));
            assert!(ann.download("RETR x") == bytes, "{length}");
            store.heal();
        }
    }
}

#[test]
fn a_download_in_pieces_is_whole_whatever_happens_to_them() {
    for store in [Store::s3(), Store::google()] {
        let (server, bytes) = (server(&store), noise(3 * LARGE));
        store.put("ftp/ann/x", &bytes);
        let mut ann = server.login("ann");
        let request = if store.is_google() { "alt=media" } else { "GET /media/ftp/ann/x" };
        for fault in PASSING.into_iter().chain([Fault::Cut(0), Fault::Cut(1_000_000)]) {
            store.heal();
            // Behind a piece that is waited for others come ahead.
            store.fault(request, 1, Fault::Late(Duration::from_millis(500)));
            store.fault(request, 3, fault);
            assert!(ann.download("RETR x") == bytes, "{fault:?}");
            ann.send("REST 7000001").expect(350);
            assert!(ann.download("RETR x") == bytes[7_000_001..], "{fault:?}");
        }
        store.heal();
        store.fault(request, 1, Fault::Late(Duration::from_millis(500)));
        store.fault(request, 99, Fault::Cut(0));
        assert_eq!(ends_with(&mut ann, "RETR x"), 451);
        // Nobody loads what nobody wants.
        store.heal();
        store.fault(request, usize::MAX, Fault::Late(Duration::from_millis(300)));
        let mut data = ann.passive();
        ann.send("RETR x").expect(150);
        data.receive(&mut vec![0; 1 << 20]).unwrap();
        ann.send("ABOR").expect(426);
        ann.expect(226);
        eventually("all threads of it have ended", || server.threads("piece") == 0);
    }
}

#[test]
fn what_is_another_file_meanwhile_is_not_sent_as_the_rest_of_the_first() {
    let store = Store::s3();
    store.put("ftp/ann/x", &noise(LARGE));
    let server = server(&store);
    let mut ann = server.login("ann");
    store.fault("GET /media/ftp/ann/x", 9, Fault::OtherVersion);
    assert_eq!(ends_with(&mut ann, "RETR x"), 451);
    // A store that leaves the range out sends the beginning.
    store.heal();
    store.fault("GET /media/ftp/ann/x", 9, Fault::Say(200, "beginning"));
    ann.send("REST 5").expect(350);
    assert_eq!(ends_with(&mut ann, "RETR x"), 451);
    // And one that breaks off again and again is no end of the file.
    store.heal();
    store.fault("GET /media/ftp/ann/x", 99, Fault::Cut(0));
    assert_eq!(ends_with(&mut ann, "RETR x"), 451);
    store.heal();
    assert_eq!(ann.download("RETR x").len(), LARGE);
}

/// The last code of a download.
fn ends_with(client: &mut Client, command: &str) -> u16 {
    let mut data = client.passive();
    client.send(command).expect(150);
    let mut piece = vec![0; 1 << 16];
    while data.receive(&mut piece).is_ok_and(|length| length > 0) {}
    String::from_utf8_lossy(&client.reply())[..3].parse().unwrap()
}

#[test]
fn an_upload_that_the_store_refuses_leaves_the_old_file_and_no_parts() {
    let store = Store::s3();
    store.put("ftp/ann/x", b"old");
    let server = server(&store);
    let mut ann = server.login("ann");
    let large = noise(LARGE);
    for (step, fault, code) in [
        ("uploadId=", Fault::Say(400, "<Error><Code>InvalidPart</Code><Message>No.</Message></Error>"), 451),
        ("partNumber=2&", Fault::Say(403, "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"), 550),
        ("partNumber=2&", Fault::Say(404, "<Error><Code>NoSuchUpload</Code><Message>No.</Message></Error>"), 451),
        ("partNumber=2&", Fault::Say(507, "<Error><Code>QuotaExceeded</Code><Message>No.</Message></Error>"), 452),
        ("uploads=", Fault::Say(200, "<html>"), 451),
        ("POST /media/ftp/ann/x?uploadId=", Fault::Say(200, "nonsense"), 451),
        ("POST /media/ftp/ann/x?uploadId=", Fault::Say(404, "<html>"), 451),
        ("POST /media/ftp/ann/x?uploadId=", Fault::Say(404, "<Error><Code>NoSuchUpload</Code></Error>"), 451),
    ] {
        store.fault(step, 1, fault);
        assert_eq!(ann.try_upload("STOR x", &large), code, "{step}");
        assert_eq!(store.bytes("ftp/ann/x"), b"old", "{step}");
        assert!(store.state().uploads.is_empty(), "{step}");
        store.heal();
    }
    // The same again, where the old file has as many bytes and parts: it is not taken for the new one.
    assert_eq!(ann.try_upload("STOR x", &large), 226);
    store.fault("POST /media/ftp/ann/x?uploadId=", 1, Fault::Say(404, "<Error><Code>NoSuchUpload</Code></Error>"));
    assert_eq!(ann.try_upload("STOR x", &noise(LARGE + 1)[1..]), 451);
    assert!(store.bytes("ftp/ann/x") == large);
    // Bytes that have become others on their way are sent again, and so is what failed behind a 200.
    store.fault("partNumber=1&", 1, Fault::Say(400, DIGEST));
    store.fault("POST /media/ftp/ann/x?uploadId=", 1, Fault::Say(200, INTERNAL));
    assert_eq!(ann.try_upload("STOR x", &large), 226);
    assert!(store.bytes("ftp/ann/x") == large);
}

#[test]
fn a_store_with_another_clock_is_understood() {
    for skew in [86_400, -7_200] {
        let store = Store::s3();
        store.state().skew = skew;
        let server = server(&store);
        let mut ann = server.login("ann");
        ann.upload("STOR x", b"x");
        store.state().skew = 0;
        assert_eq!(ann.download("RETR x"), b"x");
    }
}

#[test]
fn keys_that_expire_are_lent_anew() {
    let store = Store::s3();
    store.state().token = Some(1);
    let builder = builder();
    let token = builder.outside("token");
    std::fs::write(&token, "of the cluster\n").unwrap();
    let own = "access_key = \"key\"\nsecret_key = \"secret\"\n";
    let text = sections(&store, "").replace(own, "");
    let builder = builder.env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    let builder = builder.env("AWS_ROLE_ARN", "arn:role").env("AWS_ENDPOINT_URL_STS", &format!("{}/sts", store.url()));
    let server = builder.args(&["--storage", "s3"]).file(&text).start();
    let mut ann = server.login("ann");
    ann.upload("STOR x", b"x");
    store.state().token = Some(2);
    assert_eq!(ann.download("RETR x"), b"x");
    store.state().token = Some(3);
    ann.send("EPSV").expect(229);
    ann.upload("STOR large", &noise(LARGE));
    let log = server.log();
    assert!(!log.contains("token-1") && !log.contains("of the cluster"), "{log}");
}

#[test]
fn what_is_wrong_with_a_store_is_one_line_in_the_log() {
    let store = Store::s3();
    store.put("ftp/ann/x", b"x");
    for (from, to, code, why) in [
        ("\"secret\"", "\"wrong\"", 550, " ERROR s3://media: 403 Forbidden for HEAD"),
        ("\"media\"", "\"none\"", 451, "s3://none: NoSuchBucket: no\\x0away"),
    ] {
        let server = builder().args(&["--storage", "s3"]).file(&sections(&store, "").replace(from, to)).start();
        let mut ann = server.login("ann");
        ann.send("SIZE x").expect(code);
        server.expect_log(why);
        assert_eq!(server.log().lines().filter(|line| line.contains(" ERROR ")).count(), 1, "{}", server.log());
    }
    let server = server(&store);
    let mut ann = server.login("ann");
    for (fault, why) in [
        (Fault::Say(200, "<html>"), "an answer that is no XML"),
        (Fault::Say(200, "<a/>"), "an answer that is no ListBucketResult"),
        (Fault::Say(404, "<html>"), "there is no such bucket"),
        (Fault::Say(418, "tea"), "418"),
        (Fault::Say(301, ""), "301"),
    ] {
        store.fault("GET /media/?", 1, fault);
        ann.script(&[("EPSV", 229), ("NLST /", 451)]);
        server.expect_log(why);
        assert_eq!(ann.list("NLST /"), ["x"]);
    }
}

/// What each verb is answered by a store that does not answer, and how long that takes.
fn assert_unavailable(server: &TestServer) {
    let lines = [
        "SIZE x",
        "MDTM x",
        "MLST x",
        "CWD d",
        "RMD d",
        "MKD n",
        "DELE x",
        "RNFR x",
        "MFMT 20200102030405 x",
        "RETR x",
        "STOR y",
        "APPE x",
        "STOU",
        "LIST",
        "MLSD",
        "NLST",
        "STAT x",
        "SITE QUOTA",
    ];
    std::thread::scope(|scope| {
        for line in lines {
            scope.spawn(move || {
                let mut ann = server.login("ann");
                ann.stream().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                ann.send("EPSV").expect(229);
                let began = Instant::now();
                let code = ann.code(line);
                assert!([421, 450, 451].contains(&code), "{line}: {code}");
                assert!(began.elapsed() < Duration::from_secs(32), "{line}: {:?}", began.elapsed());
                ann.script(&[("NOOP", 200), ("PWD", 257)]);
            });
        }
    });
}

/// Fails for long, and then not any more.
fn fails_for_long(fault: Fault) {
    let store = Store::s3();
    store.put("ftp/ann/x", b"x");
    let server = server_with(&store, "[user.\"ann\"]\nquota = \"1 MB\"");
    let mut ann = server.login("ann");
    assert_eq!(ann.download("RETR x"), b"x");
    store.fault("/", usize::MAX, fault);
    assert_unavailable(&server);
    store.heal();
    assert_eq!(ann.download("RETR x"), b"x");
    assert_eq!(ann.try_upload("STOR x", b"new"), 226);
}

#[test]
fn a_store_that_is_silent_or_busy_is_waited_for_only_so_long_and_used_again_afterwards() {
    std::thread::scope(|scope| {
        for fault in [Fault::Silence, Fault::Say(503, SLOW_DOWN)] {
            scope.spawn(move || fails_for_long(fault));
        }
    });
}

#[test]
fn a_store_that_falls_silent_in_the_middle_ends_the_transfer_and_gets_rid_of_the_parts_later() {
    let store = Store::s3();
    store.put("ftp/ann/x", &noise(LARGE));
    let server = server(&store);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut ann = server.login("ann");
            ann.stream().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            store.fault("partNumber=2&", usize::MAX, Fault::Silence);
            store.fault("DELETE /media/ftp/ann/y?uploadId=", 1, Fault::Silence);
            let began = Instant::now();
            assert_eq!(ann.try_upload("STOR y", &noise(LARGE)), 451);
            assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
            eventually("no parts are left", || store.state().uploads.is_empty());
        });
        scope.spawn(|| {
            let mut ann = server.login("ann");
            ann.stream().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            store.fault("GET /media/ftp/ann/x", usize::MAX, Fault::Silence);
            let began = Instant::now();
            let data = ann.passive();
            ann.send("RETR x").expect(150);
            assert!(String::from_utf8_lossy(&ann.reply()).starts_with("451"));
            assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
            drop(data);
        });
    });
}

#[test]
fn who_aborts_does_not_wait_for_a_silent_store() {
    for (store, part) in [(Store::s3(), "partNumber=1&"), (Store::google(), "PUT /resume/")] {
        let server = server(&store);
        store.fault(part, usize::MAX, Fault::Silence);
        let mut ann = server.login("ann");
        let data = ann.passive();
        ann.send("STOR x").expect(150);
        let large = noise(4 * LARGE);
        std::thread::scope(|scope| {
            let stream = data.stream.try_clone().unwrap();
            scope.spawn(move || drop((&stream).write_all(&large))); // it is cut off
            eventually("a part is on its way", || store.state().requests.iter().any(|line| line.contains(part)));
            let began = Instant::now();
            ann.send("ABOR").expect(426);
            ann.expect(226);
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        });
        drop(data);
        ann.send("NOOP").expect(200);
        assert_eq!(ann.code("SIZE x"), 550);
    }
}

#[test]
fn a_store_that_speaks_nonsense_is_not_believed() {
    let store = Store::s3();
    store.put("ftp/ann/x", b"x");
    let server = server(&store);
    let mut ann = server.login("ann");
    for text in [
        "220 ftp.example.org\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "\0\0\0",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        store.fault("HEAD", 1, Fault::Raw(text));
        let code = ann.code("SIZE x");
        assert!([213, 451].contains(&code), "{text:?}: {code}");
        ann.send("SIZE x").expect(213);
    }
}
