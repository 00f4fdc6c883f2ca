//! `--daemonize`: the server goes to the background, and whoever called it hears how that went.

use super::Failure;
use crate::config::Config;
use crate::process::activation;
use crate::process::daemon::{self, Herald, Outcome, Stage};
use std::io;

/// Goes there, if that is asked for: what the process that is the server goes on with, and what tells the one who waits
/// for it. None: this process is not the server, which runs.
pub(super) fn enter(config: Config) -> Result<Option<(Config, Option<Herald>)>, Failure> {
    let failed = |error: io::Error| Failure::Runtime(format!("daemonize: {error}"));
    if !config.daemonize {
        return Ok(Some((config, None)));
    }
    if daemon::stage() == Stage::Server {
        let herald = Herald::take().map_err(failed)?;
        return Ok(Some((config, Some(herald))));
    }
    if activation::are_ours() {
        let why = "daemonize: systemd has given sockets, and keeps the server itself; leave the option out";
        return Err(Failure::Configuration(why.to_string()));
    }
    match daemon::start().map_err(failed)? {
        Outcome::Ready => Ok(None),
        Outcome::Failed(2, why) => Err(Failure::Configuration(why)),
        Outcome::Failed(_, why) => Err(Failure::Runtime(why)),
        Outcome::Silent => Err(Failure::Runtime(
            "daemonize: the server ended before clients could connect; see its log, or try without the option"
                .to_string(),
        )),
    }
}
