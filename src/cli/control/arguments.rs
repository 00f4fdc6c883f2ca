//! The arguments of the commands that speak with a server.

use super::super::Failure;
use super::who::How;
use crate::config::{Problem, control_socket, flag_value};
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A live table is drawn so often, if nothing else is said.
const PERIOD: Duration = Duration::from_secs(2);

/// One of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Command {
    Who,
    Kick,
    Ban,
    Unban,
    Reload,
    Drain,
    Stop,
    Metrics,
}

/// What the arguments ask for.
pub(super) enum Asked {
    Help,
    /// Of the server whose socket this is.
    Do(PathBuf, Deed),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Who(How),
    Kick(String),
    Ban(IpAddr, Option<Duration>),
    Bans,
    Unban(IpAddr),
    Reload,
    Drain,
    Stop,
    Metrics,
}

/// What is the same in the help of all of them.
macro_rules! help {
    ($usage:literal, $options:literal) => {
        concat!(
            "Usage: django-ftpd ",
            $usage,
            "  --control FILE
      The server's control socket; also FTPSERVER_CONTROL, or control in the
      file that --config FILE or FTPSERVER_CONFIG names.
",
            $options,
            "  -h, --help
      Show this help.

Only root and the server's own user may ask it. Exit status: 0 done, 1 not
done, 2 not understood.
"
        )
    };
}

impl Command {
    const ALL: [Command; 8] = [
        Command::Who,
        Command::Kick,
        Command::Ban,
        Command::Unban,
        Command::Reload,
        Command::Drain,
        Command::Stop,
        Command::Metrics,
    ];

    /// The command of this name.
    pub(in crate::cli) fn named(name: &str) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Command::Who => "who",
            Command::Kick => "kick",
            Command::Ban => "ban",
            Command::Unban => "unban",
            Command::Reload => "reload",
            Command::Drain => "drain",
            Command::Stop => "stop",
            Command::Metrics => "metrics",
        }
    }

    pub(in crate::cli) fn help(self) -> &'static str {
        match self {
            Command::Who => {
                help!(
                    "who [OPTIONS]

Tells who is on and what they do, and below how far the followers of the
journal are behind.

",
                    "  --watch [SECONDS]
      Again and again, every two seconds if not told otherwise, until Ctrl-C.
  --json
      A JSON object a line: the server, its sessions, its followers.
"
                )
            }
            Command::Kick => {
                help!(
                    "kick [OPTIONS] SESSION|USER|ADDRESS

Ends a session by its number, all of a user, or all from an address. Who is
idle is told, a transfer is cut. They may come back; see django-ftpd ban.

",
                    ""
                )
            }
            Command::Ban => {
                help!(
                    "ban [OPTIONS] [ADDRESS [SECONDS]]

Refuses an address (IPv6: its /64 network) for so many seconds, or else until
it is unbanned or the server ends, and ends its sessions. Without an address:
lists those that are refused, also for failed logins.

",
                    ""
                )
            }
            Command::Unban => {
                help!(
                    "unban [OPTIONS] ADDRESS

Takes an address again, and forgets its failed logins.

",
                    ""
                )
            }
            Command::Reload => {
                help!(
                    "reload [OPTIONS]

Has the server read its configuration anew, as SIGHUP does. Sessions that begin
from then on have the new settings. If something is wrong with them, nothing
changes. What takes effect only at the next start is named.

",
                    ""
                )
            }
            Command::Drain => {
                help!(
                    "drain [OPTIONS]

Has the server take no more clients, and stop when the last of those who are on
has left, however long that takes. The second time it stops, as by stop.

",
                    ""
                )
            }
            Command::Stop => {
                help!(
                    "stop [OPTIONS]

Stops the server, as SIGTERM does: transfers get stop_timeout seconds. Returns
when it has ended.

",
                    ""
                )
            }
            Command::Metrics => {
                help!(
                    "metrics [OPTIONS]

Shows the metrics as Prometheus reads them; see also metrics_listen.

",
                    ""
                )
            }
        }
    }
}

/// Reads the arguments behind the command.
pub(super) fn read(command: Command, args: impl Iterator<Item = OsString>) -> Result<Asked, Failure> {
    let name = command.name();
    let wrong = |why: String| Failure::from(Problem::new(format!("{name}: {why}; see django-ftpd {name} --help")));
    let mut parser = Parser::from_args(args);
    let (mut places, mut words, mut how) = (Vec::new(), Vec::new(), How::default());
    while let Some(arg) = parser.next().map_err(|error| wrong(error.to_string()))? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long(flag @ ("control" | "config")) => {
                let flag = format!("--{flag}");
                let value = flag_value(&mut parser).ok_or_else(|| wrong(format!("{flag}: FILE is missing")))?;
                places.extend([flag.into(), value]);
            }
            Arg::Long("json") if command == Command::Who => how.json = true,
            Arg::Long("watch") if command == Command::Who => {
                how.watch = Some(period(&mut parser).map_err(wrong)?);
            }
            Arg::Long(other) => return Err(wrong(format!("--{other}: no such option"))),
            Arg::Short(letter) => return Err(wrong(format!("-{letter}: no such option"))),
            Arg::Value(word) => words.push(word),
        }
    }
    let deed = deed(command, &words, how).map_err(wrong)?;
    let socket = control_socket(places, std::env::vars_os())?.ok_or_else(|| {
        Problem::new(format!(
            "{name}: no control socket; name it with --control FILE (FTPSERVER_CONTROL, or control in the file)"
        ))
    })?;
    Ok(Asked::Do(socket, deed))
}

