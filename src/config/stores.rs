//! `[s3]` and `[gcs]`: the object stores that homes can be in, in the words of django-storages.

use toml::de::DeTable;

use super::Problem;
use super::sections::{Key, Takes, one, put, replace, section, set_one_of};
use super::value::{Secret, line, megabytes, one_or_more};
use std::num::NonZeroUsize;
use std::path::PathBuf;

const PART_SIZE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8_000_000 - 1);

/// What the section `[s3]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Table {
    /// The bucket; None until it is said.
    pub bucket_name: Option<String>,
    /// The address of the store; None: Amazon's.
    pub endpoint_url: Option<String>,
    /// The region; None: what `AWS_REGION` says, or us-east-1.
    pub region_name: Option<String>,
    /// What the keys of all homes begin with.
    pub location: Option<String>,
    /// The name of the secret; None: looked for.
    pub access_key: Option<String>,
    /// The secret.
    pub secret_key: Option<Secret>,
    /// What goes with keys that were lent.
    pub session_token: Option<Secret>,
    /// Whether the bucket stands in the path; None: where there is an `endpoint_url`.
    pub path_style: Option<bool>,
    /// What large objects are cut into.
    pub part_size: NonZeroUsize,
    /// Parts of one upload on their way at once.
    pub parts_in_flight: NonZeroUsize,
    /// Who vouches for the store; None: whom the system trusts.
    pub ca: Option<PathBuf>,
}

impl Default for S3Table {
    fn default() -> S3Table {
        S3Table {
            bucket_name: None,
            endpoint_url: None,
            region_name: None,
            location: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            path_style: None,
            part_size: PART_SIZE,
            parts_in_flight: NonZeroUsize::MIN.saturating_add(2),
            ca: None,
        }
    }
}

/// Every key of `[s3]`.
pub const S3_KEYS: &[Key<S3Table>] = &[
    Key {
        name: "bucket_name",
        example: "\"media\"",
        doc: "The bucket; it has to be there.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.bucket_name, one(v).and_then(bucket)),
    },
    Key {
        name: "endpoint_url",
        example: "\"https://s3.example.org\"",
        doc: "Where the store is (default: Amazon's for the region).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.endpoint_url, one(v).and_then(line)),
    },
    Key {
        name: "region_name",
        example: "\"eu-central-1\"",
        doc: "The region (default: AWS_REGION or AWS_DEFAULT_REGION of the environment, or us-east-1).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.region_name, one(v).and_then(line)),
    },
    Key {
        name: "location",
        example: "\"ftp\"",
        doc: "What stands before every home in the bucket.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.location, one(v).map(str::to_string)),
    },
    Key {
        name: "access_key",
        example: "\"AKIAIOSFODNN7EXAMPLE\"",
        doc: "Name of the key (default: AWS_ACCESS_KEY_ID and its kin of the environment, a web identity, \
              ~/.aws/credentials, or the role of the machine).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.access_key, one(v).and_then(line)),
    },
    Key {
        name: "secret_key",
        example: "\"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"",
        doc: "The key; the file should be readable by the server alone.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.secret_key, one(v).and_then(secret)),
    },
    Key {
        name: "session_token",
        example: "\"IQoJb3JpZ2luX2Vj...\"",
        doc: "What goes with a key that was lent.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.session_token, one(v).and_then(secret)),
    },
    Key {
        name: "addressing_style",
        example: "\"path\"",
        doc: "Whether the bucket stands in the path of addresses, or before the host's name: path or virtual (default: \
              virtual at Amazon's, path elsewhere).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.path_style, one(v).and_then(is_path)),
    },
    Key {
        name: "part_size",
        example: "\"8 MB\"",
        doc: "Size of the parts in which larger files go, from 6 MB to 1 GB; a transfer needs so much memory for each part \
              on its way, and for one more.",
        takes: Takes::Size,
        set: |t, v| replace(&mut t.part_size, one(v).and_then(megabytes)),
    },
    Key {
        name: "parts_in_flight",
        example: "3",
        doc: "Parts of one file that are on their way at once, at most 64.",
        takes: Takes::Number,
        set: |t, v| replace(&mut t.parts_in_flight, one(v).and_then(in_flight)),
    },
    Key {
        name: "ca",
        example: "\"/etc/ssl/certs/ca-certificates.crt\"",
        doc: "Authorities (PEM) that vouch for the store (default: those that the system trusts).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.ca, one(v).map(PathBuf::from)),
    },
];

/// What the section `[gcs]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsTable {
    /// The bucket; None until it is said.
    pub bucket_name: Option<String>,
    /// Who pays for requests; None: who owns the bucket.
    pub project_id: Option<String>,
    /// What the keys of all homes begin with.
    pub location: Option<String>,
    /// The file of a service account; None: looked for.
    pub credentials: Option<PathBuf>,
    /// The address of the store; None: Google's.
    pub endpoint_url: Option<String>,
    /// What large objects are cut into.
    pub part_size: NonZeroUsize,
    /// Who vouches for the store; None: whom the system trusts.
    pub ca: Option<PathBuf>,
}

impl Default for GcsTable {
    fn default() -> GcsTable {
        GcsTable {
            bucket_name: None,
            project_id: None,
            location: None,
            credentials: None,
            endpoint_url: None,
            part_size: PART_SIZE,
            ca: None,
        }
    }
}

