//! Sockets that systemd listens on for us (sd_listen_fds(3)): by their names, one for FTP and one for implicit TLS.

use listenfd::ListenFd;
use std::net::TcpListener;

/// More are never meant for us.
const MOST: usize = 16;

/// What was given.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Named `ftp`, or the only one.
    pub ftp: Option<TcpListener>,
    /// Named `ftps` or `implicit`.
    pub implicit: Option<TcpListener>,
}

/// Takes what was given to this process; nothing, if it was started in another way. To be called once, before there
/// are threads.
pub fn take() -> Result<Sockets, String> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut sockets = Sockets::default();
    if !are_ours() {
        return Ok(sockets);
    }
    let count = variable("LISTEN_FDS");
    let count: usize = match count.parse() {
        Ok(count) if count <= MOST => count,
        _ => return Err(format!("LISTEN_FDS={count}: no number of sockets, of which one or two are of use")),
    };
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let mut given = ListenFd::from_env();
    for index in 0..count {
        let name = names.next().unwrap_or_default();
        let wrong = |why: &str| format!("socket {name:?}: {why}");
        let listener = given.take_tcp_listener(index).map_err(|error| wrong(&error.to_string()))?;
        let listener = listener.ok_or_else(|| wrong("it isn't there"))?;
        if !rustix::net::sockopt::socket_acceptconn(&listener).unwrap_or(false) {
            return Err(wrong("it is a connection; the server accepts them itself (Accept=no)"));
        }
        let place = match name {
            "ftps" | "implicit" => &mut sockets.implicit,
            "ftp" => &mut sockets.ftp,
            _ if count == 1 => &mut sockets.ftp,
            _ => return Err(wrong("of several, each needs its FileDescriptorName: ftp, or ftps for implicit TLS")),
        };
        if place.replace(listener).is_some() {
            return Err(wrong("there are several; one that listens on [::] takes IPv4 clients, too"));
        }
    }
    Ok(sockets)
}

/// Whether sockets were given to this process, not to one that has started it.
pub fn are_ours() -> bool {
    std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()))
        && std::env::var_os("LISTEN_FDS").is_some()
}
