//! Commands on files that need no data connection.

use crate::accounts::Permission;
use crate::events::{Kind, Subject};
use crate::protocol::command::{FileCommand, TransferType};
use crate::protocol::facts;
use crate::protocol::path::{RawPath, VirtualPath};
use crate::protocol::reply::{Reply, quoted};
use crate::protocol::time;
use crate::protocol::verb::Verb;
use crate::session::workspace::Workspace;
use crate::session::{Talk, errors};
use crate::storage::{self, Detail, Error, Result};
use jiff::Timestamp;

pub(in crate::session) fn obey(workspace: &mut Workspace, talk: &Talk<'_>, command: FileCommand) -> Reply {
    attempt(workspace, talk, command).unwrap_or_else(|error| errors::refusal(&error))
}

fn attempt(workspace: &mut Workspace, talk: &Talk<'_>, command: FileCommand) -> Result<Reply> {
    match command {
        FileCommand::PrintDirectory => Ok(here(257, workspace)),
        FileCommand::ChangeDirectory(path) => change_directory(workspace, workspace.at(&path)),
        FileCommand::ChangeUp => change_directory(workspace, workspace.cwd.parent()),
        FileCommand::MachineFacts(path) => machine_facts(workspace, talk, &path),
        FileCommand::Size(path) => size(workspace, talk, &path),
        FileCommand::Modified(path) => modified(workspace, &path),
        FileCommand::SetModified { time, path, verb } => set_modified(workspace, time, &path, verb),
        FileCommand::ChangeMode { mode, path } => change_mode(workspace, mode, &path),
        FileCommand::Umask(mask) => Ok(umask(workspace, mask)),
        FileCommand::Available(path) => {
            Ok(Reply::new(213, workspace.home.available(&workspace.at(&path))?.to_string()))
        }
        FileCommand::MakeDirectory(path) => make_directory(workspace, talk, &path),
        FileCommand::RemoveDirectory(path) => remove_directory(workspace, talk, &path),
        FileCommand::Delete(path) => delete(workspace, talk, &path),
        FileCommand::RenameFrom(path) => rename_from(workspace, &path),
        FileCommand::RenameTo(path) => rename_to(workspace, talk, &path),
    }
}

fn here(code: u16, workspace: &Workspace) -> Reply {
    Reply::new(code, [&quoted(workspace.cwd.as_bytes()), b" is the current directory.".as_slice()].concat())
}

fn change_directory(workspace: &mut Workspace, path: VirtualPath) -> Result<Reply> {
    if workspace.home.facts(&path, Detail::Follow)?.kind != storage::Kind::Directory {
        return Err(Error::NotADirectory);
    }
    workspace.cwd = path;
    Ok(here(250, workspace))
}

fn machine_facts(workspace: &Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    let path = workspace.at(path);
    let found = workspace.home.facts(&path, Detail::Follow)?;
    let mut line = Vec::new();
    let writer = facts::Writer::new(talk.modes.facts, workspace.permissions_at(&path));
    writer.write(&found, &mut line);
    line.extend_from_slice(path.as_bytes());
    let first = [b"Listing ".as_slice(), &quoted(path.as_bytes()), b":"].concat();
    Ok(Reply::lines(250, first, [line], "End MLST."))
}

/// A regular file's facts; of anything else neither size nor time are told.
fn retrievable(workspace: &Workspace, path: &VirtualPath) -> Result<storage::Facts> {
    let found = workspace.home.facts(path, Detail::Follow)?;
    if found.kind != storage::Kind::File {
        return Err(Error::Unsupported("Not a file that can be retrieved"));
    }
    Ok(found)
}

fn size(workspace: &Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    if talk.modes.kind == TransferType::Ascii {
        return Ok(Reply::new(550, "SIZE not allowed in ASCII mode."));
    }
    Ok(Reply::new(213, retrievable(workspace, &workspace.at(path))?.size.to_string()))
}

fn modified(workspace: &Workspace, path: &RawPath) -> Result<Reply> {
    let mut text = Vec::new();
    time::write(retrievable(workspace, &workspace.at(path))?.modified, &mut text);
    Ok(Reply::new(213, text))
}

