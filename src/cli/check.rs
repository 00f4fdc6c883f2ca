//! `django-ftpd check`: reads what `serve` would read, and tells of every fault, not of the first alone. It binds
//! nothing, so it may run beside the server.

use super::{Failure, followers, logging, parts, programs};
use crate::accounts::Accounts;
use crate::config::Config;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    logging::start();
    let file = config
        .config
        .as_ref()
        .map_or("no file; flags, environment, defaults".to_string(), |path| path.display().to_string());
    let source = || match (config.database.as_ref().or(config.export.as_ref()), &config.accounts_command) {
        (Some(path), _) => path.display().to_string(),
        (None, words) => words.as_ref().map(|words| words.join(" ")).unwrap_or_default(),
    };
    let mut findings = vec![("configuration", Ok(file))];
    let accounts = programs::of_accounts(&config).and_then(|program| parts::accounts(&config, program));
    match accounts.and_then(|accounts| accounts.faults()) {
        Err(why) => findings.push(("accounts", Err(why))),
        Ok(faults) if faults.is_empty() => findings.push(("accounts", Ok(source()))),
        Ok(faults) => findings.extend(faults.into_iter().map(|fault| ("accounts", Err(fault)))),
    }
    let certificate = parts::tls(&config).map(|tls| tls.map_or("none, so no TLS".to_string(), |tls| tls.to_string()));
    findings.push(("certificate", certificate));
    findings.extend(programs::findings(&config));
    findings.extend(followers::webhook_findings(&config));
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
