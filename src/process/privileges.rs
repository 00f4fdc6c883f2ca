//! Root becomes the user who serves, for ever. Each thread has a user of its own, so there must be no other yet.

use super::limits;
use super::users::{Person, SystemUser};
use rustix::process::{DumpableBehavior, Gid, Uid};
use std::io;

/// Whether this process may become that user, or why not.
pub fn check(user: SystemUser) -> Result<(), String> {
    if user.uid == 0 {
        return Err("root is who the server is to stop being; name a user who owns the homes".to_string());
    }
    let is_root = rustix::process::geteuid().is_root();
    match is_root || has_become(user) {
        true => Ok(()),
        false => Err(format!(
            "only root can become another user, and this is user {}; start the server as root, or leave the option out",
            rustix::process::geteuid().as_raw()
        )),
    }
}

/// Becomes that user, and makes sure of it. Who is that user already stays it.
pub fn become_user(person: &Person) -> Result<(), String> {
    check(person.user)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    match limits::threads_left() {
        1 => {}
        threads => {
            return Err(format!("there are {threads} threads already, of which only one would become that user"));
        }
    }
    turn_thread_into(person).map_err(|errno| format!("the system refuses that: {errno}"))?;
    verify(person)?;
    // The system has hidden /proc/self/fd from us, through which modes and times of files are changed.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|errno| format!("the process can't see its own files: {errno}"))
}

/// Does something as that user, in a thread that ends with it.
pub fn doing<T: Send>(person: &Person, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    if !rustix::process::geteuid().is_root() {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            turn_thread_into(person)?;
            work()
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread has ended")))
    })
}

/// This thread alone; the others stay what they are.
fn turn_thread_into(person: &Person) -> rustix::io::Result<()> {
    let groups: Vec<Gid> = person.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(person.user.uid), Gid::from_raw(person.user.gid));
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// That all of it has changed, and that there is no way back.
fn verify(person: &Person) -> Result<(), String> {
    let mut groups: Vec<u32> =
        rustix::process::getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect();
    groups.sort_unstable();
    let comes_back = rustix::thread::set_thread_uid(Uid::ROOT).is_ok()
        || (person.user.gid != 0 && rustix::thread::set_thread_gid(Gid::ROOT).is_ok());
    match has_become(person.user) && groups == person.groups && !comes_back {
        true => Ok(()),
        false => Err("the process is still not that user alone".to_string()),
    }
}

/// Whether real, effective, saved and file system's user and group are all these.
fn has_become(user: SystemUser) -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    let seen = [getuid(), geteuid()].iter().all(|uid| uid.as_raw() == user.uid)
        && [getgid(), getegid()].iter().all(|gid| gid.as_raw() == user.gid);
    let told = std::fs::read_to_string("/proc/thread-self/status")
        .map_or(true, |status| four(&status, "Uid:", user.uid) && four(&status, "Gid:", user.gid));
    seen && told
}

/// `Uid:  1000  1000  1000  1000`
fn four(status: &str, key: &str, number: u32) -> bool {
    let Some(line) = status.lines().find_map(|line| line.strip_prefix(key)) else { return false };
    let numbers: Vec<&str> = line.split_whitespace().collect();
    numbers.len() == 4 && numbers.iter().all(|text| text.parse() == Ok(number))
}

/// How many threads this process has, where /proc tells.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_numbers_count() {
        assert!(four("Name:\tx\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\n", "Uid:", 7));
        for status in ["Uid:\t7\t7\t0\t7\n", "Uid:\t7\t7\t7\n", "Gid:\t7\t7\t7\t7\n", ""] {
            assert!(!four(status, "Uid:", 7), "{status}");
        }
    }

    #[test]
    fn root_is_no_user_to_become() {
        assert!(check(SystemUser { uid: 0, gid: 7 }).unwrap_err().starts_with("root is who"));
    }

    #[test]
    fn nobody_changes_while_other_threads_run() {
        let person = Person { user: SystemUser { uid: 4000001, gid: 4000001 }, groups: vec![4000001], home: None };
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || ended.recv());
        let why = become_user(&person).unwrap_err();
        drop(end);
        assert!(other.join().unwrap().is_err());
        assert!(why.contains("threads already") || why.starts_with("only root"), "{why}");
    }
}
