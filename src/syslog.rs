//! The system's log of this machine: messages as RFC 5424 has them, over its datagram socket.

use std::fmt::Display;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where it is found, unless somebody says otherwise.
pub const SOCKET: &str = "/dev/log";
/// No message is longer; what is, is cut.
pub const LONGEST: usize = 8 << 10;

/// The facility of FTP daemons, in its place.
const FACILITY: u8 = 11 << 3;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Informational = 6,
    Debug = 7,
}

/// The log, behind its socket.
#[derive(Debug)]
pub struct SystemLog {
    path: PathBuf,
    patience: Duration,
    socket: Option<UnixDatagram>,
}

impl SystemLog {
    /// Its socket need not be there yet. A reader that is slow is waited for as long as `patience`.
    pub fn new(path: impl Into<PathBuf>, patience: Duration) -> io::Result<SystemLog> {
        let path = path.into();
        SocketAddr::from_pathname(&path)?;
        Ok(SystemLog { path, patience, socket: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody reads there.
    pub fn connect(&mut self) -> io::Result<()> {
        self.socket = Some(self.connected()?);
        Ok(())
    }

    /// Sends a message.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        // The reader may have been started anew since the last message: then there is another one behind the name.
        let was_open = self.socket.is_some();
        self.send_once(message).or_else(|error| if was_open { self.send_once(message) } else { Err(error) })
    }

    fn send_once(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connected()?,
        };
        socket.send(message)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn connected(&self) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(self.patience))?;
        socket.connect(&self.path)?;
        Ok(socket)
    }
}

/// The name of this machine, as a message has it.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_string() } else { name }
}

/// How a message begins: `<94>1 TIME HOST django-ftpd PID KIND`
pub fn header(severity: Severity, time: impl Display, host: &str, kind: &str) -> String {
    let (priority, process) = (FACILITY | severity as u8, std::process::id());
    format!("<{priority}>1 {time} {host} django-ftpd {process} {kind}")
}

/// Cuts what is too long.
pub fn cut(message: &mut String) {
    let end = (0..=LONGEST.min(message.len())).rev().find(|&end| message.is_char_boundary(end));
    message.truncate(end.unwrap_or(0));
}
