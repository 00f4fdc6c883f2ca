//! `django-ftpd check`: examines all that `serve` would use, and tells of every fault, not of the first alone. It changes
//! nothing, so it may run beside the server.

mod access;
mod accounts;
mod addresses;
mod certificate;
mod firewall;
mod homes;
mod passive;
mod process;
mod proxies;
mod records;
mod report;
mod stores;

use super::{fail, print_version, say, terminal};
use crate::config::{Config, Loaded, Problem, help};
use access::Server;
use addresses::Doors;
use report::{Report, State};
use std::ffi::OsString;
use std::process::ExitCode;

/// What it takes beside the options of `serve`.
pub(super) const OWN_OPTIONS: &[(&str, &str)] =
    &[("--json", "Tell it to programs: one object with all findings."), ("--strict", "Take warnings for faults.")];

/// Runs the command: status 1 if there is a fault, 2 if the configuration can't be read.
pub(super) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    examined(args).unwrap_or_else(|problem| fail(&problem.to_string(), 2))
}

fn examined(args: impl Iterator<Item = OsString>) -> Result<ExitCode, Problem> {
    // Neither can be the value of an option: those don't begin with dashes.
    let (own, args): (Vec<OsString>, Vec<OsString>) =
        args.partition(|arg| OWN_OPTIONS.iter().any(|(option, _)| arg == option));
    let has = |option: &str| own.iter().any(|arg| arg == option);
    let config = match Config::load(args.into_iter(), std::env::vars_os())? {
        Loaded::Help => {
            say(&help::help_text("check", &Config::default().address, OWN_OPTIONS));
            return Ok(ExitCode::SUCCESS);
        }
        Loaded::Version => {
            print_version();
            return Ok(ExitCode::SUCCESS);
        }
        Loaded::Run(config) => config,
    };
    let report = examine(&config);
    let faults = report.count(State::Fault) + if has("--strict") { report.count(State::Warning) } else { 0 };
    match has("--json") {
        true => say(&report.json(faults == 0)),
        false => say(&report.table(terminal::has_colours())),
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// In the order in which a server would need things: first what it does as who starts it, then what it does as the user
/// that it becomes.
fn examine(config: &Config) -> Report {
    let mut report = Report::default();
    configuration(config, &mut report);
    process::examine(config, &mut report);
    let doors = addresses::examine(config, &mut report);
    passive::examine(config, &doors, &mut report);
    proxies::examine(config, &mut report);
    let user = config.file_access_user.as_deref();
    let seen = Server::doing(user, |server| files(config, &doors, server, &mut report));
    if let Err(why) = seen {
        report.part("user").fault(format!("file_access_user: {why}"));
        // What can be seen otherwise, is worth knowing.
        files(config, &doors, &Server::ourselves(), &mut report);
    }
    firewall::explain(config, &doors, &mut report);
    report
}

/// All that the server does when it is who it is to be.
fn files(config: &Config, doors: &Doors, server: &Server, report: &mut Report) {
    if let Some(path) = &config.config
        && let Err(why) = server.can_read(path)
    {
        report.part("configuration").warning(format!("{why}, so it can't be read anew: chgrp and chmod g+r"));
    }
    accounts::examine(config, server, report);
    stores::examine(config, report);
    certificate::examine(config, doors, report);
    records::examine(config, server, report);
}

fn configuration(config: &Config, report: &mut Report) {
    let file = config.config.as_ref();
    let text = file.map_or("no file; flags, environment, defaults".to_string(), |path| path.display().to_string());
    report.part("configuration").ok(text);
}
