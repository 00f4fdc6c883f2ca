//! From the configuration to the places where homes are.

use crate::accounts::StorageKind;
use crate::config::Config;
use crate::storage::{Disk, Storage, Stores};

/// A kind of place, and the one of that kind.
type Place = (StorageKind, Box<dyn Storage>);

/// The buckets.
#[cfg(feature = "object-storage")]
pub(super) fn objects(config: &Config) -> Result<Vec<Place>, String> {
    check(config)?;
    let boxed = |(kind, objects)| (kind, Box::new(objects) as Box<dyn Storage>);
    Ok(super::buckets::open(config)?.into_iter().map(boxed).collect())
}

/// No buckets.
#[cfg(not(feature = "object-storage"))]
pub(super) fn objects(config: &Config) -> Result<Vec<Place>, String> {
    check(config)?;
    let section = [("s3", config.sections.s3.is_some()), ("gcs", config.sections.gcs.is_some())];
    match section.iter().find(|(_, is_there)| *is_there) {
        None => Ok(Vec::new()),
        Some((name, _)) => Err(format!("[{name}]: this program was built without the feature object-storage")),
    }
}

/// All places, and the one where homes are of which nothing else is said.
pub(super) fn with_disk(objects: Vec<Place>, disk: Disk, usual: StorageKind) -> Stores {
    let mut all = objects;
    all.push((StorageKind::Disk, Box::new(disk)));
    let usual = all.iter().position(|(kind, _)| *kind == usual).unwrap_or(all.len() - 1);
    let (_, usual) = all.swap_remove(usual);
    Stores::new(usual, all)
}

/// Refuses places that nothing is said of, and those that do not go with the rest.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let sections = [
        (StorageKind::S3, "s3", config.sections.s3.is_some()),
        (StorageKind::Gcs, "gcs", config.sections.gcs.is_some()),
    ];
    for (kind, name, is_there) in sections {
        if let Some(who) = who_uses(config, kind).filter(|_| !is_there) {
            return Err(format!("storage = {name:?} {who}: there is no section [{name}] that says which bucket"));
        }
    }
    refuse_gates(config)
}

/// An object is only there when it is whole: nobody can examine it before.
fn refuse_gates(config: &Config) -> Result<(), String> {
    let Some(gate) = config.sections.gates.first() else { return Ok(()) };
    let kinds = [(StorageKind::S3, "s3"), (StorageKind::Gcs, "gcs")];
    let used = kinds.iter().find_map(|(kind, name)| Some((name, who_uses(config, *kind)?)));
    match used {
        None => Ok(()),
        Some((name, who)) => Err(format!(
            "gate {}: uploads can't be examined with storage = {name:?} {who}; leave one of them out",
            gate.name.as_deref().unwrap_or_default()
        )),
    }
}

/// Where a kind of place is asked for.
fn who_uses(config: &Config, kind: StorageKind) -> Option<String> {
    if config.storage == kind {
        return Some("for all".to_string());
    }
    let users = config.sections.users.iter().map(|section| ("user", section));
    let groups = config.sections.groups.iter().map(|section| ("group", section));
    let (what, (name, _)) = users.chain(groups).find(|(_, (_, section))| section.rule.storage == Some(kind))?;
    Some(format!("in [{what}.{name:?}]"))
}
