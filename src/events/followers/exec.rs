//! Runs a program for each event: once is the rule, again where it failed or the server ended before it did.

use super::{Follower, Trouble};
use crate::events::{Kind, Line, Tide};
use crate::programs::{Answer, Input, Program, Running, remark};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

/// What may stand in braces in arguments.
pub const PLACEHOLDERS: &[&str] =
    &["path", "virtual_path", "path_to", "virtual_path_to", "username", "remote_ip", "event", "seq"];
/// While programs run, the end of the server is looked for so often.
const LOOK_AROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A follower that runs a program.
#[derive(Debug)]
pub struct Exec {
    program: Program,
    events: Vec<Kind>,
    patience: Duration,
    parallel: usize,
    tide: Tide,
    grace: Duration,
    /// What has come of events that may be asked for again.
    known: BTreeMap<u64, Result<(), Trouble>>,
}

/// A program that runs for an event.
struct Run {
    seq: u64,
    running: Running,
    until: Instant,
}

impl Exec {
    /// Runs this program for these kinds of events, for so long at most.
    pub fn new(program: Program, events: Vec<Kind>, patience: Duration) -> Exec {
        let (tide, grace) = (Tide::default(), Duration::ZERO);
        Exec { program, events, patience, parallel: 1, tide, grace, known: BTreeMap::new() }
    }

    /// Runs it for so many events at once, in whatever order they come to an end.
    pub fn parallel(mut self, most: usize) -> Exec {
        self.parallel = most;
        self
    }

    /// When this ends, programs have so long until they are killed.
    pub fn until_end_of(mut self, tide: Tide, grace: Duration) -> Exec {
        (self.tide, self.grace) = (tide, grace);
        self
    }

    fn start(&self, line: &Line) -> Result<Run, Trouble> {
        let value = |name: &str| value(line, name);
        let environment = line.fields().map(variable).collect();
        let input = Input::Bytes([line.json(), b"\n"].concat());
        let started = self.program.start(value, environment, input);
        let running = started.map_err(|error| {
            let why = format!("{}: {error}", self.program.path().display());
            match Errno::from_io_error(&error) {
                Some(Errno::TOOBIG | Errno::INVAL) => Trouble::Event(why),
                _ => Trouble::Outage(why),
            }
        })?;
        Ok(Run { seq: line.seq(), running, until: Instant::now() + self.patience })
    }

    /// Waits until all have ended, in time or not.
    fn wait(&mut self, mut runs: Vec<Run>) -> io::Result<()> {
        let mut killed_at: Option<Instant> = None;
        while !runs.is_empty() {
            let mut ready: Vec<PollFd<'_>> = runs.iter().map(|run| PollFd::new(&run.running, PollFlags::IN)).collect();
            match poll(&mut ready, Some(&LOOK_AROUND)) {
                Err(Errno::INTR) => {}
                result => drop(result?),
            }
            if killed_at.is_none() && self.tide.has_ended() {
                killed_at = Some(Instant::now() + self.grace);
            }
            let is_killed = killed_at.is_some_and(|at| at <= Instant::now());
            let mut left = Vec::with_capacity(runs.len());
            for mut run in runs {
                let outcome = match run.running.advance() {
                    // It has nothing to do with the event: who starts programs may be gone.
                    Err(error) => Err(Trouble::Outage(error.to_string())),
                    Ok(Some(answer)) => judge(&answer),
                    Ok(None) if is_killed => {
                        Err(Trouble::Outage("the server ended before its program did".to_string()))
                    }
                    Ok(None) if run.until <= Instant::now() => {
                        Err(Trouble::Event(format!("it did not end within {} seconds", self.patience.as_secs_f64())))
                    }
                    Ok(None) => {
                        left.push(run);
                        continue;
                    }
                };
                self.known.insert(run.seq, outcome);
            }
            runs = left;
        }
        Ok(())
    }
}

impl Follower for Exec {
    fn wants(&self, line: &Line) -> bool {
        self.events.iter().any(|kind| kind.name() == line.event())
    }

    fn batch(&self) -> usize {
        self.parallel
    }

    /// What has come of an event is kept until all events of a batch are dealt with: none is run again because of
    /// another one.
    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        let first = lines.first().map_or(0, Line::seq);
        self.known.retain(|seq, _| *seq >= first);
        let mut runs = Vec::with_capacity(lines.len());
        for line in lines {
            if self.known.contains_key(&line.seq()) {
                continue;
            }
            match self.start(line) {
                Ok(run) => runs.push(run),
                Err(trouble) => drop(self.known.insert(line.seq(), Err(trouble))),
            }
        }
        self.wait(runs).map_err(|error| Trouble::Outage(error.to_string()))?;
        let outcome = |line: &Line| self.known.get(&line.seq()).cloned().unwrap_or(Ok(()));
        let result = lines.iter().map(outcome).find(Result::is_err).unwrap_or(Ok(()));
        // The failure of one that goes alone is told once; then it is tried again, and so is everything behind an outage.
        let is_over = lines.len() == 1 || matches!(result, Err(Trouble::Outage(_)));
        let is_told = |seq: &u64| is_over && lines.iter().any(|line| line.seq() == *seq);
        self.known.retain(|seq, outcome| outcome.is_ok() || !is_told(seq));
        result
    }
}

fn judge(answer: &Answer) -> Result<(), Trouble> {
    match (answer.status.success(), remark(&answer.complaint)) {
        (true, _) => Ok(()),
        (false, Some(remark)) => Err(Trouble::Event(format!("{}: {remark}", answer.status))),
        (false, None) => Err(Trouble::Event(format!("{} without a word of why", answer.status))),
    }
}

/// What stands for a placeholder: nothing, where the event has nothing of the kind.
fn value(line: &Line, name: &str) -> Vec<u8> {
    let text = match name {
        "seq" => Some(line.seq().to_string().into_bytes()),
        // Of a rename, the old name.
        "path" | "virtual_path" => line.text(name).or_else(|| line.text(&format!("{name}_from"))),
        _ => line.text(name),
    };
    text.unwrap_or_default()
}

fn variable((key, value): (&str, Vec<u8>)) -> (String, OsString) {
    (format!("FTP_{}", key.to_ascii_uppercase()), OsString::from_vec(value))
}
