//! Homes in buckets of S3 and of Google: every verb, whose files are whose, quotas, and what is refused at the start.

use crate::support::store::{Fault, Store};
use crate::support::{Builder, Signal, TestServer, eventually, noise};
use django_ftpd::storage::Error;
use django_ftpd::storage::object::bucket::Bucket;
use django_ftpd::storage::object::{Authorities, agent, s3};
use std::num::{NonZeroU64, NonZeroUsize};

/// More than one part of six megabytes, and not a whole number of them.
pub const LARGE: usize = 15_000_001;
const PART: usize = 6_000_000;

/// What the file says of a store.
pub fn sections(store: &Store, more: &str) -> String {
    let url = store.url();
    match store.is_google() {
        false => format!(
            "[s3]\nbucket_name = \"media\"\nendpoint_url = \"{url}\"\naccess_key = \"key\"\nsecret_key = \"secret\"\n\
             location = \"ftp\"\npart_size = \"6 MB\"\nparts_in_flight = 2\n{more}\n"
        ),
        true => format!(
            "[gcs]\nbucket_name = \"media\"\nendpoint_url = \"{url}\"\nlocation = \"ftp\"\npart_size = \"6 MB\"\n{more}\n"
        ),
    }
}

/// Homes are `/NAME` below `ftp`.
pub fn builder() -> Builder {
    let builder = TestServer::with(&[]);
    let site = builder.site();
    site.execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = '/{username}'", []).unwrap();
    site.execute("UPDATE django_ftpserver_ftpuseraccount SET home_dir = NULL", []).unwrap();
    builder
}

pub fn server(store: &Store) -> TestServer {
    server_with(store, "")
}

pub fn server_with(store: &Store, more: &str) -> TestServer {
    let kind = if store.is_google() { "gcs" } else { "s3" };
    builder().args(&["--storage", kind]).file(&sections(store, more)).start()
}

fn both() -> [Store; 2] {
    [Store::s3(), Store::google()]
}

#[test]
fn every_verb_does_what_it_does_on_a_disk() {
    for store in both() {
        let server = server(&store);
        let mut ann = server.login("ann");
        assert!(ann.list("NLST").is_empty());
        ann.script(&[("MKD a b", 257), ("MKD a b", 550), ("MKD no/x", 550), ("CWD a b", 250), ("PWD", 257)]);
        ann.upload("STOR ü.txt", b"0123456789");
        assert_eq!(ann.download("RETR ü.txt"), b"0123456789");
        assert_eq!(ann.send("XMD5 ü.txt").expect(250), "250 781e5e245d69b566979b86e28d23f2c7");
        for (offset, rest) in [("4", "456789"), ("9", "9"), ("10", "")] {
            ann.send(&format!("REST {offset}")).expect(350);
            assert_eq!(ann.download("RETR ü.txt"), rest.as_bytes());
        }
        ann.script(&[("REST 11", 350), ("EPSV", 229), ("RETR ü.txt", 554)]);
        ann.script(&[("REST 4", 350), ("EPSV", 229), ("STOR ü.txt", 550)]);
        ann.send("REST 10").expect(350);
        ann.upload("STOR ü.txt", b"a");
        ann.upload("APPE ü.txt", b"bc");
        ann.upload("APPE new", b"abc");
        assert_eq!(store.bytes("ftp/ann/a b/ü.txt"), b"0123456789abc");
        assert_eq!(ann.send("SIZE ü.txt").expect(213), "213 13");
        ann.send("MFMT 20200102030405 ü.txt").expect(213);
        assert_eq!(ann.send("MDTM ü.txt").expect(213), "213 20200102030405");
        assert_eq!(ann.download("RETR ü.txt"), b"0123456789abc");
        let names: Vec<String> = ann.list("MLSD").iter().map(|line| line.split_once(' ').unwrap().1.into()).collect();
        assert_eq!(names, ["new", "ü.txt"]);
        ann.script(&[("CWD /", 250), ("RMD a b", 550), ("DELE a b", 550), ("RMD a b/new", 550), ("DELE no", 550)]);
        ann.script(&[("RNFR a b/ü.txt", 350), ("RNTO z", 250), ("SIZE a b/ü.txt", 550)]);
        assert_eq!(ann.send("MDTM z").expect(213), "213 20200102030405");
        ann.script(&[("RNFR a b", 350), ("RNTO c", 250), ("CWD a b", 550), ("CWD c", 250), ("DELE new", 250)]);
        ann.script(&[
            ("CWD /c", 250),
            ("CWD /", 250),
            ("RNFR c", 350),
            ("RNTO c/d", 550),
            ("RMD c", 250),
            ("CWD c", 550),
        ]);
        ann.upload("STOU", b"x");
        ann.upload("STOR empty", b"");
        assert!(ann.download("RETR empty").is_empty());
        ann.script(&[("SITE CHMOD 600 z", 550), ("AVBL", 550), ("MLST z", 250), ("STAT /", 213), ("MKD e/", 257)]);
        ann.script(&[
            ("EPSV", 229),
            ("STOR z/y", 550),
            ("EPSV", 229),
            ("STOR e", 550),
            ("EPSV", 229),
            ("STOR no/y", 550),
        ]);
        ann.script(&[("EPSV", 229), ("LIST z", 150)]);
        assert_eq!(store.bytes("ftp/ann/z"), b"0123456789abc");
        assert_eq!(store.state().complaints, [""; 0]);
        assert!(store.state().uploads.is_empty());
    }
}

