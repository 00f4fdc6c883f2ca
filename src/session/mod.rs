//! One control connection, from greeting to end: a state machine of types. A command that needs a home gets one
//! only from [`Phase::Ready`], so nothing of the kind can happen before login.

mod arrival;
mod commands;
mod data;
mod end;
mod errors;
mod handle;
mod limits;
mod settings;
mod traffic;
mod workspace;

pub use arrival::Arrival;
pub use commands::gate::{self, Gate};
pub use commands::tls::{Needs, SessionReuse, TlsRules};
pub use handle::{Doing, Ending, Flow, Glance, Handle, Stage};
pub use limits::limiter::Limiter;
pub use settings::Settings;
pub use traffic::{Direction, Traffic};

use crate::accounts::{Denial, Permission, Refusal, Verifier};
use crate::events::{Bus, Complaints, Event, Kind, SessionTag, Subject};
use crate::net::bans::Bans;
use crate::net::control::{Control, Heard};
use crate::net::tls::Tls;
use crate::protocol::command::{Command, TransferType};
use crate::protocol::digest::Algorithm;
use crate::protocol::facts::FactSet;
use crate::protocol::line::Line;
use crate::protocol::reply::Reply;
use crate::protocol::request::Request;
use crate::protocol::shown::Shown;
use crate::protocol::verb;
use crate::storage::Storage;
use commands::tls::{Protect, Switch};
use data::door::Door;
use end::End;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use workspace::Workspace;

/// What the sessions share that began with the same configuration.
#[derive(Clone)]
pub struct Services {
    /// See [`Settings`].
    pub settings: Settings,
    /// The certificate and what belongs to it; None: TLS is not spoken.
    pub tls: Option<Arc<Tls>>,
    /// Who may log in.
    pub verifier: Verifier,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// Where events go.
    pub bus: Bus,
    /// Who has failed too often.
    pub bans: Arc<Bans>,
    /// Complaints about clients, which could be many.
    pub complaints: Arc<Complaints>,
    /// What holds accounts back.
    pub limiter: Arc<Limiter>,
    /// How much was transferred.
    pub traffic: Arc<Traffic>,
}

/// Who the client is, as far as we know.
enum Phase {
    AwaitUser,
    AwaitPassword(Vec<u8>),
    Ready(Box<Workspace>),
}

/// A session: the conversation, and what it has come to.
struct Session<'a> {
    talk: Talk<'a>,
    phase: Phase,
    failed_logins: usize,
    /// The client's certificate did not log in whom it names; it is not asked again.
    certificate_denied: bool,
    login_until: Option<Instant>,
}

/// The conversation with one client, whoever that is.
struct Talk<'a> {
    services: &'a Services,
    handle: &'a Handle,
    control: Control,
    tag: SessionTag,
    door: Door,
    modes: Modes,
    idle: Option<Duration>,
    /// What has to be in TLS, as far as we know the client.
    needs: Needs,
    protect: Protect,
    /// The next thing after the reply.
    switch: Option<Switch>,
    /// The log knows of data connections that did not resume the TLS session.
    is_warned: bool,
    /// QUIT came during a transfer.
    quitting: bool,
    /// An event has told of this session.
    is_told: bool,
}

/// What REIN resets.
struct Modes {
    kind: TransferType,
    restart: u64,
    facts: FactSet,
    digest: Algorithm,
    only_epsv: bool,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes {
            kind: TransferType::Ascii,
            restart: 0,
            facts: FactSet::default(),
            digest: Algorithm::default(),
            only_epsv: false,
        }
    }
}

/// Serves one client until it leaves or is made to. A panic ends this session and nothing else.
pub fn run(services: &Services, handle: &Handle) {
    let Some(mut session) = Session::begin(services, handle) else { return };
    let end = match catch_unwind(AssertUnwindSafe(|| session.serve())) {
        Ok(Err(end)) => end,
        Ok(Ok(never)) => match never {},
        Err(_) => {
            log::error!("session {} of {} panicked; please report this", handle.id(), handle.peer());
            End::Panicked
        }
    };
    session.end(&end);
}