/// `--watch`, `--watch 5`, `--watch=0.5`.
fn period(parser: &mut Parser) -> Result<Duration, String> {
    let is_number = |arg: &OsStr| arg.to_str().is_some_and(|text| text.parse::<f64>().is_ok());
    let next = |parser: &mut Parser| parser.try_raw_args()?.next_if(is_number);
    let Some(value) = parser.optional_value().or_else(|| next(parser)) else { return Ok(PERIOD) };
    let seconds = value.to_str().and_then(|text| text.parse::<f64>().ok());
    let period = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let in_range = |period: &Duration| (Duration::from_millis(100)..=Duration::from_secs(86400)).contains(period);
    period.filter(in_range).ok_or_else(|| format!("--watch: {value:?} is no number of seconds from 0.1 to 86400"))
}

fn deed(command: Command, words: &[OsString], how: How) -> Result<Deed, String> {
    let text = |word: &OsString| {
        word.to_str().map(str::to_string).ok_or_else(|| format!("{} is not UTF-8 text", word.to_string_lossy()))
    };
    let address = |word: &OsString| {
        let text = text(word)?;
        text.parse::<IpAddr>().map_err(|_| format!("{text:?} is not an IP address"))
    };
    let deed = match (command, words) {
        (Command::Who, []) => Deed::Who(how),
        (Command::Kick, [whose]) => Deed::Kick(text(whose)?),
        (Command::Ban, []) => Deed::Bans,
        (Command::Ban, [whose]) => Deed::Ban(address(whose)?, None),
        (Command::Ban, [whose, period]) => Deed::Ban(address(whose)?, Some(seconds(&text(period)?)?)),
        (Command::Unban, [whose]) => Deed::Unban(address(whose)?),
        (Command::Reload, []) => Deed::Reload,
        (Command::Drain, []) => Deed::Drain,
        (Command::Stop, []) => Deed::Stop,
        (Command::Metrics, []) => Deed::Metrics,
        (Command::Kick, []) => return Err("SESSION, USER or ADDRESS is missing".to_string()),
        (Command::Unban, []) => return Err("ADDRESS is missing".to_string()),
        (_, words) => {
            let last = words.last().map(|word| word.to_string_lossy()).unwrap_or_default();
            return Err(format!("{last}: is one too many"));
        }
    };
    Ok(deed)
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is not a whole number of seconds from 1 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: Command, words: &[&str]) -> Result<Deed, String> {
        let words = [&["--control", "/c"], words].concat();
        match super::read(command, words.into_iter().map(OsString::from)) {
            Ok(Asked::Do(socket, deed)) => {
                assert_eq!(socket, PathBuf::from("/c"));
                Ok(deed)
            }
            Ok(Asked::Help) => Err("help".to_string()),
            Err(Failure::Configuration(why) | Failure::Runtime(why)) => Err(why),
        }
    }

    #[test]
    fn the_help_of_each_fits_80_columns() {
        for command in Command::ALL {
            let help = command.help();
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
            assert!(help.contains(&format!("django-ftpd {}", command.name())) && help.contains("--control FILE"));
            assert_eq!(read(command, &["-h"]), Err("help".to_string()));
        }
    }

    #[test]
    fn what_is_asked_for() {
        let how = |watch: Option<u64>, json| Ok(Deed::Who(How { watch: watch.map(Duration::from_millis), json }));
        assert_eq!(read(Command::Who, &[]), how(None, false));
        assert_eq!(read(Command::Who, &["--watch"]), how(Some(2000), false));
        assert_eq!(read(Command::Who, &["--watch", "5", "--json"]), how(Some(5000), true));
        assert_eq!(read(Command::Who, &["--watch=0.5"]), how(Some(500), false));
        assert_eq!(read(Command::Kick, &["ann"]), Ok(Deed::Kick("ann".to_string())));
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(read(Command::Ban, &["10.0.0.1", "7"]), Ok(Deed::Ban(address, Some(Duration::from_secs(7)))));
        assert_eq!(read(Command::Ban, &["10.0.0.1"]), Ok(Deed::Ban(address, None)));
        assert_eq!(read(Command::Ban, &[]), Ok(Deed::Bans));
        assert_eq!(read(Command::Unban, &["10.0.0.1"]), Ok(Deed::Unban(address)));
    }

    #[test]
    fn wrong_usage_is_told_in_one_line() {
        for (command, words, why) in [
            (Command::Who, &["x"][..], "who: x: is one too many; see django-ftpd who --help"),
            (
                Command::Who,
                &["--watch=no"],
                "who: --watch: \"no\" is no number of seconds from 0.1 to 86400; see django-ftpd who --help",
            ),
            (
                Command::Who,
                &["--watch", "0"],
                "who: --watch: \"0\" is no number of seconds from 0.1 to 86400; see django-ftpd who --help",
            ),
            (Command::Kick, &[], "kick: SESSION, USER or ADDRESS is missing; see django-ftpd kick --help"),
            (Command::Kick, &["--json", "x"], "kick: --json: no such option; see django-ftpd kick --help"),
            (Command::Ban, &["ann"], "ban: \"ann\" is not an IP address; see django-ftpd ban --help"),
            (
                Command::Ban,
                &["::1", "0"],
                "ban: \"0\" is not a whole number of seconds from 1 on; see django-ftpd ban --help",
            ),
            (Command::Unban, &[], "unban: ADDRESS is missing; see django-ftpd unban --help"),
            (Command::Stop, &["now\n"], "stop: now\\n: is one too many; see django-ftpd stop --help"),
            (Command::Drain, &["--config"], "drain: --config: FILE is missing; see django-ftpd drain --help"),
        ] {
            assert_eq!(read(command, words), Err(why.to_string()));
        }
    }
}