#[test]
fn files_in_parts_are_the_same_bytes_from_every_offset() {
    for store in both() {
        let server = server(&store);
        let mut ann = server.login("ann");
        let bytes = noise(LARGE);
        for size in [PART - 1, PART, PART + 1, LARGE] {
            ann.upload("STOR large", &bytes[..size]);
            assert!(store.bytes("ftp/ann/large") == bytes[..size], "{size}");
        }
        for offset in [0, 1, PART, LARGE - 1] {
            ann.send(&format!("REST {offset}")).expect(350);
            assert!(ann.download("RETR large") == bytes[offset..], "{offset}");
        }
        ann.upload("APPE large", &bytes);
        assert!(store.bytes("ftp/ann/large") == [&bytes[..], &bytes].concat());
        ann.script(&[("RNFR large", 350), ("RNTO moved", 250)]);
        assert_eq!(store.keys(), ["ftp/ann/moved"]);
        assert!(store.state().uploads.is_empty());
    }
}

#[test]
fn ten_thousand_files_are_told_in_eleven_requests() {
    for store in both() {
        for number in 0..10_000 {
            store.put(&format!("ftp/ann/many/{number:05}"), b"x");
        }
        store.put("ftp/ann/many/sub/y", b"y");
        let server = server(&store);
        let mut ann = server.login("ann");
        for command in ["MLSD many", "LIST many", "NLST many"] {
            store.state().requests.clear();
            let lines = ann.list(command);
            assert_eq!(lines.len(), 10_001);
            let requests = store.state().requests.len();
            assert!(requests <= 11, "{command}: {requests}");
        }
    }
}

#[test]
fn nobody_reaches_the_files_of_others() {
    let store = Store::s3();
    for key in ["ftp/bob/secret", "ftp/ann2/secret", "secret", "ftp/ann//x", "ftp/ann/../bob/y", "ftp/ann/n\u{1}"] {
        store.put(key, b"secret");
    }
    let server = server(&store);
    let mut ann = server.login("ann");
    assert!(ann.list("NLST /").is_empty(), "what no path can name is not shown");
    for path in
        ["../bob/secret", "/../bob/secret", "/../../secret", "../ann2/secret", "/ftp/bob/secret", "a/../../bob/secret"]
    {
        ann.script(&[("EPSV", 229), (&format!("RETR {path}"), 550), (&format!("DELE {path}"), 550)]);
        ann.script(&[(&format!("RNFR {path}"), 550), (&format!("SIZE {path}"), 550)]);
    }
    ann.upload("STOR x", b"of ann");
    ann.script(&[("RNFR x", 350), ("RNTO ../../bob/x", 550), ("CWD ../bob", 550)]);
    let mut bob = server.login("bob");
    assert_eq!(bob.list("NLST"), ["secret"]);
    assert_eq!(store.bytes("ftp/ann/x"), b"of ann");
}

#[test]
fn names_that_no_key_can_have_are_refused() {
    let store = Store::s3();
    let server = server(&store);
    let mut ann = server.login("ann");
    let long = format!("MKD {}", "x/".repeat(500) + &"y".repeat(100));
    for line in [long.as_str(), "MKD a\u{1}b", "MKD a\u{7f}"] {
        ann.send(line).expect(553);
    }
    ann.send_bytes(b"MKD \xc3(\r\n").expect(553);
    // The longest has 1,024 bytes with its slash.
    let name = format!("MKD {}", "n".repeat(1024 - "ftp/ann//".len()));
    ann.send(&name).expect(257);
    ann.send(&format!("{name}n")).expect(553);
    assert!(store.state().complaints.is_empty());
}

