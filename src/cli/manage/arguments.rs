//! What may stand behind `django-ftpd user create` and its like: one description of each command, from which its
//! usage is written and its arguments are read.

use super::Failure;
use crate::config::{Config, Loaded, Problem, flag_value};
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What every command takes.
const PLACES: [&str; 2] = ["--database", "--config"];

/// What a command such as `user create` takes beside.
pub(in crate::cli) struct Verb {
    pub(in crate::cli) name: &'static str,
    /// What has to stand there, in this order.
    pub(in crate::cli) words: &'static [&'static str],
    /// What may follow it.
    pub(in crate::cli) last: Option<&'static str>,
    /// Flags, of each choice one.
    pub(in crate::cli) choices: &'static [&'static [Flag]],
    /// Whether one flag is needed, or nothing happens.
    pub(in crate::cli) needs_flag: bool,
    pub(in crate::cli) doc: &'static str,
    pub(super) run: fn(&Given) -> Result<(), Failure>,
}

pub(in crate::cli) struct Flag {
    /// With its dashes.
    pub(in crate::cli) name: &'static str,
    /// What stands for its value; None: it has none.
    pub(in crate::cli) value: Option<&'static str>,
}

/// A flag without a value.
pub(super) const fn switch(name: &'static str) -> Flag {
    Flag { name, value: None }
}

/// A flag with a value.
pub(super) const fn value(name: &'static str, placeholder: &'static str) -> Flag {
    Flag { name, value: Some(placeholder) }
}

/// What somebody gave.
pub(super) struct Given {
    /// Each word and flag by its name; a switch has no text.
    texts: Vec<(&'static str, String)>,
    database: PathBuf,
}

/// What the arguments ask for.
pub(super) enum Asked {
    Help,
    Run(Given),
}

impl Given {
    /// The text of a word or flag that may be missing; of several the last.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().rev().find(|(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// The text of a word that has to be there.
    pub(super) fn word(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// Whether a switch was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// What a pair of switches says, if anything.
    pub(super) fn either(&self, yes: &str, no: &str) -> Option<bool> {
        if self.has(yes) { Some(true) } else { self.has(no).then_some(false) }
    }

    /// The database that is meant.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }
}

impl Verb {
    /// How it is written, as in `user create NAME [--email ADDRESS]`.
    pub(super) fn usage(&self, noun: &str) -> String {
        let mut usage = format!("{noun} {}", self.name);
        for word in self.words {
            usage += &format!(" {word}");
        }
        if let Some(last) = self.last {
            usage += &format!(" [{last}]");
        }
        for choice in self.choices {
            let flags = choice.iter().map(|flag| match flag.value {
                Some(value) => format!("{} {value}", flag.name),
                None => flag.name.to_string(),
            });
            usage += &format!(" [{}]", flags.collect::<Vec<_>>().join("|"));
        }
        usage
    }

    /// Reads the arguments behind the verb.
    pub(super) fn read(&self, noun: &str, args: impl Iterator<Item = OsString>) -> Result<Asked, Failure> {
        let wrong = |why: String| {
            let usage = self.usage(noun);
            let text = format!("{noun} {}: {why}; usage: django-ftpd {usage} --database FILE", self.name);
            Failure::from(Problem::new(text))
        };
        let mut parser = Parser::from_args(args);
        let mut words = self.words.iter().chain(&self.last);
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        while let Some(arg) = parser.next().map_err(|error| wrong(error.to_string()))? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
                Arg::Short(letter) => return Err(wrong(format!("-{letter}: no such option"))),
                Arg::Long(long) => {
                    let written = format!("--{long}");
                    match PLACES.contains(&&*written) {
                        true => places.push(place(&written, &mut parser).map_err(wrong)?),
                        false => texts.push(self.flag(&written, &texts, &mut parser).map_err(wrong)?),
                    }
                }
                Arg::Value(text) => match words.next() {
                    Some(word) => texts.push((word, utf8(word, text).map_err(wrong)?)),
                    None => return Err(wrong(format!("{}: is one too many", text.to_string_lossy()))),
                },
            }
        }
        if let Some(word) = words.next().filter(|word| self.words.contains(word)) {
            return Err(wrong(format!("{word} is missing")));
        }
        if self.needs_flag && !texts.iter().any(|(name, _)| name.starts_with("--")) {
            return Err(wrong("it is not said what to change".to_string()));
        }
        Ok(Asked::Run(Given { texts, database: database(places)? }))
    }

