//! The channel that all events take, and the audit thread at its end.

use super::{Entry, Event, Flushed, Kind, Sink, django};
use crate::locks::thread::{self, Thread};
use crossbeam_channel::{Receiver, RecvTimeoutError, SendError, Sender, bounded};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Events that may wait; then sessions wait, and none is dropped.
const CAPACITY: usize = 1024;
/// So many are handed on before the sinks are flushed.
const BATCH: usize = 1024;
/// What comes right behind a batch that nobody waits for is handed on with the next one: to be woken for each event costs
/// more than the event.
const BREATH: Duration = Duration::from_millis(2);
/// How long the end of the server waits for a sink that is stuck, such as a journal on a full disk.
const LAST_EVENTS: Duration = Duration::from_secs(10);
/// After a flush that failed, when the next comes without new events.
const RETRY: Duration = Duration::from_millis(500);

/// Where sessions tell what has happened. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    messages: Sender<Message>,
    auditor: Thread,
    /// A sink wants to have made an event safe before the client hears of it.
    is_awaited: bool,
    is_refusing: Arc<AtomicBool>,
    is_safe: Arc<AtomicBool>,
}

/// The channel has room for all that it may hold from the beginning, so an event is elsewhere.
#[derive(Debug)]
enum Message {
    Event(Box<Event>),
    /// Somebody waits for the answer whether it is safe.
    Awaited(Box<Event>, Sender<bool>),
    End,
}

impl Bus {
    /// Tells an event; waits while the audit thread is behind.
    pub fn tell(&self, event: Event) {
        self.send(Message::Event(event.into()));
    }

    /// Tells an event, and waits until it is as safe as it has to be before it is acknowledged; false if it is not.
    /// Many that wait at once wait for the same flush.
    pub fn tell_and_wait(&self, event: Event) -> bool {
        if !self.is_awaited {
            self.tell(event);
            return true;
        }
        let (answer, answered) = bounded(1);
        self.send(Message::Awaited(event.into(), answer));
        self.auditor.unpark();
        answered.recv().unwrap_or(false)
    }

    /// Whether nobody should log in, and nothing be transferred or changed, for it would not be recorded.
    pub fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::Relaxed)
    }

    /// Whether all that was told so far could be written, or has not been tried yet.
    pub fn is_safe(&self) -> bool {
        self.is_safe.load(Ordering::Relaxed)
    }

    fn send(&self, message: Message) {
        if let Err(SendError(Message::Event(event) | Message::Awaited(event, _))) = self.messages.send(message) {
            log::error!("too late for the journal: {event}");
        }
    }
}

/// The audit thread.
#[derive(Debug)]
pub struct Audit {
    messages: Sender<Message>,
    auditor: Thread,
    done: Receiver<()>,
}

impl Audit {
    /// Starts the thread with its sinks.
    pub fn start(sinks: Vec<Box<dyn Sink>>) -> io::Result<(Bus, Audit)> {
        let (messages, receiver) = bounded(CAPACITY);
        let (ended, done) = bounded::<()>(0);
        let (is_refusing, is_safe) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        let is_awaited = sinks.iter().any(|sink| sink.is_awaited());
        let desk = Desk {
            messages: receiver,
            seq: sinks.iter().map(|sink| sink.last_seq()).max().unwrap_or(0),
            sinks,
            waiting: Vec::new(),
            is_refusing: is_refusing.clone(),
            is_safe: is_safe.clone(),
        };
        let running = thread::Builder::new().name("audit".into()).spawn(move || {
            desk.run();
            drop(ended);
        })?;
        let auditor = running.thread().clone();
        let audit = Audit { messages: messages.clone(), auditor: auditor.clone(), done };
        Ok((Bus { messages, auditor, is_awaited, is_refusing, is_safe }, audit))
    }

