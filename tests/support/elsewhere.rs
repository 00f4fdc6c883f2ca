//! Homes of a test's server that are in an object store.

use super::homes::Homes;
use super::store::Store;
use django_ftpd::server::Server;
use django_ftpd::storage::Error;
use django_ftpd::storage::object::bucket::{Bucket, Question};
use django_ftpd::storage::object::{Authorities, Objects, agent, gcs, s3};
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

/// The tests that need a disk, below the reasons why.
const ONLY_ON_A_DISK: &str = include_str!("../stores/only-on-a-disk");

/// A part of a bucket that nothing else uses.
pub struct Elsewhere {
    args: [&'static str; 2],
    section: String,
    location: String,
    bucket: Box<dyn Bucket>,
    objects: Objects,
    /// Where the environment names none.
    _own: Option<Store>,
}

/// What the environment says, or else this.
fn variable(name: &str, default: &str) -> String {
    std::env::var(format!("DJANGO_FTPD_TEST_{name}")).unwrap_or(default.to_string())
}

/// None if the environment names no store, or if the test that runs needs a disk.
pub(super) fn of_this_test() -> Option<Elsewhere> {
    let kind = std::env::var("DJANGO_FTPD_TEST_STORAGE").ok()?;
    let thread = std::thread::current();
    let test = thread.name().filter(|name| name.contains("::"));
    let test = test.expect("a test is known by the thread that runs it: use more than one");
    let is_this = |name: &str| name == test || name.ends_with("::") && test.starts_with(name);
    if listed(ONLY_ON_A_DISK).iter().any(|(name, _)| is_this(name)) {
        return None;
    }
    Some(match kind.as_str() {
        "s3" => Elsewhere::in_s3(),
        "gcs" => Elsewhere::in_google(),
        other => panic!("DJANGO_FTPD_TEST_STORAGE is s3 or gcs, not {other}"),
    })
}

impl Elsewhere {
    fn in_s3() -> Elsewhere {
        let own = std::env::var_os("DJANGO_FTPD_TEST_ENDPOINT").is_none().then(Store::s3);
        let (endpoint, location) = (endpoint(&own), location());
        let (bucket, region) = (variable("BUCKET", "media"), variable("REGION", "us-east-1"));
        let (access_key, secret_key) = (variable("ACCESS_KEY", "key"), variable("SECRET_KEY", "secret"));
        let section = format!(
            "\n[s3]\nbucket_name = \"{bucket}\"\nendpoint_url = \"{endpoint}\"\nregion_name = \"{region}\"\n\
             location = \"{location}\"\naccess_key = \"{access_key}\"\nsecret_key = \"{secret_key}\"\n\
             part_size = \"6 MB\"\nparts_in_flight = 2\n"
        );
        let settings = s3::Settings {
            bucket,
            endpoint: Some(endpoint),
            region,
            path_style: true,
            part_size: NonZeroUsize::new(50_000_000).unwrap(),
            parts_in_flight: NonZeroUsize::MIN,
            largest_copy: s3::LARGEST_COPY,
        };
        let keys = s3::Credentials::fixed(s3::Keys { access_key, secret_key, session_token: None });
        let s3 = s3::S3::new(settings, keys, agent(&Authorities::None)).unwrap();
        let objects = Objects::new(s3.clone(), &location);
        let args = ["--storage", "s3"];
        Elsewhere { args, section, location, bucket: Box::new(s3), objects, _own: own }
    }

    fn in_google() -> Elsewhere {
        let own = std::env::var_os("DJANGO_FTPD_TEST_ENDPOINT").is_none().then(Store::google);
        let (endpoint, location, bucket) = (endpoint(&own), location(), variable("BUCKET", "media"));
        let section = format!(
            "\n[gcs]\nbucket_name = \"{bucket}\"\nendpoint_url = \"{endpoint}\"\nlocation = \"{location}\"\n\
             part_size = \"6 MB\"\n"
        );
        let part_size = NonZeroUsize::new(50_000_000).unwrap();
        let settings = gcs::Settings { bucket, endpoint: Some(endpoint), payer: None, part_size };
        let gcs = gcs::Gcs::new(settings, gcs::Credentials::nobody(), agent(&Authorities::None)).unwrap();
        let objects = Objects::new(gcs.clone(), &location);
        let args = ["--storage", "gcs"];
        Elsewhere { args, section, location, bucket: Box::new(gcs), objects, _own: own }
    }

    fn key(&self, path: &str) -> String {
        format!("{}/{path}", self.location)
    }

    /// All keys in a directory, with their bytes; if only the next level is asked for, of what is deeper the beginning.
    fn below(&self, path: &str, is_shallow: bool) -> Vec<(String, u64)> {
        let (prefix, mut keys, mut after) = (format!("{}/", self.key(path)), Vec::new(), None);
        loop {
            let question = Question { prefix: &prefix, is_shallow, after: after.as_deref(), most: 1000 };
            let page = self.bucket.page(&question).unwrap();
            keys.extend(page.objects.into_iter().map(|(key, object)| (key, object.size)));
            keys.extend(page.prefixes.into_iter().map(|prefix| (prefix, 0)));
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
    }
}

impl Homes for Elsewhere {
    fn args(&self) -> &[&'static str] {
        &self.args
    }

    fn section(&self) -> &str {
        &self.section
    }

    fn serve(&self, server: Server) -> Server {
        server.storage(self.objects.clone())
    }

    fn base(&self) -> &str {
        ""
    }

    fn real_path(&self, path: &str) -> String {
        format!("{}/{}", self.bucket.name(), self.key(path))
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let mut writer = self.bucket.write(&self.key(path)).unwrap();
        writer.write(bytes).unwrap();
        writer.finish().unwrap();
    }

    fn make_directory(&self, path: &str) {
        // A home is always there.
        if path.contains('/') {
            self.write(&format!("{path}/"), b"");
        }
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let key = self.key(path);
        let object = match self.bucket.head(&key) {
            Err(Error::NotFound) => return None,
            other => other.unwrap(),
        };
        let mut bytes = Vec::new();
        if object.size > 0 {
            self.bucket.read(&key, &object, 0..object.size).unwrap().read_to_end(&mut bytes).unwrap();
        }
        Some(bytes)
    }

    fn is_directory(&self, path: &str) -> bool {
        !self.below(path, true).is_empty()
    }

    fn bytes(&self, path: &str) -> u64 {
        self.below(path, false).iter().map(|(_, size)| size).sum()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let start = self.key(path).len() + 1;
        let names = self.below(path, true).into_iter().map(|(key, _)| key[start..].trim_end_matches('/').to_string());
        names.filter(|name| !name.is_empty()).collect()
    }

    fn remove_all(&self, path: &str) {
        self.below(path, false).iter().for_each(|(key, _)| self.bucket.delete(key).unwrap());
    }
}

fn endpoint(own: &Option<Store>) -> String {
    own.as_ref().map_or_else(|| variable("ENDPOINT", ""), Store::url)
}

/// What stands before the homes of one server, and of no other.
fn location() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("test-{}-{}-{}", now.as_secs(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The names in a list of tests, each with the reason above it.
pub fn listed(list: &str) -> Vec<(&str, &str)> {
    let mut reason = "";
    let mut found = Vec::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            Some(name) => found.push((name, reason)),
            None => reason = line,
        }
    }
    found
}
