//! Files that the server writes, each in a way of its own: no two of them can be one.

use crate::config::Config;
use std::fs::canonicalize;
use std::path::{Path, PathBuf};

/// Why two of them can't be had, with the name of the first.
pub(super) fn of_files(config: &Config) -> Result<(), (&'static str, String)> {
    let files = [
        ("journal", &config.journal),
        ("audit_database", &config.audit_database),
        ("xferlog", &config.xferlog),
        ("log_file", &config.log_file),
        ("pidfile", &config.pidfile),
        ("control", &config.control),
    ];
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in files {
        let Some(path) = path.as_deref().map(whole).filter(|path| !path.starts_with("/dev")) else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, other)| *other == path) {
            let why = format!("{option}: {} is the file of {other}, too; give each one of its own", path.display());
            return Err((option, why));
        }
        seen.push((option, path));
    }
    Ok(())
}

/// The file itself, wherever links lead; what is not there yet, in its directory.
fn whole(path: &Path) -> PathBuf {
    let directory = || {
        let path = std::path::absolute(path).ok()?;
        Some(canonicalize(path.parent()?).ok()?.join(path.file_name()?))
    };
    canonicalize(path).ok().or_else(directory).unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_whatever_it_is_called() {
        let told = |journal: &str, xferlog: &str| {
            let (journal, xferlog) = (Some(PathBuf::from(journal)), Some(PathBuf::from(xferlog)));
            of_files(&Config { journal, xferlog, ..Config::default() })
        };
        assert_eq!(told("/tmp/a", "/tmp/b"), Ok(()));
        assert_eq!(told("/dev/null", "/dev/null"), Ok(()));
        let why = "xferlog: /nowhere/a is the file of journal, too; give each one of its own".to_string();
        assert_eq!(told("/nowhere/a", "/nowhere/a"), Err(("xferlog", why)));
        for other in ["/tmp/../tmp/./a", "/proc/self/root/tmp/a"] {
            assert!(told("/tmp/a", other).is_err(), "{other}");
        }
    }
}
