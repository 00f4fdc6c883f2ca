//! What each command does: of login and TLS, of a session, of files.

mod digest;
mod download;
pub(super) mod files;
pub mod gate;
pub(super) mod info;
mod listing;
mod login;
pub(super) mod tls;
mod upload;

use super::workspace::Workspace;
use super::{End, Talk};
use crate::protocol::command::TransferCommand;
use crate::protocol::reply::Reply;

/// The commands that need a data connection, or as long as one.
pub(super) fn transfer(workspace: &Workspace, talk: &mut Talk<'_>, command: TransferCommand) -> Result<Reply, End> {
    match command {
        TransferCommand::List(path) => listing::list(workspace, talk, &path),
        TransferCommand::Names(path) => listing::names(workspace, talk, &path),
        TransferCommand::MachineList(path) => listing::machine_list(workspace, talk, &path),
        TransferCommand::StatusOf(path) => listing::status(workspace, talk, &path),
        TransferCommand::Retrieve(path) => download::retrieve(workspace, talk, &path),
        TransferCommand::Store(path) => upload::store(workspace, talk, &path),
        TransferCommand::Append(path) => upload::append(workspace, talk, &path),
        TransferCommand::StoreUnique(path) => upload::store_unique(workspace, talk, &path),
        TransferCommand::Digest(path, form) => digest::answer(workspace, talk, &path, &form),
    }
}