    /// Tells the last event, and waits until all are with the sinks; false if a sink was stuck for too long.
    pub fn finish(self, last: Event) -> bool {
        let deadline = Instant::now() + LAST_EVENTS;
        let mut last = [Message::Event(last.into()), Message::End].into_iter();
        let sent = last.all(|message| self.messages.send_deadline(message, deadline).is_ok());
        self.auditor.unpark();
        let ended = self.done.recv_deadline(deadline) != Err(RecvTimeoutError::Timeout);
        if !sent || !ended {
            log::error!("the last events could not be written within {} s; they are lost", LAST_EVENTS.as_secs());
        }
        sent && ended
    }
}

/// What the audit thread works with.
struct Desk {
    messages: Receiver<Message>,
    sinks: Vec<Box<dyn Sink>>,
    /// The number of the last event.
    seq: u64,
    /// Who waits until all events so far are safe.
    waiting: Vec<Sender<bool>>,
    is_refusing: Arc<AtomicBool>,
    is_safe: Arc<AtomicBool>,
}

impl Desk {
    /// Until the end has come and all is safe.
    fn run(mut self) {
        let mut state = Flushed::Safe;
        let mut finished = false;
        while !finished || state != Flushed::Safe {
            if finished || state == Flushed::Full {
                thread::sleep(RETRY);
            } else {
                finished = self.take(state);
            }
            let is_awaited = !self.waiting.is_empty();
            state = self.flush();
            self.is_safe.store(state == Flushed::Safe, Ordering::Relaxed);
            self.answer(state);
            if !finished && !is_awaited && self.messages.len() < BATCH {
                thread::park_timeout(BREATH);
            }
        }
    }

    /// Hands a batch of events on, and waits for the first of them, if nothing else is to be done; true at the end.
    fn take(&mut self, state: Flushed) -> bool {
        let first = match state {
            Flushed::Safe => self.messages.recv().map_err(RecvTimeoutError::from),
            _ => self.messages.recv_timeout(RETRY),
        };
        let mut message = match first {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        };
        let mut finished = false;
        for _ in 0..BATCH {
            match message {
                Some(Message::Event(event)) => self.record(*event),
                Some(Message::Awaited(event, answer)) => {
                    self.record(*event);
                    self.waiting.push(answer);
                }
                // What is already behind the end is taken, too.
                Some(Message::End) => finished = true,
                None => break,
            }
            message = self.messages.try_recv().ok();
        }
        finished
    }

    fn record(&mut self, event: Event) {
        self.seq += 1;
        write_log(&event);
        let entry = Entry { seq: self.seq, event };
        for sink in &mut self.sinks {
            contained(|| sink.record(&entry));
        }
    }

    fn flush(&mut self) -> Flushed {
        let states = self.sinks.iter_mut().map(|sink| {
            // From one that panics nothing is safe, if that matters.
            let otherwise = if sink.is_awaited() { Flushed::Behind } else { Flushed::Safe };
            contained(|| sink.flush()).unwrap_or(otherwise)
        });
        states.max().unwrap_or(Flushed::Safe)
    }

    /// Who waits is not acknowledged what is not safe; but waits on, where that is what everybody does.
    fn answer(&mut self, state: Flushed) {
        match state {
            Flushed::Safe => self.is_refusing.store(false, Ordering::Relaxed),
            Flushed::Refusing => self.is_refusing.store(true, Ordering::Relaxed),
            Flushed::Behind | Flushed::Full => {}
        }
        if state != Flushed::Full || self.is_refusing.load(Ordering::Relaxed) {
            for answer in self.waiting.drain(..) {
                // It waits, unless its thread has panicked.
                let _ = answer.send(state == Flushed::Safe);
            }
        }
    }
}

fn write_log(event: &Event) {
    let level = match event.kind {
        Kind::LoginFailed | Kind::FileReceivedIncomplete | Kind::FileSentIncomplete => log::Level::Warn,
        _ => log::Level::Info,
    };
    log::log!(target: "django_ftpd::events", level, "{event}");
    log::debug!(target: django::LOGGER, "{}", django::Told(event));
}

fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        log::error!("an event sink panicked; it goes on with the next event");
    }
    result.ok()
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
