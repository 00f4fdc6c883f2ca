//! `django-ftpd events`: what the journal knows, for people and for scripts.

mod arguments;
mod filter;
mod moments;
mod rows;

use crate::config::Problem;
use crate::events::{Line, Reader};
use arguments::{Asked, Wanted};

pub(super) use arguments::HELP;

use rows::Rows;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::process::ExitCode;

/// Between two looks for new events.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// What a grep that finds nothing ends with, too.
const NOTHING: u8 = 1;

/// Runs the command: status 0 if something was found, 1 if nothing was.
pub(super) fn run(args: impl Iterator<Item = OsString>) -> Result<ExitCode, Problem> {
    let wanted = match arguments::read(args)? {
        Asked::Help => {
            super::say(HELP);
            return Ok(ExitCode::SUCCESS);
        }
        Asked::Run(wanted) => *wanted,
    };
    let mut telling = Telling::new(&wanted);
    match telling.tell_all(&wanted) {
        // Who has read enough closes the pipe.
        Err(Trouble::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(Trouble::Output(error)) => return Err(Problem::new(format!("standard output: {error}"))),
        Err(Trouble::Journal(why)) => return Err(Problem::new(format!("journal {}: {why}", wanted.journal.display()))),
        Ok(()) => {}
    }
    if let count @ 1.. = telling.reader.broken() {
        // Nobody may be there to read it.
        let _ = writeln!(io::stderr(), "django-ftpd: journal: {count} broken lines of it were left out");
    }
    Ok(if telling.has_found { ExitCode::SUCCESS } else { ExitCode::from(NOTHING) })
}

enum Trouble {
    Output(io::Error),
    Journal(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Output(error)
    }
}

/// What is told, and what is kept back until it is known to be among the last.
struct Telling {
    out: BufWriter<StdoutLock<'static>>,
    reader: Reader,
    rows: Option<Rows>,
    last: VecDeque<Line>,
    has_read: bool,
    has_found: bool,
}

impl Telling {
    fn new(wanted: &Wanted) -> Telling {
        Telling {
            out: BufWriter::new(io::stdout().lock()),
            reader: Reader::new(&wanted.journal, 0),
            rows: (!wanted.json).then(Rows::to_standard_output),
            last: VecDeque::new(),
            has_read: false,
            has_found: false,
        }
    }

    fn tell_all(&mut self, wanted: &Wanted) -> Result<(), Trouble> {
        while let Some(line) = self.next()? {
            match wanted.last {
                _ if !wanted.filter.takes(&line) => {}
                None => self.tell(&line)?,
                Some(most) => self.keep(line, most),
            }
        }
        for line in std::mem::take(&mut self.last) {
            self.tell(&line)?;
        }
        if !self.has_read {
            self.explain_emptiness(wanted)?;
        }
        self.out.flush()?;
        while wanted.follow && is_read() {
            while let Some(line) = self.next()? {
                if wanted.filter.takes(&line) {
                    self.tell(&line)?;
                }
            }
            self.out.flush()?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Line>, Trouble> {
        let line = self.reader.next_line().map_err(|error| Trouble::Journal(error.to_string()))?;
        self.has_read |= line.is_some();
        Ok(line)
    }

    fn keep(&mut self, line: Line, most: usize) {
        if self.last.len() >= most {
            self.last.pop_front();
        }
        if most > 0 {
            self.last.push_back(line);
        }
    }

    fn tell(&mut self, line: &Line) -> io::Result<()> {
        self.has_found = true;
        match &self.rows {
            Some(rows) => rows.write(line, &mut self.out),
            None => self.out.write_all(line.json()).and_then(|()| self.out.write_all(b"\n")),
        }
    }

    /// An empty journal is one; what is none, or can't be read, is a fault.
    fn explain_emptiness(&self, wanted: &Wanted) -> Result<(), Trouble> {
        match std::fs::metadata(&wanted.journal) {
            Err(error) => Err(Trouble::Journal(error.to_string())),
            Ok(metadata) if !metadata.is_file() => Err(Trouble::Journal("it is no file".to_string())),
            Ok(metadata) if metadata.len() > 0 => Err(Trouble::Journal("there is no event in it".to_string())),
            Ok(_) => Ok(()),
        }
    }
}

/// Waits a moment; false if nobody reads standard output any more.
fn is_read() -> bool {
    let out = io::stdout();
    let mut waited = [PollFd::new(&out, PollFlags::empty())];
    // What a signal has cut short is tried again.
    let _ = poll(&mut waited, Some(&LOOK));
    waited.iter().all(|fd| !fd.revents().intersects(PollFlags::ERR | PollFlags::HUP))
}
