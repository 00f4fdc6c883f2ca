//! Homes over a bucket that is kept in the memory.

use super::bucket::{Bucket, Object, Page, Pieces, Question, Writer};
use super::*;
use crate::locks::lock;
use crate::protocol::path::VirtualPath;
use crate::storage::{Detail, Error, Kind, Result, Write};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A store with small pages that counts how often it is asked for one.
#[derive(Clone, Default)]
struct Memory {
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pages: Arc<AtomicUsize>,
    /// No copy to a key that ends so.
    refused: Option<&'static str>,
    /// Every page says that there is the same one behind it.
    is_endless: bool,
    /// How long it takes before an answer begins.
    slowness: Duration,
    /// Whoever asks waits for those who have asked before.
    queue: Option<Arc<Mutex<()>>>,
    /// Nothing can be read for a while.
    is_down: Arc<AtomicBool>,
    /// What was asked of objects.
    reads: Arc<Mutex<Vec<Range<u64>>>>,
}

const PAGE: usize = 3;

struct Writing {
    memory: Memory,
    key: String,
    bytes: Vec<u8>,
}

impl Writer for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn is_busy(&mut self, _: usize, _: Duration) -> Result<bool> {
        Ok(false)
    }

    fn prepare(&mut self, _: Duration) -> Result<bool> {
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        lock(&self.memory.objects).insert(self.key, self.bytes);
        Ok(())
    }
}

fn object(bytes: &[u8]) -> Object {
    Object { size: bytes.len() as u64, modified: Timestamp::UNIX_EPOCH, version: format!("{}", bytes.len()) }
}

impl Bucket for Memory {
    fn name(&self) -> &str {
        "memory://"
    }

    fn head(&self, key: &str) -> Result<Object> {
        lock(&self.objects).get(key).map(|bytes| object(bytes)).ok_or(Error::NotFound)
    }

    fn page(&self, question: &Question<'_>) -> Result<Page> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        let mut page = Page::default();
        let objects = lock(&self.objects);
        let most = PAGE.min(question.most.into());
        let is_after = |key: &str| {
            question.after.is_none_or(|after| key > after && !(after.ends_with('/') && key.starts_with(after)))
        };
        for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(question.prefix) && is_after(key)) {
            let rest = &key[question.prefix.len()..];
            let shared = rest
                .split_once('/')
                .filter(|_| question.is_shallow)
                .map(|(name, _)| format!("{}{name}/", question.prefix));
            if shared.is_some() && page.prefixes.last() == shared.as_ref() {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == most {
                let last_object = page.objects.last().map(|(key, _)| key.clone());
                page.next = last_object.max(page.prefixes.last().cloned());
                break;
            }
            match shared {
                Some(prefix) => page.prefixes.push(prefix),
                None => page.objects.push((key.clone(), object(bytes))),
            }
        }
        if self.is_endless {
            page.next = Some("again".to_string());
        }
        Ok(page)
    }

    fn read(&self, key: &str, _: &Object, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let turn = self.queue.as_ref().map(|queue| lock(queue));
        std::thread::sleep(self.slowness);
        drop(turn);
        lock(&self.reads).push(range.clone());
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Error::Unavailable("down".to_string()));
        }
        let bytes = lock(&self.objects).get(key).cloned().ok_or(Error::NotFound)?;
        let part = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        // Every answer of a store that is in a hurry breaks in the middle.
        let length = if self.slowness.is_zero() { part.len().div_ceil(2) } else { part.len() };
        Ok(Box::new(std::io::Cursor::new(part[..length].to_vec())))
    }

    fn pieces(&self) -> Pieces {
        Pieces { size: NonZeroUsize::new(1000).unwrap(), at_once: NonZeroUsize::new(3).unwrap() }
    }

    fn write(&self, key: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Writing { memory: self.clone(), key: key.to_string(), bytes: Vec::new() }))
    }

    fn append(&self, key: &str, _: &Object) -> Result<Box<dyn Writer>> {
        let bytes = lock(&self.objects)[key].clone();
        Ok(Box::new(Writing { memory: self.clone(), key: key.to_string(), bytes }))
    }

    fn copy(&self, from: &str, _: &Object, to: &str, _: Option<Timestamp>) -> Result<()> {
        if self.refused.is_some_and(|end| to.ends_with(end)) {
            return Err(Error::Unavailable("refused".to_string()));
        }
        let mut objects = lock(&self.objects);
        let bytes = objects.get(from).cloned().ok_or(Error::NotFound)?;
        objects.insert(to.to_string(), bytes);
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<()> {
        lock(&self.objects).remove(key);
        Ok(())
    }
}

