//! The command line: finds the command, runs it, and tells people in one line what went wrong.

mod background;
#[cfg(feature = "object-storage")]
mod buckets;
mod check;
mod collisions;
mod completions;
mod control;
mod demo;
mod events;
mod followers;
mod leftovers;
mod logging;
mod manage;
mod parts;
mod places;
mod privileges;
mod programs;
mod sandbox;
mod serve;
mod stores;
mod supervision;
mod terminal;

use crate::config::{Config, HostPort, Loaded, Problem, help};
use crate::process::daemon::{self, Stage};
use crate::process::init;
use manage::Noun;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "\
An FTP server that logs people in with the accounts of a Django site.

Usage: django-ftpd COMMAND [OPTIONS]

  serve [OPTIONS] [HOST:PORT]   serve a site's users (default 127.0.0.1:21)
  check [OPTIONS] [HOST:PORT]   examine configuration, certificate, accounts,
                                homes, ports; exit status 1 on a fault
  demo [OPTIONS] [HOST:PORT]    try it, with a database, a user, a home and a
                                certificate of its own (default 127.0.0.1:2121)
  events [OPTIONS]              find events in the journal;
                                exit status 1 if there are none
  completions bash|zsh|fish     print what the shell needs to complete all this

A server that runs, by its control socket:

  who [--watch [SECONDS]] [--json]             who is on, and what they do
  kick SESSION|USER|ADDRESS                    end sessions
  ban [ADDRESS [SECONDS]], unban ADDRESS       refuse an address, or list them
  reload                                       read the configuration anew
  drain, stop                                  end with the last client, or now
  metrics                                      what Prometheus reads

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

impl Failure {
    /// The exit status, and the line on standard error.
    fn told(&self) -> (u8, &str) {
        match self {
            Failure::Configuration(text) => (2, text),
            Failure::Runtime(text) => (1, text),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Configuration(problem.to_string())
    }
}

/// Runs the command that the arguments name.
pub fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let command = args.nth(1);
    if let Some(command) = command.as_ref().and_then(|command| control::Command::named(command.to_str()?)) {
        return status(control::run(command, args));
    }
    let result = match command.as_ref().and_then(|command| command.to_str()) {
        Some("serve") if init::is_needed() => match init::look_after_the_server() {
            Ok(status) => return ExitCode::from(status),
            Err(error) => Err(Failure::Runtime(format!("can't start the server as a child of process 1: {error}"))),
        },
        Some("serve") if daemon::stage() == Stage::Leader => {
            daemon::lead().map_err(|error| Failure::Runtime(error.to_string()))
        }
        Some("serve") => with_config(args, "serve", Config::default(), serve::run),
        Some("check") => return check::run(args),
        Some("demo") => with_config(args, "demo", demo::defaults(), demo::run),
        Some("events") => return events::run(args).unwrap_or_else(|problem| fail(&problem.to_string(), 2)),
        Some(programs::HELPER) => programs::help(),
        Some("completions") => completions::run(args),
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
            let names: Vec<&str> = completions::rows().into_iter().map(|(name, ..)| name).collect();
            Err(Problem::new(format!("{given}; there are {}, see django-ftpd --help", names.join(", "))).into())
        }
    };
    status(result)
}

fn status(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (status, text) = failure.told();
            fail(text, status)
        }
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
        Loaded::Help => say(&help::help_text(command, &address, &[])),
        Loaded::Version => print_version(),
        Loaded::Run(config) => return run(*config),
    }
    Ok(())
}
