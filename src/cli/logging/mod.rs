//! The log: lines on standard error for a supervisor to keep, in a file, or in the system's log.

mod file;
mod shape;

use super::Failure;
use crate::config::{Config, LogFormat};
use crate::locks::lock;
use crate::process::users::Person;
use crate::protocol::shown::Shown;
use crate::syslog::{self, SystemLog};
use env_logger::{Builder, Target, WriteStyle};
use file::LogFile;
use log::LevelFilter;
use shape::Shape;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the system's log may let us wait with a line.
const PATIENCE: Duration = Duration::from_millis(100);

/// What can be done with the log while it is written.
#[derive(Debug, Clone)]
pub(super) struct Log(Option<Arc<Mutex<LogFile>>>);

impl Log {
    /// Opens its file anew, if it has one, and says so.
    pub(super) fn reopen(&self) {
        let Some(file) = &self.0 else { return };
        // What is logged takes the same lock.
        let reopened = lock(file).reopen();
        match reopened {
            Ok(()) => log::info!("the log is opened anew"),
            Err(error) => log::error!("the log can't be opened anew, and goes on in the old file: {error}"),
        }
    }
}

/// As the configuration says; a server in the background has no standard error. The file is opened by the user who
/// serves.
pub(super) fn start(config: &Config, is_background: bool, person: Option<&Person>) -> Result<Log, Failure> {
    let shape = match config.log_format {
        LogFormat::Text => Shape::Text,
        LogFormat::Json => Shape::Json,
    };
    if let Some(path) = &config.log_file {
        let file = LogFile::open(path, shape.clone(), person)
            .map_err(|error| Failure::Configuration(cannot_log(path, &error, config)))?;
        let file = Arc::new(Mutex::new(file));
        begin(config, shape, Target::Pipe(Box::new(Lines(file.clone()))));
        std::panic::set_hook(Box::new(log_panic));
        return Ok(Log(Some(file)));
    }
    if is_background {
        begin(config, Shape::system(shape), Target::Pipe(Box::new(Messages(system_log()?))));
        std::panic::set_hook(Box::new(log_panic));
    } else {
        let shape = if shape::is_journal(io::stderr().as_fd()) { Shape::journal(shape) } else { shape };
        begin(config, shape, Target::Stderr);
    }
    Ok(Log(None))
}

fn cannot_log(path: &Path, error: &io::Error, config: &Config) -> String {
    let advice = match &config.file_access_user {
        Some(name) if error.kind() == ErrorKind::PermissionDenied => {
            format!("; {name} (file_access_user) has to be able to write it: install -d -o {name} DIRECTORY")
        }
        _ => String::new(),
    };
    format!("log_file: {}: {error}{advice}", path.display())
}

fn begin(config: &Config, shape: Shape, target: Target) {
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.is_empty());
    Builder::new()
        .parse_filters(&asked.unwrap_or_else(|| filters(config.log_level)))
        .target(target)
        .write_style(WriteStyle::Never)
        .format(move |out, record| shape.write(out, record))
        .init();
}

/// rustls warns at each connection of a camera that was given an address in the place of a name.
fn filters(level: LevelFilter) -> String {
    match level {
        LevelFilter::Info | LevelFilter::Warn => format!("{level},rustls=error"),
        _ => level.to_string(),
    }
}

fn system_log() -> Result<SystemLog, Failure> {
    let found = SystemLog::new(syslog::SOCKET, PATIENCE).and_then(|mut log| log.connect().map(|()| log));
    found.map_err(|error| {
        Failure::Configuration(format!(
            "daemonize: the log would go nowhere: there is no log_file, and nobody reads {}: {error}",
            syslog::SOCKET
        ))
    })
}

/// Standard error leads nowhere, or is not where people look.
fn log_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let said = info.to_string();
    log::error!("thread {}: {}", thread.name().unwrap_or("without a name"), Shown(said.as_bytes()));
}

/// Each line into the file that has the name now.
struct Lines(Arc<Mutex<LogFile>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        lock(&self.0).append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Each line as a message to the system's log.
struct Messages(SystemLog);

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.0.send(message.trim_ascii_end())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rustls_warns_of_is_for_who_looks_for_trouble() {
        assert_eq!(filters(LevelFilter::Info), "INFO,rustls=error");
        assert_eq!(filters(LevelFilter::Debug), "DEBUG");
        assert_eq!(filters(LevelFilter::Off), "OFF");
    }
}
