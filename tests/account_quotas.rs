//! Quotas: the bytes in a home never exceed them, whoever uploads how, and what is freed can be used at once.

use crate::support::{Client, Embedded, eventually, noise};
use django_ftpd::accounts::Limits;
use django_ftpd::events::Kind;
use django_ftpd::session::Settings;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

const QUOTA: u64 = 1_000_000;

fn quota(bytes: u64) -> Limits {
    Limits { quota: Some(bytes), ..Limits::default() }
}

/// Servers that write uploads beside their target, and where they will be.
fn both_kinds() -> [Embedded; 2] {
    [true, false].map(|atomic_uploads| {
        Embedded::with(|server| server.settings(Settings { atomic_uploads, ..Embedded::settings() }))
    })
}

#[track_caller]
fn assert_used(client: &mut Client, used: u64) {
    assert_eq!(client.send("SITE QUOTA").expect(200), format!("200 {used} of {QUOTA} bytes used."));
}

#[test]
fn an_upload_ends_where_the_quota_does() {
    for (server, leaves_nothing) in both_kinds().iter().zip([true, false]) {
        for (number, command) in ["STOR new", "STOR old", "STOU", "APPE new", "APPE old"].iter().enumerate() {
            let name = format!("ann-{number}");
            server.account(&name, quota(QUOTA));
            let home = server.files(&name);
            home.write("old", noise(1000));
            let mut ann = server.login(&name);
            assert_eq!(ann.try_upload(command, &noise(3 << 20)), 552, "{command}");
            assert!(home.bytes() <= QUOTA, "{command}: {}", home.bytes());
            if command == &"STOU" || leaves_nothing && command.starts_with("STOR") {
                assert_eq!(home.names("").len(), 1, "{command}");
                assert_eq!(home.read("old"), noise(1000));
            }
            assert_used(&mut ann, home.bytes());
            let reason = "Quota or file size limit exceeded";
            server.expect_events(Kind::FileReceivedIncomplete, number + 1, |subject| subject.contains(reason));
        }
    }
}

#[test]
fn what_fits_to_the_byte_is_stored_and_then_nothing_more() {
    for server in both_kinds() {
        server.account("ann", quota(QUOTA));
        let home = server.files("ann");
        let mut ann = server.login("ann");
        ann.upload("STOR half", &noise(QUOTA as usize / 2));
        ann.upload("APPE rest", &noise(QUOTA as usize / 2));
        assert_used(&mut ann, QUOTA);
        for command in ["STOR more", "STOU", "APPE half", "APPE more"] {
            let _data = ann.passive();
            ann.send(command).expect(552);
        }
        assert_eq!(home.names("").len(), 2);
        ann.script(&[("ALLO 0", 200), ("ALLO 1", 552), ("ALLO 18446744073709551615", 552), ("DELE half", 250)]);
        ann.upload("STOR again", &noise(QUOTA as usize / 2));
        assert_eq!(home.bytes(), QUOTA);
    }
}

#[test]
fn only_growth_counts_where_a_file_is_written_again() {
    for server in both_kinds() {
        server.account("ann", quota(QUOTA));
        let home = server.files("ann");
        let mut ann = server.login("ann");
        ann.upload("STOR file", &noise(900_000));
        for _ in 0..5 {
            ann.send("REST 100000").expect(350);
            ann.upload("STOR file", &noise(900_000));
            assert_used(&mut ann, QUOTA);
        }
        ann.send("REST 100001").expect(350);
        assert_eq!(ann.try_upload("STOR file", &noise(900_000)), 552);
        ann.send("REST 1000000").expect(350);
        let _data = ann.passive();
        ann.send("STOR file").expect(552);
        assert_eq!(home.bytes(), QUOTA);
        assert_used(&mut ann, QUOTA);
    }
}

#[test]
fn a_file_that_is_replaced_makes_room_when_it_goes() {
    let [whole, in_place] = both_kinds();
    for (server, code) in [(&whole, 552), (&in_place, 226)] {
        server.account("ann", quota(QUOTA));
        let home = server.files("ann");
        let mut ann = server.login("ann");
        for size in [600_000, 100_000, 600_000, 300_000] {
            ann.upload("STOR file", &noise(size));
            if size == 600_000 {
                assert_eq!(ann.try_upload("STOR file", &noise(500_000)), code, "both at once do not fit");
                ann.send("DELE file").expect(250);
                ann.upload("STOR file", &noise(400_000));
            }
        }
        assert_used(&mut ann, 300_000);
        assert_eq!(home.bytes(), 300_000);
    }
}

