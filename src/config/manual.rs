//! The tables of options and keys as the manual pages have them, in mdoc(7).

use super::help::{groups, heading, initial, toml, wrapped};
use super::options::Initial::{Is, Unset};
use super::options::{OPTIONS, Opt};
use super::programs::{EXEC_KEYS, GATE_KEYS};
use super::sections::{KEYS, Key};
use super::stores::{GCS_KEYS, S3_KEYS};
use super::webhooks::WEBHOOK_KEYS;

/// What `serve` takes, for django-ftpd(8).
pub fn flags() -> String {
    in_groups(OPTIONS, |option| format!("{}{}", flag_line(option), described(option)))
}

/// What a file may have above its sections, for django-ftpd.conf(5).
pub fn keys() -> String {
    in_groups(OPTIONS, |option| match option.is_for_file() {
        false => String::new(),
        true => {
            let value = match option.default {
                Is(value) | Unset(_, value) => toml(value),
            };
            format!(".It Ic {} = {}\n{}", option.name, argument(&value), described(option))
        }
    })
}

/// The keys of sections about users and groups.
pub fn section_keys() -> String {
    list(KEYS)
}

/// The keys of programs that run for events.
pub fn exec_keys() -> String {
    list(EXEC_KEYS)
}

/// The keys of programs that decide about uploads.
pub fn gate_keys() -> String {
    list(GATE_KEYS)
}

/// The keys of web servers.
pub fn webhook_keys() -> String {
    list(WEBHOOK_KEYS)
}

/// The keys of a bucket of S3.
pub fn s3_keys() -> String {
    list(S3_KEYS)
}

/// The keys of a bucket of Google's.
pub fn gcs_keys() -> String {
    list(GCS_KEYS)
}

fn in_groups(options: &[Opt], item: impl Fn(&Opt) -> String) -> String {
    let group = |options: &[Opt]| {
        let items: String = options.iter().map(&item).collect();
        format!(".Ss {}\n.Bl -tag -width Ds\n{items}.El\n", argument(heading(options)))
    };
    groups(options).map(group).collect()
}

fn list<S>(keys: &[Key<S>]) -> String {
    let item = |key: &Key<S>| format!(".It Ic {} = {}\n{}", key.name, argument(key.example), text(key.doc));
    format!(".Bl -tag -width Ds\n{}.El\n", keys.iter().map(item).collect::<String>())
}

/// `.It Fl -timeout Ar SECONDS`
fn flag_line(option: &Opt) -> String {
    // Fl has one dash of its own.
    let name = |flag: String| format!("Fl {}", flag.strip_prefix('-').unwrap_or(&flag));
    match (option.negated_flag(), option.placeholder()) {
        (Some(negated), _) => format!(".It {} , {}\n", name(option.flag()), name(negated)),
        (None, _) if option.is_positional() => format!(".It Ar {}\n", option.flag()),
        (None, Some(words)) if words.contains('|') => {
            format!(".It {} Cm {}\n", name(option.flag()), words.replace('|', " | "))
        }
        (None, placeholder) => {
            format!(".It {} Ar {}\n", name(option.flag()), argument(placeholder.unwrap_or_default()))
        }
    }
}

fn described(option: &Opt) -> String {
    let default = match option.default {
        Is(value) => format!("The default is\n.Ql {} .\n", argument(value)),
        Unset(..) => text(&format!("Default: {}.", initial(option))),
    };
    text(option.doc) + &default
}

/// A paragraph. No line of it is taken for a request, and no character for another.
fn text(paragraph: &str) -> String {
    wrapped(&escaped(paragraph), "").lines().map(|line| format!("{}{line}\n", guard(line))).collect()
}

/// What hides the first character of a line.
fn guard(line: &str) -> &'static str {
    if line.starts_with(['.', '\'']) { "\\&" } else { "" }
}

/// An argument of a macro: its blanks are no limits, its quotes are text, its last character ends no sentence, and it is
/// the name of no macro itself.
fn argument(text: &str) -> String {
    let escaped = escaped(text).replace('"', "\\(dq");
    let hidden = match escaped.len() {
        2 | 3 if escaped.starts_with(|first: char| first.is_ascii_uppercase()) => format!("\\&{escaped}"),
        _ if escaped.ends_with(['.', ',', ':', ';', '!', '?', ')']) => format!("{escaped}\\&"),
        _ => escaped,
    };
    match hidden.is_empty() || hidden.contains(' ') {
        true => format!("\"{hidden}\""),
        false => hidden,
    }
}

/// Text as roff reads it: a backslash begins an escape, and ASCII is all that every terminal has.
fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\e".to_string(),
        '~' => "\\(ti".to_string(),
        '^' => "\\(ha".to_string(),
        '`' => "\\(ga".to_string(),
        c if c.is_ascii() => c.to_string(),
        c => format!("\\[u{:04X}]", u32::from(c)),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_a_request() {
        assert_eq!(text(".TH is \\no^ request\u{2026}"), "\\&.TH is \\eno\\(ha request\\[u2026]\n");
        assert_eq!(text("'x"), "\\&'x\n");
        let lines = text(&format!("{} .Sh y", "a".repeat(79)));
        assert_eq!(lines, format!("{}\n\\&.Sh y\n", "a".repeat(79)));
    }

    #[test]
    fn arguments_stay_one() {
        assert_eq!(argument("django-ftpd ready."), "\"django-ftpd ready.\\&\"");
        assert_eq!(argument("a \"b\""), "\"a \\(dqb\\(dq\"");
        assert_eq!(argument("Fl"), "\\&Fl");
        assert_eq!(argument(""), "\"\"");
    }

    #[test]
    fn every_option_has_its_item() {
        let (flags, keys) = (flags(), keys());
        for option in OPTIONS.iter().filter(|option| !option.is_positional()) {
            assert!(flags.contains(&format!("Fl -{}", option.name.replace('_', "-"))), "{}", option.name);
        }
        let in_file = OPTIONS.iter().filter(|option| option.is_for_file());
        assert_eq!(keys.matches("\n.It Ic ").count(), in_file.clone().count());
        assert!(in_file.clone().all(|option| keys.contains(&format!("\n.It Ic {} = ", option.name))));
        assert!(flags.contains("\n.It Fl -sendfile , Fl -no-sendfile\n"), "{flags}");
        assert!(flags.contains("\n.It Fl -tls Cm required | optional\n"), "{flags}");
        assert!(keys.contains("\n.It Ic banner = \"\\(dqdjango-ftpd ready.\\(dq\"\n"), "{keys}");
        let sections = [section_keys(), exec_keys(), gate_keys(), webhook_keys(), s3_keys(), gcs_keys()].concat();
        let of_programs = EXEC_KEYS.len() + GATE_KEYS.len() + WEBHOOK_KEYS.len();
        let count = KEYS.len() + of_programs + S3_KEYS.len() + GCS_KEYS.len();
        assert_eq!(sections.matches("\n.It Ic ").count(), count);
    }
}
