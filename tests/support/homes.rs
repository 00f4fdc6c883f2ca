//! Where the homes of a test's server are: on the disk, or in the store that the environment names; and what is in them,
//! seen behind the server's back.
//!
//! | variable | |
//! |---|---|
//! | `DJANGO_FTPD_TEST_STORAGE` | `s3` or `gcs`: homes are there, but those of tests in `tests/stores/only-on-a-disk` |
//! | `DJANGO_FTPD_TEST_ENDPOINT` | where the store is; without it each server has one of `tests/support/store` |
//! | `DJANGO_FTPD_TEST_BUCKET`, `_REGION`, `_ACCESS_KEY`, `_SECRET_KEY` | what else there is to say of it |

use django_ftpd::server::Server;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the homes of one server are. Paths begin with the name of a home.
pub trait Homes: Send + Sync {
    /// What the server is told of them on its command line.
    fn args(&self) -> &[&'static str] {
        &[]
    }
    /// What it is told of them in its file.
    fn section(&self) -> &str {
        ""
    }
    /// The same for a server of the library.
    fn serve(&self, server: Server) -> Server {
        server
    }
    /// What stands before the name of a user in the path of a home.
    fn base(&self) -> &str;
    /// Where something is, as events have it.
    fn real_path(&self, path: &str) -> String;
    /// A file, with the directories that it is in.
    fn write(&self, path: &str, bytes: &[u8]);
    /// A directory, with those that it is in.
    fn make_directory(&self, path: &str);
    /// The bytes of a file.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    fn is_directory(&self, path: &str) -> bool;
    /// The bytes of all files in a directory, also of those that clients don't see.
    fn bytes(&self, path: &str) -> u64;
    /// What is in a directory, in any order.
    fn names(&self, path: &str) -> Vec<String>;
    fn remove_all(&self, path: &str);
}

/// Those of the test that runs; in this directory, if they are on the disk.
pub fn of_this_test(directory: &Path) -> Arc<dyn Homes> {
    #[cfg(feature = "object-storage")]
    if let Some(elsewhere) = super::elsewhere::of_this_test() {
        return Arc::new(elsewhere);
    }
    #[cfg(not(feature = "object-storage"))]
    assert!(std::env::var_os("DJANGO_FTPD_TEST_STORAGE").is_none(), "built without object-storage");
    Arc::new(OnDisk(directory.to_str().unwrap().to_string()))
}

struct OnDisk(String);

impl OnDisk {
    fn at(&self, path: &str) -> PathBuf {
        Path::new(&self.0).join(path)
    }
}

impl Homes for OnDisk {
    fn base(&self) -> &str {
        &self.0
    }

    fn real_path(&self, path: &str) -> String {
        self.at(path).display().to_string()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), bytes).unwrap();
    }

    fn make_directory(&self, path: &str) {
        fs::create_dir_all(self.at(path)).unwrap();
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.at(path)).ok()
    }

    fn is_directory(&self, path: &str) -> bool {
        self.at(path).is_dir()
    }

    fn bytes(&self, path: &str) -> u64 {
        // It may be renamed at this moment.
        let entries = fs::read_dir(self.at(path)).into_iter().flatten().map(|entry| entry.unwrap());
        let size = |entry: fs::DirEntry| match fs::symlink_metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => self.bytes(entry.path().to_str().unwrap()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        };
        entries.map(size).sum()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn remove_all(&self, path: &str) {
        fs::remove_dir_all(self.at(path)).unwrap();
    }
}

/// What is in a home. Paths are as clients have them, without a slash at their beginning.
pub struct Files {
    homes: Arc<dyn Homes>,
    home: String,
}

impl Files {
    pub fn new(homes: &Arc<dyn Homes>, home: &str) -> Files {
        let files = Files { homes: homes.clone(), home: home.to_string() };
        files.make_directory("");
        files
    }

    /// A file, with the directories that it is in.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        self.homes.write(&self.at(path), bytes.as_ref());
    }

    /// A directory, with those that it is in.
    pub fn make_directory(&self, path: &str) {
        self.homes.make_directory(&self.at(path));
    }

    /// The bytes of a file.
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        self.homes.read(&self.at(path)).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Whether a file or a directory is there.
    pub fn exists(&self, path: &str) -> bool {
        self.is_directory(path) || self.homes.read(&self.at(path)).is_some()
    }

    pub fn is_directory(&self, path: &str) -> bool {
        self.homes.is_directory(&self.at(path))
    }

    /// The bytes of all files, also of those that clients don't see.
    pub fn bytes(&self) -> u64 {
        self.homes.bytes(&self.home)
    }

    /// What is in a directory, also what clients don't see; sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let mut names = self.homes.names(&self.at(directory));
        names.sort();
        names
    }

    /// Nothing is there any more but the home.
    pub fn clear(&self) {
        self.homes.remove_all(&self.home);
        self.make_directory("");
    }

    /// What the site says of this home.
    pub fn path(&self) -> String {
        format!("{}/{}", self.homes.base(), self.home)
    }

    /// Where something is, as events have it.
    pub fn real_path(&self, path: &str) -> String {
        self.homes.real_path(&self.at(path))
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.home).trim_end_matches('/').to_string()
    }
}