#[test]
fn what_is_deleted_or_renamed_over_is_free_at_once() {
    let server = Embedded::start();
    server.account("ann", quota(QUOTA));
    let home = server.files("ann");
    let (mut ann, mut other) = (server.login("ann"), server.login("ann"));
    for _ in 0..3 {
        ann.upload("STOR big", &noise(900_000));
        other.send("DELE big").expect(250);
        ann.upload("STOR big", &noise(900_000));
        other.upload("STOR small", &noise(100_000));
        other.script(&[("RNFR small", 350), ("RNTO big", 250)]);
        assert_used(&mut ann, 100_000);
        ann.upload("STOR next", &noise(900_000));
        assert_eq!(home.bytes(), QUOTA);
        ann.script(&[("DELE next", 250), ("DELE big", 250)]);
    }
}

#[test]
fn what_was_cut_off_is_given_back() {
    for server in both_kinds() {
        server.account("ann", quota(QUOTA));
        let home = server.files("ann");
        let mut ann = server.login("ann");
        for end in ["ABOR", "reset", "vanish"] {
            let mut client = server.login("ann");
            let data = client.passive();
            client.send("STOR file").expect(150);
            let data = data.write(&noise(800_000));
            let is_there = |ann: &mut Client| !ann.send("SITE QUOTA").expect(200).starts_with("200 0 ");
            eventually("it has arrived", || is_there(&mut ann));
            match end {
                "ABOR" => drop(client.script(&[("ABOR", 426)]).expect(226)),
                "reset" => {
                    data.reset();
                    client.expect(426);
                }
                _ => client.vanish(),
            }
            eventually("what is used is what is there", || {
                ann.send("SITE QUOTA").expect(200) == format!("200 {} of {QUOTA} bytes used.", home.bytes())
            });
            ann.code("DELE file");
            ann.upload("STOR all", &noise(QUOTA as usize));
            ann.send("DELE all").expect(250);
        }
    }
}

