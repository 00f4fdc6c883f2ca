//! The command line: finds the command, runs it, and tells people in one line what went wrong.

mod check;
mod demo;
mod events;
mod followers;
mod logging;
mod manage;
mod parts;
mod programs;
mod serve;
mod stores;

use crate::config::{Config, HostPort, Loaded, Problem, help};
use manage::Noun;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "\
An FTP server that logs people in with the accounts of a Django site.

Usage: django-ftpd COMMAND [OPTIONS]

  serve [OPTIONS] [HOST:PORT]   serve a site's users (default 127.0.0.1:21)
  check [OPTIONS] [HOST:PORT]   examine configuration, database, certificate
                                and programs; exit status 1 on a fault
  demo [OPTIONS] [HOST:PORT]    try it, with a database, a user, a home and a
                                certificate of its own (default 127.0.0.1:2121)
  events [OPTIONS]              find events in the journal;
                                exit status 1 if there are none

Without Django at hand, in its tables:

  user create|list|password|change|delete      the users of the site
  group create|list|change|delete              what accounts may do, and where
  account create|list|change|delete            which users have an FTP account

`django-ftpd COMMAND --help` lists the options of a command.
";

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// What was asked for can't be: exit status 2.
    Configuration(String),
    /// It was tried and failed: exit status 1.
    Runtime(String),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Configuration(problem.to_string())
    }
}

/// Runs the command that the arguments name.
pub fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let command = args.nth(1);
    let result = match command.as_ref().and_then(|command| command.to_str()) {
        Some("serve") => with_config(args, "serve", Config::default(), serve::run),
        Some("check") => with_config(args, "check", Config::default(), check::run),
        Some("demo") => with_config(args, "demo", demo::defaults(), demo::run),
        Some("events") => return events::run(args).unwrap_or_else(|problem| fail(&problem.to_string(), 2)),
        Some("user") => manage::run(Noun::User, args),
        Some("group") => manage::run(Noun::Group, args),
        Some("account") => manage::run(Noun::Account, args),
        Some("--help" | "-h" | "help") => {
            say(USAGE);
            Ok(())
        }
        Some("--version" | "-V") => {
            print_version();
            Ok(())
        }
        _ => {
            let given = command.map_or("no command".to_string(), |name| format!("no command {}", name.display()));
            Err(Problem::new(format!(
                "{given}; there are serve, check, demo, events, user, group and account, see django-ftpd --help"
            ))
            .into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(text)) => fail(&text, 2),
        Err(Failure::Runtime(text)) => fail(&text, 1),
    }
}

fn fail(text: &str, status: u8) -> ExitCode {
    // Nobody may be there to read it; the status tells all the same.
    let _ = writeln!(std::io::stderr(), "django-ftpd: {text}");
    ExitCode::from(status)
}

/// To standard output, whoever reads it, or not.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn print_version() {
    say(concat!("django-ftpd ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Reads the options of `serve`, as `demo` has them too, and runs the command with them.
fn with_config(
    args: impl Iterator<Item = OsString>,
    command: &str,
    defaults: Config,
    run: fn(Config) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let address: HostPort = defaults.address.clone();
    match defaults.overlaid(args, std::env::vars_os())? {
        Loaded::Help => say(&help::help_text(command, &address)),
        Loaded::Version => print_version(),
        Loaded::Run(config) => return run(*config),
    }
    Ok(())
}
