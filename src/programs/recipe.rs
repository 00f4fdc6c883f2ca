//! What is configured of a program, and what differs from one run to the next: together they make a command.

use super::helper::message::{Reader, Writer};
use super::process::{Ends, Own};
use super::template::Template;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program finds of the server's environment, if it does not find all of it.
const KEPT: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// A thread that starts a program needs next to nothing.
const STACK: usize = 128 << 10;

/// A program, its arguments, and who it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<Template>,
    pub(super) user: Option<RunAs>,
}

/// Who a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunAs {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Its groups; the one above need not be among them.
    pub(super) groups: Vec<u32>,
}

/// What one run is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// What stands for each placeholder.
    pub(super) values: Vec<(String, Vec<u8>)>,
    /// Variables beside the few of the server's environment that are no secret.
    pub(super) variables: Vec<(String, OsString)>,
}

impl Recipe {
    /// The values of its placeholders, and these variables.
    pub(super) fn details(&self, value: impl Fn(&str) -> Vec<u8>, variables: Vec<(String, OsString)>) -> Details {
        let mut names: Vec<&str> = self.arguments.iter().flat_map(Template::placeholders).collect();
        names.sort_unstable();
        names.dedup();
        Details { values: names.into_iter().map(|name| (name.to_string(), value(name))).collect(), variables }
    }

    /// Starts it, as whom it is to run.
    pub(super) fn start(&self, details: &Details, ends: Ends) -> io::Result<Own> {
        let mut command = self.command(details);
        match &self.user {
            Some(user) if !rustix::process::geteuid().is_root() => {
                Own::start(command.uid(user.uid).gid(user.gid), ends)
            }
            // Each thread has a user of its own, and what it starts inherits that, with all groups.
            Some(user) => std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().name("program".into()).stack_size(STACK);
                let started = thread.spawn_scoped(scope, || {
                    user.become_it()?;
                    Own::start(&mut command, ends)
                });
                started?.join().map_err(|_| io::Error::other("it could not be started"))?
            }),
            None => Own::start(&mut command, ends),
        }
    }

    /// What runs it, but for its standard input and output.
    fn command(&self, details: &Details) -> Command {
        let value = |name: &str| {
            let known = details.values.iter().find(|(known, _)| known == name);
            known.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut command = Command::new(&self.path);
        command.args(self.arguments.iter().map(|argument| OsString::from_vec(argument.filled(value))));
        command.process_group(0).current_dir("/");
        // The server's home is no place for somebody else.
        let kept = KEPT.iter().filter(|name| self.user.is_none() || **name != "HOME");
        command.env_clear().envs(kept.filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(details.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.bytes(self.path.as_os_str().as_bytes());
        let users: Vec<&RunAs> = self.user.iter().collect();
        to.list(&users, |to, user| {
            to.number(user.uid);
            to.number(user.gid);
            to.list(&user.groups, |to, group| to.number(*group));
        });
        to.list(&self.arguments, |to, argument| {
            let pieces: Vec<(bool, &str)> = argument.pieces().collect();
            to.list(&pieces, |to, (is_value, text)| {
                to.number(u32::from(*is_value));
                to.bytes(text.as_bytes());
            });
        });
    }

    pub(super) fn read(from: &mut Reader) -> Option<Recipe> {
        let path = Path::new(std::ffi::OsStr::from_bytes(from.bytes()?)).to_path_buf();
        let user = |from: &mut Reader| {
            Some(RunAs { uid: from.number()?, gid: from.number()?, groups: from.list(Reader::number)? })
        };
        let user = from.list(user)?.pop();
        let piece = |from: &mut Reader| Some((from.number()? != 0, from.text()?));
        let arguments = from.list(|from| Some(Template::from_pieces(from.list(piece)?.into_iter())))?;
        Some(Recipe { path, arguments, user })
    }
}

impl RunAs {
    /// Makes this thread that user, and no other.
    fn become_it(&self) -> io::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    }
}

impl Details {
    pub(super) fn write(&self, to: &mut Writer) {
        to.list(&self.values, |to, (name, value)| {
            to.bytes(name.as_bytes());
            to.bytes(value);
        });
        to.list(&self.variables, |to, (name, value)| {
            to.bytes(name.as_bytes());
            to.bytes(value.as_bytes());
        });
    }

    pub(super) fn read(from: &mut Reader) -> Option<Details> {
        let values = from.list(|from| Some((from.text()?, from.bytes()?.to_vec())))?;
        let variables = from.list(|from| Some((from.text()?, OsString::from_vec(from.bytes()?.to_vec()))))?;
        Some(Details { values, variables })
    }
}
