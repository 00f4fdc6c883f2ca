//! The command line: a scenario and how much of it.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Result;

const USAGE: &str = "usage: django-ftpd-peers SCENARIO --port PORT [OPTION VALUE]...
  start               --pid
  download, upload    --pid --file --mib --times [--bare]
  small               --sessions --times
  login               --sessions --times
  idle                --pid --sessions
  list, mlsd          --file --times
  crowd               --file --mib --sessions --times
  burst               --sessions
  bare                --root [--certificate --key]
each but start, burst and bare with --user and --password, and with TLS where --certificate names the server's";

/// All of it: each scenario looks at what is its own.
#[derive(Default)]
pub struct Options {
    pub scenario: String,
    pub port: u16,
    /// The server's first process.
    pub pid: u32,
    pub user: String,
    pub password: String,
    /// With it, everything is in TLS.
    pub certificate: Option<PathBuf>,
    pub key: PathBuf,
    pub root: PathBuf,
    /// The server is the bare one, which speaks no FTP.
    pub is_bare: bool,
    pub file: String,
    pub mib: u64,
    pub sessions: usize,
    pub times: usize,
}

impl Options {
    pub fn given() -> Result<Self> {
        parsed(lexopt::Parser::from_env()).map_err(|error| format!("{error}\n{USAGE}"))
    }
}

fn parsed(mut parser: lexopt::Parser) -> std::result::Result<Options, lexopt::Error> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(scenario) if options.scenario.is_empty() => options.scenario = scenario.string()?,
            Long("bare") => options.is_bare = true,
            Long("port") => options.port = parser.value()?.parse()?,
            Long("pid") => options.pid = parser.value()?.parse()?,
            Long("user") => options.user = parser.value()?.string()?,
            Long("password") => options.password = parser.value()?.string()?,
            Long("certificate") => options.certificate = Some(parser.value()?.into()),
            Long("key") => options.key = parser.value()?.into(),
            Long("root") => options.root = parser.value()?.into(),
            Long("file") => options.file = parser.value()?.string()?,
            Long("mib") => options.mib = parser.value()?.parse()?,
            Long("sessions") => options.sessions = parser.value()?.parse()?,
            Long("times") => options.times = parser.value()?.parse()?,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}
