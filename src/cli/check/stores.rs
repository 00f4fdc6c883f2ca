//! Buckets: whether they answer, with these credentials.

use super::report::Report;
use crate::cli::stores;
use crate::config::Config;

pub(super) fn examine(config: &Config, report: &mut Report) {
    match stores::objects(config) {
        Ok(_) => ask(config, report),
        Err(why) => report.part("storage").fault(why),
    }
}

#[cfg(feature = "object-storage")]
fn ask(config: &Config, report: &mut Report) {
    use crate::storage::Error;
    for (_, bucket) in crate::cli::buckets::open(config).unwrap_or_default() {
        let name = bucket.name();
        let mut part = report.part("storage");
        match bucket.try_out() {
            Ok(()) => part.ok(format!("{name} answers")),
            Err(Error::Unavailable(why)) => part.fault(why),
            Err(Error::Denied) => part.fault(format!("{name}: these credentials may not list it")),
            Err(error) => part.fault(format!("{name}: {error}")),
        }
    }
}

#[cfg(not(feature = "object-storage"))]
fn ask(_: &Config, _: &mut Report) {}
