//! How fast: what the whole server, an account and a session may send and receive in a second, and who gets which part of it.

use crate::support::{Client, Embedded, TestServer, Tls, noise};
#[cfg(feature = "object-storage")]
use crate::{object_stores, support::store::Store};
use django_ftpd::accounts::Limits;
use django_ftpd::events::Kind;
use django_ftpd::server::Server;
use django_ftpd::session::Settings;
use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const RATE: u64 = 400_000;

fn rates(rate: u64) -> Limits {
    Limits { download_rate: NonZeroU64::new(rate), upload_rate: NonZeroU64::new(rate), ..Limits::default() }
}

/// Bytes a second that something lets through.
fn speed(bytes: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    bytes as f64 / start.elapsed().as_secs_f64()
}

/// A busy machine may be a little slower, but it is never faster.
#[track_caller]
fn assert_keeps(rate: u64, speed: f64) {
    let ratio = speed / rate as f64;
    assert!((0.9..1.05).contains(&ratio), "{ratio:.3} of the rate");
}

#[test]
fn downloads_keep_their_rate() {
    let without_sendfile = |server: Server| server.settings(Settings { sendfile: false, ..Embedded::settings() });
    let (plain, read) = (Embedded::start(), Embedded::with(without_sendfile));
    let bytes = noise(3 * RATE as usize);
    for server in [&plain, &read] {
        fs::write(server.account("ann", rates(RATE)).join("file"), &bytes).unwrap();
    }
    let tls = Tls::new();
    let clients = [plain.login("ann"), read.login("ann"), read.login_in_tls("ann", &tls)];
    for mut client in clients {
        let measured = speed(bytes.len(), || assert_eq!(client.download("RETR file"), bytes));
        assert_keeps(RATE, measured);
    }
}

#[test]
fn uploads_keep_their_rate() {
    let server = Embedded::start();
    let home = server.account("ann", rates(RATE));
    let bytes = noise(3 * RATE as usize);
    let tls = Tls::new();
    for mut client in [server.login("ann"), server.login_in_tls("ann", &tls)] {
        let measured = speed(bytes.len(), || client.upload("STOR file", &bytes));
        assert_keeps(RATE, measured);
        assert_eq!(fs::read(home.join("file")).unwrap(), bytes);
    }
}

#[test]
fn many_small_files_keep_the_rate_too() {
    let server = Embedded::start();
    let home = server.account("ann", rates(RATE));
    fs::write(home.join("file"), noise(10_000)).unwrap();
    let mut ann = server.login("ann");
    let measured = speed(3 * RATE as usize, || (0..120).for_each(|_| drop(ann.download("RETR file"))));
    assert_keeps(RATE, measured);
}

/// Both directions.
const WAYS: [&str; 2] = ["RETR file", "STOR new"];

/// Transfers so many bytes; how long it took, in seconds.
fn transfer(client: &mut Client, way: &str, bytes: usize) -> f64 {
    let start = Instant::now();
    match way {
        "STOR new" => client.upload("STOU", &noise(bytes)),
        _ => assert_eq!(client.download(way).len(), bytes),
    }
    start.elapsed().as_secs_f64()
}

