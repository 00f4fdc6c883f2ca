//! Every command with its options, as its own help tells them: what is not in the help is not completed either.

use crate::cli::manage::Noun;
use crate::cli::{USAGE, check, control, events};
use crate::config::{Config, help};

/// A command, or a command of a command such as `user create`.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) options: Vec<Choice>,
    /// What may follow that is no option.
    pub(super) words: Words,
    pub(super) commands: Vec<Command>,
}

/// What stands without a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    None,
    /// One of these.
    Of(&'static [&'static str]),
    /// Names that only the administrator knows.
    Unknown,
}

/// An option, perhaps with a negation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// With their dashes.
    pub(super) flags: Vec<String>,
    pub(super) value: Option<Value>,
    pub(super) doc: String,
}

/// What an option takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    File,
    Directory,
    User,
    Of(Vec<String>),
    /// Nobody can guess it; what stands for it in the help.
    Text(String),
}

/// The shells that there are completions for.
pub(super) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// All commands, in the order of the usage.
pub(super) fn all() -> Vec<Command> {
    rows().into_iter().map(|(name, words, doc)| command(name, words, doc)).collect()
}

/// The commands of the usage: name, what may follow it, and what it does.
pub(in crate::cli) fn rows() -> Vec<(&'static str, &'static str, String)> {
    rows_of(USAGE)
}

fn rows_of(usage: &str) -> Vec<(&str, &str, String)> {
    let mut rows: Vec<(&str, &str, String)> = Vec::new();
    // Where the last line with names begins: what it does may take more lines.
    let mut start = 0;
    for line in usage.lines().filter_map(|line| line.strip_prefix("  ")) {
        match line.starts_with(' ') {
            true => rows.iter_mut().skip(start).for_each(|(_, _, doc)| *doc = format!("{doc} {}", line.trim())),
            false => {
                start = rows.len();
                let (names, doc) = line.split_once("  ").unwrap_or((line, ""));
                rows.extend(names.split(", ").map(|row| {
                    let (name, words) = row.split_once(' ').unwrap_or((row, ""));
                    (name, words, doc.trim().to_string())
                }));
            }
        }
    }
    rows
}

fn command(name: &str, words: &str, doc: String) -> Command {
    let nouns = [Noun::User, Noun::Group, Noun::Account];
    let noun = nouns.into_iter().find(|noun| noun.name() == name);
    let (options, commands) = match noun {
        Some(noun) => (Vec::new(), verbs(noun)),
        None => (choices(&help_of(name)), Vec::new()),
    };
    let is_name = |word: &str| word.trim_start_matches('[').starts_with(char::is_uppercase);
    let words = match words.split(' ').any(|word| word != "[OPTIONS]" && is_name(word)) {
        _ if name == "completions" => Words::Of(SHELLS),
        true => Words::Unknown,
        false => Words::None,
    };
    Command { name: name.to_string(), doc, options, words, commands }
}

fn help_of(name: &str) -> String {
    let server = |own| help::help_text(name, &Config::default().address, own);
    match name {
        "serve" | "demo" => server(&[]),
        "check" => server(check::OWN_OPTIONS),
        "events" => events::HELP.to_string(),
        _ => control::Command::named(name).map(|command| command.help().to_string()).unwrap_or_default(),
    }
}

fn verbs(noun: Noun) -> Vec<Command> {
    let places = help_of_places();
    let verb = |verb: &crate::cli::manage::Verb| {
        let flags = verb.choices.iter().flat_map(|choice| choice.iter());
        let own = flags.map(|flag| Choice {
            flags: vec![flag.name.to_string()],
            value: flag.value.map(value),
            doc: String::new(),
        });
        Command {
            name: verb.name.to_string(),
            doc: first_sentence(verb.doc),
            options: own.chain(places.clone()).collect(),
            words: if verb.words.is_empty() { Words::None } else { Words::Unknown },
            commands: Vec::new(),
        }
    };
    noun.verbs().iter().map(verb).collect()
}

/// What every command about users takes.
fn help_of_places() -> Vec<Choice> {
    let mut places = choices(crate::cli::manage::DATABASE_HELP);
    let config = Choice { flags: vec!["--config".to_string()], value: Some(Value::File), doc: String::new() };
    places.insert(1, Choice { doc: "File with options, which may name the database".to_string(), ..config });
    places
}

