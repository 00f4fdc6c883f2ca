//! Doors for the targets in `fuzz/`; no other build has them.

use super::bucket::Page;
use super::keys::{Prefix, is_name};
use super::web::{encoded, seconds, time_of};
use super::{gcs, s3};
use crate::protocol::path::VirtualPath;
use jiff::Timestamp;

/// A page as S3 answers it.
pub fn s3_page(body: &str) -> Result<Page, String> {
    s3::answers::page(body)
}

/// The word and the sentence of an error of S3's.
pub fn s3_complaint(body: &str) -> (String, String) {
    let complaint = s3::answers::complaint(body);
    (complaint.code, complaint.message)
}

/// The text of one element of an answer of S3's.
pub fn s3_value(body: &str, kind: &str, name: &str) -> Result<String, String> {
    s3::answers::value(body, kind, name)
}

/// A page as Google's storage answers it.
pub fn gcs_page(body: &str) -> Result<Page, String> {
    gcs::page(&serde_json::from_str(body).map_err(|error| error.to_string())?)
}

/// The key of a path in a home, and whether all names in it could be a listing's.
pub fn key(location: &str, home: &[u8], path: &[u8]) -> Option<(String, bool)> {
    let key = Prefix::new(location, home).file(&VirtualPath::root().join(path)).ok()?;
    let are_names = key.split('/').all(is_name);
    Some((key, are_names))
}

/// Text as it stands in an address.
pub fn in_address(text: &str) -> String {
    encoded(text, false)
}

/// A time that an object bears, and how it is written.
pub fn time(text: &str) -> Option<(Timestamp, String)> {
    time_of(text).map(|time| (time, seconds(time)))
}
