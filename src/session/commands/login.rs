//! USER, PASS, REIN, QUIT: who it is, and that nobody can find out who it could be.

use super::tls::{Protect, Switch};
use crate::accounts::{self, Denial, Known, Refusal};
use crate::events::{Kind, Subject};
use crate::protocol::command::Login;
use crate::protocol::reply::Reply;
use crate::protocol::shown::Shown;
use crate::session::data::door::Door;
use crate::session::handle::Login as Waiting;
use crate::session::limits::seats::Seat;
use crate::session::workspace::Workspace;
use crate::session::{End, Modes, Phase, Session};
use std::time::{Duration, Instant};

/// Who waits for a login thread is looked after so often.
const LOOK_AROUND: Duration = Duration::from_millis(100);

impl Session<'_> {
    pub(in crate::session) fn login(&mut self, command: Login) -> Result<Reply, End> {
        match command {
            Login::User(_) | Login::Pass(_) if self.talk.needs.control && !self.talk.control.is_secured() => {
                let ip = self.talk.control.peer_ip();
                let needed =
                    || format!("refused a login of {ip} without TLS; [network] and [group] can make exceptions");
                self.talk.services.complaints.note(needed);
                Ok(Reply::new(550, "SSL/TLS required on the control channel."))
            }
            Login::User(_) | Login::Pass(_) if self.talk.services.bus.is_refusing() => Err(End::JournalUnwritable),
            Login::User(name) => self.user(name),
            Login::Pass(password) => self.password(password),
            Login::Reinitialize => {
                self.log_out();
                self.talk.protect = Protect::new(self.talk.handle.is_implicit());
                if self.talk.control.is_secured() && !self.talk.handle.is_implicit() {
                    self.talk.switch = Some(Switch::ToClear);
                }
                Ok(Reply::new(230, "Ready for new user."))
            }
            Login::Quit => {
                let text = if matches!(self.phase, Phase::Ready(_)) { "good bye." } else { "Goodbye." };
                self.log_out();
                self.talk.quitting = true;
                Ok(Reply::new(221, text))
            }
        }
    }

    /// Always 331, whoever it is (RFC 2577), but for who has shown a certificate with that name.
    fn user(&mut self, name: Vec<u8>) -> Result<Reply, End> {
        let text = match self.phase {
            Phase::Ready(_) => "Previous account information was flushed, send password.",
            _ => "Username ok, send password.",
        };
        self.log_out();
        self.talk.tag.username = Some(name.clone().into());
        if self.talk.settings().client_cert_login
            && !self.certificate_denied
            && let Some(username) = self.talk.control.client_name().filter(|known| known.as_bytes() == name)
        {
            match self.attempt(username, None)? {
                Ok((known, seat)) => return Ok(self.welcome(known, seat, 232)),
                Err(Refusal::Unavailable(why)) => return Err(self.unavailable(why)),
                Err(Refusal::Denied(denial)) => {
                    let (id, complaints) = (self.talk.tag.id, &self.talk.services.complaints);
                    complaints
                        .note(|| format!("session {id}: a certificate does not log in {}: {denial}", Shown(&name)));
                    self.certificate_denied = true;
                    self.count_failure(&denial);
                }
            }
        }
        self.phase = Phase::AwaitPassword(name);
        Ok(Reply::new(331, text))
    }

    fn password(&mut self, password: Vec<u8>) -> Result<Reply, End> {
        let name = match &mut self.phase {
            Phase::AwaitUser => return Ok(Reply::new(503, "Login with USER first.")),
            Phase::Ready(_) => return Ok(Reply::new(503, "User already authenticated.")),
            Phase::AwaitPassword(name) => std::mem::take(name),
        };
        self.phase = Phase::AwaitUser;
        let began = Instant::now();
        // What is not UTF-8 is nobody's name, like an empty one; it costs the same time.
        let username = String::from_utf8(name).unwrap_or_default();
        match self.attempt(username, Some(password))? {
            Ok((known, seat)) => Ok(self.welcome(known, seat, 230)),
            Err(Refusal::Denied(denial)) => self.deny(&denial, began),
            Err(Refusal::Unavailable(why)) => {
                let end = self.unavailable(why);
                let until = began + self.talk.settings().auth_failed_timeout;
                self.talk.control.watch_for_hang_up(until)?;
                Err(end)
            }
        }
    }

    /// Asks the accounts, and then whether theirs may be used as the client is connected, and once more.
    #[inline(never)]
    fn attempt(&mut self, username: String, password: Option<Vec<u8>>) -> Result<Result<(Known, Seat), Refusal>, End> {
        let began = Instant::now();
        self.talk.handle.set_login(Waiting::Verifying);
        let remote = self.talk.control.peer_ip();
        let login = accounts::Login { username, password, remote };
        let decided = match self.talk.services.verifier.recalled(&login) {
            Some(known) => Ok(known),
            None => self.ask(login)?,
        };
        let result = decided.and_then(|known| {
            let needs = self.talk.needs_of(&known.account);
            if needs.control && !self.talk.control.is_secured() {
                return Err(Refusal::Denied(Denial::TlsRequired));
            }
            let seat = self.talk.services.limiter.seat(&known.account);
            let seat = seat.ok_or(Refusal::Denied(Denial::TooManySessions))?;
            self.talk.needs = needs;
            Ok((known, seat))
        });
        let outcome = if result.is_ok() { Waiting::Done } else { Waiting::Pending(began) };
        self.talk.handle.set_login(outcome);
        Ok(result)
    }

    /// Asks the accounts, and looks meanwhile whether the client is still there.
    #[inline(never)]
    fn ask(&mut self, login: accounts::Login) -> Result<Result<Known, Refusal>, End> {
        let pending = self.talk.services.verifier.attempt(login);
        loop {
            if let Some(decided) = pending.wait(LOOK_AROUND) {
                return Ok(decided);
            }
            if self.talk.control.watch_for_hang_up(Instant::now())? {
                return Err(self.talk.handle.ending().map_or(End::Gone, End::from));
            }
            if self.login_until.is_some_and(|until| until <= Instant::now()) {
                return Err(End::LoginTimeout);
            }
        }
    }

    fn unavailable(&mut self, why: String) -> End {
        let id = self.talk.tag.id;
        self.talk.services.complaints.note(|| format!("session {id}: nobody can log in: {why}"));
        self.talk.tell(Kind::LoginFailed, Subject::Reason(why));
        End::AccountsUnavailable
    }

    /// 230, or 232 where a certificate was enough (RFC 2228).
    fn welcome(&mut self, known: Known, seat: Seat, code: u16) -> Reply {
        let services = self.talk.services;
        services.verifier.logged_in(&known.account);
        self.failed_logins = 0;
        self.talk.handle.set_user(Some(&known.account.username));
        self.phase = Phase::Ready(Box::new(Workspace::new(known, services, seat)));
        self.talk.tell(Kind::Login, Subject::Session);
        Reply::new(code, "welcome.")
    }

    /// The same reply at the same time after the question, whatever the reason.
    fn deny(&mut self, denial: &Denial, began: Instant) -> Result<Reply, End> {
        let services = self.talk.services;
        let until = began + services.settings.auth_failed_timeout;
        self.count_failure(denial);
        if self.talk.control.watch_for_hang_up(until)? {
            return Err(self.talk.handle.ending().map_or(End::Gone, End::from));
        }
        let text = match denial {
            // Only who knows the password hears this.
            Denial::TlsRequired => "SSL/TLS required for this account.",
            Denial::TooManySessions => "Too many sessions of this account.",
            _ => "Authentication failed.",
        };
        if denial.is_guess() && self.failed_logins >= services.settings.max_login_attempts {
            self.talk.say(&Reply::new(530, format!("{text} Disconnecting.")))?;
            return Err(End::TooManyFailures);
        }
        Ok(Reply::new(530, text))
    }

    /// Tells of it, and counts it where it could be a guess.
    fn count_failure(&mut self, denial: &Denial) {
        if let Denial::UnknownAlgorithm(_) | Denial::BadHome(_) = denial {
            let name = self.talk.tag.username.as_deref().unwrap_or_default();
            log::error!("{} can't log in: {denial}", Shown(name));
        }
        self.talk.tell(Kind::LoginFailed, Subject::Reason(denial.to_string()));
        if !denial.is_guess() {
            return;
        }
        self.failed_logins += 1;
        let address = self.talk.control.peer_ip();
        // All clients of a proxy would have to pay for one.
        if !self.talk.settings().trusts(address) && self.talk.services.bans.note_failure(address) {
            log::warn!("{address} is banned for a while: too many failed logins");
        }
    }

    /// Back to where a session begins.
    pub(super) fn log_out(&mut self) {
        if matches!(self.phase, Phase::Ready(_)) {
            self.talk.tell(Kind::Logout, Subject::Session);
            self.login_until = self.talk.settings().login_timeout.map(|limit| Instant::now() + limit);
            self.talk.handle.set_login(Waiting::Pending(Instant::now()));
            self.talk.handle.set_user(None);
            self.talk.protect = Protect::new(self.talk.handle.is_implicit());
        }
        self.talk.forget_needs();
        self.phase = Phase::AwaitUser;
        self.talk.door = Door::Closed;
        self.talk.modes = Modes::default();
        self.talk.idle = self.talk.settings().timeout;
    }
}
