//! AUTH, PBSZ, PROT, CCC (RFC 4217), and who may do without TLS.

use crate::accounts::Account;
use crate::protocol::command::{ProtectionLevel, SecureCommand};
use crate::protocol::network::Network;
use crate::protocol::protection::Protection;
use crate::protocol::reply::Reply;
use crate::session::{End, Session, Talk};
use std::net::IpAddr;
use std::time::Instant;

/// What has to be in TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The control connection, before a name is given.
    pub control: bool,
    /// Data connections.
    pub data: bool,
}

/// Who has to use TLS. A user's rule beats that of a group, that beats the one of a network, and that the general one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsRules {
    /// For all others.
    pub general: Needs,
    /// For clients of these networks: whether it is required. The smallest network that matches counts.
    pub networks: Vec<(Network, bool)>,
    /// For accounts of these groups: whether it is required. Of several, the strictest counts.
    pub groups: Vec<(String, bool)>,
    /// For accounts of these names.
    pub users: Vec<(String, bool)>,
}

/// What is made of data connections that do not resume the TLS session of their control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionReuse {
    /// Nothing.
    Off,
    /// A line in the log.
    Warn,
    /// They are refused.
    Require,
}

/// What happens behind a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Switch {
    ToTls,
    ToClear,
}

/// What the client has said about data connections.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Protect {
    /// PBSZ has been said.
    pub(super) is_sized: bool,
    /// PROT P.
    pub(in crate::session) data: bool,
}

impl Protect {
    /// Where TLS comes before the greeting, it goes without saying for data connections.
    pub(in crate::session) fn new(is_implicit: bool) -> Protect {
        Protect { is_sized: is_implicit, data: is_implicit }
    }
}

impl TlsRules {
    /// Whether TLS has to do with anybody.
    pub fn need_a_certificate(&self) -> bool {
        let mut networks = self.networks.iter().map(|(_, required)| *required);
        self.general.control
            || self.general.data
            || networks.any(|required| required)
            || self.of_people().any(|required| required)
    }

    fn of_people(&self) -> impl Iterator<Item = bool> {
        self.users.iter().chain(&self.groups).map(|(_, required)| *required)
    }

    /// Before it is known who the client is. Where somebody may do without, any name may be given in the clear.
    fn before_login(&self, client: IpAddr) -> Needs {
        let Needs { control, data } = self.of_network(client);
        Needs { control: control && self.of_people().all(|required| required), data }
    }

    /// For an account.
    fn of_account(&self, client: IpAddr, username: &str, groups: &[String]) -> Needs {
        let own = self.users.iter().filter(|(name, _)| name == username).map(|(_, required)| *required);
        let of_groups = self.groups.iter().filter(|(name, _)| groups.contains(name)).map(|(_, required)| *required);
        match own.max().or(of_groups.max()) {
            Some(required) => Needs { control: required, data: required },
            None => self.of_network(client),
        }
    }

    fn of_network(&self, client: IpAddr) -> Needs {
        let rules = self.networks.iter().filter(|(network, _)| network.contains(client));
        match rules.max_by_key(|(network, _)| network.prefix()) {
            Some((_, required)) => Needs { control: *required, data: *required },
            None => self.general,
        }
    }
}