/// All at once, so many bytes each: together they keep to the rate, and each gets an equal part of it.
#[track_caller]
fn assert_share(rate: u64, clients: &mut [Client], bytes: usize) {
    for way in WAYS {
        let times: Vec<f64> = thread::scope(|scope| {
            let running: Vec<_> =
                clients.iter_mut().map(|client| scope.spawn(|| transfer(client, way, bytes))).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        let last = times.iter().copied().fold(0.0, f64::max);
        assert_keeps(rate, (times.len() * bytes) as f64 / last);
        assert!(times.iter().all(|time| *time > 0.85 * last), "{way}: {times:?}");
    }
}

#[test]
fn transfers_of_an_account_share_its_rate() {
    let server = Embedded::start();
    let home = server.account("ann", rates(RATE));
    fs::write(home.join("file"), noise(600_000)).unwrap();
    assert_share(RATE, &mut [server.login("ann"), server.login("ann")], 600_000);
}

#[test]
fn an_upload_in_tls_at_a_rate_below_its_records_is_whole() {
    let (server, tls) = (Embedded::start(), Tls::new());
    let home = server.account("ann", rates(80_000));
    let bytes = noise(200_001);
    let mut ann = server.login_in_tls("ann", &tls);
    assert_keeps(80_000, speed(bytes.len(), || ann.upload("STOR file", &bytes)));
    assert!(fs::read(home.join("file")).unwrap() == bytes);
    assert!(ann.download("RETR file") == bytes);
}

#[test]
fn all_sessions_share_the_rate_of_the_server() {
    let rates = ["--server-download-rate", "600 kB", "--server-upload-rate", "600 kB", "--tls", "optional"];
    let (server, tls) = (TestServer::with_tls(&rates).start(), Tls::new());
    for name in ["ann", "sha1"] {
        fs::write(server.home(name).join("file"), noise(600_000)).unwrap();
    }
    assert_share(600_000, &mut [server.login("ann"), server.login_in_tls("sha1", &tls), server.login("ann")], 600_000);
}

#[test]
fn many_transfers_get_equal_parts() {
    let settings = |rate| Settings { server_download_rate: rate, server_upload_rate: rate, ..Embedded::settings() };
    let server = Embedded::with(|server| server.settings(settings(NonZeroU64::new(800_000))));
    fs::write(server.account("ann", Limits::default()).join("file"), noise(4 << 20)).unwrap();
    let all_are_ready = Barrier::new(16);
    let speeds: Vec<f64> = thread::scope(|scope| {
        let receive = || {
            let mut ann = server.login("ann");
            let (mut data, mut bytes, mut piece) = (ann.passive(), 0, vec![0; 1 << 16]);
            all_are_ready.wait();
            let start = Instant::now();
            ann.send("RETR file").expect(150);
            while start.elapsed() < Duration::from_secs(4) {
                bytes += data.receive(&mut piece).unwrap();
            }
            bytes as f64 / start.elapsed().as_secs_f64()
        };
        let running: Vec<_> = (0..16).map(|_| scope.spawn(receive)).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    assert_keeps(800_000, speeds.iter().sum());
    // Who comes first has the rate alone for a moment.
    assert!(speeds.iter().all(|speed| (0.8..1.4).contains(&(speed / 50_000.0))), "{speeds:?}");
}

#[test]
fn each_session_has_a_rate_of_its_own_that_sections_can_change() {
    let rates = ["--session-download-rate", "300 kB", "--session-upload-rate", "300 kB"];
    let text = "[user.sha1]\nsession_download_rate = \"200 kB\"\nsession_upload_rate = \"200 kB\"\n";
    let server = TestServer::with(&rates).file(text).start();
    let clients = [("ann", 300_000), ("ann", 300_000), ("sha1", 200_000), ("sha1", 200_000)];
    for (name, rate) in clients {
        fs::write(server.home(name).join("file"), noise(3 * rate as usize)).unwrap();
    }
    thread::scope(|scope| {
        for (name, rate) in clients {
            let mut client = server.login(name);
            scope.spawn(move || {
                for way in WAYS {
                    assert_keeps(rate, 3.0 * rate as f64 / transfer(&mut client, way, 3 * rate as usize));
                }
            });
        }
    });
}

#[test]
fn the_slowest_of_three_rates_decides() {
    let rate = |kilobytes| NonZeroU64::new(kilobytes * 1000);
    let attempt = |[whole, account, session]: [u64; 3], slowest: u64| {
        let settings = Settings {
            server_download_rate: rate(whole),
            server_upload_rate: rate(whole),
            session_download_rate: rate(1),
            session_upload_rate: rate(1),
            ..Embedded::settings()
        };
        let limits = Limits {
            session_download_rate: rate(session),
            session_upload_rate: rate(session),
            ..rates(account * 1000)
        };
        let server = Embedded::with(|server| server.settings(settings));
        fs::write(server.account("ann", limits).join("file"), noise(3 * slowest as usize)).unwrap();
        thread::scope(|scope| {
            for way in WAYS {
                let mut ann = server.login("ann");
                scope.spawn(move || {
                    assert_keeps(slowest, 3.0 * slowest as f64 / transfer(&mut ann, way, 3 * slowest as usize))
                });
            }
        });
    };
    thread::scope(|scope| {
        for rates in [[200, 400, 600], [600, 200, 400], [400, 600, 200]] {
            scope.spawn(move || attempt(rates, 200_000));
        }
        scope.spawn(|| attempt([5000, 5000, 20], 20_000));
    });
}

#[test]
fn what_a_slow_session_leaves_goes_to_the_others() {
    let settings = Settings { server_download_rate: NonZeroU64::new(600_000), ..Embedded::settings() };
    let server = Embedded::with(|server| server.settings(settings));
    let slow = Limits { session_download_rate: NonZeroU64::new(60_000), ..Limits::default() };
    let people = [("slow", slow, 60_000), ("ann", Limits::default(), 270_000), ("bob", rates(500_000), 270_000)];
    let clients = people.map(|(name, limits, rate)| {
        fs::write(server.account(name, limits).join("file"), noise(3 * rate)).unwrap();
        (server.login(name), rate)
    });
    thread::scope(|scope| {
        for (mut client, rate) in clients {
            scope.spawn(move || {
                let time = transfer(&mut client, "RETR file", 3 * rate);
                assert!((2.6..3.4).contains(&time), "{time} seconds instead of three at {rate}");
            });
        }
    });
}

#[cfg(feature = "object-storage")]
#[test]
fn homes_in_buckets_have_rates_too() {
    for store in [Store::s3(), Store::google()] {
        let rates = format!("session_upload_rate = {RATE}\nsession_download_rate = {RATE}\n");
        let kind = if store.is_google() { "gcs" } else { "s3" };
        let server = object_stores::builder()
            .args(&["--storage", kind])
            .file(&format!("{rates}{}", object_stores::sections(&store, "")))
            .start();
        let (mut ann, bytes) = (server.login("ann"), noise(3 * RATE as usize));
        assert_keeps(RATE, speed(bytes.len(), || ann.upload("STOR file", &bytes)));
        assert_keeps(RATE, speed(bytes.len(), || assert_eq!(ann.download("RETR file"), bytes)));
    }
}

#[test]
fn a_reload_changes_the_rate_of_the_server_at_once_and_that_of_sessions_for_new_ones() {
    let builder = TestServer::with(&[]).control();
    let file = builder.outside("ftpd.conf");
    let server = builder.file("server_download_rate = \"10 kB\"").start();
    let reload = |text: &str| {
        fs::write(&file, text).unwrap();
        assert_eq!(server.says(&["reload"]), "the configuration was read anew\n");
    };
    fs::write(server.home("ann").join("file"), noise(900_000)).unwrap();
    let mut before = server.login("ann");
    let mut data = before.passive();
    before.send("RETR file").expect(150);
    data.stream.read_exact(&mut [0; 100]).unwrap();
    reload("server_download_rate = \"300 kB\"\nsession_download_rate = \"100 kB\"\n");
    assert_keeps(300_000, speed(900_000, || assert_eq!(data.read().len(), 899_900)));
    before.expect(226);
    fs::write(server.home("ann").join("file"), noise(300_000)).unwrap();
    assert_keeps(100_000, 300_000.0 / transfer(&mut server.login("ann"), "RETR file", 300_000));
    reload("");
    for client in [&mut before, &mut server.login("ann")] {
        assert!(transfer(client, "RETR file", 300_000) < 0.5);
    }
}

#[test]
fn listings_are_as_fast_as_ever() {
    let server = Embedded::start();
    let home = server.account("ann", rates(10));
    (0..1000).for_each(|number| fs::write(home.join(format!("file-{number}")), b"x").unwrap());
    let mut ann = server.login("ann");
    let start = Instant::now();
    for command in ["LIST", "NLST", "MLSD"] {
        assert_eq!(ann.list(command).len(), 1000);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// How long the next reply takes.
fn soon(client: &mut Client, code: u16) {
    let start = Instant::now();
    client.expect(code);
    assert!(start.elapsed() < Duration::from_millis(150), "{code} came after {:?}", start.elapsed());
}

#[test]
fn a_transfer_that_waits_for_its_rate_hears_its_client() {
    let stalling = Settings { data_timeout: Some(Duration::from_millis(500)), ..Embedded::settings() };
    let server = Embedded::with(|server| server.settings(stalling));
    // A kilobyte every second.
    let home = server.account("ann", rates(1000));
    fs::write(home.join("file"), noise(1 << 20)).unwrap();
    for command in ["RETR file", "STOR new"] {
        let mut ann = server.login("ann");
        let mut data = ann.passive();
        ann.send(command).expect(150);
        if command == "STOR new" {
            (&data.stream).write_all(&noise(100_000)).unwrap();
        } else {
            data.stream.read_exact(&mut [0; 1024]).unwrap();
        }
        thread::sleep(Duration::from_millis(1000)); // twice what a standstill may last
        soon(ann.send("NOOP"), 200);
        soon(ann.send("STAT"), 211);
        soon(ann.send("ABOR"), 426);
        ann.expect(226);
        drop(data.receive(&mut [0]));
    }
    assert!(!home.join("new").exists());
    let mut ann = server.login("ann");
    let _data = ann.passive();
    ann.send("RETR file").expect(150);
    soon(ann.send("QUIT"), 221);
    server.stopper().stop();
}

#[test]
fn a_server_that_stops_waits_no_longer_for_rates() {
    for quits in [false, true] {
        let server = Embedded::with(|server| server.grace(Duration::from_millis(300)));
        let home = server.account("ann", rates(1000));
        fs::write(home.join("file"), noise(1 << 20)).unwrap();
        let mut ann = server.login("ann");
        let _data = ann.passive();
        ann.send("RETR file").expect(150);
        if quits {
            ann.send("QUIT").expect(221);
        }
        server.stopper().stop();
        let start = Instant::now();
        ann.expect(421);
        assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
        server.expect_events(Kind::FileSentIncomplete, 1, |subject| subject.contains("the server stopped"));
    }
}

#[test]
fn a_new_rate_holds_from_the_next_transfer() {
    let server = Embedded::start();
    let home = server.account("ann", rates(10));
    fs::write(home.join("file"), noise(1 << 20)).unwrap();
    let mut ann = server.login("ann");
    server.limit("ann", rates(RATE));
    assert_keeps(RATE, speed(1 << 20, || drop(ann.download("RETR file"))));
    server.limit("ann", Limits::default());
    let start = Instant::now();
    ann.download("RETR file");
    assert!(start.elapsed() < Duration::from_secs(1));
}
