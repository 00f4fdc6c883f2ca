//! Questions and settings that touch no file: HELP, FEAT, STAT, TYPE and their like.

use crate::protocol::command::{SessionCommand, TransferType};
use crate::protocol::reply::Reply;
use crate::protocol::shown::Shown;
use crate::protocol::verb::{self, TABLE};
use crate::session::data::door::Door;
use crate::session::data::transfer::Wire;
use crate::session::{Phase, Talk, errors};
use crate::storage::{Error, Result, Usage};
use std::time::Duration;

impl Talk<'_> {
    pub(in crate::session) fn inform(&mut self, command: SessionCommand, phase: &Phase) -> Reply {
        let ready = matches!(phase, Phase::Ready(_));
        match command {
            SessionCommand::Noop => noop(),
            SessionCommand::Client => Reply::new(200, "Noted."),
            SessionCommand::System => Reply::new(215, "UNIX Type: L8"),
            SessionCommand::Features => self.features(),
            SessionCommand::Status => self.status(&login_state(phase), None),
            SessionCommand::Help(name) => help(name, self.services.tls.is_some()),
            SessionCommand::SiteHelp(name) => site_help(name, self.services.tls.is_some()),
            SessionCommand::Utf8 => Reply::new(200, "Always in UTF8 mode."),
            SessionCommand::Facts(_) if !ready => crate::session::log_in_first(),
            SessionCommand::Facts(set) => {
                self.modes.facts = set;
                Reply::new(200, format!("MLST OPTS {}", set.chosen()))
            }
            SessionCommand::Digest(_) if !ready => crate::session::log_in_first(),
            SessionCommand::Digest(chosen) => {
                self.modes.digest = chosen.unwrap_or(self.modes.digest);
                Reply::new(200, self.modes.digest.name())
            }
            SessionCommand::Idle(seconds) => self.idle(seconds),
            SessionCommand::Quota => quota(phase),
            SessionCommand::Type(kind) => {
                self.modes.kind = kind;
                Reply::new(200, format!("Type set to: {}.", type_name(kind)))
            }
            SessionCommand::Structure => Reply::new(200, "File transfer structure set to: F."),
            SessionCommand::Mode => Reply::new(200, "Transfer mode set to: S"),
            SessionCommand::Allocate(size) => allocate(phase, size),
            SessionCommand::Restart(_) if self.modes.kind == TransferType::Ascii => {
                Reply::new(501, "Resuming transfers not allowed in ASCII mode.")
            }
            SessionCommand::Restart(offset) => {
                self.modes.restart = offset;
                Reply::new(350, format!("Restarting at position {offset}."))
            }
        }
    }

    fn features(&self) -> Reply {
        let facts = format!("MLST {}", self.modes.facts.feature());
        let digests = self.modes.digest.feature();
        let is_there = |feature: &&str| match *feature {
            "AUTH TLS" => self.offers_auth(),
            "EPSV" => !self.passes_proxy(),
            "PBSZ" | "PROT" => self.services.tls.is_some(),
            _ => true,
        };
        let features = [
            "AUTH TLS",
            "AVBL",
            "CLNT",
            "EPRT",
            "EPSV",
            &digests,
            "MDTM",
            "MFMT",
            &facts,
            "PBSZ",
            "PROT",
            "REST STREAM",
            "SIZE",
            "TVFS",
            "UTF8",
            "XCRC",
            "XMD5",
            "XSHA1",
            "XSHA256",
            "XSHA512",
        ];
        Reply::lines(211, "Features supported:", features.into_iter().filter(is_there), "End FEAT.")
    }

    /// STAT; `transfer` is what it tells of one that runs.
    pub(in crate::session) fn status(&self, login: &str, transfer: Option<String>) -> Reply {
        let reached = self.control.reached();
        let data = match (&self.door, transfer) {
            (_, Some(transfer)) => transfer,
            (Door::Passive(..) | Door::Early(_), None) => "Passive data channel waiting for connection.".to_string(),
            (Door::Active(_), None) => "Active data channel not connected yet.".to_string(),
            (Door::Closed, None) => "Data connection closed.".to_string(),
        };
        let lines = [
            format!("Connected to: {}:{}", reached.ip().to_canonical(), reached.port()),
            login.to_string(),
            format!("TYPE: {}; STRUcture: File; MODE: Stream", type_name(self.modes.kind)),
            data,
        ];
        Reply::lines(211, "FTP server status:", lines, "End of status.")
    }

    fn idle(&mut self, seconds: Option<u64>) -> Reply {
        let limit = self.settings().timeout;
        if let Some(seconds) = seconds {
            let wanted = Duration::from_secs(seconds);
            if limit.is_some_and(|limit| wanted > limit) || seconds > u64::from(u32::MAX) {
                return Reply::new(501, "The idle timeout can't be longer than the server's.");
            }
            self.idle = Some(wanted);
        }
        match self.idle {
            Some(idle) => Reply::new(200, format!("The idle timeout is {} seconds.", idle.as_secs_f64())),
            None => Reply::new(200, "There is no idle timeout."),
        }
    }
}

