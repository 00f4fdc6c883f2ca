//! Users of this system. A static binary has only /etc/passwd and /etc/group to look in.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A user's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemUser {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// All that the system knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The numbers.
    pub user: SystemUser,
    /// All groups, that of the user among them.
    pub groups: Vec<u32>,
    /// The home, where one is known.
    pub home: Option<PathBuf>,
}

/// The user of this name, or of these numbers: `ftp`, `1000`, `1000:100`.
pub fn find(name: &str) -> Result<SystemUser, String> {
    person(name).map(|person| person.user)
}

/// The same with groups and home. Whoever gives a group by its number wants no other.
pub fn person(name: &str) -> Result<Person, String> {
    let users = read(Path::new("/etc/passwd"))?;
    let known = users.lines().filter_map(entry).find(|entry| match numbers(name) {
        Some(given) => given.uid == entry.user.uid,
        None => entry.name == name,
    });
    let home = known.as_ref().map(|entry| PathBuf::from(entry.home)).filter(|home| home.is_absolute());
    match (numbers(name), known) {
        (Some(user), None) => Ok(Person { user, groups: vec![user.gid], home }),
        (Some(user), Some(_)) if name.contains(':') => Ok(Person { user, groups: vec![user.gid], home }),
        (_, Some(entry)) => {
            let mut groups = vec![entry.user.gid];
            groups.extend(memberships(&read(Path::new("/etc/group"))?, entry.name));
            groups.sort_unstable();
            groups.dedup();
            Ok(Person { user: entry.user, groups, home })
        }
        (None, None) => Err(format!("there is no user {name:?} in /etc/passwd")),
    }
}

/// Whether this process may run something as that user.
pub fn may_become(user: SystemUser) -> bool {
    let uid = rustix::process::geteuid();
    uid.is_root() || uid.as_raw() == user.uid
}

/// A small host need not have the file.
fn read(path: &Path) -> Result<String, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn numbers(text: &str) -> Option<SystemUser> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    Some(SystemUser { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

struct Entry<'a> {
    name: &'a str,
    user: SystemUser,
    home: &'a str,
}

/// `name:password:uid:gid:comment:home:shell`
fn entry(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let user = SystemUser { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? };
    Some(Entry { name, user, home: fields.nth(1).unwrap_or_default() })
}

/// `group:password:gid:ann,bob`
fn memberships(groups: &str, name: &str) -> Vec<u32> {
    let of_line = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (gid, members) = (fields.next()?.parse().ok()?, fields.next()?);
        members.split(',').any(|member| member.trim() == name).then_some(gid)
    };
    groups.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(find("root"), Ok(SystemUser { uid: 0, gid: 0 }));
        assert_eq!(find("4000001"), Ok(SystemUser { uid: 4000001, gid: 4000001 }));
        assert_eq!(find("1000:100"), Ok(SystemUser { uid: 1000, gid: 100 }));
        assert_eq!(find("0"), find("root"));
        assert_eq!(find("no such one"), Err("there is no user \"no such one\" in /etc/passwd".into()));
        assert_eq!(person("root").unwrap().groups[0], 0);
        assert_eq!(person("0:77").unwrap().groups, [77]);
    }

    #[test]
    fn lines_of_both_files() {
        let www = entry("www-data:x:33:34:www:/var/www:/bin/sh").unwrap();
        assert_eq!((www.name, www.user, www.home), ("www-data", SystemUser { uid: 33, gid: 34 }, "/var/www"));
        assert!(entry("www-data:x").is_none() && entry("").is_none() && entry("+::::::").is_none());
        let groups = "adm:x:4:syslog,ann\nann:x:5:\nstaff:x:x:ann\nodd\nftp:*:6:ann , bob\n";
        assert_eq!(memberships(groups, "ann"), [4, 6]);
        assert_eq!(memberships(groups, "an"), [0; 0]);
    }
}