    /// The flag of this name and its value, unless another flag of its choice was given.
    fn flag(
        &self,
        written: &str,
        given: &[(&str, String)],
        parser: &mut Parser,
    ) -> Result<(&'static str, String), String> {
        let of_name =
            |choice: &'static [Flag]| choice.iter().find(|flag| flag.name == written).map(|flag| (choice, flag));
        let found = self.choices.iter().find_map(|choice| of_name(choice));
        let (choice, flag) = found.ok_or_else(|| format!("{written}: no such option"))?;
        let others = choice.iter().filter(|other| other.name != flag.name);
        if let Some(other) = others.into_iter().find(|other| given.iter().any(|(name, _)| *name == other.name)) {
            return Err(format!("{} and {written} contradict each other", other.name));
        }
        let text = match flag.value {
            Some(what) => flag_value(parser).ok_or_else(|| format!("{written}: {what} is missing"))?,
            None => OsString::new(),
        };
        Ok((flag.name, utf8(flag.name, text)?))
    }
}

/// A flag that says where something is, with its value, for [`Config`] to read.
pub(in crate::cli) fn place(written: &str, parser: &mut Parser) -> Result<OsString, String> {
    let mut place = OsString::from(format!("{written}="));
    place.push(flag_value(parser).ok_or_else(|| format!("{written}: FILE is missing"))?);
    Ok(place)
}

fn utf8(name: &str, text: OsString) -> Result<String, String> {
    text.into_string().map_err(|text| format!("{name}: {} is not UTF-8 text", text.to_string_lossy()))
}

/// Where `serve` would look for the database, too: flags beat environment beats file.
fn database(places: Vec<OsString>) -> Result<PathBuf, Failure> {
    match Config::load(places.into_iter(), std::env::vars_os())? {
        Loaded::Run(config) => config.database.ok_or_else(|| {
            let text = "no database; name it with --database FILE (FTPSERVER_DATABASE, or database in the file)";
            Failure::Configuration(text.to_string())
        }),
        // Only --database and --config were handed on.
        Loaded::Help | Loaded::Version => Err(Failure::Configuration("no database".to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERB: Verb = Verb {
        name: "change",
        words: &["NAME"],
        last: Some("PLACE"),
        choices: &[&[switch("--on"), switch("--off")], &[value("--to", "TEXT")]],
        needs_flag: true,
        doc: "",
        run: |_| Ok(()),
    };

    fn read(words: &[&str]) -> Result<Given, String> {
        let words = [&["--database", "x.db"], words].concat();
        match VERB.read("thing", words.into_iter().map(OsString::from)) {
            Ok(Asked::Run(given)) => Ok(given),
            Ok(Asked::Help) => Err("help".to_string()),
            Err(Failure::Configuration(why) | Failure::Runtime(why)) => Err(why),
        }
    }

    #[track_caller]
    fn refused(words: &[&str], why: &str) {
        let usage = "usage: django-ftpd thing change NAME [PLACE] [--on|--off] [--to TEXT] --database FILE";
        assert_eq!(read(words).err(), Some(format!("thing change: {why}; {usage}")));
    }

    #[test]
    fn words_and_flags_stand_in_any_order() {
        let given = read(&["--to", "-x", "ann", "--on", "--to=y"]).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((given.word("NAME"), given.text("PLACE"), given.text("--to")), ("ann", None, Some("y")));
        assert_eq!((given.either("--on", "--off"), given.has("--off")), (Some(true), false));
        assert_eq!(given.database(), Path::new("x.db"));
        let given = read(&["--off", "--", "-a", "--b"]).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((given.word("NAME"), given.text("PLACE")), ("-a", Some("--b")));
        assert_eq!(read(&["--help"]).err(), Some("help".to_string()));
    }

    #[test]
    fn wrong_usage_is_told_with_the_right_one() {
        refused(&["--on"], "NAME is missing");
        refused(&["a"], "it is not said what to change");
        refused(&["a", "b", "c", "--on"], "c: is one too many");
        refused(&["a", "--on", "--off"], "--on and --off contradict each other");
        refused(&["a", "--onn"], "--onn: no such option");
        refused(&["a", "-o"], "-o: no such option");
        refused(&["a", "--on=1"], "unexpected argument for option '--on': \"1\"");
        refused(&["a", "--passwd\n"], "--passwd\\n: no such option");
    }
}
