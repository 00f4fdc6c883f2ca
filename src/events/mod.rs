//! What happens, told once and in order: sessions push events, one audit thread numbers them and hands each
//! to the log, the journal and every other [`Sink`].

mod bus;
mod complaints;
mod django;
mod event;
pub mod followers;
mod journal;
mod json;
mod line;
mod reader;
mod sink;
mod text;
mod tide;

pub use bus::{Audit, Bus};
pub use complaints::Complaints;
pub use event::{Entry, Event, Kind, Place, SessionTag, Subject};
pub use journal::{Journal, JournalFull, JournalSync};
pub use line::Line;
pub use reader::Reader;
pub use sink::{Flushed, Sink};
pub use tide::Tide;
