//! What may stand behind `django-ftpd events`.

use super::filter::{Filter, PathFilter};
use super::moments::{self, Moment};
use crate::cli::manage::place;
use crate::config::{Config, Loaded, Problem, flag_value};
use crate::events::Kind;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub(in crate::cli) const HELP: &str = "\
Usage: django-ftpd events [OPTIONS]

Tells the events of the journal, also of its rotated files (events.jsonl.1, …):
those that all the options ask for.

  --journal FILE
      The journal; also FTPSERVER_JOURNAL, or journal in the file that
      --config FILE or FTPSERVER_CONFIG names.
  --user NAME
      Those of this user.
  --event KIND[,KIND…]
      Those of these kinds, such as login_failed,file_received.
  --path PATH
      Those about this file or directory and all below it, or about those that
      match a pattern such as '*.jpg': the real path, or the user's own.
  --address NETWORK
      Those of clients in this network, such as 192.168.0.0/16, or one address.
  --since TIME, --until TIME
      Those from a time on, and up to one: 2026-01-02 or 2026-01-02T03:04 in
      local time (--until takes in all of that day or minute),
      2026-01-02T03:04:05Z, or a while ago: 30m, 2h, 7d.
  --last NUMBER
      The last ones of them only.
  --follow
      And those to come, until Ctrl-C.
  --json
      As they are in the journal, a JSON object a line.
  -h, --help
      Show this help.

Exit status: 0 something was found, 1 nothing was, 2 not understood, or the
journal can't be read.
";

/// What the arguments ask for.
pub(super) enum Asked {
    Help,
    Run(Box<Wanted>),
}

/// Which events are told, and how.
pub(super) struct Wanted {
    pub(super) journal: PathBuf,
    pub(super) filter: Filter,
    pub(super) last: Option<usize>,
    pub(super) follow: bool,
    pub(super) json: bool,
}

/// Reads the arguments behind the command.
pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Asked, Problem> {
    let wrong = |why: String| Problem::new(format!("events: {why}; see django-ftpd events --help"));
    let mut parser = Parser::from_args(args);
    let (mut places, mut filter) = (Vec::new(), Filter::default());
    let (mut last, mut follow, mut json) = (None, false, false);
    while let Some(arg) = parser.next().map_err(|error| wrong(error.to_string()))? {
        let name = match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long(name) => format!("--{name}"),
            Arg::Short(letter) => return Err(wrong(format!("-{letter}: no such option"))),
            Arg::Value(word) => return Err(wrong(format!("{}: is one too many", word.to_string_lossy()))),
        };
        match &*name {
            "--follow" => follow = true,
            "--json" => json = true,
            "--journal" | "--config" => places.push(place(&name, &mut parser).map_err(wrong)?),
            "--last" => {
                last = Some(number(&name, &value(&name, "NUMBER", &mut parser).map_err(wrong)?).map_err(wrong)?)
            }
            _ => set(&mut filter, &name, &mut parser).map_err(wrong)?,
        }
    }
    let journal = journal(places)?;
    Ok(Asked::Run(Box::new(Wanted { journal, filter, last, follow, json })))
}

/// Reads an option that leaves events out.
fn set(filter: &mut Filter, name: &str, parser: &mut Parser) -> Result<(), String> {
    let mut next = |what: &str| value(name, what, parser);
    match name {
        "--user" => filter.user = Some(next("NAME")?.as_bytes().to_vec()),
        "--event" => filter.kinds = Some(kinds(name, text(name, &next("KIND")?)?)?),
        "--path" => filter.path = Some(PathFilter::parse(next("PATH")?.as_bytes())),
        "--address" => {
            let network = text(name, &next("NETWORK")?)?.parse();
            filter.network = Some(network.map_err(|why| format!("{name}: {why}"))?);
        }
        "--since" => filter.since = Some(moment(name, &next("TIME")?)?.start),
        "--until" => filter.until = Some(moment(name, &next("TIME")?)?.end),
        _ => return Err(format!("{name}: no such option")),
    }
    Ok(())
}

