//! `django-ftpd user|group|account …`: the accounts of a site, managed without Django. Each noun has a file with its
//! verbs; what they share is here.

mod account;
mod arguments;
mod group;
mod lists;
mod password;
mod user;

use super::{Failure, say};
use crate::accounts::schema::{Database, Fault, Home, Tables};
use crate::config::{Problem, help};
use crate::protocol::shown::Shown;
use arguments::{Asked, Flag, Given, switch};

pub(super) use arguments::{Verb, place};
use lists::{Cell, Column};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The choice of lists.
const JSON: &[&[Flag]] = &[&[switch("--json")]];

/// What every command takes.
pub(super) const DATABASE_HELP: &str = "
Every command:
  --database FILE
      SQLite database of the site; also FTPSERVER_DATABASE, or database in the
      file that --config FILE or FTPSERVER_CONFIG names.
  -h, --help
      Show this help.

Exit status: 0 done, 1 refused or failed, 2 not understood.
";

/// What can be managed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noun {
    User,
    Group,
    Account,
}

impl Noun {
    /// What it is called on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Noun::User => "user",
            Noun::Group => "group",
            Noun::Account => "account",
        }
    }

    /// What can be done with it.
    pub(super) fn verbs(self) -> &'static [Verb] {
        match self {
            Noun::User => user::VERBS,
            Noun::Group => group::VERBS,
            Noun::Account => account::VERBS,
        }
    }

    fn help(self) -> String {
        // What belongs together stays in one line.
        let joined = |usage: String| match usage.split_once('[') {
            Some((words, flags)) => format!("{words}[{}", flags.replace(' ', "\u{a0}").replace("]\u{a0}[", "] [")),
            None => usage,
        };
        let mut text = format!("Usage: django-ftpd {} COMMAND [OPTIONS]\n\n", self.name());
        for verb in self.verbs() {
            let usage = help::wrapped(&joined(verb.usage(self.name())), "  ");
            text += &usage.replace("\n  ", "\n        ").replace('\u{a0}', " ");
            text += &help::wrapped(verb.doc, "      ");
        }
        text + DATABASE_HELP
    }
}

/// Runs the command that the arguments behind the noun name.
pub(super) fn run(noun: Noun, mut args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let given = args.next();
    let name = given.as_ref().and_then(|word| word.to_str()).unwrap_or_default();
    if matches!(name, "--help" | "-h" | "help") {
        say(&noun.help());
        return Ok(());
    }
    let Some(verb) = noun.verbs().iter().find(|verb| verb.name == name) else {
        let verbs: Vec<&str> = noun.verbs().iter().map(|verb| verb.name).collect();
        let given = given.as_ref().filter(|_| !name.starts_with('-')).map(|word| format!(" {}", word.display()));
        let given = given.unwrap_or_default();
        let (noun, verbs) = (noun.name(), verbs.join("|"));
        return Err(Problem::new(format!(
            "{noun}: no command{given}; usage: django-ftpd {noun} {verbs} …, see --help"
        ))
        .into());
    };
    match verb.read(noun.name(), args)? {
        Asked::Help => say(&noun.help()),
        Asked::Run(given) => return (verb.run)(&given),
    }
    Ok(())
}

/// The database, which has to be there.
fn open(given: &Given) -> Result<Database, Failure> {
    let path = given.database();
    if !path.exists() {
        let path = Shown(path.as_os_str().as_bytes());
        return Err(Failure::Runtime(format!("database {path}: no such file; user create and group create make it")));
    }
    Database::open(path).map_err(Failure::Runtime)
}

/// Changes something in it.
fn change<T>(given: &Given, work: impl FnOnce(&Tables) -> Result<T, Fault>) -> Result<T, Failure> {
    open(given)?.change(work).map_err(Failure::Runtime)
}

fn home(text: Option<&str>) -> Result<Option<Home>, Failure> {
    text.map(Home::parse).transpose().map_err(Failure::Configuration)
}

/// What `--home` and `--no-home` say.
fn home_change(given: &Given) -> Result<Option<Option<Home>>, Failure> {
    match given.has("--no-home") {
        true => Ok(Some(None)),
        false => Ok(home(given.text("--home"))?.map(Some)),
    }
}

fn list(given: &Given, columns: &[Column], rows: &[Vec<Cell>], none: &str) {
    match given.has("--json") {
        true => say(&lists::json(columns, rows)),
        false if rows.is_empty() => tell(none),
        false => say(&lists::aligned(columns, rows)),
    }
}

fn tell(line: &str) {
    say(&format!("{line}\n"));
}

fn tell_if_made(database: &Database, given: &Given) {
    if database.was_made() {
        tell(&format!("{} was made with the tables of Django.", Shown(given.database().as_os_str().as_bytes())));
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", Shown(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_80_columns_and_breaks_no_option() {
        for noun in [Noun::User, Noun::Group, Noun::Account] {
            let help = noun.help();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert_eq!(line.matches('[').count(), line.matches(']').count(), "{line}");
            }
            for verb in noun.verbs() {
                assert!(help.contains(&format!("\n  {} {}", noun.name(), verb.name)), "{help}");
            }
        }
    }
}
