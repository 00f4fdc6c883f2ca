//! Where the socket of a server is: the one option that commands want to know which speak with it. Whatever else is in
//! the configuration, right or wrong, is nothing to them.

use super::options::ENV_PREFIX;
use super::sources::{self, Flags};
use super::{Config, Problem, Setting, file};
use crate::files;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The socket that flags, environment or file name, in this order; None: none of them does.
pub fn control_socket(
    flags: Vec<OsString>,
    env: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Option<PathBuf>, Problem> {
    let wanted = ["CONTROL", "CONFIG"].map(|name| OsString::from(format!("{ENV_PREFIX}{name}")));
    let mut settings = sources::environment(env.filter(|(name, _)| wanted.contains(name)))?;
    if let Flags::Given(flags) = sources::command_line(flags.into_iter())? {
        settings.extend(flags);
    }
    let named = Config::default().with(&settings)?;
    match (named.control, named.config) {
        (Some(control), _) => Ok(Some(control)),
        (None, Some(path)) => in_file(&path),
        (None, None) => Ok(None),
    }
}

fn in_file(path: &Path) -> Result<Option<PathBuf>, Problem> {
    match file::read(path) {
        Ok(file) => {
            let is_control = |setting: &Setting| setting.option.name == "control";
            let settings: Vec<Setting> = file.settings.into_iter().filter(is_control).collect();
            Ok(Config::default().with(&settings)?.control)
        }
        // Something else in it is wrong, perhaps what somebody is about to repair.
        Err(problem) => {
            let text = files::read(path, file::MOST)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(problem.clone())?;
            let table = DeTable::parse(&text).map_err(|_| problem)?;
            let control = table.get_ref().iter().find(|(key, _)| key.get_ref() == "control");
            Ok(control.and_then(|(_, value)| value.get_ref().as_str()).map(PathBuf::from))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::OptionsFile;
    use super::*;

    fn found(flags: &[&str], env: &[(&str, &str)]) -> Option<PathBuf> {
        let flags = flags.iter().map(OsString::from).collect();
        control_socket(flags, env.iter().map(|(name, value)| (name.into(), value.into()))).unwrap()
    }

    #[test]
    fn flags_beat_environment_beats_file_and_nothing_else_matters() {
        let good = OptionsFile::new("control-good", "control = '/file'\nmax_cons = 3");
        let bad = OptionsFile::new("control-bad", "control = '/file'\nmax_kons = 3");
        for file in [&good, &bad] {
            let flags = ["--config", file.path()];
            assert_eq!(found(&flags, &[("FTPSERVER_MAX_CONS", "x")]), Some("/file".into()));
            assert_eq!(found(&flags, &[("FTPSERVER_CONTROL", "/env")]), Some("/env".into()));
            assert_eq!(found(&["--control=/flag"], &[("FTPSERVER_CONTROL", "/env")]), Some("/flag".into()));
        }
        assert_eq!(found(&[], &[("FTPSERVER_CONFIG", good.path())]), Some("/file".into()));
        assert_eq!(found(&[], &[]), None);
        let torn = OptionsFile::new("control-torn", "control = ");
        assert!(control_socket(vec!["--config".into(), torn.path().into()], std::iter::empty()).is_err());
    }
}
