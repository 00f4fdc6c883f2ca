//! Buckets: whether they answer, with these credentials.

use super::report::Report;
use crate::cli::stores;
use crate::config::Config;
use crate::storage::Error;

pub(super) fn examine(config: &Config, report: &mut Report) {
    let objects = match stores::objects(config) {
        Ok(objects) => objects,
        Err(why) => return report.part("storage").fault(why),
    };
    for (_, bucket) in objects {
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