impl Session<'_> {
    /// Shakes hands. From its begin, nothing can be said in the clear any more.
    pub(in crate::session) fn secure(&mut self) -> Result<(), End> {
        let services = self.talk.services;
        let Some(tls) = &services.tls else { return Err(End::NotFtp) };
        let until = self.change_until();
        self.talk.handle.set_secured(true);
        if let Err(error) = self.talk.control.secure(tls, until) {
            return Err(self.talk.handle.ending().map_or(End::Handshake(error), End::from));
        }
        self.talk.tag.tls = self.talk.control.protection();
        self.talk.handle.set_tls(self.talk.tag.tls);
        if let Some(Protection { version, cipher }) = &self.talk.tag.tls {
            log::debug!("session {}: {version}, {cipher}", self.talk.tag.id);
        }
        Ok(())
    }

    /// Back to clear text, behind REIN.
    pub(in crate::session) fn unsecure(&mut self) -> Result<(), End> {
        let until = self.change_until();
        if let Err(error) = self.talk.control.unsecure(until) {
            return Err(self.talk.handle.ending().map_or(End::AfterRein(error), End::from));
        }
        self.talk.tag.tls = None;
        self.talk.handle.set_tls(None);
        self.talk.handle.set_secured(false);
        Ok(())
    }

    /// The end of the time for a change to TLS or back; nobody is logged in meanwhile.
    fn change_until(&self) -> Option<Instant> {
        let (now, limits) = (Instant::now(), [self.talk.settings().tls_timeout, self.talk.idle]);
        limits.map(|limit| Some(now + limit?)).into_iter().chain([self.login_until]).flatten().min()
    }

    pub(in crate::session) fn secure_command(&mut self, command: SecureCommand) -> Result<Reply, End> {
        let talk = &mut self.talk;
        let is_secured = talk.control.is_secured();
        Ok(match command {
            SecureCommand::Authenticate(_) if is_secured => Reply::new(503, "Already using TLS."),
            SecureCommand::Authenticate(None) => Reply::new(502, "Unrecognized encryption type (use TLS or SSL)."),
            SecureCommand::Authenticate(Some(mechanism)) => {
                // What a stranger puts between AUTH and the handshake must not count as said in TLS.
                if talk.control.has_input()? {
                    return Err(End::Injected);
                }
                talk.switch = Some(Switch::ToTls);
                self.log_out(); // RFC 2228, 3: the user has to log in again
                Reply::new(234, format!("AUTH {mechanism} successful."))
            }
            SecureCommand::BufferSize if !is_secured => {
                Reply::new(503, "PBSZ not allowed on insecure control connection.")
            }
            SecureCommand::BufferSize => {
                talk.protect.is_sized = true;
                Reply::new(200, "PBSZ=0 successful.")
            }
            SecureCommand::Protect(_) if !is_secured => {
                Reply::new(503, "PROT not allowed on insecure control connection.")
            }
            SecureCommand::Protect(_) if !talk.protect.is_sized => {
                Reply::new(503, "You must issue the PBSZ command prior to PROT.")
            }
            SecureCommand::Protect(ProtectionLevel::Clear) if talk.needs.data => {
                Reply::new(534, "SSL/TLS required on the data channel.")
            }
            SecureCommand::Protect(ProtectionLevel::Clear) => {
                talk.protect.data = false;
                Reply::new(200, "Protection set to Clear")
            }
            SecureCommand::Protect(ProtectionLevel::Private) => {
                talk.protect.data = true;
                Reply::new(200, "Protection set to Private")
            }
            SecureCommand::Protect(ProtectionLevel::Other) => Reply::new(536, "Unsupported PROT type (use C or P)."),
            SecureCommand::Protect(ProtectionLevel::Unknown) => Reply::new(502, "Unrecognized PROT type (use C or P)."),
            SecureCommand::ClearControl => Reply::new(534, "The control channel stays protected."),
        })
    }
}

impl Talk<'_> {
    /// Before anybody has logged in, or again.
    pub(in crate::session) fn forget_needs(&mut self) {
        self.needs = self.settings().tls_rules.before_login(self.control.peer_ip());
    }

    pub(in crate::session) fn needs_of(&self, account: &Account) -> Needs {
        self.settings().tls_rules.of_account(self.control.peer_ip(), &account.username, &account.groups)
    }

    /// Whether AUTH would be obeyed.
    pub(super) fn offers_auth(&self) -> bool {
        self.services.tls.is_some() && !self.control.is_secured()
    }

    /// What becomes of a data connection whose client is this session's, or could be another one.
    pub(in crate::session) fn judge_reuse(&mut self, is_ours: bool) -> Result<(), &'static str> {
        let rule = self.settings().tls_session_reuse;
        match rule {
            SessionReuse::Require if !is_ours => Err("it must resume the TLS session of the control connection"),
            SessionReuse::Warn if !is_ours && !self.is_warned => {
                self.is_warned = true;
                let (id, client) = (self.tag.id, self.control.peer_ip());
                self.services.complaints.note(|| {
                    format!("session {id} of {client}: its data connections don't resume the control connection's TLS session, so they could be somebody else's")
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Needs = Needs { control: false, data: false };
    const ALL: Needs = Needs { control: true, data: true };

    fn rules() -> TlsRules {
        TlsRules {
            general: ALL,
            networks: vec![("10.0.0.0/8".parse().unwrap(), false), ("10.9.0.0/16".parse().unwrap(), true)],
            groups: vec![("staff".into(), true)],
            users: vec![("rita".into(), true)],
        }
    }

    #[test]
    fn the_smallest_network_counts_and_groups_beat_networks() {
        let ip = |text: &str| text.parse().unwrap();
        let rules = rules();
        assert_eq!(rules.before_login(ip("10.1.1.1")), NOTHING);
        assert_eq!(rules.before_login(ip("10.9.1.1")), ALL);
        assert_eq!(rules.before_login(ip("192.0.2.1")), ALL);
        assert_eq!(rules.of_account(ip("10.1.1.1"), "ann", &["staff".into()]), ALL);
        assert_eq!(rules.of_account(ip("10.1.1.1"), "rita", &[]), ALL);
        assert_eq!(rules.of_account(ip("10.1.1.1"), "ann", &["cameras".into()]), NOTHING);
    }

    #[test]
    fn a_group_that_may_do_without_opens_the_door_to_names_not_to_data() {
        let client = "192.0.2.1".parse().unwrap();
        let rules = TlsRules { groups: vec![("cameras".into(), false), ("staff".into(), true)], ..rules() };
        assert_eq!(rules.before_login(client), Needs { control: false, data: true });
        assert_eq!(rules.of_account(client, "ann", &["cameras".into()]), NOTHING);
        assert_eq!(rules.of_account(client, "ann", &["cameras".into(), "staff".into()]), ALL);
        assert_eq!(rules.of_account(client, "ann", &[]), ALL);
    }
}
