//! PASV, EPSV, PORT, EPRT, ABOR: where the next data connection will come from, or go to.

use super::early::Early;
use crate::net::data::{BadTarget, check_target};
use crate::net::passive::PassivePort;
use crate::protocol::address::{Family, epsv_text, pasv_text};
use crate::protocol::command::DataCommand;
use crate::protocol::reply::Reply;
use crate::session::Talk;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

/// The next data connection.
pub(in crate::session) enum Door {
    /// None was asked for.
    Closed,
    /// We listen, until then.
    Passive(PassivePort, Option<Instant>),
    /// The client has come to our port before it said what for.
    Early(Early),
    /// We shall connect.
    Active(SocketAddr),
}

impl Door {
    /// When a port that nobody came to is closed.
    pub(in crate::session) fn expiry(&self) -> Option<Instant> {
        match self {
            Door::Passive(_, expiry) => *expiry,
            Door::Early(early) => early.expiry,
            Door::Closed | Door::Active(_) => None,
        }
    }
}

impl Talk<'_> {
    pub(in crate::session) fn prepare_data(&mut self, command: DataCommand) -> Reply {
        let forbidden = |verb| Reply::new(501, format!("{verb} not allowed after EPSV ALL."));
        if command != DataCommand::Abort
            && let Some(reply) = self.lacks_protection()
        {
            return reply;
        }
        match command {
            DataCommand::Passive if self.modes.only_epsv => forbidden("PASV"),
            DataCommand::Active(_) if self.modes.only_epsv => forbidden("PORT"),
            DataCommand::ExtendedActive(_) if self.modes.only_epsv => forbidden("EPRT"),
            DataCommand::Passive => self.passive(),
            DataCommand::ExtendedPassive(family) => self.extended_passive(family),
            DataCommand::OnlyExtendedPassive if self.passes_proxy() => only_pasv(),
            DataCommand::OnlyExtendedPassive => {
                self.modes.only_epsv = true;
                Reply::new(200, "Other commands than EPSV are now disabled.")
            }
            DataCommand::ExtendedActive(target) if Family::of(target.ip()) != self.family() => {
                unsupported_family(self.family())
            }
            DataCommand::Active(target) | DataCommand::ExtendedActive(target) => self.active(target),
            DataCommand::Abort => match std::mem::replace(&mut self.door, Door::Closed) {
                Door::Closed => Reply::new(225, "No transfer to abort."),
                _ => Reply::new(225, "ABOR command successful; data channel closed."),
            },
        }
    }

    fn family(&self) -> Family {
        Family::of(self.control.reached().ip())
    }

    fn passive(&mut self) -> Reply {
        let Some(address) = self.announced() else {
            return Reply::new(425, "PASV is for IPv4 only; use EPSV.");
        };
        match self.listen() {
            Ok(port) => Reply::new(227, pasv_text(address, port)),
            Err(reply) => reply,
        }
    }

    /// The address that PASV tells; None: the client has come over IPv6.
    fn announced(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(reached) = self.control.reached().ip().to_canonical() else { return None };
        Some(match &self.settings().masquerade {
            None => reached,
            Some(masquerade) if self.settings().masquerade_local => masquerade.address().unwrap_or(reached),
            Some(masquerade) => masquerade.announce(reached, self.control.peer_ip()),
        })
    }

    /// Whether data connections go past the proxy that the client has reached.
    pub(in crate::session) fn passes_proxy(&self) -> bool {
        let reached = self.handle.arrival().reached();
        reached.zip(self.announced()).is_some_and(|(reached, announced)| reached.ip() != announced)
    }

    fn extended_passive(&mut self, family: Option<Family>) -> Reply {
        if self.passes_proxy() {
            return only_pasv();
        }
        if family.is_some_and(|family| family != self.family()) {
            return unsupported_family(self.family());
        }
        match self.listen() {
            Ok(port) => Reply::new(229, epsv_text(port)),
            Err(reply) => reply,
        }
    }

    fn listen(&mut self) -> Result<u16, Reply> {
        self.door = Door::Closed; // the old port is free before a new one is taken
        // The proxy may come in by another interface than clients.
        let any = (Ipv4Addr::UNSPECIFIED, 0).into();
        let address = if self.passes_proxy() { any } else { self.control.local() };
        match self.settings().passive_ports.listen(address) {
            Ok(listening) => {
                let port = listening.port();
                let expiry = self.settings().pasv_timeout.map(|limit| Instant::now() + limit);
                self.door = Door::Passive(listening, expiry);
                Ok(port)
            }
            Err(error) => {
                self.services.complaints.note(|| format!("no passive port for {}: {error}", self.control.peer_ip()));
                Err(Reply::new(425, "No passive port is free; try again later."))
            }
        }
    }

    fn active(&mut self, target: SocketAddr) -> Reply {
        self.door = Door::Closed;
        let settings = self.settings();
        match check_target(
            target,
            self.control.peer(),
            settings.permit_foreign_addresses,
            settings.permit_privileged_ports,
        ) {
            Ok(target) => {
                self.door = Door::Active(target);
                Reply::new(200, "Active data connection is set.")
            }
            Err(why) => {
                let from = self.control.peer_ip();
                self.services.complaints.note(|| format!("refused to connect to {target}, which {from} asked for"));
                Reply::new(
                    501,
                    match why {
                        BadTarget::Foreign => "Rejected data connection to foreign address.",
                        BadTarget::Privileged => "Rejected data connection to a privileged port.",
                    },
                )
            }
        }
    }
}

/// EPSV has clients connect to what they have reached.
fn only_pasv() -> Reply {
    Reply::new(502, "Data connections go to another address than this one; use PASV.")
}

fn unsupported_family(ours: Family) -> Reply {
    Reply::new(522, format!("Network protocol not supported (use {}).", ours.number()))
}
