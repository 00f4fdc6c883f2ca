//! Clients that shake hands on a data connection before they say what it is for: they are answered while the next
//! command is waited for.

use super::door::Door;
use crate::net::data::DataStream;
use crate::net::wait::For;
use crate::session::Talk;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// A connection to the passive port whose command has not come yet.
pub(in crate::session) struct Early {
    pub(in crate::session) data: DataStream,
    /// What the handshake waits for; None when it is over, or has failed.
    waits: Option<For>,
    /// Why it has failed.
    pub(super) failure: Option<String>,
    pub(super) expiry: Option<Instant>,
}

impl Door {
    /// What to wait for beside the next command.
    pub(in crate::session) fn beside(&self, may_be_early: bool) -> Option<(BorrowedFd<'_>, For)> {
        match self {
            Door::Passive(port, _) if may_be_early => Some((port.as_fd(), For::Reading)),
            // One that has not begun TLS may still become one in the clear.
            Door::Early(early) if may_be_early || early.data.tls().is_some() => {
                Some((early.data.as_fd(), early.waits?))
            }
            Door::Passive(..) | Door::Early(_) | Door::Active(_) | Door::Closed => None,
        }
    }
}

impl Talk<'_> {
    /// Whether a client may come before its command. Where proxies are trusted it takes longer to tell who has come.
    pub(in crate::session) fn may_be_early(&self) -> bool {
        self.protect.data && self.settings().trusted_proxies.is_empty()
    }

    /// Goes on with what was waited for. A failure is told to the command that wants the connection.
    pub(in crate::session) fn go_on_beside(&mut self) {
        let door = match std::mem::replace(&mut self.door, Door::Closed) {
            Door::Passive(port, expiry) => match port.accept() {
                Ok(Some((stream, from))) if self.admits(from.ip().to_canonical(), from) => Ok(Door::Early(Early {
                    data: DataStream::new(stream),
                    waits: Some(For::Reading),
                    failure: None,
                    expiry,
                })),
                Ok(_) => Ok(Door::Passive(port, expiry)),
                Err(error) => Err(error),
            },
            Door::Early(mut early) => {
                early.waits = self.shake_hands(&mut early.data).unwrap_or_else(|error| {
                    early.failure = Some(error.to_string());
                    None
                });
                Ok(Door::Early(early))
            }
            door => Ok(door),
        };
        self.door = door.unwrap_or_else(|error| {
            log::debug!("session {}: a data connection before its command: {error}", self.tag.id);
            Door::Closed
        });
    }

    /// Whether data connections may be of an address; one that was refused is logged, with where it has come from.
    pub(super) fn admits(&self, address: IpAddr, from: SocketAddr) -> bool {
        let client = self.control.peer_ip();
        let is_admitted = address == client || self.settings().permit_foreign_addresses;
        if !is_admitted {
            let of = if address == from.ip().to_canonical() { "from" } else { &format!("of {address} through") };
            log::warn!("refused a data connection {of} {from}: the session belongs to {client}");
        }
        is_admitted
    }

    /// Begins the handshake of a data connection, or goes on with it; what to wait for next.
    pub(super) fn shake_hands(&self, data: &mut DataStream) -> io::Result<Option<For>> {
        if data.tls().is_none() {
            data.secure(self.control.data_tls()?)?;
        }
        data.handshake()
    }
}
