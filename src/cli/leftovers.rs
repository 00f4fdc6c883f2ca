//! What uploads have left in homes on the disk, because a server was killed or could not remove it: that goes while the
//! next one serves.

use super::places::Homes;
use crate::config::Config;
use crate::storage::{Disk, Error};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// Whoever has something to do comes first.
const NICE: i32 = 19;

/// The directories to look through.
pub(super) struct Leftovers(Vec<PathBuf>);

impl Leftovers {
    pub(super) fn beneath(config: &Config, homes: &Homes) -> Leftovers {
        // Where a program knows the homes, they are in these.
        let others = config.sandbox_paths.iter().filter(|_| config.accounts_command.is_some());
        Leftovers(homes.directories().into_iter().chain(others.cloned()).collect())
    }

    /// Looks through all of them, and later again where something was too young to be sure.
    pub(super) fn remove(self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let work = move || {
            let _ = rustix::process::setpriority_process(None, NICE);
            let young: Vec<PathBuf> = self.0.into_iter().filter(|path| is_unsettled(path)).collect();
            if !young.is_empty() {
                sleep(Disk::SURE + Duration::from_secs(1));
                for path in young {
                    is_unsettled(&path);
                }
            }
        };
        Builder::new().name("leftovers".into()).spawn(work).map(drop)
    }
}

/// Whether there may be more to remove in a while.
fn is_unsettled(path: &Path) -> bool {
    Disk::sweep(path).unwrap_or_else(|error| {
        let is_usual = matches!(error, Error::NotFound | Error::Denied);
        if !is_usual {
            log::warn!("{}: what uploads have left is not looked for any further: {error}", path.display());
        }
        !is_usual
    })
}
