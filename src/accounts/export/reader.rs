//! From the bytes of an export to its users. An array is read element by element, as JSON lines are: no more than one
//! object is held as JSON.

use super::collector::Collector;
use super::fault::{Fault, Position, shown};
use super::object::ObjectSeed;
use super::text::{DUMP, Progress, Text};
use super::users::Users;
use crate::accounts::user::FieldNames;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::error::Category;
use std::fmt;
use std::io::Read;

/// What is not exceeded: a small gzip file can hold more than any memory.
pub(super) const LIMITS: Limits = Limits { text: 512 * 1024 * 1024, memory: 512 * 1024 * 1024 };

/// In bytes.
pub(super) struct Limits {
    /// Text that is read.
    pub text: usize,
    /// What is kept of it.
    pub memory: usize,
}

/// Reads all users, from a file within these limits.
pub(super) fn read(file: impl Read, names: &FieldNames, limits: &Limits) -> Result<Users, Fault> {
    let progress = Progress::new();
    let mut text = Text::new(file, limits.text, &progress)?;
    let at_line = |fault: Fault| fault.at(format!("line {}", progress.line()));
    let first = text.first().map_err(at_line)?;
    let mut objects = Objects {
        collector: Collector::new(names, limits.memory),
        wanted: Collector::wanted(names),
        progress: &progress,
        position: Position::default(),
        is_inside: false,
        fault: None,
    };
    let skipped = progress.line().saturating_sub(1);
    let mut json = serde_json::Deserializer::from_reader(text);
    let result = match first {
        None => return Err(Fault::new(format!("it is empty; write it with {DUMP}"))),
        Some(b'[') => json.deserialize_seq(&mut objects).and_then(|()| json.end()),
        Some(b'{') => objects.read_lines(&mut json),
        Some(_) => {
            return Err(at_line(Fault::new(format!(
                "it is not JSON, which begins with [ or {{; write it with {DUMP}"
            ))));
        }
    };
    result.map_err(|error| objects.explain(&error, skipped))?;
    Ok(Users { shows_its_end: first == Some(b'['), ..objects.collector.finish()? })
}

/// Reads objects, and knows where it is.
struct Objects<'n, 'p> {
    collector: Collector<'n>,
    wanted: Vec<&'n str>,
    progress: &'p Progress,
    /// Of the last object that began.
    position: Position,
    /// It has not ended.
    is_inside: bool,
    /// What is wrong with it.
    fault: Option<Fault>,
}

impl Objects<'_, '_> {
    fn read_lines(
        &mut self,
        json: &mut serde_json::Deserializer<serde_json::de::IoRead<Text>>,
    ) -> serde_json::Result<()> {
        while let Err(error) = json.end() {
            // There is more, or it can't be read.
            match self.progress.fault() {
                None => self.deserialize(&mut *json)?,
                Some(_) => return Err(error),
            }
        }
        Ok(())
    }

    /// In words, what kept the file from being read to its end.
    fn explain(&self, error: &serde_json::Error, skipped: u32) -> Fault {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let Position { line, object } = self.position;
        let of_object = match object {
            0 => String::new(),
            object if self.is_inside => format!(", object {object}"),
            object => format!(", after object {object}"),
        };
        if let Some(fault) = self.progress.fault() {
            return fault.at(format!("line {}{of_object}", self.progress.line()));
        }
        let text = error.to_string();
        let what = shown(text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what));
        let place = format!(
            "line {}, column {}{of_object}",
            u32::try_from(error.line()).unwrap_or(0) + skipped,
            error.column()
        );
        match error.classify() {
            Category::Eof => Fault::new("the file ends here; it is cut off, or still being written").at(place),
            Category::Data if self.is_inside => Fault::new(what).at(format!("line {line}{of_object}")),
            _ => Fault::new(format!("it is not JSON as dumpdata writes it: {what}")).at(place),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Objects<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.position = Position { line: self.progress.line(), object: self.position.object + 1 };
        self.is_inside = true;
        self.progress.begin_object();
        let object = ObjectSeed(&self.wanted).deserialize(deserializer)?;
        self.progress.end_object();
        self.collector.take(object, self.position).map_err(|fault| {
            self.fault = Some(fault);
            D::Error::custom("an object is wrong")
        })?;
        self.is_inside = false;
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Objects<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while array.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }
}
