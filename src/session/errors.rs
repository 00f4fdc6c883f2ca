//! The one table that gives errors of accounts and storage their reply codes.

use crate::protocol::reply::Reply;
use crate::storage::Error;

/// What a command is answered that the storage would not do, before any data flowed.
pub(super) fn refusal(error: &Error) -> Reply {
    Reply::new(code(error), format!("{error}."))
}

/// What a transfer is answered that the storage has ended.
pub(super) fn transfer_fault(error: &Error) -> Reply {
    Reply::new(code(error), format!("{error}; transfer aborted."))
}

fn code(error: &Error) -> u16 {
    match error {
        Error::NotFound
        | Error::Exists
        | Error::NotADirectory
        | Error::IsADirectory
        | Error::NotEmpty
        | Error::Denied
        | Error::Unsupported(_) => 550,
        Error::BadName => 553,
        Error::Full => 452,
        Error::OverQuota => 552,
        Error::Unavailable(why) => {
            log::error!("a storage error: {why}");
            451
        }
        Error::Io(error) => {
            log::error!("a storage error: {error}");
            451
        }
    }
}

/// Why nobody logs in at the moment, and nothing is transferred or changed.
pub(super) const JOURNAL_UNWRITABLE: &str = "The journal can't be written; try again later.";

/// What is not even begun then.
pub(super) fn journal_unwritable() -> Reply {
    Reply::new(451, JOURNAL_UNWRITABLE)
}

/// What was done, and may not be acknowledged.
pub(super) fn done_but_not_recorded() -> Reply {
    Reply::new(451, "Done, but the journal can't be written: it may have no record of this.")
}

/// The account lacks the letter.
pub(super) fn not_permitted() -> Reply {
    Reply::new(550, "Not enough privileges.")
}
