//! One object of an export, read from JSON: the few fields that matter, and nothing of the others.

use super::fault::shown;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Items of a list of groups, which has no more on any site, and of one that is such an item: a natural key. Two tell
/// that it is not one name.
const MOST_ITEMS: &[usize] = &[10_000, 2];
/// Bytes of a text. Names, passwords and paths have fewer by far.
const MOST_TEXT: usize = 64 * 1024;

const PARTS: &[&str] = &["model", "pk", "fields"];

/// An object as dumpdata writes it.
#[derive(Debug)]
pub(super) struct Object<'n> {
    pub model: Value,
    pub pk: Value,
    fields: Vec<(&'n str, Value)>,
}

/// A value of JSON, as far as it can matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Text(Box<str>),
    List(Vec<Value>),
    /// Something that is right nowhere, in words.
    Other(&'static str),
}

/// A primary key. Text that is a number is that number: a dump may have either.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Number(i64),
    Text(Box<str>),
}

/// How an object refers to another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Reference {
    Key(Key),
    /// By its name, with `--natural-foreign`.
    Name(Box<str>),
}

impl Object<'_> {
    /// What to call it: `auth.user, pk 5`.
    pub fn label(&self) -> String {
        let model = match &self.model {
            Value::Text(model) => shown(model),
            _ => "no model".to_string(),
        };
        match self.pk.clone().into_key() {
            Ok(Some(key)) => format!("{model}, pk {key}"),
            _ => model,
        }
    }

    /// Bytes of its texts, and how many items its lists have.
    pub fn size(&self) -> (usize, usize) {
        let values = self.fields.iter().map(|(_, value)| value).chain([&self.pk]);
        values.fold((0, 0), |(bytes, items), value| match value {
            Value::Text(text) => (bytes + text.len(), items),
            Value::List(list) => (bytes, items + list.len()),
            _ => (bytes, items),
        })
    }

    /// Whether it has a field with a text.
    pub fn has_text(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, value)| *known == name && matches!(value, Value::Text(_)))
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(known, _)| *known == name)?;
        Some(self.fields.swap_remove(index).1)
    }

    /// A field that every object of the model has.
    pub fn require(&mut self, name: &str) -> Result<Value, String> {
        self.take(name).ok_or_else(|| format!("it has no field {}", shown(name)))
    }

    /// A field with a text.
    pub fn text(&mut self, name: &str) -> Result<Box<str>, String> {
        match self.require(name)? {
            Value::Text(text) => Ok(text),
            other => Err(other.is_not(name, "a text")),
        }
    }

    /// A field with a text, or nothing.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<Box<str>>, String> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(other.is_not(name, "a text")),
        }
    }

    /// A field that is true or false; null is false, as in Python.
    pub fn truth(&mut self, name: &str, if_missing: bool) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(if_missing),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(other) => Err(other.is_not(name, "true or false")),
        }
    }

    /// A field that refers to another object.
    pub fn reference(&mut self, name: &str) -> Result<Reference, String> {
        self.require(name)?.into_reference(name)
    }

    /// The primary key; None with `--natural-primary`.
    pub fn key(&self) -> Result<Option<Key>, String> {
        self.pk.clone().into_key().map_err(|other| other.is_not("pk", "a number or a text"))
    }
}

impl Value {
    /// That such a field is wrong.
    pub fn is_not(&self, name: &str, right: &str) -> String {
        let kind = match self {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Other(kind) => kind,
        };
        format!("{} is {kind}, not {right}", shown(name))
    }

    /// The reference that it is.
    pub fn into_reference(self, name: &str) -> Result<Reference, String> {
        const RIGHT: &str = "a primary key or the list of one name";
        match self {
            Value::List(items) => match <[Value; 1]>::try_from(items) {
                Ok([Value::Text(natural)]) => Ok(Reference::Name(natural)),
                _ => Err(format!("{} is a list, but not of one name", shown(name))),
            },
            other => match other.into_key() {
                Ok(Some(key)) => Ok(Reference::Key(key)),
                Ok(None) => Err(Value::Null.is_not(name, RIGHT)),
                Err(other) => Err(other.is_not(name, RIGHT)),
            },
        }
    }

