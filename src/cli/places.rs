//! Which directories stand for homes and files, so that those that come later are in them.

use crate::accounts::{Accounts, HomePlace, HomeTemplate, StorageKind};
use crate::config::Config;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// More homes than these stand for their directories.
const MOST_HOMES: usize = 1000;
/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Where homes are on the disk and may come to be: what is in a bucket is no file.
pub(super) fn on_disk(config: &Config, accounts: &dyn Accounts, mut see: impl FnMut(HomePlace)) -> Result<(), String> {
    let mut see = |place: HomePlace| {
        if place.storage.unwrap_or(config.storage) == StorageKind::Disk {
            see(place);
        }
    };
    // Whoever is without an account yet may come to have the default home.
    let template = config.home.as_deref().and_then(|home| HomeTemplate::parse(home).ok());
    template.into_iter().for_each(|template| see(template.place(None)));
    accounts.homes(&mut see)
}

/// The directories that homes are in.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// What templates say before the first placeholder.
    areas: BTreeSet<PathBuf>,
    /// Homes that are not below one of these.
    homes: BTreeSet<PathBuf>,
    /// The links that are in these directories: to look there once is quicker than to ask for each home.
    links: HashMap<PathBuf, HashSet<OsString>>,
}

impl Homes {
    /// Takes a place. A template that has its names in / stands for the homes that there are.
    pub(super) fn add(&mut self, place: HomePlace) {
        let area = place.area.filter(|area| area != Path::new("/") && is_straight(area));
        if let Some(home) = place.home {
            self.add_home(home, area.as_deref());
        }
        if let Some(area) = area
            && !self.areas.contains(&area)
        {
            self.areas.insert(area);
        }
    }

    /// Below its area a home needs nothing of its own, unless a link leads elsewhere.
    fn add_home(&mut self, home: PathBuf, area: Option<&Path>) {
        let below = area.and_then(|area| home.strip_prefix(area).ok().map(|below| (area, below)));
        let needs_nothing = below.is_some_and(|(area, below)| !self.has_link(area, below));
        if needs_nothing && is_straight(&home) {
            return;
        }
        self.homes.extend(std::fs::canonicalize(&home));
        if is_straight(&home) {
            self.homes.insert(home);
        }
    }

    /// Whether a link is on the way.
    fn has_link(&mut self, area: &Path, below: &Path) -> bool {
        let mut parts = below.components();
        let Some(first) = parts.next() else { return false };
        if !self.links.contains_key(area) {
            self.links.insert(area.to_path_buf(), links_in(area));
        }
        if self.links.get(area).is_some_and(|links| links.contains(first.as_os_str())) {
            return true;
        }
        let mut path = area.join(first);
        parts.any(|part| {
            path.push(part);
            std::fs::read_link(&path).is_ok()
        })
    }

    /// The places to be opened: none is below another one, and they are not too many.
    pub(super) fn united(self) -> Vec<PathBuf> {
        let mut homes = outermost(self.areas.iter().chain(&self.homes).cloned());
        let count = homes.len();
        while homes.len() > MOST_HOMES {
            let crowded = crowded(&homes, &self.areas);
            if crowded.is_empty() {
                break;
            }
            homes = outermost(homes.into_iter().chain(crowded));
        }
        if homes.len() < count {
            let is_new = |home: &&PathBuf| !self.areas.contains(*home) && !self.homes.contains(*home);
            let opened: Vec<_> = homes.iter().filter(is_new).collect();
            let shown: Vec<_> = opened.iter().take(5).map(|home| home.display().to_string()).collect();
            let more = if opened.len() > 5 { ", …" } else { "" };
            log::warn!(
                "sandbox: {count} homes are too many for a rule each, so their directories are open: {}{more}",
                shown.join(", ")
            );
        }
        let missing = homes.iter().filter(|home| !home.exists()).collect::<Vec<_>>();
        if let Some(first) = missing.first() {
            let others = if missing.len() > 1 { format!(" and {} others", missing.len() - 1) } else { String::new() };
            log::warn!(
                "sandbox: no such directory: {}{others}; a home that is made there later can be used after a restart",
                first.display()
            );
        }
        homes
    }
}

/// Whether a path means what it says, whatever links there are.
fn is_straight(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// The names of links in a directory.
fn links_in(directory: &Path) -> HashSet<OsString> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    links.map(|entry| entry.file_name()).collect()
}

/// Directories that have so many homes in them that it would be enough to take these instead; never /. What templates
/// stand for is few, and stays as it is.
fn crowded(homes: &[PathBuf], areas: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut counts: HashMap<&Path, usize> = HashMap::new();
    let parents = homes.iter().filter(|home| !areas.contains(*home)).filter_map(|home| home.parent());
    parents.filter(|parent| *parent != Path::new("/")).for_each(|parent| *counts.entry(parent).or_default() += 1);
    let mut counts: Vec<(&Path, usize)> = counts.into_iter().filter(|(_, count)| *count > 1).collect();
    counts.sort_unstable_by_key(|(path, count)| (Reverse(*count), *path));
    let mut left = homes.len();
    let is_needed = |(_, count): &&(&Path, usize)| {
        let is_needed = left > MOST_HOMES;
        left = left.saturating_sub(count - 1);
        is_needed
    };
    counts.iter().take_while(is_needed).map(|(path, _)| path.to_path_buf()).collect()
}

/// Without those that are below others.
pub(super) fn outermost(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    // By their parts, or "/a-b" would come between "/a" and "/a/b".
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !found.last().is_some_and(|last| path.starts_with(last)) {
            found.push(path);
        }
    }
    found
}

