//! What an option is. Flags, variables, file keys, help, README and the example file all come from the one table of
//! them; it knows nothing of where a value was written.

mod table;

pub use table::OPTIONS;

use std::ffi::OsStr;
use std::path::PathBuf;

use self::Kind::{MaybeSwitch, Path, Switch, Value, Words};
use super::Config;
use super::value::{file, switch, words};

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// `snake_case`: the key of the file, from which the other names follow.
    pub name: &'static str,
    /// Heading it stands under; neighbours share it.
    pub group: &'static str,
    /// How it is written, and its setter.
    pub kind: Kind,
    /// What holds when nobody says anything.
    pub default: Initial,
    /// One sentence for the administrator.
    pub doc: &'static str,
}

/// How an option is written, each with its setter.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `--name` or `--no-name`.
    Switch(fn(&mut Config) -> &mut bool),
    /// The same, when saying nothing is a third answer.
    MaybeSwitch(fn(&mut Config) -> &mut Option<bool>),
    /// `--name FILE`, any bytes.
    Path(fn(&mut Config) -> &mut Option<PathBuf>),
    /// `--name PLACEHOLDER`, a program and its arguments.
    Words(&'static str, fn(&mut Config) -> &mut Option<Vec<String>>),
    /// `--name PLACEHOLDER`.
    Value(&'static str, fn(&mut Config, &str) -> Result<(), String>),
}

/// What holds when nobody says anything.
#[derive(Debug, Clone, Copy)]
pub enum Initial {
    /// This value, as it would be written.
    Is(&'static str),
    /// No value: what that means, and an example of one.
    Unset(&'static str, &'static str),
}

/// What begins the name of every variable.
pub const ENV_PREFIX: &str = "FTPSERVER_";

impl Opt {
    /// `--kebab-case`; the positional has none and is known by its placeholder.
    pub fn flag(&self) -> String {
        match self.kind {
            Value(placeholder, _) if self.is_positional() => placeholder.into(),
            _ => format!("--{}", self.name.replace('_', "-")),
        }
    }

    /// `--no-kebab-case` of a switch.
    pub fn negated_flag(&self) -> Option<String> {
        matches!(self.kind, Switch(_) | MaybeSwitch(_)).then(|| format!("--no-{}", self.name.replace('_', "-")))
    }

    /// `FTPSERVER_UPPER_SNAKE`.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_uppercase())
    }

    /// What stands for the value in the help; `None` = a switch.
    pub fn placeholder(&self) -> Option<&'static str> {
        match self.kind {
            Switch(_) | MaybeSwitch(_) => None,
            Path(_) => Some("FILE"),
            Value(placeholder, _) | Words(placeholder, _) => Some(placeholder),
        }
    }

    /// On the command line it stands alone, without a flag.
    pub fn is_positional(&self) -> bool {
        self.name == "address"
    }

    /// A file may set it; it cannot name another file.
    pub fn is_for_file(&self) -> bool {
        self.name != "config"
    }

    /// Sets it in `config`, or says what is wrong with `value`.
    pub fn set(&self, config: &mut Config, value: &OsStr) -> Result<(), String> {
        let text = || value.to_str().ok_or_else(|| "the value is not UTF-8 text".to_owned());
        match self.kind {
            Path(field) => put(field(config), file(value).map(Some)),
            Switch(field) => put(field(config), switch(text()?)),
            MaybeSwitch(field) => put(field(config), switch(text()?).map(Some)),
            Words(_, field) => put(field(config), words(text()?).map(Some)),
            Value(_, set) => set(config, text()?),
        }
    }
}

impl Config {
    /// The same with relative names that begin in this directory; where it is empty, they are left as they are.
    pub(super) fn resolved(mut self, directory: &std::path::Path) -> Config {
        for option in OPTIONS {
            if let Path(field) = option.kind
                && let Some(path) = field(&mut self)
            {
                *path = directory.join(&*path);
            }
        }
        for ca in self.sections.webhooks.iter_mut().filter_map(|webhook| webhook.ca.as_mut()) {
            *ca = directory.join(&*ca);
        }
        self
    }
}

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Initial::{Is, Unset};
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_of_config_has_its_option() {
        let debug = format!("{:#?}", Config::default());
        let is_field = |line: &&str| line.starts_with("    ") && line[4..].starts_with(char::is_alphabetic);
        let fields = debug.lines().filter(is_field).filter_map(|line| line.trim().split_once(':'));
        let fields: Vec<_> = fields.map(|(name, _)| name).collect();
        // Sections stand in files alone.
        let names: Vec<_> = OPTIONS.iter().map(|o| o.name).chain(["sections"]).collect();
        assert_eq!(fields, names);
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_config() {
        // First every field gets another value, so that a setter of the wrong field shows.
        let mut config = Config::default();
        for option in OPTIONS {
            let other = match option.default {
                Is("true") => "false",
                Is("false") => "true",
                Is("127.0.0.1:21") => "localhost:1",
                Is("warn") => "off",
                Is("elr" | "adfmwMT") => "e",
                Is("off") => "cn",
                Is("os") => "always",
                Is("block") => "refuse",
                Is("info") => "debug",
                Is("text") => "json",
                Is("disk") => "s3",
                Is(_) => "77",
                Unset(..) => continue,
            };
            let before = config.clone();
            option.set(&mut config, OsStr::new(other)).unwrap();
            assert_ne!(config, before, "{}", option.name);
        }
        for option in OPTIONS {
            if let Is(text) = option.default {
                option.set(&mut config, OsStr::new(text)).unwrap();
            }
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn examples_are_legal() {
        for option in OPTIONS {
            if let Unset(_, example) = option.default {
                let mut config = Config::default();
                option.set(&mut config, OsStr::new(example)).unwrap();
                assert_ne!(config, Config::default(), "{}", option.name);
            }
        }
    }

    #[test]
    fn relative_paths_keep_their_meaning_elsewhere() {
        let config = Config { database: Some("db".into()), journal: Some("/var/j".into()), ..Config::default() };
        assert_eq!(config.clone().resolved("".as_ref()), config);
        let resolved = config.clone().resolved("/srv/site".as_ref());
        let expected = Config { database: Some("/srv/site/db".into()), ..config };
        assert_eq!(resolved, expected);
    }

    #[test]
    fn names_are_unique_groups_are_together_and_docs_are_sentences() {
        let names: HashSet<_> = OPTIONS.iter().map(|o| o.name).collect();
        let groups: HashSet<_> = OPTIONS.iter().map(|o| o.group).collect();
        assert_eq!(names.len(), OPTIONS.len());
        assert_eq!(groups.len(), OPTIONS.chunk_by(|a, b| a.group == b.group).count());
        for option in OPTIONS {
            assert!(option.doc.ends_with('.') && !option.doc.contains(". "), "{}", option.name);
        }
    }

    #[test]
    fn only_paths_may_be_other_than_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let latin1 = OsStr::from_bytes(b"/srv/caf\xe9");
        let mut config = Config::default();
        let mut set = |name: &str| OPTIONS.iter().find(|o| o.name == name).unwrap().set(&mut config, latin1);

        assert_eq!(set("database"), Ok(()));
        assert_eq!(set("banner"), Err("the value is not UTF-8 text".into()));
        assert_eq!(config.database, Some(PathBuf::from(latin1)));
    }
}
