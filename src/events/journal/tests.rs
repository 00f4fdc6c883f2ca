//! The journal alone, on a real disk.

use super::super::{Event, Kind, Reader, Subject};
use super::*;
use std::time::Duration;

fn entry(seq: u64) -> Entry {
    Entry { seq, event: Event::now(Kind::Login, None, Subject::Session) }
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("django-ftpd-journal-{}-{name}", std::process::id()));
    remove(&path);
    path
}

/// The journal and what belongs to it.
fn remove(path: &Path) {
    for path in [path.to_path_buf(), beside(path, "1"), beside(path, "seq"), beside(path, "lock")] {
        let _ = std::fs::remove_file(path);
    }
}

#[test]
fn numbers_go_on_after_a_torn_line() {
    let path = scratch("torn");
    let mut journal = Journal::append(&path).unwrap();
    (1..=3).for_each(|seq| journal.record(&entry(seq)));
    journal.flush();
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole, b"{\"seq\":4,\"ti".as_slice()].concat()).unwrap();
    let journal = Journal::append(&path).unwrap();
    assert_eq!(journal.last_seq(), 3);
    drop(journal);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    remove(&path);
}

#[test]
fn a_rotated_file_is_left_and_a_new_one_begun() {
    let path = scratch("rotated");
    let old = beside(&path, "1");
    let mut journal = Journal::append(&path).unwrap();
    journal.record(&entry(1));
    journal.flush();
    std::fs::rename(&path, &old).unwrap();
    journal.record(&entry(2));
    journal.flush();
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&old), lines(&path)), (1, 1));
    drop(journal);
    remove(&path);
}

#[test]
fn what_is_no_journal_is_refused_and_not_touched() {
    assert!(Journal::append(std::env::temp_dir()).is_err());
    let path = scratch("precious");
    for precious in ["line\nrest", "rest", "{\"seq\":1,\"time\"\nrest", "line\n{\"seq\":"] {
        std::fs::write(&path, precious).unwrap();
        assert!(Journal::append(&path).is_err(), "{precious:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), precious);
    }
    remove(&path);
}

#[test]
fn what_the_disk_may_have_forgotten_is_written_again_in_its_place() {
    let path = scratch("forgotten");
    let mut journal = Journal::append(&path).unwrap().sync(JournalSync::Always);
    (1..=2).for_each(|seq| journal.record(&entry(seq)));
    assert_eq!(journal.flush(), Flushed::Safe);
    let safe = std::fs::read(&path).unwrap();
    journal.record(&entry(3));
    let waiting = journal.lines.clone();
    journal.write_until(waiting.len()).unwrap();
    // What make_safe does when the disk reports an error.
    journal.file.take_back_later(waiting.len() as u64);
    journal.written = 0;
    journal.record(&entry(4));
    assert_eq!(journal.flush(), Flushed::Safe);
    let text = std::fs::read(&path).unwrap();
    assert!(text.starts_with(&[safe, waiting].concat()));
    assert_eq!(text.iter().filter(|&&b| b == b'\n').count(), 4);
    drop(journal);
    remove(&path);
}

#[test]
fn a_part_of_a_line_is_taken_back_after_an_error() {
    let path = scratch("part");
    let mut journal = Journal::append(&path).unwrap();
    (1..=2).for_each(|seq| journal.record(&entry(seq)));
    let first = journal.lines.iter().position(|&b| b == b'\n').unwrap() + 1;
    journal.write_until(first + 10).unwrap();
    journal.tidy();
    assert_eq!(std::fs::read(&path).unwrap(), journal.lines[..first]);
    assert_eq!(journal.flush(), Flushed::Safe);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    drop(journal);
    remove(&path);
}

#[test]
fn what_waits_in_memory_is_bounded() {
    let path = scratch("bounded");
    for (full, first, then) in [
        (JournalFull::Block, Flushed::Full, Flushed::Full),
        (JournalFull::Refuse, Flushed::Refusing, Flushed::Full),
        (JournalFull::Continue, Flushed::Behind, Flushed::Behind),
    ] {
        let mut journal = Journal::append(&path).unwrap().when_full(full);
        journal.trouble = Some(Trouble::default());
        assert_eq!(journal.state(), first);
        (1..=300_000).for_each(|seq| journal.record(&entry(seq)));
        assert_eq!(journal.state(), then);
        assert!(full != JournalFull::Continue || journal.lines.len() < ROOM + 1000);
        assert_eq!(journal.flush(), Flushed::Safe);
        drop(journal);
        remove(&path);
    }
}

#[test]
fn numbers_are_reserved_again_when_they_are_used_up_and_without_gap_at_the_end() {
    let path = scratch("reserved");
    let kept = || std::fs::read_to_string(beside(&path, "seq")).unwrap();
    let mut numbers = Numbers::open(&path, 7).unwrap();
    assert!(!beside(&path, "seq").exists(), "nothing was given yet");
    numbers.reach(8);
    assert_eq!(kept(), "100008\n");
    (9..=100_008).for_each(|number| numbers.reach(number));
    assert_eq!(kept(), "100008\n");
    numbers.reach(100_009);
    assert_eq!(kept(), "200009\n");
    numbers.settle();
    assert_eq!(kept(), "100009\n");
    assert_eq!(Numbers::open(&path, 7).unwrap().last(), 100_009);
    remove(&path);
}

/// Threads as they are, beside all orders of `tests/races`: a reader finds every event behind a writer that begins a new
/// file with every fourth batch, and is woken for each.
#[test]
fn who_reads_behind_the_writer_is_woken_for_everything_and_gets_it_in_order() {
    const EVENTS: u64 = 3000;
    let path = scratch("stress").join("j");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let mut journal = Journal::append(&path).unwrap().rotate(NonZeroU64::new(4000), NonZeroUsize::MAX);
    let tide = journal.tide();
    let writer = std::thread::spawn(move || {
        for seq in 1..=EVENTS {
            journal.record(&entry(seq));
            if seq % 7 == 0 || seq == EVENTS {
                assert_eq!(journal.flush(), Flushed::Safe);
            }
        }
    });
    let (mut reader, mut seen) = (Reader::new(&path, 0), 0);
    while reader.position() < EVENTS {
        let now = tide.wait(seen, Duration::from_secs(20));
        assert!(now > seen, "nothing came for 20 seconds");
        seen = now;
        while let Some(line) = reader.next_line().unwrap() {
            assert_eq!(line.seq(), reader.position());
        }
        assert!(reader.position() >= seen);
    }
    writer.join().unwrap();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