fn set_modified(workspace: &Workspace, time: Timestamp, path: &RawPath, verb: Verb) -> Result<Reply> {
    let path = workspace.at(path);
    retrievable(workspace, &path)?;
    workspace.home.set_modified(&path, time)?;
    if verb == Verb::SiteUtime {
        return Ok(Reply::new(200, "SITE UTIME successful."));
    }
    let mut text = b"Modify=".to_vec();
    time::write(time, &mut text);
    text.extend_from_slice(b"; ");
    text.extend_from_slice(path.as_bytes());
    text.push(b'.');
    Ok(Reply::new(213, text))
}

fn change_mode(workspace: &Workspace, mode: u32, path: &RawPath) -> Result<Reply> {
    if mode & !0o777 != 0 {
        return Err(Error::Unsupported("setuid, setgid and sticky bits can't be set"));
    }
    workspace.home.set_mode(&workspace.at(path), mode)?;
    Ok(Reply::new(200, "SITE CHMOD successful."))
}

fn umask(workspace: &mut Workspace, mask: Option<u32>) -> Reply {
    match mask {
        None => Reply::new(200, format!("The umask is {:03o}.", workspace.umask)),
        Some(mask) => {
            let old = std::mem::replace(&mut workspace.umask, mask);
            Reply::new(200, format!("The umask is {mask:03o} (was {old:03o})."))
        }
    }
}

fn make_directory(workspace: &Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    let path = workspace.at(path);
    make_parents(workspace, talk, &path)?;
    let subject = make_one(workspace, &path)?;
    let reply = Reply::new(257, [&quoted(path.as_bytes()), b" directory created.".as_slice()].concat());
    Ok(talk.acknowledge(Kind::DirectoryCreated, subject, reply))
}

fn make_one(workspace: &Workspace, path: &VirtualPath) -> Result<Subject> {
    workspace.home.make_directory(path, 0o777 & !workspace.umask)?;
    Ok(Subject::Path(workspace.place(path)))
}

/// With the option `create_parents`: makes the directories that a path needs and that aren't there.
pub(super) fn make_parents(workspace: &Workspace, talk: &Talk<'_>, path: &VirtualPath) -> Result<()> {
    if !talk.settings().create_parents || !workspace.may(Permission::MakeDirectory) {
        return Ok(());
    }
    let mut missing = Vec::new();
    let mut parent = path.parent();
    while !parent.is_root() && matches!(workspace.home.facts(&parent, Detail::Follow), Err(Error::NotFound)) {
        missing.push(parent.clone());
        parent = parent.parent();
    }
    for directory in missing.iter().rev() {
        match make_one(workspace, directory) {
            Ok(subject) => talk.tell(Kind::DirectoryCreated, subject),
            Err(Error::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remove_directory(workspace: &Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    let path = workspace.at(path);
    if path.is_root() {
        return Ok(Reply::new(550, "Can't remove root directory."));
    }
    let place = workspace.place(&path);
    workspace.home.remove_directory(&path)?;
    Ok(talk.acknowledge(Kind::DirectoryDeleted, Subject::Path(place), Reply::new(250, "Directory removed.")))
}

fn delete(workspace: &Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    let path = workspace.at(path);
    let place = workspace.place(&path);
    workspace.home.remove_file(&path)?;
    Ok(talk.acknowledge(Kind::FileDeleted, Subject::Path(place), Reply::new(250, "File removed.")))
}

fn rename_from(workspace: &mut Workspace, path: &RawPath) -> Result<Reply> {
    // One that fails takes back the one before.
    workspace.rename_from = None;
    let path = workspace.at(path);
    if path.is_root() {
        return Ok(Reply::new(550, "Can't rename home directory."));
    }
    workspace.home.facts(&path, Detail::ShowLinks)?;
    workspace.rename_from = Some(path);
    Ok(Reply::new(350, "Ready for destination name."))
}

fn rename_to(workspace: &mut Workspace, talk: &Talk<'_>, path: &RawPath) -> Result<Reply> {
    let Some(from) = workspace.rename_from.take() else {
        return Ok(Reply::new(503, "Bad sequence of commands: use RNFR first."));
    };
    let to = workspace.at(path);
    workspace.home.rename(&from, &to)?;
    let subject = Subject::Renamed { from: workspace.place(&from), to: workspace.place(&to) };
    Ok(talk.acknowledge(Kind::FileRenamed, subject, Reply::new(250, "Renaming ok.")))
}
