//! `django-ftpd check`: reads what `serve` would read, and tells of every fault, not of the first alone. It binds
//! nothing, so it may run beside the server.

use super::{Failure, logging, parts};
use crate::config::Config;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let file = config
        .config
        .as_ref()
        .map_or("no file; flags, environment, defaults".to_string(), |path| path.display().to_string());
    let source = config.database.as_ref().or(config.export.as_ref());
    let source = || source.map(|path| path.display().to_string()).unwrap_or_default();
    let findings = [
        ("configuration", Ok(file)),
        ("accounts", parts::accounts(&config).map(|_| source())),
        (
            "certificate",
            parts::tls(&config).map(|tls| tls.map_or("none, so no TLS".to_string(), |tls| tls.to_string())),
        ),
    ];
    for (part, finding) in &findings {
        let (state, text) = match finding {
            Ok(text) => ("ok", text),
            Err(why) => ("FAULT", why),
        };
        super::say(&format!("{state:<6}{part:<14} {text}\n"));
    }
    match findings.iter().filter(|(_, finding)| finding.is_err()).count() {
        0 => Ok(()),
        1 => Err(Failure::Runtime("there is a fault".to_string())),
        more => Err(Failure::Runtime(format!("there are {more} faults"))),
    }
}