#[test]
fn some_homes_are_in_a_bucket_and_others_on_the_disk() {
    let (s3, google) = (Store::s3(), Store::google());
    let builder = TestServer::with(&[]);
    let text = format!(
        "{}{}[user.\"ann\"]\nstorage = \"s3\"\n[group.\"plain\"]\nhome = \"/bob\"\nstorage = \"gcs\"\n",
        sections(&s3, ""),
        sections(&google, "")
    );
    let server = builder.file(&text).start();
    let (ann_home, _) = (server.home("ann"), server.home("md5"));
    server.login("ann").upload("STOR x", b"1");
    server.login("bob").upload("STOR x", b"22");
    server.login("md5").upload("STOR x", b"333");
    assert_eq!(s3.keys(), [format!("ftp{}/x", ann_home.display())]);
    assert_eq!(google.keys(), ["ftp/bob/x"]);
    assert_eq!(std::fs::read(server.home("md5").join("x")).unwrap(), b"333");
    assert!(std::fs::read_dir(&ann_home).unwrap().next().is_none());
    server.expect_event("ftp_file_received", &[("username", "ann"), ("path", &format!("s3://media/{}", s3.keys()[0]))]);
}

#[test]
fn a_quota_counts_the_bytes_in_a_bucket() {
    for store in both() {
        store.put("ftp/ann/old", &noise(60_000));
        store.put("ftp/bob/old", &noise(500_000));
        let server = server_with(&store, "[user.\"ann\"]\nquota = \"100 KB\"");
        let mut ann = server.login("ann");
        assert_eq!(ann.send("SITE QUOTA").expect(200), "200 60000 of 100000 bytes used.");
        assert_eq!(ann.try_upload("STOR new", &noise(40_001)), 552);
        assert_eq!(ann.try_upload("APPE old", &noise(40_001)), 552);
        assert_eq!(store.keys(), ["ftp/ann/old", "ftp/bob/old"]);
        assert_eq!(ann.try_upload("STOR new", &noise(40_000)), 226);
        assert_eq!(ann.try_upload("STOR more", b"x"), 552);
        ann.send("DELE old").expect(250);
        assert_eq!(ann.try_upload("STOR more", b"x"), 226);
        assert!(store.state().uploads.is_empty());
    }
}

#[test]
fn who_aborts_or_vanishes_leaves_nothing_in_the_store() {
    for store in both() {
        let server = server(&store);
        let mut idle = server.login("ann");
        assert!(idle.list("NLST").is_empty());
        let before = server.resources();
        store.put("ftp/ann/old", b"old");
        let large = noise(LARGE);
        for command in ["STOR old", "STOR new", "APPE old"] {
            for vanishes in [false, true] {
                let mut ann = server.login("ann");
                let data = ann.passive();
                ann.send(command).expect(150);
                let data = data.write(&large);
                eventually("a part is there", || store.parts() > 0);
                if vanishes {
                    ann.vanish();
                    drop(data);
                } else {
                    ann.send("ABOR").expect(426);
                    ann.expect(226);
                }
                eventually("nothing is left", || store.state().uploads.is_empty());
                assert_eq!(store.keys(), ["ftp/ann/old"], "{command}");
                assert_eq!(store.bytes("ftp/ann/old"), b"old");
            }
        }
        eventually("no thread is left", || server.resources().1 <= before.1);
    }
}

/// A bucket of S3 that copies so little at once that objects of some megabytes are copied in parts.
fn bucket_with_small_copies(store: &Store) -> s3::S3 {
    let settings = s3::Settings {
        bucket: "media".to_string(),
        endpoint: Some(store.url()),
        region: "us-east-1".to_string(),
        path_style: true,
        part_size: NonZeroUsize::new(PART).unwrap(),
        parts_in_flight: NonZeroUsize::MIN,
        largest_copy: NonZeroU64::new(5 << 20).unwrap(),
    };
    let keys = s3::Keys { access_key: "key".to_string(), secret_key: "secret".to_string(), session_token: None };
    s3::S3::new(settings, s3::Credentials::fixed(keys), agent(&Authorities::None)).unwrap()
}