/// The directories in which a file is looked for: its own, and where links lead. Of a link to a directory also the one
/// that it is in, for it may lead elsewhere tomorrow. A file in / stands for itself, and so does what is no file.
pub(super) fn beside(path: &Path) -> Vec<PathBuf> {
    let Ok(mut path) = std::path::absolute(path) else { return Vec::new() };
    let mut found = Vec::new();
    for _ in 0..MOST_LINKS {
        let Some((parent, name)) = path.parent().zip(path.file_name()).map(|(p, n)| (p.to_path_buf(), n.to_owned()))
        else {
            break;
        };
        match parent.as_os_str().as_bytes() {
            b"/" | b"/dev" => found.push(path.clone()),
            _ if parent.starts_with("/proc") => found.push(path.clone()),
            _ => {
                found.extend(links_on_the_way(&parent));
                found.push(parent.clone());
            }
        }
        let Ok(target) = std::fs::read_link(&path) else { break };
        let parent = std::fs::canonicalize(&parent).unwrap_or(parent);
        path = straightened(&parent, &target, &name);
    }
    found
}

/// Where a link leads, without `..`.
fn straightened(parent: &Path, target: &Path, name: &OsStr) -> PathBuf {
    let joined = parent.join(target);
    let directory = joined.parent().unwrap_or(parent);
    let directory = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_path_buf());
    directory.join(joined.file_name().unwrap_or(name))
}

/// The directories that hold links on the way to this one. Those at the top of the system are left alone: /var/run and
/// the like, of which nobody makes others.
fn links_on_the_way(path: &Path) -> Vec<PathBuf> {
    let is_swapped = |ancestor: &&Path| std::fs::read_link(ancestor).is_ok();
    let holders = path.ancestors().filter(is_swapped).filter_map(Path::parent);
    holders.filter(|holder| holder.components().count() > 2).map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place(home: Option<&str>, area: Option<&str>) -> HomePlace {
        HomePlace { home: home.map(PathBuf::from), area: area.map(PathBuf::from), storage: None }
    }

    fn united(places: impl IntoIterator<Item = HomePlace>) -> Vec<String> {
        let mut homes = Homes::default();
        places.into_iter().for_each(|place| homes.add(place));
        homes.united().into_iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn homes_stand_for_the_directory_of_their_template() {
        let of_ann = place(Some("/srv/ftp/ann"), Some("/srv/ftp"));
        assert_eq!(united([of_ann.clone(), place(Some("/data/x"), None)]), ["/data/x", "/srv/ftp"]);
        assert_eq!(united([of_ann, place(Some("/srv/ftp/ann/in"), None)]), ["/srv/ftp"]);
        assert_eq!(
            united([place(Some("/srv/ftp-x"), None), place(None, Some("/srv/ftp"))]),
            ["/srv/ftp", "/srv/ftp-x"]
        );
        assert_eq!(united([place(Some("/ann"), Some("/"))]), ["/ann"]);
        assert_eq!(united([place(Some("/srv/a/../../nowhere"), Some("/srv/a"))]), ["/srv/a"]);
    }

    #[test]
    fn too_many_homes_stand_for_their_directories_but_never_for_the_root() {
        let many =
            |root: &str| (0..MOST_HOMES + 1).map(|n| place(Some(&format!("{root}{n}")), None)).collect::<Vec<_>>();
        assert_eq!(united(many("/data/")), ["/data"]);
        assert_eq!(united(many("/")).len(), MOST_HOMES + 1);
        let mut mixed = many("/data/a/b");
        mixed.extend([place(Some("/srv/x"), None), place(None, Some("/data/b")), place(Some("/data/c/d"), None)]);
        assert_eq!(united(mixed), ["/data/a", "/data/b", "/data/c/d", "/srv/x"]);
        let apart = (0..MOST_HOMES + 1).flat_map(|n| ["a", "b"].map(|name| format!("/data/{n}/{name}")));
        assert_eq!(united(apart.map(|home| place(Some(&home), None))), ["/data"]);
    }

    #[test]
    fn a_hundred_thousand_homes_take_no_time() {
        let began = std::time::Instant::now();
        let by_template = (0..100_000).map(|n| place(Some(&format!("/nowhere/ftp/{n}")), Some("/nowhere/ftp")));
        assert_eq!(united(by_template), ["/nowhere/ftp"]);
        let explicit = (0..100_000).map(|n| place(Some(&format!("/nowhere/{}/{n}", n % 100)), None));
        assert_eq!(united(explicit).len(), 100);
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[test]
    fn links_lead_to_directories_that_count_too() {
        let root = std::env::temp_dir().join(format!("django-ftpd-{}-beside", std::process::id()));
        let root = std::fs::create_dir_all(root.join("live")).and_then(|()| root.canonicalize()).unwrap();
        std::fs::create_dir_all(root.join("archive")).unwrap();
        std::fs::create_dir_all(root.join("versions/1")).unwrap();
        symlink("../archive/key1.pem", root.join("live/key.pem")).unwrap();
        symlink("versions/1", root.join("current")).unwrap();
        assert_eq!(beside(&root.join("live/key.pem")), [root.join("live"), root.join("archive")]);
        assert_eq!(beside(&root.join("current/key.pem")), [root.clone(), root.join("current")]);
        assert_eq!(beside(Path::new("/journal")), [Path::new("/journal")]);
        assert_eq!(beside(Path::new("/dev/null")), [Path::new("/dev/null")]);
        let home = root.join("homes/ann");
        std::fs::create_dir_all(home.parent().unwrap()).unwrap();
        symlink(root.join("archive"), &home).unwrap();
        let text = |path: &Path| path.display().to_string();
        let found = united([place(Some(&text(&home)), Some(&text(home.parent().unwrap())))]);
        assert_eq!(found, [text(&root.join("archive")), text(&root.join("homes"))]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
