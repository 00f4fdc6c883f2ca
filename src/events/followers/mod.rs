//! Followers of the journal: each reads it in a thread of its own, on from a position that it saves, so each event
//! reaches it at least once and in order, over restarts and outages, and nobody waits for it.

pub mod exec;
mod position;
mod progress;
mod sqlite;
mod syslog;
mod webhook;
mod xferlog;

pub use exec::Exec;
pub use position::{Position, highest};
pub use progress::{Lag, Watch};
pub use sqlite::AuditDatabase;
pub use syslog::Syslog;
pub use webhook::Webhook;
pub use xferlog::Xferlog;

use super::line::Line;
use super::reader::Reader;
use super::tide::Tide;
use progress::Progress;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After a failure, the next attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// And never becomes longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two complaints about the same trouble.
const COMPLAIN: Duration = Duration::from_secs(60);
/// A follower is asked for its chores so often.
const CHORES: Duration = Duration::from_secs(1);

/// Does something with each event of the journal.
pub trait Follower: Send {
    /// Whether it wants this event; others count as delivered.
    fn wants(&self, _line: &Line) -> bool {
        true
    }

    /// How many events it takes at once.
    fn batch(&self) -> usize {
        1
    }

    /// Deals with some events, all of them or none. It may be asked for the same ones again.
    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble>;

    /// The highest number of an event that it has kept, where it can tell.
    fn highest(&mut self) -> u64 {
        0
    }

    /// Called now and then, for what has nothing to do with an event.
    fn chores(&mut self) {}
}

/// Why events could not be dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It would be the same with any event: it is tried again for as long as it takes.
    Outage(String),
    /// It has to do with this event: after some attempts it is set aside.
    Event(String),
}

/// How a follower is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called in the log, and its files in the directory of positions.
    pub name: String,
    /// The journal.
    pub journal: PathBuf,
    /// Where its position is kept, and the events that were set aside.
    pub state: PathBuf,
    /// Attempts with one event until it is set aside.
    pub tries: u32,
}

/// A follower that runs.
#[derive(Debug)]
pub struct Running {
    watch: Watch,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts a follower. Without a saved position it begins with the events that come from now on, behind `latest`.
    pub fn start(follower: Box<dyn Follower>, plan: Plan, tide: Tide, latest: u64) -> io::Result<Running> {
        let mut position = Position::open(&plan.state, &plan.name)?;
        if position.get().is_none() {
            position.set(latest)?;
        }
        let begin = position.get().unwrap_or(latest);
        let reader = Reader::new(&plan.journal, begin);
        let progress = Arc::<Progress>::default();
        progress.reach(begin);
        let watch = Watch { name: plan.name.clone(), latest, tide: tide.clone(), progress: progress.clone() };
        let thread = std::thread::Builder::new().name(format!("follow-{}", plan.name));
        let mut work = Work { follower, plan, position, reader, tide, progress, complained: None };
        Ok(Running { watch, thread: thread.spawn(move || work.run())? })
    }

    /// What tells how far it is behind.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Waits until it has ended, behind [`Tide::end`]; false if it is stuck.
    pub fn join_until(self, deadline: Instant) -> bool {
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                log::warn!("{} is still busy; it goes on from where it was at the next start", self.watch.name);
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

struct Work {
    follower: Box<dyn Follower>,
    plan: Plan,
    position: Position,
    reader: Reader,
    tide: Tide,
    progress: Arc<Progress>,
    complained: Option<Instant>,
}

impl Work {
    fn run(&mut self) {
        let mut chores_at = Instant::now();
        let mut seen = 0;
        loop {
            // Asked before: what is read behind the end is all there is.
            let has_ended = self.tide.has_ended();
            let (lines, is_empty) = self.read();
            if !lines.is_empty() && !self.deliver_all(&lines) {
                return; // the server ends
            }
            self.save();
            if chores_at <= Instant::now() {
                self.follower.chores();
                chores_at = Instant::now() + CHORES;
            }
            if is_empty {
                if has_ended {
                    return;
                }
                seen = self.tide.wait(seen, CHORES);
            }
        }
    }

    /// The next events that are wanted; true if there are no more for now.
    fn read(&mut self) -> (Vec<Line>, bool) {
        let (most, mut lines) = (self.follower.batch().max(1), Vec::new());
        loop {
            match self.reader.next_line() {
                Ok(Some(line)) if self.follower.wants(&line) => lines.push(line),
                Ok(Some(_)) => {}
                Ok(None) => return (lines, true),
                Err(error) => {
                    self.complain(&format!("journal {}: {error}", self.plan.journal.display()));
                    return (lines, true);
                }
            }
            if lines.len() >= most {
                return (lines, false);
            }
        }
    }

    /// Tries until all are delivered or set aside; false if the server ends before.
    fn deliver_all(&mut self, lines: &[Line]) -> bool {
        let (mut pause, mut tries) = (FIRST_PAUSE, 0);
        if let Some(first) = lines.first() {
            self.progress.begin(first);
        }
        loop {
            let delivered = catch_unwind(AssertUnwindSafe(|| self.follower.deliver(lines)));
            let why = match delivered.unwrap_or_else(|_| Err(Trouble::Event("it panicked".to_string()))) {
                Ok(()) => break,
                Err(Trouble::Outage(why)) => why,
                Err(Trouble::Event(why)) => {
                    tries += 1;
                    if let [line] = lines {
                        if tries >= self.plan.tries {
                            self.set_aside(line, &why);
                            break;
                        }
                    } else {
                        // Which of them it is shows when each goes alone.
                        return lines.iter().all(|line| self.deliver_all(std::slice::from_ref(line)));
                    }
                    why
                }
            };
            self.progress.fail();
            self.complain(&why);
            if self.tide.rest(pause) {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if let Some(last) = lines.last() {
            self.advance(last.seq());
        }
        true
    }

    fn set_aside(&mut self, line: &Line, why: &str) {
        self.progress.set_aside();
        let (name, seq, tries) = (&self.plan.name, line.seq(), self.plan.tries);
        match position::set_aside(&self.plan.state, name, line.json()) {
            Ok(path) => {
                log::error!("{name}: event {seq} is set aside in {} after {tries} attempts: {why}", path.display());
            }
            Err(error) => log::error!("{name}: event {seq} is left out after {tries} attempts ({why}); {error}"),
        }
    }

    /// Where it would go on after kill -9.
    fn save(&mut self) {
        // What nobody wanted need not be read again.
        self.advance(self.reader.position());
        if let Err(error) = self.position.save() {
            self.complain(&format!("{}: {error}", self.plan.state.display()));
        }
    }

    fn advance(&mut self, to: u64) {
        self.position.advance(to);
        self.progress.reach(to);
    }

    fn complain(&mut self, why: &str) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN) {
            log::error!("{}: {why}; it is tried again, event {} is the next", self.plan.name, self.position.next());
            self.complained = Some(Instant::now());
        }
    }
}

/// The directory of positions beside a journal.
pub fn state_beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_os_string();
    name.push(".followers");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, read_to_string, remove_dir_all, write};
    use std::sync::{Arc, Mutex};

