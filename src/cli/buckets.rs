//! From the configuration to buckets.

use crate::accounts::StorageKind;
use crate::config::Config;
use crate::config::stores::{GcsTable, S3Table};
use crate::storage::object::{Authorities, Objects, agent, gcs, s3};
use std::path::{Path, PathBuf};
use ureq::Agent;

const REGION: &str = "us-east-1";

/// Those of the sections `[s3]` and `[gcs]`; nothing is asked of them yet.
pub(super) fn open(config: &Config) -> Result<Vec<(StorageKind, Objects)>, String> {
    let mut found = Vec::new();
    if let Some(table) = &config.sections.s3 {
        found.push((StorageKind::S3, s3(table).map_err(|why| format!("s3.{why}"))?));
    }
    if let Some(table) = &config.sections.gcs {
        found.push((StorageKind::Gcs, gcs(table).map_err(|why| format!("gcs.{why}"))?));
    }
    Ok(found)
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
        largest_copy: s3::LARGEST_COPY,
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