impl Memory {
    fn with(keys: &[&str]) -> Memory {
        let memory = Memory::default();
        lock(&memory.objects).extend(keys.iter().map(|key| (key.to_string(), b"bytes".to_vec())));
        memory
    }

    /// The home `/ann` below `ftp`.
    fn home(&self) -> Box<dyn Home> {
        Objects::new(self.clone(), "ftp").home(&Account::new("ann", "/ann"))
    }

    fn keys(&self) -> Vec<String> {
        lock(&self.objects).keys().cloned().collect()
    }
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::root().join(text.as_bytes())
}

fn names(home: &dyn Home, directory: &str) -> Vec<String> {
    let listing = home.list(&path(directory), Detail::Names).unwrap();
    listing.map(|entry| String::from_utf8(entry.unwrap().name).unwrap()).collect()
}

fn put(home: &dyn Home, name: &str, how: Write, bytes: &[u8]) -> Result<()> {
    let mut upload = home.write(&path(name), how, 0o644)?;
    upload.write(bytes)?;
    upload.commit()
}

#[test]
fn directories_are_marked_only_where_nothing_is_in_them() {
    let memory = Memory::default();
    let home = memory.home();
    assert!(names(&*home, "/").is_empty());
    home.make_directory(&path("a"), 0).unwrap();
    assert_eq!(memory.keys(), ["ftp/ann/a/"]);
    assert!(matches!(home.make_directory(&path("a"), 0), Err(Error::Exists)));
    assert!(matches!(home.make_directory(&path("no/b"), 0), Err(Error::NotFound)));
    put(&*home, "a/x", Write::Whole, b"1").unwrap();
    assert!(matches!(home.make_directory(&path("a/x/y"), 0), Err(Error::NotADirectory)));
    assert!(matches!(home.remove_directory(&path("a")), Err(Error::NotEmpty)));
    assert!(matches!(home.remove_directory(&path("a/x")), Err(Error::NotADirectory)));
    assert!(matches!(home.remove_file(&path("a")), Err(Error::IsADirectory)));
    home.remove_file(&path("a/x")).unwrap();
    home.remove_directory(&path("a")).unwrap();
    assert!(memory.keys().is_empty());
}

#[test]
fn a_directory_that_others_made_by_a_file_stays_when_the_file_goes() {
    let memory = Memory::with(&["ftp/ann/a/b/x", "ftp/ann/y"]);
    let home = memory.home();
    home.remove_file(&path("a/b/x")).unwrap();
    assert_eq!(memory.keys(), ["ftp/ann/a/b/", "ftp/ann/y"]);
    home.rename(&path("a/b"), &path("c")).unwrap();
    assert_eq!(memory.keys(), ["ftp/ann/a/", "ftp/ann/c/", "ftp/ann/y"]);
    home.remove_file(&path("y")).unwrap();
    assert_eq!(names(&*home, "/"), ["a", "c"]);
}

#[test]
fn listings_are_one_question_a_page_in_order_and_without_what_no_path_names() {
    let keys = [
        "ftp/ann/",
        "ftp/ann/.",
        "ftp/ann/..",
        "ftp/ann//x",
        "ftp/ann/a!",
        "ftp/ann/a/1",
        "ftp/ann/a/2",
        "ftp/ann/b",
        "ftp/bob/z",
    ];
    let memory = Memory::with(&keys);
    let home = memory.home();
    assert_eq!(names(&*home, "/"), ["a!", "a", "b"]);
    assert_eq!(memory.pages.swap(0, Ordering::Relaxed), 3);
    let entries: Vec<_> = home.list(&path("a"), Detail::Follow).unwrap().map(Result::unwrap).collect();
    assert!(entries.iter().all(|entry| entry.facts.as_ref().is_some_and(|facts| facts.size == 5)));
    assert_eq!((entries.len(), memory.pages.load(Ordering::Relaxed)), (2, 1));
    assert!(matches!(home.list(&path("b"), Detail::Names).map(drop), Err(Error::NotADirectory)));
    assert!(matches!(home.list(&path("no"), Detail::Names).map(drop), Err(Error::NotFound)));
    assert_eq!(home.used().unwrap(), 40);
}

