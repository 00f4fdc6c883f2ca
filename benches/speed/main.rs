//! `cargo bench`, or `cargo bench -- WORD`: what a change may have made slower, from the parser to whole transfers with a
//! server in this process. Figures of one machine can be compared with each other, before and after; tests/bench/instructions
//! counts instructions where time is too noisy.

#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the vocabulary of the tests; a bench needs a part of it")]
mod support;
mod timing;

use django_ftpd::accounts::{Accounts, Attempt, DjangoDatabase, FieldNames, Limits, Proof, Site};
use django_ftpd::events::{Entry, Event, Journal, Kind, Place, SessionTag, Sink, Subject};
use django_ftpd::protocol::facts::{self, FactSet, Facts};
use django_ftpd::protocol::listing;
use django_ftpd::protocol::permission::Permissions;
use django_ftpd::protocol::request::Request;
use django_ftpd::protocol::time::ListingClock;
use django_ftpd::storage::{self, VirtualPath};
use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use support::{Client, Embedded, TestServer, Tls, noise};
use timing::Bench;

fn main() {
    let bench = Bench::from_args();
    texts(&bench);
    logins(&bench);
    journal(&bench);
    if bench.wants(&["session: NOOP", "session: connect, log in, QUIT"]) {
        sessions(&bench);
    }
    if bench.wants(&["listing: LIST of 1000", "listing: MLSD of 1000"]) {
        listings(&bench);
    }
    for tls in [None, Some(Tls::new())] {
        transfers(&bench, tls.as_ref());
    }
}

/// What is read of clients and written for them.
fn texts(bench: &Bench) {
    bench.run("text: a command", || {
        let request = Request::parse(black_box(b"STOR reports/2026/november.pdf"), true).unwrap_or_else(|_| panic!());
        request.command().is_ok()
    });
    let place = VirtualPath::root().join(b"reports/2026");
    bench.run("text: a path from where one stands", || place.join(black_box(b"../2025/./december/../november.pdf")));
    let facts = Facts {
        kind: storage::Kind::File,
        size: 123_456,
        modified: jiff::Timestamp::now(),
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        links: 1,
        identity: (1, 2),
        link_target: None,
    };
    let writer = facts::Writer::new(FactSet::default(), Permissions::all());
    let (clock, mut out) = (ListingClock::new(false), Vec::new());
    bench.run("text: a line of LIST", || {
        out.clear();
        listing::write_line(black_box(&facts), b"november.pdf", &clock, &mut out);
        out.len()
    });
    bench.run("text: a line of MLSD", || {
        out.clear();
        writer.write(black_box(&facts), &mut out);
        out.len()
    });
}

/// A name and a password become an account.
fn logins(bench: &Bench) {
    let builder = TestServer::with(&[]);
    let directory = DjangoDatabase::open_with(builder.outside("site.sqlite3"), FieldNames::default()).unwrap();
    let site = Site::new(directory).unwrap().remember_logins(Duration::from_secs(3600));
    let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let attempt = Attempt { username: "ann", proof: Proof::Password(b"ann-secret"), remote };
    bench.run("login: looked up, cheap hash verified", || assert!(site.attempt(&attempt).is_ok()));
    assert!(site.attempt(&attempt).is_ok());
    bench.run("login: looked up, password remembered", || assert!(site.remembered(&attempt).is_some()));
}

/// An event in the journal.
fn journal(bench: &Bench) {
    let builder = TestServer::with(&[]);
    let mut journal = Journal::append(builder.outside("bench.jsonl")).unwrap();
    let remote = (Ipv4Addr::LOCALHOST, 50000).into();
    let session = SessionTag { id: 1795300152730649, remote, username: Some(b"ann"[..].into()), tls: None };
    let place = || Place { real: b"/srv/ftp/ann/november.pdf".to_vec(), shown: b"/november.pdf".to_vec() };
    let mut seq = 0;
    let mut batch = |events: u64| {
        for _ in 0..events {
            let file = place();
            let subject =
                Subject::Transfer { file, bytes: 123_456, duration: Duration::from_millis(7), tls: None, reason: None };
            seq += 1;
            journal.record(&Entry { seq, event: Event::now(Kind::FileSent, Some(session.clone()), subject) });
        }
        journal.flush()
    };
    bench.run("journal: one event", || batch(1));
    bench.run("journal: a batch of 100 events", || batch(100));
}

fn sessions(bench: &Bench) {
    let server = Embedded::start();
    server.account("ann", Limits::default());
    let mut ann = server.login("ann");
    bench.run("session: NOOP", || ann.code("NOOP"));
    bench.run("session: connect, log in, QUIT", || server.login("ann").code("QUIT"));
}

fn listings(bench: &Bench) {
    let server = Embedded::start();
    let home = server.account("ann", Limits::default());
    (0..1000).for_each(|number| fs::write(home.join(format!("file-{number}")), b"x").unwrap());
    let mut ann = server.login("ann");
    for command in ["LIST", "MLSD"] {
        bench.run(&format!("listing: {command} of 1000"), || assert_eq!(ann.list(command).len(), 1000));
    }
}

/// Files over loopback, in the clear or in TLS.
fn transfers(bench: &Bench, tls: Option<&Tls>) {
    let how = if tls.is_some() { "TLS" } else { "plain" };
    let sizes = [("4 KiB", 4 << 10), ("32 MiB", 32 << 20)];
    let name = |verb: &str, size: &str| format!("transfer: {verb} {size}, {how}");
    if !sizes.iter().any(|(size, _)| bench.wants(&[&name("RETR", size), &name("STOR", size)])) {
        return;
    }
    let server = Embedded::start();
    let home = server.account("ann", Limits::default());
    let mut ann = match tls {
        Some(tls) => server.login_in_tls("ann", tls),
        None => server.login("ann"),
    };
    for (size, length) in sizes {
        let bytes = noise(length);
        fs::write(home.join("file"), &bytes).unwrap();
        bench.run_with_bytes(&name("RETR", size), length as u64, || receive(&mut ann, length));
        bench.run_with_bytes(&name("STOR", size), length as u64, || ann.upload("STOR new", &bytes));
    }
}

/// A download, of which nothing is kept.
fn receive(client: &mut Client, length: usize) {
    let (mut data, mut received, mut piece) = (client.passive(), 0, vec![0; 256 << 10]);
    client.send("RETR file").expect(150);
    loop {
        match data.receive(&mut piece).unwrap() {
            0 => break,
            more => received += more,
        }
    }
    assert_eq!(received, length);
    client.expect(226);
}
