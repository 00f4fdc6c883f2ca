//! What uploads have left in homes on the disk, because a server was killed or could not remove it: that goes while the
//! next one serves.

use super::places;
use crate::accounts::Accounts;
use crate::config::Config;
use crate::storage::{Disk, Error};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, sleep};
use std::time::Duration;

/// Whoever has something to do comes first.
const NICE: i32 = 19;

/// Starts to look through all homes: once, and where something was too young to be sure, again.
pub(super) fn start_removing(config: Config, accounts: Arc<dyn Accounts>) {
    let work = move || {
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            log::debug!("the priority of a thread can't be lowered: {error}");
        }
        let again: Vec<_> = homes(&config, accounts).into_iter().filter(|home| !is_settled(home)).collect();
        if !again.is_empty() {
            sleep(Disk::SURE + Duration::from_secs(1));
            let unsettled = again.iter().filter(|home| !is_settled(home)).count();
            log::debug!("{unsettled} homes may have temporary files yet");
        }
    };
    if let Err(error) = Builder::new().name("leftovers".into()).spawn(work) {
        log::warn!("nobody looks for what uploads have left: {error}");
    }
}

/// Those of the accounts. Where only a program knows them, the directories in which they are.
fn homes(config: &Config, accounts: Arc<dyn Accounts>) -> Vec<PathBuf> {
    let mut homes = BTreeSet::new();
    let only_a_program_knows = config.accounts_command.is_some();
    let known = places::on_disk(config, &accounts, |place| {
        homes.extend(place.home);
        homes.extend(place.area.filter(|_| only_a_program_knows));
    });
    if let Err(why) = known {
        log::warn!("not every home is looked through for what uploads have left: {why}");
    }
    homes.extend(config.sandbox_paths.iter().filter(|_| only_a_program_knows).cloned());
    // Below the root there is more than files.
    homes.remove(Path::new("/"));
    places::outermost(homes.into_iter())
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