    fn into_key(self) -> Result<Option<Key>, Value> {
        match self {
            Value::Null => Ok(None),
            Value::Number(number) => Ok(Some(Key::Number(number))),
            Value::Text(text) => Ok(Some(match text.parse::<i64>() {
                Ok(number) if number.to_string() == *text => Key::Number(number),
                _ => Key::Text(text),
            })),
            other => Err(other),
        }
    }
}

impl Key {
    /// All of it, for those who compare keys.
    pub fn to_text(&self) -> String {
        match self {
            Key::Number(number) => number.to_string(),
            Key::Text(text) => text.to_string(),
        }
    }
}

impl Reference {
    /// Bytes of its text.
    pub fn size(&self) -> usize {
        match self {
            Reference::Key(Key::Number(_)) => 0,
            Reference::Key(Key::Text(text)) | Reference::Name(text) => text.len(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Number(number) => number.fmt(f),
            Key::Text(text) => shown(text).fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Key(key) => write!(f, "with pk {key}"),
            Reference::Name(name) => f.write_str(&shown(name)),
        }
    }
}

/// Reads an object with these fields.
pub(super) struct ObjectSeed<'w, 'n>(pub &'w [&'n str]);

impl<'de, 'n> DeserializeSeed<'de> for ObjectSeed<'_, 'n> {
    type Value = Object<'n>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object<'n>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 'n> Visitor<'de> for ObjectSeed<'_, 'n> {
    type Value = Object<'n>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with model, pk and fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'n>, A::Error> {
        let mut object = Object { model: Value::Null, pk: Value::Null, fields: Vec::new() };
        while let Some(part) = map.next_key_seed(Name(PARTS))? {
            match part {
                Some("model") => object.model = map.next_value_seed(ValueSeed(&[]))?,
                Some("pk") => object.pk = map.next_value_seed(ValueSeed(&[]))?,
                Some("fields") => object.fields = map.next_value_seed(Fields(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(object)
    }
}

struct Fields<'w, 'n>(&'w [&'n str]);

impl<'de, 'n> DeserializeSeed<'de> for Fields<'_, 'n> {
    type Value = Vec<(&'n str, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 'n> Visitor<'de> for Fields<'_, 'n> {
    type Value = Vec<(&'n str, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Self::Value = Vec::new();
        while let Some(name) = map.next_key_seed(Name(self.0))? {
            let Some(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(ValueSeed(MOST_ITEMS))?;
            // Of two with the same name the last one counts, as in Python.
            fields.retain(|(known, _)| *known != name);
            fields.push((name, value));
        }
        Ok(fields)
    }
}

/// Finds a name among those that are known.
struct Name<'w, 'n>(&'w [&'n str]);

impl<'de, 'n> DeserializeSeed<'de> for Name<'_, 'n> {
    type Value = Option<&'n str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Name<'_, 'n> {
    type Value = Option<&'n str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == name).copied())
    }
}

/// Reads a value; its lists have so many items, and those in them, and no list is deeper.
struct ValueSeed(&'static [usize]);

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Other("a number too large"), Value::Number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a fraction"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(if text.len() > MOST_TEXT { Value::Other("a text that is too long") } else { Value::Text(text.into()) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        if let Some((&most, deeper)) = self.0.split_first() {
            while items.len() < most {
                match list.next_element_seed(ValueSeed(deeper))? {
                    Some(item) => items.push(item),
                    None => return Ok(Value::List(items)),
                }
            }
        }
        let mut rest = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            rest += 1;
        }
        let is_whole = rest == 0 && !self.0.is_empty();
        Ok(if is_whole { Value::List(items) } else { Value::Other("a list that is too long or too deep") })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}
