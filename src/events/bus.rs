//! The channel that all events take, and the audit thread at its end.

use super::{Entry, Event, Kind, Sink};
use crossbeam_channel::{Receiver, RecvTimeoutError, SendError, Sender, bounded};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Events that may wait; then sessions wait, and none is dropped.
const CAPACITY: usize = 4096;
/// So many are handed on before the sinks are flushed.
const BATCH: usize = 1024;
/// How long the end of the server waits for a sink that is stuck, such as a journal on a full disk.
const LAST_EVENTS: Duration = Duration::from_secs(10);

/// Where sessions tell what has happened. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    messages: Sender<Message>,
}

/// None is the end.
type Message = Option<Event>;

impl Bus {
    /// Tells an event; waits while the audit thread is behind.
    pub fn tell(&self, event: Event) {
        if let Err(SendError(Some(event))) = self.messages.send(Some(event)) {
            log::error!("too late for the journal: {event}");
        }
    }
}

/// The audit thread.
#[derive(Debug)]
pub struct Audit {
    messages: Sender<Message>,
    done: Receiver<()>,
}

impl Audit {
    /// Starts the thread with its sinks.
    pub fn start(sinks: Vec<Box<dyn Sink>>) -> io::Result<(Bus, Audit)> {
        let (messages, receiver) = bounded(CAPACITY);
        let (ended, done) = bounded::<()>(0);
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            run(&receiver, sinks);
            drop(ended);
        })?;
        Ok((Bus { messages: messages.clone() }, Audit { messages, done }))
    }

    /// Tells the last event, and waits until all are with the sinks; false if a sink was stuck for too long.
    pub fn finish(self, last: Event) -> bool {
        let deadline = Instant::now() + LAST_EVENTS;
        let mut last = [Some(last), None].into_iter();
        let sent = last.all(|message| self.messages.send_deadline(message, deadline).is_ok());
        let ended = self.done.recv_deadline(deadline) != Err(RecvTimeoutError::Timeout);
        if !sent || !ended {
            log::error!("the last events could not be written within {} s; they are lost", LAST_EVENTS.as_secs());
        }
        sent && ended
    }
}

fn run(messages: &Receiver<Message>, mut sinks: Vec<Box<dyn Sink>>) {
    let mut seq = sinks.iter().map(|sink| sink.last_seq()).max().unwrap_or(0);
    let mut finished = false;
    while !finished && let Ok(first) = messages.recv() {
        for message in std::iter::once(first).chain(messages.try_iter()).take(BATCH) {
            // What is already behind the end is taken, too.
            let Some(event) = message else {
                finished = true;
                continue;
            };
            seq += 1;
            write_log(&event);
            let entry = Entry { seq, event };
            for sink in &mut sinks {
                contained(|| sink.record(&entry));
            }
        }
        for sink in &mut sinks {
            contained(|| sink.flush());
        }
    }
}

fn write_log(event: &Event) {
    let level = match event.kind {
        Kind::LoginFailed | Kind::FileReceivedIncomplete | Kind::FileSentIncomplete => log::Level::Warn,
        _ => log::Level::Info,
    };
    log::log!(target: "django_ftpd::events", level, "{event}");
}

fn contained(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        log::error!("an event sink panicked; it goes on with the next event");
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn events_arrive_in_order_also_around_a_sink_that_panics() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink_seen = seen.clone();
        let broken = |_: &Entry| std::panic::panic_any("broken sink");
        let (bus, audit) = Audit::start(vec![
            Box::new(broken),
            Box::new(move |entry: &Entry| sink_seen.lock().unwrap().push((entry.seq, entry.event.kind))),
        ])
        .unwrap();
        bus.tell(Event::now(Kind::Login, None, Subject::Session));
        assert!(audit.finish(Event::now(Kind::Logout, None, Subject::Session)));
        assert_eq!(*seen.lock().unwrap(), [(1, Kind::Login), (2, Kind::Logout)]);
    }
}
