//! Users of this system. A static binary has only /etc/passwd to look in.

use std::path::Path;

/// A user's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemUser {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// The user of this name, or of these numbers: `ftp`, `1000`, `1000:100`.
pub fn find(name: &str) -> Result<SystemUser, String> {
    if let Some(user) = numbers(name) {
        return Ok(user);
    }
    let path = Path::new("/etc/passwd");
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().find_map(|line| entry(line, name)).ok_or_else(|| format!("there is no user {name:?} in /etc/passwd"))
}

/// Whether this process may run something as that user.
pub fn may_become(user: SystemUser) -> bool {
    let uid = rustix::process::geteuid();
    uid.is_root() || uid.as_raw() == user.uid
}

fn numbers(text: &str) -> Option<SystemUser> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    Some(SystemUser { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// `name:password:uid:gid:…`
fn entry(line: &str, name: &str) -> Option<SystemUser> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    Some(SystemUser { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(find("root"), Ok(SystemUser { uid: 0, gid: 0 }));
        assert_eq!(find("1000"), Ok(SystemUser { uid: 1000, gid: 1000 }));
        assert_eq!(find("1000:100"), Ok(SystemUser { uid: 1000, gid: 100 }));
        assert_eq!(find("no such one"), Err("there is no user \"no such one\" in /etc/passwd".into()));
        assert_eq!(entry("www-data:x:33:34:www:/var/www:/bin/sh", "www-data"), Some(SystemUser { uid: 33, gid: 34 }));
        assert_eq!(entry("www-data:x", "www-data"), None);
    }
}
