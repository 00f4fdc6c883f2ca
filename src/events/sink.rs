//! Where events go.

use super::event::Entry;

/// Takes each event, in order, in the audit thread. What it does must not take long, for while it runs all
/// other sinks wait; a panic in it is logged and ends nothing.
pub trait Sink: Send {
    /// One event.
    fn record(&mut self, entry: &Entry);

    /// Called after each batch of events, and before the server ends: makes safe what was recorded. If that fails it
    /// is called again, with new events or after a moment.
    fn flush(&mut self) -> Flushed {
        Flushed::Safe
    }

    /// Whether nothing is acknowledged to a client before its event is safe with this sink.
    fn is_awaited(&self) -> bool {
        false
    }

    /// The number of the last event that this sink remembers from before, if it does.
    fn last_seq(&self) -> u64 {
        0
    }
}

/// What a flush came to, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flushed {
    /// All that was recorded is safe.
    Safe,
    /// Not yet; everything goes on.
    Behind,
    /// Not yet; nobody should log in, and nothing be transferred or changed, until it is.
    Refusing,
    /// Not yet; it can take no more events until it is.
    Full,
}

impl<F: FnMut(&Entry) + Send> Sink for F {
    fn record(&mut self, entry: &Entry) {
        self(entry)
    }
}