/// Every key of `[gcs]`.
pub const GCS_KEYS: &[Key<GcsTable>] = &[
    Key {
        name: "bucket_name",
        example: "\"media\"",
        doc: "The bucket; it has to be there.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.bucket_name, one(v).and_then(bucket)),
    },
    Key {
        name: "project_id",
        example: "\"my-project\"",
        doc: "The project that pays for requests, where it is not the bucket's.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.project_id, one(v).and_then(line)),
    },
    Key {
        name: "location",
        example: "\"ftp\"",
        doc: "What stands before every home in the bucket.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.location, one(v).map(str::to_string)),
    },
    Key {
        name: "credentials",
        example: "\"/etc/django-ftpd/service-account.json\"",
        doc: "Key file of a service account (default: what GOOGLE_APPLICATION_CREDENTIALS names, or the account of the \
              machine).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.credentials, one(v).map(PathBuf::from)),
    },
    Key {
        name: "endpoint_url",
        example: "\"http://127.0.0.1:9023\"",
        doc: "Where the store is, if not at Google's; over http:// no credentials are sent.",
        takes: Takes::Text,
        set: |t, v| put(&mut t.endpoint_url, one(v).and_then(line)),
    },
    Key {
        name: "part_size",
        example: "\"8 MB\"",
        doc: "Size of the pieces in which larger files go, from 6 MB to 1 GB; a transfer needs twice as much memory.",
        takes: Takes::Size,
        set: |t, v| replace(&mut t.part_size, one(v).and_then(megabytes)),
    },
    Key {
        name: "ca",
        example: "\"/etc/ssl/certs/ca-certificates.crt\"",
        doc: "Authorities (PEM) that vouch for the store (default: those that the system trusts).",
        takes: Takes::Text,
        set: |t, v| put(&mut t.ca, one(v).map(PathBuf::from)),
    },
];

/// A name that can stand in addresses: what stores allow, and nothing else.
fn bucket(text: &str) -> Result<String, String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match (3..=63).contains(&text.len()) && text.chars().all(is_legal) {
        true => Ok(text.to_string()),
        false => Err(format!("{text:?} is no name of a bucket")),
    }
}

/// A line that the message about it does not repeat.
fn secret(text: &str) -> Result<Secret, String> {
    line(text).map(Secret).map_err(|_| "this is not one line of text".to_string())
}

/// Each needs a thread and the memory of a part.
fn in_flight(text: &str) -> Result<NonZeroUsize, String> {
    let parts = Some(one_or_more(text)?).filter(|parts| parts.get() <= 64);
    parts.ok_or_else(|| format!("{text:?} is not between 1 and 64"))
}

fn is_path(text: &str) -> Result<bool, String> {
    match text {
        "path" => Ok(true),
        "virtual" | "auto" => Ok(false),
        _ => Err(format!("{text:?} is not path or virtual")),
    }
}

/// What the section says.
pub(super) fn s3(at: &impl Fn(usize) -> String, keys: &DeTable, position: usize) -> Result<S3Table, Problem> {
    let table = section(at, "s3", keys, set_one_of(S3_KEYS))?;
    let missing = |what: &str| Err(Problem::new(format!("{}: s3: {what}", at(position))));
    match (&table.bucket_name, &table.access_key, &table.secret_key) {
        (None, ..) => missing("there is no bucket_name"),
        (_, Some(_), None) => missing("access_key: there is no secret_key to go with it"),
        (_, None, Some(_)) => missing("secret_key: there is no access_key to go with it"),
        _ => Ok(table),
    }
}

/// What the section says.
pub(super) fn gcs(at: &impl Fn(usize) -> String, keys: &DeTable, position: usize) -> Result<GcsTable, Problem> {
    let table = section(at, "gcs", keys, set_one_of(GCS_KEYS))?;
    match table.bucket_name {
        None => Err(Problem::new(format!("{}: gcs: there is no bucket_name", at(position)))),
        Some(_) => Ok(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::OptionsFile;
    use crate::config::{Config, Loaded};
    use std::ffi::OsString;

    fn load(name: &str, text: &str) -> Result<Config, String> {
        let file = OptionsFile::new(name, text);
        match Config::load(["--config", file.path()].map(OsString::from).into_iter(), std::iter::empty()) {
            Ok(Loaded::Run(config)) => Ok(*config),
            Ok(other) => Err(format!("{other:?}")),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text =
            "[s3]\nbucket_name = \"media\"\naccess_key = \"A\"\nsecret_key = \"hush\"\nsession_token = \"hush\"\n";
        let config = load("secrets", text).unwrap();
        assert!(config.sections.s3.as_ref().is_some_and(|s3| s3.secret_key == Some(Secret("hush".to_string()))));
        assert!(!format!("{config:?}").contains("hush"));
        let wrong = load("secrets", &text.replace("hush", "hush\\n")).unwrap_err();
        assert!(wrong.contains("secret_key: ") && !wrong.contains("hush"), "{wrong}");
    }

    #[test]
    fn tables_that_say_too_little_or_too_much() {
        let s3 = |more: &str| load("tables", &format!("[s3]\n{more}")).unwrap_err();
        for (text, why) in [
            ("", "s3: there is no bucket_name"),
            ("bucket_name = \"media\"\naccess_key = \"A\"", "there is no secret_key to go with it"),
            ("bucket_name = \"media\"\nsecret_key = \"A\"", "there is no access_key to go with it"),
            ("bucket_name = \"a/b\"", "is no name of a bucket"),
            ("bucket_name = \"..\"", "is no name of a bucket"),
            ("addressing_style = \"host\"", "is not path or virtual"),
            ("part_size = \"5 MB\"", "between 6 MB and 1 GB"),
            ("parts_in_flight = 65", "is not between 1 and 64"),
            ("parts_in_flight = 0", "parts_in_flight"),
            ("bucket = \"media\"", "s3.bucket: no such option"),
        ] {
            let said = s3(text);
            assert!(said.contains(why) && said.lines().count() == 1, "{text}: {said}");
        }
        assert!(load("tables", "[gcs]\n").unwrap_err().contains("gcs: there is no bucket_name"));
    }
}