#[test]
fn names_that_begin_alike_are_not_within_each_other() {
    let memory = Memory::with(&["ftp/ann/ab", "ftp/ann/a/x"]);
    let home = memory.home();
    assert_eq!(home.facts(&path("a"), Detail::Follow).unwrap().kind, Kind::Directory);
    assert_eq!(home.facts(&path("ab"), Detail::Follow).unwrap().kind, Kind::File);
    home.rename(&path("a"), &path("z")).unwrap();
    assert_eq!(memory.keys(), ["ftp/ann/ab", "ftp/ann/z/x"]);
}

#[test]
fn a_directory_of_which_one_file_cannot_be_copied_stays_where_it_is() {
    let keys = ["ftp/ann/a/1", "ftp/ann/a/2", "ftp/ann/a/3"];
    let memory = Memory { refused: Some("/2"), ..Memory::with(&keys) };
    assert!(memory.home().rename(&path("a"), &path("b")).is_err());
    assert_eq!(memory.keys(), keys);
}

#[test]
fn renames_that_are_refused() {
    let memory = Memory::with(&["ftp/ann/a/1", "ftp/ann/b/1", "ftp/ann/x"]);
    let home = memory.home();
    let rename = |from: &str, to: &str| home.rename(&path(from), &path(to));
    assert!(matches!(rename("a", "b"), Err(Error::Exists)));
    assert!(matches!(rename("a", "a/c"), Err(Error::Unsupported(_))));
    assert!(matches!(rename("x", "a"), Err(Error::IsADirectory)));
    assert!(matches!(rename("x", "no/x"), Err(Error::NotFound)));
    assert!(matches!(rename("x", "x/y"), Err(Error::NotADirectory)));
    assert!(matches!(rename("no", "y"), Err(Error::NotFound)));
    assert!(matches!(rename("/", "y"), Err(Error::Denied)));
    rename("x", "x").unwrap();
    rename("x", "a/1").unwrap();
    assert_eq!(memory.keys(), ["ftp/ann/a/1", "ftp/ann/b/1"]);
}

#[test]
fn what_breaks_while_it_is_read_goes_on_where_it_broke() {
    let memory = Memory::default();
    let home = memory.home();
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    put(&*home, "x", Write::Whole, &bytes).unwrap();
    assert!(read_all(&*home, Duration::ZERO) == bytes);
}

/// All of `x`, with a pause behind each piece.
fn read_all(home: &dyn Home, pause: Duration) -> Vec<u8> {
    let mut source = home.read(&path("x")).unwrap();
    let (mut read, mut buffer) = (Vec::new(), [0; 900]);
    loop {
        let length = source.read_at(&mut buffer, read.len() as u64).unwrap();
        if length == 0 {
            return read;
        }
        read.extend_from_slice(&buffer[..length]);
        std::thread::sleep(pause);
    }
}

/// Longer than a thread takes to start.
const SLOWNESS: Duration = Duration::from_millis(20);

#[test]
fn pieces_come_ahead_of_those_who_wait_for_the_store_and_of_nobody_else() {
    let bytes: Vec<u8> = (0..=250).cycle().take(20_500).collect();
    for (pause, is_ahead) in [(Duration::ZERO, true), (2 * SLOWNESS, false)] {
        let memory = Memory { slowness: SLOWNESS, ..Memory::default() };
        let home = memory.home();
        put(&*home, "x", Write::Whole, &bytes).unwrap();
        assert!(read_all(&*home, pause) == bytes);
        let reads = lock(&memory.reads);
        assert_eq!(reads[0], 0..1000);
        let pieces = (1..20).filter(|n| reads.contains(&(n * 1000..(n + 1) * 1000))).count();
        assert_eq!(pieces, if is_ahead { 19 } else { 0 }, "{reads:?}");
        assert_eq!(reads.contains(&(1000..20_500)), !is_ahead, "{reads:?}");
    }
}

#[test]
fn pieces_that_come_no_faster_than_one_stream_are_given_up() {
    let memory = Memory { slowness: SLOWNESS, queue: Some(Arc::default()), ..Memory::default() };
    let home = memory.home();
    put(&*home, "x", Write::Whole, &[7; 20_500]).unwrap();
    assert_eq!(read_all(&*home, Duration::ZERO).len(), 20_500);
    let reads = lock(&memory.reads);
    assert!(reads.contains(&(6000..7000)) && reads.contains(&(7000..20_500)), "{reads:?}");
}

