//! Who may log in, and what they may do: the [`Accounts`] seam, and the accounts of a Django site behind it.

mod account;
mod cache;
mod command;
mod database;
mod export;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod home;
mod password;
mod rules;
pub mod schema;
mod seam;
mod site;
mod survey;
mod user;
mod verifier;

pub use account::{Account, Limits, StorageKind};
pub use command::AccountsCommand;
pub use database::{DatabaseFacts, DjangoDatabase};
pub use export::DjangoExport;
pub use home::{HomePlace, HomeTemplate};
pub use rules::{AllUsers, Rule, Rules};
pub use seam::{Accounts, Attempt, Denial, Proof, Refusal};
pub use site::Site;
pub use survey::{Survey, Surveyed};
pub use user::{Directory, FieldNames, FtpAccount, Groups, Patience, User};
pub use verifier::{Known, Login, Pending, Verifier};

pub use crate::protocol::permission::{Permission, Permissions};
