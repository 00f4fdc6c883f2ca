//! What the process may do beside what it has open already, kept by the kernel (Landlock): whatever becomes of this
//! process, it reaches no other file, starts no program, and listens on no other port.
//!
//! Connecting is free: in active mode a client names any port, a webhook is anywhere, and of addresses the kernel's
//! rules know nothing. What connects can still bring nobody's files, but those that were named here.
//!
//! It is for the thread that enters it and those that this one starts: who has the server as a library enters it when
//! all is opened and nothing runs yet, and the server after that.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, RestrictSelf, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::limits;
use crate::locks::lock;

/// The newest version of the kernel's interface whose rights were tried here; what later ones forbid is not forbidden.
const TRIED: ABI = ABI::V7;
/// With the first one, no file can be moved to another directory: half an FTP server.
const FIRST_USABLE: i32 = 2;

/// Places by their numbers may become others when nobody holds them: those of /proc.
static HELD: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// What may be done with a file, or with all that is in a directory and below. Nothing can be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// What clients do: read, write, make, remove and move files and directories.
    Home,
    /// What the server keeps: files that it makes, writes, renames and removes.
    Keep,
    /// Files that are made and written.
    Append,
    /// Files that are written.
    Write,
    /// Files that are read.
    Read,
    /// Files that are read, and directories that are listed.
    Look,
    /// Names of files that are removed.
    Remove,
    /// Empty directories that are removed.
    RemoveDirectories,
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        let write = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});
        let keep = write | make_bitflags!(AccessFs::{ReadDir | MakeReg | MakeDir | RemoveFile});
        match self {
            Access::Home => keep | AccessFs::RemoveDir | AccessFs::Refer,
            Access::Keep => keep,
            Access::Append => write | AccessFs::MakeReg,
            Access::Write => write,
            Access::Read => AccessFs::ReadFile.into(),
            Access::Look => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            Access::Remove => AccessFs::RemoveFile.into(),
            Access::RemoveDirectories => AccessFs::RemoveDir.into(),
        }
    }
}

/// What a process is to be kept to. Nothing is allowed that is not named.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    places: BTreeMap<PathBuf, BTreeSet<Access>>,
    ports: BTreeSet<u16>,
    needs_abstract_sockets: bool,
}

impl Sandbox {
    /// Allows this in a place. One that does not exist is left out.
    pub fn allow(&mut self, path: impl Into<PathBuf>, access: Access) {
        self.places.entry(path.into()).or_default().insert(access);
    }

    /// Allows to listen on, or to connect from, a port; 0: one that the system chooses.
    pub fn bind(&mut self, port: u16) {
        self.ports.insert(port);
    }

    /// Allows to send to sockets that have no name in the file system.
    pub fn abstract_sockets(&mut self) {
        self.needs_abstract_sockets = true;
    }

    /// Keeps this thread, and those that it will start, to what is allowed, for good. There must be no other: it
    /// would stay free.
    pub fn enter(&self) -> Result<Entered, String> {
        let threads = limits::threads_left();
        if threads > 1 {
            return Err(format!("{threads} threads run already, and some would stay outside"));
        }
        let entered = Entered { available: available(), needs_abstract_sockets: self.needs_abstract_sockets };
        let described = |error: &dyn fmt::Display| format!("{}: {error}", entered.available);
        // Also without Landlock: nothing that is executed gets more rights than this process has.
        rustix::thread::set_no_new_privs(true).map_err(|errno| described(&errno))?;
        if !entered.is_in_force() {
            return Ok(entered);
        }
        let status = self
            .ruleset()
            .and_then(|ruleset| self.with_places(ruleset))
            .and_then(|ruleset| ruleset.restrict_self().map_err(|error| error.to_string()))
            .map_err(|error| described(&error))?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(described(&"the kernel does not enforce it")),
            _ => Ok(entered),
        }
    }

    fn ruleset(&self) -> Result<RulesetCreated, String> {
        let mut scopes = BitFlags::from(Scope::Signal);
        if !self.needs_abstract_sockets {
            scopes |= Scope::AbstractUnixSocket;
        }
        let ports = self.ports.iter().map(|port| Ok(NetPort::new(*port, AccessNet::BindTcp)));
        Ruleset::default()
            .handle_access(AccessFs::from_all(TRIED))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::BindTcp))
            .and_then(|ruleset| ruleset.scope(scopes))
            .and_then(Ruleset::create)
            .and_then(|ruleset| ruleset.add_rules(ports))
            .map_err(|error| error.to_string())
    }

    fn with_places(&self, mut ruleset: RulesetCreated) -> Result<RulesetCreated, String> {
        for (path, accesses) in &self.places {
            let Some((place, is_directory)) = open(path)? else { continue };
            let all = accesses.iter().fold(BitFlags::EMPTY, |all, access| all | access.rights());
            let rights = if is_directory { all } else { all & AccessFs::from_file(TRIED) };
            if rights.is_empty() {
                continue;
            }
            let described = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
            ruleset = ruleset.add_rule(PathBeneath::new(&place, rights)).map_err(|error| described(&error))?;
            if path.starts_with("/proc") {
                lock(&HELD).push(place);
            }
        }
        Ok(ruleset)
    }
}