/// Eight uploads at once of two accounts with one home, each by `command` with its number, of `size` bytes.
fn eight_at_once(server: &Embedded, command: &str, size: usize) -> usize {
    server.account_in("ann", "shared", quota(QUOTA));
    let home = server.files("shared");
    server.account_in("bob", "shared", quota(QUOTA));
    let codes = thread::scope(|scope| {
        let uploads: Vec<_> = (0..8)
            .map(|number| {
                let mut client = server.login(if number % 2 == 0 { "ann" } else { "bob" });
                let command = command.replace('#', &number.to_string());
                scope.spawn(move || client.try_upload(&command, &noise(size)))
            })
            .collect();
        while uploads.iter().any(|upload| !upload.is_finished()) {
            assert!(home.bytes() <= QUOTA);
        }
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(codes.iter().all(|code| [226, 552].contains(code)), "{codes:?}");
    assert!(home.bytes() <= QUOTA, "{}", home.bytes());
    codes.iter().filter(|code| **code == 226).count()
}

#[test]
fn uploads_at_once_do_not_exceed_the_quota_together() {
    for server in both_kinds() {
        for _ in 0..4 {
            let stored = eight_at_once(&server, "STOR file-#", 300_000);
            assert!(stored <= 3, "{stored} are stored");
            let mut ann = server.login("ann");
            for number in 0..8 {
                ann.code(&format!("DELE file-{number}")); // if it was stored
            }
            assert_used(&mut ann, 0);
            let replaced = eight_at_once(&server, "STOR same", 300_000);
            assert!(replaced >= 1);
            ann.send("DELE same").expect(250);
            assert_used(&mut ann, 0);
        }
    }
}

#[test]
fn what_is_appended_at_once_does_not_exceed_the_quota_together() {
    for server in both_kinds() {
        for round in 0..4 {
            let appended = eight_at_once(&server, &format!("APPE all-{round}"), 300_000);
            assert!(appended <= 3, "{appended} are appended");
            server.login("ann").send(&format!("DELE all-{round}")).expect(250);
        }
    }
}

#[test]
fn renaming_during_uploads_hides_nothing() {
    let server = Embedded::start();
    server.account("ann", quota(QUOTA));
    let home = server.files("ann");
    home.make_directory("a");
    let mut mover = server.login("ann");
    thread::scope(|scope| {
        let uploads: Vec<_> = (0..4)
            .map(|number| {
                let mut client = server.login("ann");
                scope.spawn(move || {
                    for round in 0..20 {
                        client.try_upload(&format!("STOR a/{number}-{}", round % 5), &noise(90_000));
                    }
                })
            })
            .collect();
        while uploads.iter().any(|upload| !upload.is_finished()) {
            mover.code("RNFR a");
            mover.code("RNTO b");
            mover.code("SITE QUOTA");
            mover.code("RNFR b");
            mover.code("RNTO a");
            assert!(home.bytes() <= QUOTA);
        }
    });
    assert!(home.bytes() <= QUOTA);
    let used = mover.send("SITE QUOTA").expect(200);
    assert_eq!(used, format!("200 {} of {QUOTA} bytes used.", home.bytes()));
}

#[test]
fn everything_in_the_home_counts_and_nothing_else() {
    let server = Embedded::start();
    let home = server.account("ann", quota(QUOTA));
    let mut deep = home.clone();
    for level in 0..100 {
        for name in ["before", "z-after"] {
            fs::create_dir_all(deep.join(name)).unwrap();
            fs::write(deep.join(name).join("file"), noise(10)).unwrap();
        }
        fs::write(deep.join("file"), noise(level)).unwrap();
        deep.push("deeper");
        fs::create_dir(&deep).unwrap();
    }
    fs::File::create(home.join("sparse")).unwrap().set_len(500_000).unwrap();
    let outside = server.outside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), noise(2_000_000)).unwrap();
    std::os::unix::fs::symlink(&outside, home.join("link")).unwrap();
    std::os::unix::fs::symlink(".", home.join("loop")).unwrap();
    std::os::unix::fs::symlink("sparse", home.join("again")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(home.join("fifo")).status().unwrap().success());
    let used = 500_000 + 100 * 20 + (0..100).sum::<u64>();
    let mut ann = server.login("ann");
    assert_used(&mut ann, used);
    assert_eq!(ann.send("AVBL").expect(213), format!("213 {}", QUOTA - used));
    ann.script(&[(&format!("ALLO {}", QUOTA - used), 200), (&format!("ALLO {}", QUOTA - used + 1), 552)]);
    assert_eq!(ann.try_upload("STOR more", &noise(500_000)), 552);
    ann.send("TYPE A").expect(200);
    ann.upload("STOR lines", b"two\r\nlines\r\n");
    assert_used(&mut ann, used + 10);
    ann.upload("STOR again", b"short"); // the file that the link names
    assert_used(&mut ann, used + 10 - 500_000 + 5);
}

#[test]
fn a_directory_that_is_closed_hides_nothing() {
    let server = Embedded::start();
    let home = server.account("ann", quota(QUOTA));
    fs::create_dir(home.join("closed")).unwrap();
    let mut first = server.login("ann");
    first.upload("STOR closed/file", &noise(QUOTA as usize));
    first.script(&[("SITE CHMOD 000 closed", 200), ("QUIT", 221)]);
    first.expect_end();
    let mut ann = server.login("ann");
    let _data = ann.passive();
    // Who may look into every directory counts it; everybody else says that it can't be counted.
    let code = ann.code("STOR more");
    assert!([550, 552].contains(&code), "{code}");
    fs::set_permissions(home.join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    let _data = ann.passive();
    ann.send("STOR more").expect(552);
    assert_eq!(server.files("ann").bytes(), QUOTA);
}

#[test]
fn a_new_quota_holds_from_the_next_command() {
    let server = Embedded::start();
    server.account("ann", Limits::default());
    let home = server.files("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR file", &noise(500_000));
    ann.send("SITE QUOTA").expect(202);
    server.limit("ann", quota(400_000));
    assert_eq!(ann.send("SITE QUOTA").expect(200), "200 500000 of 400000 bytes used.");
    assert_eq!(ann.send("AVBL").expect(213), "213 0");
    let _data = ann.passive();
    ann.send("STOR more").expect(552);
    server.limit("ann", quota(600_000));
    ann.upload("STOR more", &noise(100_000));
    server.limit("ann", Limits::default());
    ann.upload("APPE more", &noise(500_000));
    assert_eq!(home.bytes(), 1_100_000);
    server.limit("ann", quota(0));
    ann.script(&[("ALLO 0", 200), ("DELE file", 250), ("MKD dir", 257)]);
    let _data = ann.passive();
    ann.send("STOR empty").expect(552);
}