impl Wire<'_, '_> {
    /// STAT while it runs.
    pub(in crate::session) fn status(&self) -> Reply {
        let name = self.talk.tag.username.as_deref().unwrap_or_default();
        let (what, bytes, seconds) = (self.what, self.bytes, self.began.elapsed().as_secs_f64());
        let transfer = format!("{what}: {bytes} bytes in {seconds:.1} seconds.");
        self.talk.status(&format!("Logged in as: {}", Shown(name)), Some(transfer))
    }
}

fn usage(phase: &Phase) -> Result<Option<Usage>> {
    match phase {
        Phase::Ready(workspace) => workspace.home.usage(),
        Phase::AwaitUser | Phase::AwaitPassword(_) => Ok(None),
    }
}

fn quota(phase: &Phase) -> Reply {
    match usage(phase) {
        Ok(Some(Usage { used, limit })) => Reply::new(200, format!("{used} of {limit} bytes used.")),
        Ok(None) => Reply::new(202, "No quota."),
        Err(error) => errors::refusal(&error),
    }
}

fn allocate(phase: &Phase, size: u64) -> Reply {
    match usage(phase) {
        Ok(Some(usage)) if size > usage.left() => errors::refusal(&Error::OverQuota),
        Ok(_) => Reply::new(200, "No storage allocation necessary."),
        Err(error) => errors::refusal(&error),
    }
}

pub(in crate::session) fn noop() -> Reply {
    Reply::new(200, "I successfully did nothing.")
}

fn login_state(phase: &Phase) -> String {
    match phase {
        Phase::AwaitUser => "Waiting for username.".to_string(),
        Phase::AwaitPassword(_) => "Waiting for password.".to_string(),
        Phase::Ready(workspace) => format!("Logged in as: {}", workspace.account.username),
    }
}

fn type_name(kind: TransferType) -> &'static str {
    match kind {
        TransferType::Ascii => "ASCII",
        TransferType::Binary => "Binary",
    }
}

fn help(name: Option<Vec<u8>>, with_tls: bool) -> Reply {
    if let Some(name) = name {
        return syntax(&name, with_tls, "Unrecognized command.");
    }
    let known = TABLE.iter().filter(|entry| with_tls || !entry.verb.is_of_tls());
    let names: Vec<&str> = known.map(|entry| entry.name).filter(|name| !name.starts_with("SITE ")).collect();
    let row = |names: &[&str]| names.iter().map(|name| format!("{name:<8}")).collect::<String>().trim_end().to_string();
    Reply::lines(214, "The following commands are recognized:", names.chunks(8).map(row), "Help command successful.")
}

fn site_help(name: Option<Vec<u8>>, with_tls: bool) -> Reply {
    if let Some(name) = name {
        return syntax(&name, with_tls, "Unrecognized SITE command.");
    }
    let names = TABLE.iter().filter_map(|entry| entry.name.strip_prefix("SITE "));
    Reply::lines(214, "The following SITE commands are recognized:", names, "Help SITE command successful.")
}

fn syntax(name: &[u8], with_tls: bool, unknown: &str) -> Reply {
    match verb::find(name, with_tls) {
        Some(entry) => Reply::new(214, format!("Syntax: {}", entry.help)),
        None => {
            log::debug!("HELP for {}", Shown(name));
            Reply::new(501, unknown)
        }
    }
}
