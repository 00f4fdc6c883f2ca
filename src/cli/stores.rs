//! From the configuration to the places where homes are.

use crate::accounts::StorageKind;
use crate::config::Config;
use crate::config::stores::S3Table;
use crate::storage::object::s3::{Credentials, Keys, S3, Settings};
use crate::storage::object::{Authorities, Objects, agent};
use crate::storage::{Disk, Stores};

const REGION: &str = "us-east-1";

/// All of them.
pub(super) fn stores(config: &Config) -> Result<Stores, String> {
    let disk = Disk::new().sync_uploads(config.sync_uploads);
    let s3 = config.sections.s3.as_ref().map(s3).transpose().map_err(|why| format!("s3.{why}"))?;
    if let (None, Some(who)) = (&s3, who_uses(config, StorageKind::S3)) {
        return Err(format!("storage = \"s3\" {who}: there is no section [s3] that says which bucket"));
    }
    Ok(match (s3, config.storage) {
        (None, _) => Stores::new(disk),
        (Some(s3), StorageKind::Disk) => Stores::new(disk).with(StorageKind::S3, s3),
        (Some(s3), StorageKind::S3) => Stores::new(s3).with(StorageKind::Disk, disk),
    })
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
    let is_in_the_clear = table.endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
    let authorities = match is_in_the_clear {
        true => Authorities::None,
        false => Authorities::of(table.ca.as_deref()).map_err(|why| format!("ca: {why}"))?,
    };
    let agent = agent(&authorities);
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let region = table.region_name.clone().or_else(|| variable("AWS_REGION"));
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| REGION.to_string());
    let credentials = match (&table.access_key, &table.secret_key) {
        (Some(access_key), Some(secret_key)) => Credentials::fixed(Keys {
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            session_token: table.session_token.clone(),
        }),
        _ => Credentials::found(&agent, &region).map_err(|why| format!("access_key: {why}"))?,
    };
    let settings = Settings {
        bucket: table.bucket_name.clone().unwrap_or_default(),
        endpoint: table.endpoint_url.clone(),
        region,
        path_style: table.path_style.unwrap_or(table.endpoint_url.is_some()),
        part_size: table.part_size,
        parts_in_flight: table.parts_in_flight,
    };
    let bucket = S3::new(settings, credentials, agent)?;
    Ok(Objects::new(bucket, table.location.clone().unwrap_or_default()))
}
