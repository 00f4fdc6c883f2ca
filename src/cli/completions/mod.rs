//! `django-ftpd completions`: what a shell completes, printed for its startup file; the same is in conf/completions.

mod bash;
mod commands;
mod fish;
mod zsh;

pub(super) use commands::rows;

use super::{Failure, say};
use crate::config::Problem;
use std::ffi::OsString;

const HELP: &str = "\
Usage: django-ftpd completions bash|zsh|fish

Prints what the shell needs to complete commands, options and their values:

  django-ftpd completions bash > /etc/bash_completion.d/django-ftpd
  django-ftpd completions zsh > /usr/local/share/zsh/site-functions/_django-ftpd
  django-ftpd completions fish > /etc/fish/completions/django-ftpd.fish
";

pub(super) fn run(mut args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let (shell, more) = (args.next(), args.next());
    let shell = shell.as_ref().filter(|_| more.is_none()).and_then(|shell| shell.to_str());
    let text = match shell {
        Some("bash") => bash::script(&commands::all()),
        Some("zsh") => zsh::script(&commands::all()),
        Some("fish") => fish::script(&commands::all()),
        Some("--help" | "-h") => HELP.to_string(),
        _ => {
            let shells = commands::SHELLS.join(", ");
            return Err(Problem::new(format!("completions: name one shell: {shells}")).into());
        }
    };
    say(&text);
    Ok(())
}
