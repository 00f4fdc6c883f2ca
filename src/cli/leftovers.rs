//! What uploads have left in homes on the disk, because a server was killed or could not remove it: that goes while the
//! next one serves.

use super::places::outermost;
use crate::accounts::{Accounts, HomeTemplate, StorageKind};
use crate::config::Config;
use crate::storage::{Disk, Error};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, sleep};
use std::time::Duration;

/// Whoever has something to do comes first.
const NICE: i32 = 19;

/// Where they may be.
pub(super) struct Leftovers {
    accounts: Arc<dyn Accounts>,
    /// Where the homes are that only a program knows.
    beside: Vec<PathBuf>,
    storage: StorageKind,
}

impl Leftovers {
    pub(super) fn of(config: &Config, accounts: &Arc<dyn Accounts>) -> Leftovers {
        let template = config.home.as_deref().and_then(|home| HomeTemplate::parse(home).ok());
        let area = template.and_then(|template| template.place(None).area);
        let beside = config.sandbox_paths.iter().cloned().chain(area);
        Leftovers {
            accounts: accounts.clone(),
            beside: beside.filter(|_| config.accounts_command.is_some()).collect(),
            storage: config.storage,
        }
    }

    /// Starts to look through all homes: once, and where something was too young to be sure, again.
    pub(super) fn start_removing(self) {
        let work = move || {
            if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                log::debug!("the priority of a thread can't be lowered: {error}");
            }
            let again: Vec<_> = self.homes().into_iter().filter(|home| !is_settled(home)).collect();
            if !again.is_empty() {
                sleep(Disk::SURE + Duration::from_secs(1));
                let unsettled = again.iter().filter(|home| !is_settled(home)).count();
                log::debug!("{unsettled} homes may have temporary files yet");
            }
        };
        if let Err(error) = Builder::new().name("leftovers".into()).spawn(work) {
            log::warn!("nobody looks for temporary files of uploads that were cut: {error}");
        }
    }

    fn homes(self) -> Vec<PathBuf> {
        let mut homes: BTreeSet<PathBuf> = self.beside.into_iter().collect();
        let known = self.accounts.homes(&mut |place| {
            if place.storage.unwrap_or(self.storage) == StorageKind::Disk {
                homes.extend(place.home);
            }
        });
        if let Err(why) = known {
            log::warn!("nobody looks for temporary files of uploads that were cut: {why}");
        }
        // Below the root there is more than files.
        homes.remove(Path::new("/"));
        outermost(homes.into_iter())
    }
}

/// Removes what was left in a home; false if it should be looked at again.
fn is_settled(home: &Path) -> bool {
    match Disk::sweep(home) {
        Ok(sweep) => {
            if sweep.removed > 0 {
                log::info!("{}: removed what uploads that were cut have left: {}", home.display(), sweep.removed);
            }
            !sweep.is_unsure
        }
        Err(Error::NotFound | Error::Denied) => true,
        Err(error) => {
            log::warn!("what uploads have left in {} can't be looked for: {error}", home.display());
            false
        }
    }
}
