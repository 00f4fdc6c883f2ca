//! What every object store can do: whole objects under flat keys, and nothing of directories.

use crate::storage::Result;
use jiff::Timestamp;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

/// A bucket. Each call is tried again for a while where that may help; what it answers then is final.
pub trait Bucket: Send + Sync {
    /// What it is called in events and in the log, such as `s3://media`.
    fn name(&self) -> &str;
    /// What is told about an object.
    fn head(&self, key: &str) -> Result<Object>;
    /// A page of the keys that begin so, in their order.
    fn page(&self, question: &Question<'_>) -> Result<Page>;
    /// Some bytes of exactly this object, at least one, that it really has.
    fn read(&self, key: &str, object: &Object, range: Range<u64>) -> Result<Box<dyn Read + Send>>;
    /// In what pieces a large object is read.
    fn pieces(&self) -> Pieces;
    /// A new object; an old one is there until this one is complete.
    fn write(&self, key: &str) -> Result<Box<dyn Writer>>;
    /// A new object that begins with the bytes of this one, which it replaces.
    fn append(&self, key: &str, object: &Object) -> Result<Box<dyn Writer>>;
    /// The same bytes under another key, or with another time under the same one.
    fn copy(&self, from: &str, object: &Object, to: &str, modified: Option<Timestamp>) -> Result<()>;
    /// Removes what may be there.
    fn delete(&self, key: &str) -> Result<()>;
}

/// An object that is being written. Dropped without being finished, nothing is left of it.
pub trait Writer: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// Whether so many bytes would have to wait for others to arrive, which are waited for so long at most.
    fn is_busy(&mut self, bytes: usize, patience: Duration) -> Result<bool>;
    /// No more bytes come: whether all are there that are sent before the object gets its key, after so long at most.
    fn prepare(&mut self, patience: Duration) -> Result<bool>;
    /// It is complete, and gets its key.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Bytes.
    pub size: u64,
    /// Last modified, as the client that sent it says, or else when it was stored.
    pub modified: Timestamp,
    /// What tells it from what has its key later.
    pub version: String,
}

/// What a large object is read in by those who are faster than one stream of the store.
#[derive(Debug, Clone, Copy)]
pub struct Pieces {
    /// The bytes of each but the last.
    pub size: NonZeroUsize,
    /// How many are on their way at the same time.
    pub at_once: NonZeroUsize,
}

/// Which keys are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// How they begin.
    pub prefix: &'a str,
    /// Whether those with a slash further on are told once, by what is before it.
    pub is_shallow: bool,
    /// Where the last page has ended.
    pub after: Option<&'a str>,
    /// No more than this, and than the store tells at once.
    pub most: u16,
}

/// Some keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects in the order of their keys.
    pub objects: Vec<(String, Object)>,
    /// What several keys begin with, with the slash at its end.
    pub prefixes: Vec<String>,
    /// There are more after this.
    pub next: Option<String>,
}

impl Page {
    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.prefixes.is_empty()
    }
}