    type Seen = Arc<Mutex<Vec<u64>>>;

    /// Fails with some events, and twice with everything.
    struct Moody {
        seen: Seen,
        outages: u32,
    }

    impl Follower for Moody {
        fn wants(&self, line: &Line) -> bool {
            line.event() != "unwanted"
        }

        fn batch(&self) -> usize {
            3
        }

        fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
            if self.outages > 0 {
                self.outages -= 1;
                return Err(Trouble::Outage("nobody is there".to_string()));
            }
            match lines.iter().find(|line| line.event() == "poison" || line.event() == "bomb") {
                Some(line) if line.event() == "bomb" => std::panic::panic_any("injected"),
                Some(_) => Err(Trouble::Event("it tastes strange".to_string())),
                None => {
                    self.seen.lock().unwrap().extend(lines.iter().map(Line::seq));
                    Ok(())
                }
            }
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("django-ftpd-follower-{}-{name}", std::process::id()));
        let _ = remove_dir_all(&directory);
        create_dir(&directory).unwrap();
        directory
    }

    fn journal(events: &[&str]) -> String {
        let line = |(index, event): (usize, &&str)| format!("{{\"seq\":{},\"event\":\"{event}\"}}\n", index + 1);
        events.iter().enumerate().map(line).collect()
    }

    fn follow(directory: &Path, seen: &Seen, outages: u32, latest: u64) -> bool {
        let plan = Plan {
            name: "moody".to_string(),
            journal: directory.join("j"),
            state: state_beside(&directory.join("j")),
            tries: 2,
        };
        let (tide, follower) = (Tide::default(), Moody { seen: seen.clone(), outages });
        let running = Running::start(Box::new(follower), plan, tide.clone(), latest).unwrap();
        if outages > 0 {
            std::thread::sleep(FIRST_PAUSE * 4);
        }
        let is_poisoned = read_to_string(directory.join("j")).unwrap().contains("poison");
        let until = Instant::now() + Duration::from_secs(20);
        while is_poisoned && seen.lock().unwrap().last() != Some(&8) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        tide.end();
        running.join_until(Instant::now() + Duration::from_secs(20))
    }

    #[test]
    fn everything_arrives_in_order_but_what_is_poisoned() {
        let (directory, seen) = (scratch("order"), Seen::default());
        write(directory.join("j"), journal(&["a", "unwanted", "b", "poison", "c", "bomb", "d", "e"])).unwrap();
        assert!(follow(&directory, &seen, 1, 0));
        assert_eq!(*seen.lock().unwrap(), [1, 3, 5, 7, 8]);
        let state = state_beside(&directory.join("j"));
        let aside = read_to_string(state.join("moody.aside.jsonl")).unwrap();
        assert!(aside.contains("poison") && aside.contains("bomb") && aside.lines().count() == 2, "{aside}");
        assert_eq!(read_to_string(state.join("moody.position")).unwrap(), "8\n");
        remove_dir_all(directory).unwrap();
    }

    #[test]
    fn it_goes_on_from_its_position_and_begins_with_what_is_new() {
        let (directory, seen) = (scratch("position"), Seen::default());
        write(directory.join("j"), journal(&["a", "b", "c"])).unwrap();
        assert!(follow(&directory, &seen, 0, 2));
        assert_eq!(*seen.lock().unwrap(), [3]);
        write(directory.join("j"), journal(&["a", "b", "c", "d"])).unwrap();
        assert!(follow(&directory, &seen, 0, 4));
        assert_eq!(*seen.lock().unwrap(), [3, 4]);
        write(state_beside(&directory.join("j")).join("moody.position"), "x").unwrap();
        let position = Position::open(&state_beside(&directory.join("j")), "moody");
        assert!(position.unwrap_err().to_string().contains("holds no position"));
        remove_dir_all(directory).unwrap();
    }
}