impl<'a> Session<'a> {
    /// Not on the stack, of which a session that is idle should have touched two pages and no more. It is for them that
    /// some functions of a login are not part of those who call them.
    #[inline(never)]
    fn begin(services: &'a Services, handle: &'a Handle) -> Option<Box<Session<'a>>> {
        let tag = SessionTag { id: handle.id(), remote: handle.peer(), username: None, tls: None };
        // A proxy looks after us every few seconds; that is nothing to tell.
        let is_told = !handle.arrival().is_proxy();
        let tell = |kind, subject| {
            if is_told {
                services.bus.tell(Event::now(kind, Some(tag.clone()), subject));
            }
        };
        tell(Kind::ClientConnected, Subject::Session);
        let control = Control::new(handle.stream().clone(), handle.peer(), handle.arrival().reached());
        let tell_of = |error| tell(Kind::ClientDisconnected, Subject::Reason(End::from(error).to_string()));
        let control = control.map_err(tell_of).ok()?;
        let settings = &services.settings;
        let mut talk = Talk {
            services,
            handle,
            control,
            tag,
            door: Door::Closed,
            modes: Modes::default(),
            idle: settings.timeout,
            needs: Needs::default(),
            protect: Protect::new(handle.is_implicit()),
            switch: None,
            is_warned: false,
            quitting: false,
            is_told,
        };
        talk.forget_needs();
        let login_until = settings.login_timeout.map(|limit| Instant::now() + limit);
        let session =
            Session { talk, phase: Phase::AwaitUser, failed_logins: 0, certificate_denied: false, login_until };
        Some(Box::new(session))
    }

    #[inline(never)]
    fn end(mut self: Box<Self>, end: &End) {
        if let Some(reply) = end.farewell() {
            // The client may have gone; the event says why we end.
            let _ = self.talk.control.send(&reply);
        }
        if self.talk.is_told {
            self.talk.tell(Kind::ClientDisconnected, Subject::Reason(end.to_string()));
        }
    }

    fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        if self.talk.handle.is_implicit() {
            self.secure()?;
        }
        self.talk.say(&Reply::new(220, &self.talk.services.settings.banner))?;
        loop {
            let reply = match self.next_line()? {
                Line::TooLong => Reply::new(500, "Command too long."),
                Line::Whole(line) => self.obey(&line)?,
            };
            self.talk.say(&reply)?;
            self.talk.handle.rest();
            if self.talk.quitting {
                return Err(End::Quit);
            }
            match self.talk.switch.take() {
                Some(Switch::ToTls) => self.secure()?,
                Some(Switch::ToClear) => self.unsecure()?,
                None => {}
            }
        }
    }

    /// Waits for a line: until the client has been idle for too long, or has not logged in for too long. A passive
    /// port that nobody came to is closed on the way.
    fn next_line(&mut self) -> Result<Line, End> {
        let idle_until = self.talk.idle.map(|idle| Instant::now() + idle);
        loop {
            if let Some(ending) = self.talk.handle.ending() {
                return Err(ending.into());
            }
            let login_until = self.login_until.filter(|_| !self.is_logged_in());
            self.talk.control.set_deadline(login_until);
            let port_until = self.talk.door.expiry();
            let until = [idle_until, login_until, port_until].into_iter().flatten().min();
            let beside = self.talk.door.beside(self.talk.may_be_early());
            match self.talk.control.next_line(beside, until)? {
                Heard::Line(_) if login_until.is_some_and(|at| at <= Instant::now()) => return Err(End::LoginTimeout),
                Heard::Line(line) => return Ok(line),
                Heard::Closed => return Err(self.talk.handle.ending().map_or(End::Gone, End::from)),
                Heard::Beside => self.talk.go_on_beside(),
                Heard::TimedOut if login_until == until => return Err(End::LoginTimeout),
                Heard::TimedOut if idle_until == until => return Err(End::Idle),
                Heard::TimedOut => {
                    log::debug!("session {}: nobody came to the passive port", self.talk.tag.id);
                    self.talk.door = Door::Closed;
                }
            }
        }
    }

    fn obey(&mut self, line: &[u8]) -> Result<Reply, End> {
        self.refresh_account()?;
        let request = match Request::parse(line, self.talk.services.tls.is_some()) {
            Ok(request) => request,
            // A browser that was tricked into attacking us.
            Err(_) if verb::is_http(line) => return Err(End::NotFtp),
            Err(reply) => return Ok(reply),
        };
        log::debug!("session {}: <- {} {}", self.talk.tag.id, request.entry.name, request.shown_argument());
        self.talk.handle.begin(request.entry.name);
        if !self.talk.is_told && request.entry.name != "QUIT" {
            self.talk.is_told = true;
            self.talk.tell(Kind::ClientConnected, Subject::Session);
        }
        if request.needs_login() && !self.is_logged_in() {
            return Ok(log_in_first());
        }
        let command = match request.command() {
            Err(reply) => return Ok(reply),
            Ok(command) => command,
        };
        let needed = command.permission();
        let workspace = match &mut self.phase {
            Phase::Ready(workspace) => Some(workspace),
            _ => None,
        };
        // The one place where permissions are checked.
        if !needed.is_none_or(|permission| workspace.as_ref().is_some_and(|workspace| workspace.may(permission))) {
            return Ok(errors::not_permitted());
        }
        if needed.is_some_and(Permission::is_recorded) && self.talk.services.bus.is_refusing() {
            return Ok(errors::journal_unwritable());
        }
        match (command, workspace) {
            (Command::Login(command), _) => self.login(command),
            (Command::Secure(command), _) => self.secure_command(command),
            (Command::Session(command), _) => Ok(self.talk.inform(command, &self.phase)),
            (Command::Data(command), _) => Ok(self.talk.prepare_data(command)),
            (Command::File(command), Some(workspace)) => Ok(commands::files::obey(workspace, &self.talk, command)),
            (Command::Transfer(command), Some(workspace)) => commands::transfer(workspace, &mut self.talk, command),
            (Command::File(_) | Command::Transfer(_), None) => Ok(log_in_first()),
        }
    }

    fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    /// What was changed in the site's database holds from the next command.
    #[inline(never)]
    fn refresh_account(&mut self) -> Result<(), End> {
        let Phase::Ready(workspace) = &mut self.phase else { return Ok(()) };
        let services = self.talk.services;
        let refreshed = match workspace.is_stale(services.verifier.version()) {
            true => services.verifier.current(&workspace.account, self.talk.control.peer_ip()).map(Some),
            false => Ok(None),
        };
        match refreshed {
            Ok(None) => {}
            Ok(Some(known)) => {
                workspace.renew(known, services);
                self.talk.needs = self.talk.needs_of(&workspace.account);
                if self.talk.needs.control && !self.talk.control.is_secured() {
                    return Err(End::AccountClosed(Denial::TlsRequired.to_string()));
                }
            }
            Err(Refusal::Denied(denial)) => {
                log::warn!("session {}: {}: {denial}", self.talk.tag.id, workspace.account.username);
                return Err(End::AccountClosed(denial.to_string()));
            }
            Err(Refusal::Unavailable(why)) => {
                services.complaints.note(|| format!("{why}; accounts of sessions stay as they were"));
            }
        }
        if workspace.account.limits.is_expired() {
            return Err(End::AccountClosed(Denial::Expired.to_string()));
        }
        Ok(())
    }
}

fn log_in_first() -> Reply {
    Reply::new(530, "Log in with USER and PASS first.")
}

impl Talk<'_> {
    fn settings(&self) -> &Settings {
        &self.services.settings
    }

    fn say(&mut self, reply: &Reply) -> Result<(), End> {
        log::debug!("session {}: -> {}", self.tag.id, Shown(reply.as_bytes().trim_ascii_end()));
        Ok(self.control.send(reply)?)
    }

    fn tell(&self, kind: Kind, subject: Subject) {
        self.services.bus.tell(self.event(kind, subject));
    }

    /// Tells what was done, and has the reply to it: this one, once its event is as safe as it is to be before.
    fn acknowledge(&self, kind: Kind, subject: Subject, reply: Reply) -> Reply {
        match self.services.bus.tell_and_wait(self.event(kind, subject)) {
            true => reply,
            false => errors::done_but_not_recorded(),
        }
    }

    fn event(&self, kind: Kind, subject: Subject) -> Event {
        Event::now(kind, Some(self.tag.clone()), subject)
    }
}