#[test]
fn what_fails_before_anybody_wants_it_is_asked_for_again() {
    let memory = Memory { slowness: SLOWNESS, ..Memory::default() };
    let home = memory.home();
    let bytes: Vec<u8> = (0..=250).cycle().take(20_000).collect();
    put(&*home, "x", Write::Whole, &bytes).unwrap();
    let mut source = home.read(&path("x")).unwrap();
    let (mut read, mut buffer) = (Vec::new(), [0; 1000]);
    while read.len() < bytes.len() {
        let is_down = read.len() == 10_000;
        let pause = if is_down { 3 * SLOWNESS } else { Duration::ZERO };
        std::thread::sleep(pause); // what was asked for before comes
        memory.is_down.store(is_down, Ordering::Relaxed);
        let length = source.read_at(&mut buffer, read.len() as u64).unwrap();
        read.extend_from_slice(&buffer[..length]);
        std::thread::sleep(pause);
    }
    assert!(read == bytes);
    let mut starts: Vec<u64> = lock(&memory.reads).iter().map(|range| range.start).collect();
    let all = starts.len();
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() < all, "nothing was asked for twice: {starts:?}");
}

#[test]
fn who_becomes_slower_than_the_store_has_no_pieces_ahead_any_more() {
    let memory = Memory { slowness: SLOWNESS, ..Memory::default() };
    let home = memory.home();
    put(&*home, "x", Write::Whole, &[7; 40_000]).unwrap();
    let mut source = home.read(&path("x")).unwrap();
    let (mut at, mut buffer) = (0, [0; 1000]);
    while at < 40_000 {
        at += source.read_at(&mut buffer, at).unwrap() as u64;
        std::thread::sleep(Duration::from_millis(if at < 10_000 { 0 } else { 30 }));
    }
    let reads = lock(&memory.reads);
    assert!(reads.contains(&(2000..3000)), "{reads:?}");
    assert!(reads.iter().any(|range| range.end - range.start > 1000 && range.end == 40_000), "{reads:?}");
}

#[test]
fn what_is_written_has_its_name_only_when_it_is_whole() {
    let memory = Memory::default();
    let home = memory.home();
    let mut upload = home.write(&path("x"), Write::Whole, 0).unwrap();
    upload.write(b"half").unwrap();
    drop(upload);
    assert!(memory.keys().is_empty());
    put(&*home, "x", Write::Whole, b"one").unwrap();
    put(&*home, "x", Write::Append, b"two").unwrap();
    put(&*home, "y", Write::Append, b"new").unwrap();
    put(&*home, "x", Write::At(6), b"three").unwrap();
    assert_eq!(lock(&memory.objects)["ftp/ann/x"], b"onetwothree");
    assert!(matches!(put(&*home, "z", Write::At(1), b""), Err(Error::NotFound)));
    assert!(matches!(put(&*home, "x", Write::At(2), b""), Err(Error::Unsupported(_))));
    assert!(matches!(put(&*home, "x/y", Write::Whole, b""), Err(Error::NotADirectory)));
    assert!(matches!(put(&*home, "/", Write::Whole, b""), Err(Error::IsADirectory)));
}

#[test]
fn nobody_names_what_is_outside_of_their_home() {
    let memory = Memory::with(&["ftp/bob/secret", "ftp/annex"]);
    let home = memory.home();
    for name in ["../bob/secret", "/../bob/secret", "a/../../bob/secret", "../annex"] {
        assert!(home.read(&path(name)).is_err(), "{name}");
    }
    put(&*home, "../bob/secret", Write::Whole, b"").unwrap_err();
    assert_eq!(memory.keys(), ["ftp/annex", "ftp/bob/secret"]);
}

#[test]
fn a_listing_that_does_not_end_is_an_error() {
    let memory = Memory { is_endless: true, ..Memory::with(&["ftp/ann/x"]) };
    let home = memory.home();
    assert!(matches!(home.list(&path("/"), Detail::Names).unwrap().last(), Some(Err(Error::Unavailable(_)))));
    assert!(matches!(home.used(), Err(Error::Unavailable(_))));
    assert_eq!(memory.pages.load(Ordering::Relaxed), 4);
}

#[test]
fn what_is_too_much_to_be_moved_stays_where_it_is() {
    let keys: Vec<String> = (0..=10_000).map(|number| format!("ftp/ann/a/{number:05}")).collect();
    let memory = Memory::with(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(matches!(memory.home().rename(&path("a"), &path("b")), Err(Error::Unsupported(_))));
    assert_eq!(memory.keys(), keys);
}

#[test]
fn errors_of_a_store_come_through_readers_as_they_are() {
    let inside = std::io::Error::other(Error::Unavailable("down".to_string()));
    assert!(matches!(Error::from(inside), Error::Unavailable(why) if why == "down"));
}