/// A place, and whether it is a directory; None: there is none, or it is a pipe or the like, which no rule is about.
fn open(path: &Path) -> Result<Option<(OwnedFd, bool)>, String> {
    let described = |errno: Errno| format!("{}: {errno}", path.display());
    let place = match rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(place) => place,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(None),
        // One place that fails keeps nobody from the others.
        Err(errno) => {
            log::warn!("sandbox: {} stays closed: {errno}", path.display());
            return Ok(None);
        }
    };
    let stat = rustix::fs::fstat(&place).map_err(described)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo | FileType::Socket if path.starts_with("/dev") || path.starts_with("/proc") => Ok(None),
        kind => Ok(Some((place, kind == FileType::Directory))),
    }
}

/// What the kernel of this system offers; nothing is put in force.
pub fn available() -> Available {
    let asked = RestrictSelf::default().no_new_privs(false).apply();
    match asked.map(|status| status.landlock) {
        Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Available::Version(kernel_abi.unwrap_or(effective_abi as i32))
        }
        Ok(LandlockStatus::NotEnabled) => Available::SwitchedOff,
        Ok(LandlockStatus::NotImplemented) | Err(_) => Available::Nothing,
    }
}

/// What a kernel offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Available {
    /// It knows nothing of it.
    Nothing,
    /// It was started without it.
    SwitchedOff,
    /// This version of the interface.
    Version(i32),
}

impl Available {
    /// Whether files can be kept from the server.
    pub fn is_usable(self) -> bool {
        matches!(self, Available::Version(version) if version >= FIRST_USABLE)
    }

    /// What is kept, and what this kernel can't keep.
    fn parts(self) -> (Vec<&'static str>, Vec<&'static str>) {
        let Available::Version(version) = self else { return Default::default() };
        let parts =
            [("files", FIRST_USABLE), ("TCP ports", 4), ("devices", 5), ("signals", 6), ("abstract sockets", 6)];
        let (kept, mut missing): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, since)| version >= *since);
        if version < 3 {
            missing.insert(0, ("files from being cut off", 3));
        }
        (kept.into_iter().map(|(name, _)| name).collect(), missing.into_iter().map(|(name, _)| name).collect())
    }
}

impl fmt::Display for Available {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Available::Nothing => f.write_str("this kernel has no Landlock (Linux 5.19 with it, or newer)"),
            Available::SwitchedOff => f.write_str("this kernel was started without Landlock (lsm=landlock,…)"),
            Available::Version(version) if !self.is_usable() => {
                write!(f, "Landlock ABI {version} would let no file be moved to another directory (Linux 5.19 does)")
            }
            Available::Version(version) => {
                let (kept, missing) = self.parts();
                write!(f, "Landlock ABI {version}: {}", kept.join(", "))?;
                match missing.as_slice() {
                    [] => Ok(()),
                    missing => write!(f, "; this kernel can't keep {}", missing.join(", ")),
                }
            }
        }
    }
}

/// What is in force.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    available: Available,
    needs_abstract_sockets: bool,
}

impl Entered {
    /// Whether anything is.
    pub fn is_in_force(&self) -> bool {
        self.available.is_usable()
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_in_force(), self.needs_abstract_sockets) {
            (false, _) => write!(f, "not in force: {}", self.available),
            (true, true) => write!(f, "{} (but for abstract sockets, as NOTIFY_SOCKET is one)", self.available),
            (true, false) => self.available.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_is_in_force_and_what_is_not() {
        let shown = |available: Available| available.to_string();
        assert_eq!(
            shown(Available::Version(7)),
            "Landlock ABI 7: files, TCP ports, devices, signals, abstract sockets"
        );
        assert_eq!(
            shown(Available::Version(3)),
            "Landlock ABI 3: files; this kernel can't keep TCP ports, devices, signals, abstract sockets"
        );
        assert!(
            shown(Available::Version(2)).starts_with(
                "Landlock ABI 2: files; this kernel can't keep files from being cut off, TCP ports, devices"
            )
        );
        for unusable in [Available::Version(1), Available::Nothing, Available::SwitchedOff] {
            let entered = Entered { available: unusable, needs_abstract_sockets: false };
            assert!(!entered.is_in_force() && entered.to_string().starts_with("not in force: "));
            assert!(shown(unusable).contains("Landlock"));
        }
    }

    #[test]
    fn nothing_can_be_executed_or_become_a_device_anywhere() {
        let all = [
            Access::Home,
            Access::Keep,
            Access::Append,
            Access::Write,
            Access::Read,
            Access::Look,
            Access::Remove,
            Access::RemoveDirectories,
        ];
        let never = make_bitflags!(AccessFs::{
            Execute | MakeChar | MakeBlock | MakeFifo | MakeSock | MakeSym | IoctlDev
        });
        assert!(all.iter().all(|access| (access.rights() & never).is_empty()));
        // What is moved out of a home gets no rights that it did not have.
        assert!(all.iter().take(6).all(|access| Access::Home.rights().contains(access.rights())));
    }

    #[test]
    fn with_other_threads_it_is_refused() {
        let why = Sandbox::default().enter().unwrap_err(); // the test runner's
        assert!(why.ends_with("threads run already, and some would stay outside"), "{why}");
    }
}