/// The options of a help: two blanks before each of them, six before what it does.
fn choices(help: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    let mut docs: Vec<(usize, String)> = Vec::new();
    for line in help.lines() {
        if let Some(option) = line.strip_prefix("  ").filter(|option| option.starts_with('-')) {
            docs.push((choices.len(), String::new()));
            choices.extend(of_line(option));
        } else if let (Some(text), Some((_, doc))) = (line.strip_prefix("      "), docs.last_mut()) {
            *doc = format!("{doc} {text}");
        } else {
            docs.push((choices.len(), String::new()));
        }
    }
    let ends = docs.iter().skip(1).map(|(start, _)| *start).chain([choices.len()]).collect::<Vec<_>>();
    for ((start, doc), end) in docs.iter().zip(ends) {
        choices.iter_mut().take(end).skip(*start).for_each(|choice| choice.doc = first_sentence(doc));
    }
    choices
}

/// `--sendfile, --no-sendfile [default: true]`, `--since TIME, --until TIME`, `--tls required|optional [default: …]`
fn of_line(line: &str) -> Vec<Choice> {
    let line = line.split(" [default:").next().unwrap_or(line);
    let mut choices: Vec<Choice> = Vec::new();
    for item in line.split(", ") {
        let (flag, placeholder) = item.split_once(' ').map_or((item, None), |(flag, rest)| (flag, Some(rest)));
        // A value that may be left out is none to be waited for.
        let value = placeholder.filter(|placeholder| !placeholder.starts_with('[')).map(value);
        match (choices.last_mut(), &value) {
            (Some(Choice { flags, value: None, .. }), None) => flags.push(flag.to_string()),
            _ => choices.push(Choice { flags: vec![flag.to_string()], value, doc: String::new() }),
        }
    }
    choices
}

fn value(placeholder: &str) -> Value {
    let words = |words: &str| Value::Of(words.split(' ').map(String::from).collect());
    match placeholder {
        "FILE" | "PROGRAM" | "SOCKET" => Value::File,
        "TEMPLATE" | "HOME_DIR" | "PATHS" => Value::Directory,
        "USER" => Value::User,
        "LEVEL" => words("error warn info debug trace"),
        choice if choice.contains('|') => words(&choice.replace('|', " ")),
        other => Value::Text(other.to_string()),
    }
}

fn first_sentence(doc: &str) -> String {
    let sentence = doc.split(". ").next().and_then(|sentence| sentence.split("; ").next()).unwrap_or(doc);
    sentence.trim().trim_end_matches(['.', ':']).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(flags: &[&str], value: Option<Value>, doc: &str) -> Choice {
        Choice { flags: flags.iter().map(|flag| flag.to_string()).collect(), value, doc: doc.to_string() }
    }

    #[test]
    fn options_are_read_from_help() {
        let help = "Usage: x\n\nOne:\n  HOST:PORT [default: h:1]\n      Where.\n  --a, --no-a [default: true]\n      Does\n      \
                    a; not b.\n  --since TIME, --until TIME\n      When.\n  --tls on|off\n      Or. Not.\n  \
                    --watch [SECONDS]\n      Again.\n";
        let time = || Some(Value::Text("TIME".to_string()));
        let words = Value::Of(vec!["on".to_string(), "off".to_string()]);
        assert_eq!(
            choices(help),
            [
                choice(&["--a", "--no-a"], None, "Does a"),
                choice(&["--since"], time(), "When"),
                choice(&["--until"], time(), "When"),
                choice(&["--tls"], Some(words), "Or"),
                choice(&["--watch"], None, "Again"),
            ]
        );
    }

    #[test]
    fn the_usage_may_have_several_commands_in_a_line() {
        let usage = "Usage: x\n\n  ban [ADDRESS [SECONDS]], unban ADDRESS   refuse it,\n                     or not\n  stop   end\n";
        let row = |name, words, doc: &str| (name, words, doc.to_string());
        let expected = [
            row("ban", "[ADDRESS [SECONDS]]", "refuse it, or not"),
            row("unban", "ADDRESS", "refuse it, or not"),
            row("stop", "", "end"),
        ];
        assert_eq!(rows_of(usage), expected);
    }

    #[test]
    fn every_command_has_a_description_and_options_or_words() {
        let commands = all();
        assert!(commands.len() >= 8);
        for command in &commands {
            assert!(!command.doc.is_empty() && !command.doc.contains("  "), "{command:?}");
            let takes_something = !command.options.is_empty() || command.words != Words::None;
            assert!(takes_something || !command.commands.is_empty(), "{command:?}");
        }
    }
}