fn value(name: &str, what: &str, parser: &mut Parser) -> Result<OsString, String> {
    flag_value(parser).ok_or_else(|| format!("{name}: {what} is missing"))
}

fn text<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, String> {
    value.to_str().ok_or_else(|| format!("{name}: {} is not UTF-8 text", value.to_string_lossy()))
}

fn number(name: &str, value: &OsStr) -> Result<usize, String> {
    text(name, value)?.parse().map_err(|_| format!("{name}: {value:?} is not a whole number"))
}

fn moment(name: &str, value: &OsStr) -> Result<Moment, String> {
    moments::parse(text(name, value)?, Timestamp::now(), &TimeZone::system()).map_err(|why| format!("{name}: {why}"))
}

/// Kinds by their names, with or without what all of them begin with.
fn kinds(name: &str, text: &str) -> Result<Vec<&'static str>, String> {
    let find = |word: &str| {
        let matches = |kind: &&str| *kind == word || kind.strip_prefix("ftp_") == Some(word);
        let known = || Kind::ALL.map(|kind| kind.name().trim_start_matches("ftp_")).join(", ");
        let found = Kind::ALL.into_iter().map(Kind::name).find(matches);
        found.ok_or_else(|| format!("{name}: there is no event {word:?}; there are {}", known()))
    };
    text.split(',').map(find).collect()
}

/// The journal that `serve` would write, too: flags beat environment beats file.
fn journal(places: Vec<OsString>) -> Result<PathBuf, Problem> {
    let config = match Config::load(places.into_iter(), std::env::vars_os())? {
        Loaded::Run(config) => config.journal,
        Loaded::Help | Loaded::Version => None,
    };
    config.ok_or_else(|| {
        Problem::new("events: no journal; name it with --journal FILE (FTPSERVER_JOURNAL, or journal in the file)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Wanted, String> {
        let words = [&["--journal", "j"], words].concat();
        match super::read(words.into_iter().map(OsString::from)) {
            Ok(Asked::Run(wanted)) => Ok(*wanted),
            Ok(Asked::Help) => Err("help".to_string()),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[track_caller]
    fn refused(words: &[&str], why: &str) {
        assert_eq!(read(words).err(), Some(format!("events: {why}; see django-ftpd events --help")));
    }

    #[test]
    fn the_help_fits_80_columns_and_has_every_option() {
        assert!(HELP.lines().all(|line| line.chars().count() <= 80));
        let options = "--journal --user --event --path --address --since --until --last --follow --json";
        assert!(options.split(' ').all(|option| HELP.contains(option)));
        assert_eq!(read(&["--help"]).err(), Some("help".to_string()));
    }

    #[test]
    fn kinds_may_be_written_in_full_or_short() {
        let wanted =
            read(&["--event", "ftp_login,file_sent", "--last=3", "--json"]).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(wanted.filter.kinds, Some(vec!["ftp_login", "ftp_file_sent"]));
        assert_eq!((wanted.journal, wanted.last, wanted.follow, wanted.json), ("j".into(), Some(3), false, true));
    }

    #[test]
    fn wrong_usage_is_told_in_one_line() {
        refused(&["--users", "ann"], "--users: no such option");
        refused(&["--user"], "--user: NAME is missing");
        refused(&["-f"], "-f: no such option");
        refused(&["x\n"], "x\\n: is one too many");
        refused(&["--json=1"], "unexpected argument for option '--json': \"1\"");
        refused(&["--last", "-1"], "--last: \"-1\" is not a whole number");
        refused(&["--address", "x"], "--address: \"x\" is not a network such as 192.168.0.0/16 or fd00::/8");
        let why = read(&["--event", "login,logon"]).err().unwrap_or_default();
        assert!(why.contains("--event: there is no event \"logon\"; there are server_started, "), "{why}");
        let why = read(&["--since", "yesterday"]).err().unwrap_or_default();
        assert!(why.starts_with("events: --since: \"yesterday\" is not a time such as "), "{why}");
    }
}
