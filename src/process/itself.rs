//! This program once more, as another process: what a fork would do, without one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The program under its own name; arguments are still to be given.
pub fn anew() -> Command {
    let name = std::env::args_os().next().unwrap_or_else(|| OsString::from("django-ftpd"));
    // Without /proc the name has to do.
    let program = std::env::current_exe().or_else(|_| std::path::absolute(&name));
    let mut command = Command::new(program.unwrap_or_else(|_| PathBuf::from(&name)));
    command.arg0(name);
    command
}
