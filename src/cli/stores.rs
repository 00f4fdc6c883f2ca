//! From the configuration to the places where homes are.

use crate::accounts::StorageKind;
use crate::config::Config;
use crate::config::stores::{GcsTable, S3Table};
use crate::storage::object::{Authorities, Objects, agent, gcs, s3};
use crate::storage::{Disk, Storage, Stores};
use std::path::{Path, PathBuf};
use ureq::Agent;

const REGION: &str = "us-east-1";

/// The buckets.
pub(super) fn objects(config: &Config) -> Result<Vec<(StorageKind, Objects)>, String> {
    check(config)?;
    let mut found = Vec::new();
    if let Some(table) = &config.sections.s3 {
        found.push((StorageKind::S3, s3(table).map_err(|why| format!("s3.{why}"))?));
    }
    if let Some(table) = &config.sections.gcs {
        found.push((StorageKind::Gcs, gcs(table).map_err(|why| format!("gcs.{why}"))?));
    }
    Ok(found)
}

/// All places, and the one where homes are of which nothing else is said.
pub(super) fn with_disk(objects: Vec<(StorageKind, Objects)>, disk: Disk, usual: StorageKind) -> Stores {
    let boxed = |(kind, objects): (StorageKind, Objects)| (kind, Box::new(objects) as Box<dyn Storage>);
    let mut all: Vec<(StorageKind, Box<dyn Storage>)> = vec![(StorageKind::Disk, Box::new(disk))];
    all.extend(objects.into_iter().map(boxed));
    let usual = all.iter().position(|(kind, _)| *kind == usual).unwrap_or_default();
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

fn s3(table: &S3Table) -> Result<Objects, String> {
    let agent = agent_for(table.endpoint_url.as_deref(), table.ca.as_deref())?;
    let region = table.region_name.clone().or_else(|| variable("AWS_REGION"));
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| REGION.to_string());
    let credentials = match (&table.access_key, &table.secret_key) {
        (Some(access_key), Some(secret_key)) => s3::Credentials::fixed(s3::Keys {
            access_key: access_key.clone(),
            secret_key: secret_key.0.clone(),
            session_token: table.session_token.as_ref().map(|token| token.0.clone()),
        }),
        _ => s3::Credentials::found(&agent, &region).map_err(|why| format!("access_key: {why}"))?,
    };
    let settings = s3::Settings {
        bucket: table.bucket_name.clone().unwrap_or_default(),
        endpoint: table.endpoint_url.clone(),
        region,
        path_style: table.path_style.unwrap_or(table.endpoint_url.is_some()),
        part_size: table.part_size,
        parts_in_flight: table.parts_in_flight,
    };
    let bucket = s3::S3::new(settings, credentials, agent)?;
    Ok(Objects::new(bucket, table.location.clone().unwrap_or_default()))
}

fn gcs(table: &GcsTable) -> Result<Objects, String> {
    let agent = agent_for(table.endpoint_url.as_deref(), table.ca.as_deref())?;
    let file = table.credentials.clone().or_else(|| variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from));
    let credentials = match file {
        // A token is as good as a password.
        _ if is_in_the_clear(table.endpoint_url.as_deref()) => gcs::Credentials::nobody(),
        Some(path) => gcs::Credentials::of_file(&path, &agent).map_err(|why| format!("credentials: {why}"))?,
        None => gcs::Credentials::of_machine(&agent),
    };
    let settings = gcs::Settings {
        bucket: table.bucket_name.clone().unwrap_or_default(),
        endpoint: table.endpoint_url.clone(),
        payer: table.project_id.clone(),
        part_size: table.part_size,
    };
    let bucket = gcs::Gcs::new(settings, credentials, agent)?;
    Ok(Objects::new(bucket, table.location.clone().unwrap_or_default()))
}

fn agent_for(endpoint: Option<&str>, ca: Option<&Path>) -> Result<Agent, String> {
    let authorities = match is_in_the_clear(endpoint) {
        true => Authorities::None,
        false => Authorities::of(ca).map_err(|why| format!("ca: {why}"))?,
    };
    Ok(agent(&authorities))
}

fn is_in_the_clear(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|url| url.starts_with("http://"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