#[test]
fn what_is_too_large_to_be_copied_at_once_is_copied_in_parts() {
    let store = Store::s3();
    let bucket = bucket_with_small_copies(&store);
    let copied = || store.state().requests.drain(..).filter(|request| request.contains("partNumber=")).count();
    for (size, parts) in [(5 << 20, 0), ((5 << 20) + 1, 1), (10 << 20, 2), ((15 << 20) - 1, 2), ((20 << 20) + 7, 4)] {
        let bytes = noise(size);
        store.put("from", &bytes);
        let time = "2020-01-02T03:04:05Z".parse().unwrap();
        bucket.copy("from", &bucket.head("from").unwrap(), "from", Some(time)).unwrap();
        assert_eq!(copied(), parts, "{size}");
        // What was given of it goes with it.
        bucket.copy("from", &bucket.head("from").unwrap(), "to", None).unwrap();
        assert_eq!(copied(), parts, "{size}");
        assert!(store.bytes("from") == bytes && store.bytes("to") == bytes, "{size}");
        assert_eq!(bucket.head("to").unwrap().modified, time);
    }
    let mut writer = bucket.append("to", &bucket.head("to").unwrap()).unwrap();
    writer.write(b"and more").unwrap();
    writer.finish().unwrap();
    assert!(store.bytes("to") == [&noise((20 << 20) + 7), b"and more".as_slice()].concat());
    assert_eq!(store.state().complaints, [""; 0]);
    assert!(store.state().uploads.is_empty());
}

#[test]
fn a_copy_in_parts_that_fails_leaves_nothing() {
    let store = Store::s3();
    let bucket = bucket_with_small_copies(&store);
    store.put("from", &noise(LARGE));
    let old = bucket.head("from").unwrap();
    store.fault("partNumber=2", 1, Fault::Say(400, ""));
    assert!(matches!(bucket.copy("from", &old, "to", None), Err(Error::Unavailable(_))));
    store.put("from", &noise(LARGE + 1));
    assert!(
        matches!(bucket.copy("from", &old, "to", None), Err(Error::Io(why)) if why.to_string().contains("changed"))
    );
    eventually("nothing is left", || store.state().uploads.is_empty());
    assert_eq!(store.keys(), ["from"]);
}

/// The most memory that a process has had, in bytes.
fn most_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn an_upload_takes_no_more_memory_than_its_parts() {
    for store in both() {
        let server = server(&store);
        let mut ann = server.login("ann");
        ann.upload("STOR small", b"x");
        let before = most_memory(server.pid());
        let large = noise(12 * PART);
        ann.upload("STOR large", &large);
        let more = most_memory(server.pid()) - before;
        assert!(store.bytes("ftp/ann/large") == large);
        // Two parts on their way, one that is filled, and little else.
        assert!(more < 3 * PART + 5_000_000, "{more}");
    }
}

#[test]
fn a_server_that_is_killed_leaves_parts_but_no_file() {
    let store = Store::s3();
    let mut server = server(&store);
    let mut ann = server.login("ann");
    let data = ann.passive();
    ann.send("STOR large").expect(150);
    let _data = data.write(&noise(LARGE));
    eventually("a part is there", || store.parts() > 0);
    server.signal(Signal::KILL);
    server.wait();
    assert!(store.keys().is_empty());
    assert_eq!(store.state().uploads.len(), 1, "what a lifecycle rule of the bucket removes");
}

#[test]
fn what_can_not_work_is_refused_at_the_start() {
    let store = Store::s3();
    let s3 = sections(&store, "");
    let gate = "[[gate]]\nname = \"viruses\"\ncommand = [\"/bin/true\"]\n";
    let of_user = "[user.\"ann\"]\nstorage = \"s3\"\n";
    let examined =
        |who: &str| format!("gate viruses: uploads can't be examined with storage = \"s3\" {who}; leave one");
    for (args, text, why) in [
        (&["--storage", "s3"][..], String::new(), "storage = \"s3\" for all: there is no section [s3]".to_string()),
        (&["--storage", "gcs"], s3.clone(), "storage = \"gcs\" for all: there is no section [gcs]".to_string()),
        (&["--storage", "tape"], s3.clone(), "disk, s3 or gcs".to_string()),
        (&[], of_user.to_string(), "storage = \"s3\" in [user.\"ann\"]: there is no section [s3]".to_string()),
        (&["--storage", "s3"], format!("{s3}{gate}"), examined("for all")),
        (&[], format!("{s3}{of_user}{gate}"), examined("in [user.\"ann\"]")),
        (&["--storage", "s3"], s3.replace("http://", "ftp://"), "s3.endpoint_url: \"ftp://".to_string()),
    ] {
        let (status, said) = builder().args(args).file(&text).fails();
        assert!(status != 0 && said.contains(&why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    builder().file(&format!("{s3}{gate}")).start().login("ann").send("NOOP").expect(200);
}
