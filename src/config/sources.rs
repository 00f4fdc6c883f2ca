//! What the command line and the environment say, option by option; it does not judge values.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::options::{ENV_PREFIX, OPTIONS, Opt};
use super::suggest::{nearest, no_such_option};
use super::{Problem, Setting};
use crate::process::daemon;

/// What stands after the subcommand.
pub(super) enum Flags {
    Help,
    Version,
    Given(Vec<Setting>),
}

/// Reads the arguments after the subcommand.
pub(super) fn command_line(args: impl Iterator<Item = OsString>) -> Result<Flags, Problem> {
    let mut parser = Parser::from_args(args);
    let mut given = Vec::new();
    while let Some(arg) = parser.next().map_err(unexpected_value)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Flags::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Flags::Version),
            Arg::Short(letter) => return Err(no_such_option(&format!("-{letter}"), None)),
            Arg::Long(word) => {
                let word = word.to_owned();
                given.push(flag(&word, &mut parser)?);
            }
            Arg::Value(value) => {
                let setting = positional(value, &given)?;
                given.push(setting);
            }
        }
    }
    Ok(Flags::Given(given))
}

/// Reads the environment; variables with another prefix are not ours.
pub(super) fn environment(env: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<Setting>, Problem> {
    let mut given = Vec::new();
    for (name, value) in env {
        let origin = name.to_string_lossy().into_owned();
        let Some(word) = origin.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        match OPTIONS.iter().find(|option| option.variable() == origin) {
            Some(option) => given.push(Setting { origin, option, value }),
            None => return Err(no_such_option(&origin, nearest(word).map(Opt::variable))),
        }
    }
    Ok(given)
}

/// Where relative names begin, if that is not where this process is.
pub(super) fn directory(env: &[(OsString, OsString)]) -> PathBuf {
    env.iter().find(|(name, _)| name == daemon::DIRECTORY).map(|(_, value)| value.into()).unwrap_or_default()
}

fn flag(word: &str, parser: &mut Parser) -> Result<Setting, Problem> {
    let origin = format!("--{word}");
    if let Some(option) = OPTIONS.iter().find(|option| option.flag() == origin) {
        let value = match option.placeholder() {
            None => parser.optional_value().unwrap_or("true".into()),
            Some(what) => value(parser).ok_or_else(|| Problem::new(format!("{origin}: {what} is missing")))?,
        };
        return Ok(Setting { origin, option, value });
    }
    if let Some(option) = OPTIONS.iter().find(|option| option.negated_flag().as_ref() == Some(&origin)) {
        return Ok(Setting { origin, option, value: "false".into() });
    }
    let meant = match word.strip_prefix("no-") {
        Some(name) => nearest(name).and_then(Opt::negated_flag),
        None => nearest(word).map(Opt::flag),
    };
    Err(no_such_option(&origin, meant))
}

/// What follows `=`, or the next argument unless that is a flag itself.
pub(crate) fn value(parser: &mut Parser) -> Option<OsString> {
    let is_flag = |arg: &std::ffi::OsStr| arg.as_encoded_bytes().starts_with(b"--");
    parser.optional_value().or_else(|| parser.try_raw_args()?.next_if(|arg| !is_flag(arg)))
}

fn positional(value: OsString, given: &[Setting]) -> Result<Setting, Problem> {
    match OPTIONS.iter().find(|option| option.is_positional()) {
        Some(option) if !given.iter().any(|setting| setting.option.is_positional()) => {
            Ok(Setting { origin: option.flag(), option, value })
        }
        _ => Err(Problem::new(format!("{}: one HOST:PORT is enough", value.to_string_lossy()))),
    }
}

fn unexpected_value(error: lexopt::Error) -> Problem {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => Problem::new(format!("{option}: takes no value")),
        other => Problem::new(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        match command_line(words.iter().map(OsString::from)) {
            Ok(Flags::Given(given)) => Ok(settings(given)),
            Ok(_) => Err("help or version".into()),
            Err(problem) => Err(problem.to_string()),
        }
    }

    fn env(name: &str, value: &str) -> Result<Vec<(&'static str, String)>, String> {
        let env = std::iter::once((name.into(), value.into()));
        environment(env).map(settings).map_err(|problem| problem.to_string())
    }

    fn settings(given: Vec<Setting>) -> Vec<(&'static str, String)> {
        given.into_iter().map(|s| (s.option.name, s.value.into_string().unwrap())).collect()
    }

    #[track_caller]
    fn refused(words: &[&str], why: &str) {
        assert_eq!(args(words), Err(why.into()));
    }

    #[test]
    fn values_follow_after_a_space_or_an_equals_sign() {
        let expected = Ok(vec![("timeout", "5".into()), ("umask", "-5".into()), ("banner", "--".into())]);
        assert_eq!(args(&["--timeout=5", "--umask", "-5", "--banner=--"]), expected);
    }

    #[test]
    fn switches_have_a_negation() {
        let expected =
            Ok(vec![("sendfile", "false".into()), ("local_times", "true".into()), ("sendfile", "no".into())]);
        assert_eq!(args(&["--no-sendfile", "--local-times", "--sendfile=no"]), expected);
    }

    #[test]
    fn the_address_stands_alone() {
        assert_eq!(args(&["--local-times", "[::1]:2121"]).unwrap().last(), Some(&("address", "[::1]:2121".into())));
        assert_eq!(args(&["--", "h:1"]), Ok(vec![("address", "h:1".into())]));
        refused(&["h:1", "h:2"], "h:2: one HOST:PORT is enough");
        refused(&["--address", "h:1"], "--address: no such option; did you mean HOST:PORT?");
    }

    #[test]
    fn refused_flags() {
        refused(&["--max-con", "5"], "--max-con: no such option; did you mean --max-cons?");
        refused(&["--max_cons", "5"], "--max_cons: no such option; did you mean --max-cons?");
        refused(&["--no-sendfil"], "--no-sendfil: no such option; did you mean --no-sendfile?");
        refused(&["--no-timeout"], "--no-timeout: no such option");
        refused(&["--colour=x"], "--colour: no such option");
        refused(&["-x"], "-x: no such option");
        refused(&["--timeout"], "--timeout: SECONDS is missing");
        refused(&["--database", "--local-times"], "--database: FILE is missing");
        refused(&["--no-sendfile=1"], "--no-sendfile: takes no value");
    }

    #[test]
    fn variables() {
        assert_eq!(env("FTPSERVER_MAX_CONS", "5"), Ok(vec![("max_cons", "5".into())]));
        assert_eq!(env("HOME", "/root"), Ok(vec![]));
        let why = "FTPSERVER_TIMEOT: no such option; did you mean FTPSERVER_TIMEOUT?";
        assert_eq!(env("FTPSERVER_TIMEOT", "5"), Err(why.into()));
        assert_eq!(env("FTPSERVER_PORT", "5"), Err("FTPSERVER_PORT: no such option".into()));
    }
}
