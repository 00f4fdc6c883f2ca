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
        Error::Io(error) => {
            log::error!("a storage error: {error}");
            451
        }
    }
}

/// The account lacks the letter.
pub(super) fn not_permitted() -> Reply {
    Reply::new(550, "Not enough privileges.")
}
