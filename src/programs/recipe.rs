//! What is configured of a program, and what differs from one run to the next: together they make a command.

use super::helper::message::{Reader, Writer};
use super::template::Template;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program finds of the server's environment, if it does not find all of it.
const KEPT: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// A program, its arguments, and who it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<Template>,
    pub(super) user: Option<(u32, u32)>,
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

    /// What runs it, but for its standard input and output.
    pub(super) fn command(&self, details: &Details) -> Command {
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
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.bytes(self.path.as_os_str().as_bytes());
        let (uid, gid) = self.user.unwrap_or_default();
        for number in [u32::from(self.user.is_some()), uid, gid] {
            to.number(number);
        }
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
        let [has_user, uid, gid] = [from.number()?, from.number()?, from.number()?];
        let piece = |from: &mut Reader| Some((from.number()? != 0, from.text()?));
        let arguments = from.list(|from| Some(Template::from_pieces(from.list(piece)?.into_iter())))?;
        Some(Recipe { path, arguments, user: (has_user != 0).then_some((uid, gid)) })
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
