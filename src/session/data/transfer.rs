//! Transfers: one thread waits for the data connection and the control connection together, so that ABOR, STAT,
//! NOOP and QUIT are answered while data flows.

use super::door::Door;
use crate::events::{Kind, Place, Subject};
use crate::net::data::DataStream;
use crate::net::wait::{self, For};
use crate::protocol::command::{Command, DataCommand, Login, SessionCommand, TransferType};
use crate::protocol::protection::Protection;
use crate::protocol::reply::Reply;
use crate::protocol::request::Request;
use crate::session::commands::info;
use crate::session::limits::bucket::Pace;
use crate::session::{Direction, End, Ending, Talk, errors};
use crate::storage::Error;
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long a socket is waited for before it is tried all the same.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Who hears nothing but the data looks around so often.
const LOOK_AROUND: Duration = Duration::from_millis(200);
/// While bytes come without a pause, the client is heard behind so many.
const UNHEARD: usize = 1 << 20;

/// Why a transfer ended before its end.
#[derive(Debug)]
pub(in crate::session) enum Cut {
    Aborted,
    ControlGone,
    NoConnection(String),
    Insecure(String),
    Reset(io::Error),
    Stalled,
    Stopping,
    Kicked,
    Storage(Error),
    /// A gate has decided against it, with these words.
    Refused {
        gate: String,
        remark: Option<String>,
    },
    /// A gate could not decide.
    Unexamined(String),
}

impl From<Error> for Cut {
    fn from(error: Error) -> Cut {
        Cut::Storage(error)
    }
}

impl From<End> for Cut {
    fn from(_: End) -> Cut {
        Cut::ControlGone // nothing can be said to the client any more
    }
}

impl Cut {
    /// The reason that the event gives.
    fn reason(&self) -> String {
        match self {
            Cut::Aborted => "aborted by the client".to_string(),
            Cut::ControlGone => "the client closed the control connection".to_string(),
            Cut::NoConnection(why) => format!("no data connection: {why}"),
            Cut::Insecure(why) => format!("TLS on the data connection: {why}"),
            Cut::Reset(error) => format!("the data connection broke: {error}"),
            Cut::Stalled => "the data connection stalled".to_string(),
            Cut::Stopping => "the server stopped".to_string(),
            Cut::Kicked => "kicked by the administrator".to_string(),
            Cut::Storage(error) => error.to_string(),
            Cut::Refused { gate, remark: None } => format!("gate {gate} refused it"),
            Cut::Refused { gate, remark: Some(remark) } => format!("gate {gate} refused it: {remark}"),
            Cut::Unexamined(why) => why.clone(),
        }
    }

    /// What the client is told, or that the session ends.
    fn reply(self, talk: &mut Talk<'_>) -> Result<Reply, End> {
        match self {
            Cut::Aborted => {
                talk.say(&Reply::new(426, "Transfer aborted via ABOR."))?;
                Ok(Reply::new(226, "ABOR command successful."))
            }
            Cut::NoConnection(why) => Ok(Reply::new(425, format!("Can't open data connection: {why}."))),
            Cut::Insecure(why) => Ok(Reply::new(522, format!("TLS on the data connection: {why}."))),
            Cut::Reset(_) => Ok(Reply::new(426, "Connection closed; transfer aborted.")),
            Cut::Storage(error) => Ok(errors::transfer_fault(&error)),
            Cut::Refused { remark, .. } => Ok(Reply::new(550, remark.as_deref().unwrap_or("Upload refused."))),
            Cut::Unexamined(_) => Ok(Reply::new(451, "Uploads can't be examined at the moment; try again later.")),
            Cut::ControlGone => Err(End::Gone),
            Cut::Stalled => Err(End::DataStalled),
            Cut::Stopping => Err(End::Stopping),
            Cut::Kicked => Err(End::Kicked),
        }
    }
}

pub(in crate::session) fn opening() -> Reply {
    Reply::new(150, "File status okay. About to open data connection.")
}

pub(in crate::session) fn beyond_the_end(offset: u64, size: u64) -> Reply {
    Reply::new(554, format!("REST position ({offset}) > file size ({size})."))
}

impl Talk<'_> {
    /// The reply to a transfer for which no data connection was arranged, or one that may not be used any more: since
    /// then, the account may have come to need TLS.
    pub(in crate::session) fn no_door(&self) -> Option<Reply> {
        match self.door {
            Door::Closed => Some(Reply::new(425, "Use PASV or PORT first.")),
            Door::Passive(..) | Door::Early(_) | Door::Active(_) => self.lacks_protection(),
        }
    }

    /// The reply to whom has to say PROT P first.
    pub(super) fn lacks_protection(&self) -> Option<Reply> {
        (self.needs.data && !self.protect.data).then(|| Reply::new(550, "SSL/TLS required on the data channel."))
    }
}

/// Since when a socket has had no room; anew after each byte that went.
#[derive(Default)]
pub(in crate::session) struct Room {
    waiting_since: Option<Instant>,
}

/// A transfer that runs.
pub(in crate::session) struct Wire<'t, 'a> {
    pub(in crate::session) talk: &'t mut Talk<'a>,
    pub(in crate::session) bytes: u64,
    /// How many were received since the client was heard.
    unheard: usize,
    pub(in crate::session) began: Instant,
    pub(super) tls: Option<Protection>,
    /// So little is sent that it leaves together with its end.
    pub(in crate::session) is_brief: bool,
    /// The server stops, and this is the end of the grace time.
    pub(in crate::session) draining: Option<Instant>,
    /// None: as fast as it goes.
    pub(super) pace: Option<Pace>,
    /// Where a file's bytes go; None: they are no file's.
    pub(super) direction: Option<Direction>,
    /// What STAT says of it.
    pub(in crate::session) what: &'static str,
}

impl<'t, 'a> Wire<'t, 'a> {
    pub(in crate::session) fn new(talk: &'t mut Talk<'a>) -> Wire<'t, 'a> {
        let began = Instant::now();
        Wire {
            talk,
            bytes: 0,
            unheard: 0,
            began,
            tls: None,
            is_brief: false,
            draining: None,
            pace: None,
            direction: None,
            what: "Data connection open",
        }
    }

    pub(in crate::session) fn kind(&self) -> TransferType {
        self.talk.modes.kind
    }

    /// Waits until the data connection is ready, and hears meanwhile what the client says; that gives it no more time.
    pub(in crate::session) fn ready(
        &mut self,
        data: BorrowedFd<'_>,
        what: For,
        until: Option<Instant>,
    ) -> Result<(), Cut> {
        loop {
            self.heed()?;
            let until = [until, self.draining].into_iter().flatten().min();
            let (control_ready, data_ready) = match self.is_alone() {
                true => {
                    // Nothing wakes it then but the data.
                    let look = Instant::now() + LOOK_AROUND;
                    let end = until.map_or(look, |until| until.min(look));
                    let data_ready = wait::one(data, what, Some(end)).map_err(Cut::Reset)?;
                    if !data_ready && until.is_none_or(|until| until > look) {
                        continue;
                    }
                    (false, data_ready)
                }
                false => {
                    let control = (self.talk.control.as_fd(), self.hearing());
                    let ready = wait::either(control, (data, what), until).map_err(Cut::Reset)?;
                    (ready.first, ready.second)
                }
            };
            if control_ready {
                self.hear()?;
            }
            if self.draining.is_some_and(|end| end <= Instant::now()) {
                return Err(Cut::Stopping);
            }
            if data_ready {
                return Ok(());
            }
            if !control_ready {
                return Err(Cut::Stalled);
            }
        }
    }

    /// Hears what the client has said already, without waiting.
    pub(in crate::session) fn catch_up(&mut self) -> Result<(), Cut> {
        while !self.is_alone() {
            let control = (self.talk.control.as_fd(), self.hearing());
            if !wait::one(control.0, control.1, Some(Instant::now())).map_err(Cut::Reset)? {
                break;
            }
            self.hear()?;
        }
        Ok(())
    }

    /// Nothing more is expected on the control connection: the client has said QUIT, or the server stops.
    pub(super) fn is_alone(&self) -> bool {
        self.draining.is_some() || self.talk.quitting
    }

    /// A command that has to wait for its turn is left where it is, and those behind it in the socket.
    pub(super) fn hearing(&self) -> For {
        let lines = self.talk.control.waiting();
        if lines.peek_line().is_some() || lines.is_full() { For::HangUp } else { For::Reading }
    }

    /// The control connection has something to say. That it has ended, ends the transfer.
    pub(super) fn hear(&mut self) -> Result<(), Cut> {
        let hung_up = self.hearing() == For::HangUp || !self.talk.control.fill().map_err(|_| Cut::ControlGone)?;
        match self.talk.handle.ending() {
            Some(Ending::Stop { transfers_until }) => {
                self.draining = Some(transfers_until);
                Ok(())
            }
            Some(Ending::Evicted) => Err(Cut::Stopping),
            Some(Ending::Kicked) => Err(Cut::Kicked),
            None if hung_up => Err(Cut::ControlGone),
            None => self.answer(),
        }
    }

    /// Obeys what may be obeyed during a transfer.
    pub(in crate::session) fn answer(&mut self) -> Result<(), Cut> {
        while !self.talk.quitting
            && let Some(line) = self.talk.control.waiting().peek_line()
        {
            let command = Request::parse(line, true).and_then(Request::command);
            let reply = match command {
                Ok(Command::Data(DataCommand::Abort)) => None,
                Ok(Command::Session(SessionCommand::Noop)) => Some(info::noop()),
                Ok(Command::Session(SessionCommand::Status)) => Some(self.status()),
                // RFC 959: the connection stays until the transfer has its reply. Nothing more is heard.
                Ok(Command::Login(Login::Quit)) => {
                    self.talk.quitting = true;
                    self.talk.tell(Kind::Logout, Subject::Session);
                    Some(Reply::new(221, "good bye."))
                }
                _ => return Ok(()),
            };
            self.talk.control.drop_line();
            match reply {
                None => return Err(Cut::Aborted),
                Some(reply) => self.talk.say(&reply)?,
            }
        }
        Ok(())
    }

    /// Opens the connection for what `fill` sends, and ends it so that the client can tell what is whole.
    pub(in crate::session) fn send(
        &mut self,
        opening: &Reply,
        fill: impl FnOnce(&mut Self, &mut DataStream) -> Result<(), Cut>,
    ) -> Result<(), Cut> {
        let mut data = self.open(opening)?;
        data.begin_sending(self.is_brief).map_err(Cut::Reset)?;
        match fill(self, &mut data).and_then(|()| self.send_end(&mut data)) {
            Ok(()) => data.finish().map_err(Cut::Reset),
            Err(cut) => {
                data.cut(matches!(cut, Cut::Aborted));
                Err(cut)
            }
        }
    }

    /// Sends what was taken and not sent yet, and in TLS that it is the end.
    fn send_end(&mut self, data: &mut DataStream) -> Result<(), Cut> {
        data.announce_end().map_err(Cut::Reset)?;
        let mut room = Room::default();
        let mut unsent = data.unsent();
        while unsent > 0 {
            let left = data.flush().map_err(Cut::Reset)?;
            if left < unsent {
                room = Room::default();
            }
            unsent = left;
            if unsent > 0 {
                self.await_room(data, &mut room)?;
            }
        }
        Ok(())
    }

    /// Sends bytes, however long the client takes for them.
    pub(in crate::session) fn send_all(&mut self, data: &mut DataStream, mut bytes: &[u8]) -> Result<(), Cut> {
        let mut room = Room::default();
        while !bytes.is_empty() {
            self.await_turn()?;
            self.await_room(data, &mut room)?;
            let unsent = data.unsent();
            let portion = bytes.get(..self.portion(bytes.len())).unwrap_or_default();
            match data.write(portion) {
                Ok(taken) => {
                    self.count(taken);
                    bytes = bytes.get(taken..).unwrap_or_default();
                    room = Room::default();
                }
                // A slow reader may take many turns for what was taken before.
                Err(error) if is_transient(&error) && data.unsent() < unsent => room = Room::default(),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(send_error(error)),
            }
        }
        Ok(())
    }

    /// Waits until it is worth while to send. poll(2) calls a socket writable when a third of its buffer is free, which a
    /// slow reader may take minutes for; so it is tried every second, and only if nothing goes is that a standstill.
    pub(in crate::session) fn await_room(&mut self, data: &DataStream, room: &mut Room) -> Result<(), Cut> {
        let now = Instant::now();
        let since = *room.waiting_since.get_or_insert(now);
        let end = self.talk.settings().data_timeout.map(|limit| since + limit);
        if end.is_some_and(|end| end <= now) {
            return Err(Cut::Stalled);
        }
        let until = end.map_or(now + TRY_AGAIN, |end| end.min(now + TRY_AGAIN));
        match self.ready(data.as_fd(), For::Writing, Some(until)) {
            Err(Cut::Stalled) => Ok(()),
            result => result,
        }
    }

    /// Waits for bytes of the client; 0 is the end.
    pub(in crate::session) fn receive(&mut self, data: &mut DataStream, buffer: &mut [u8]) -> Result<usize, Cut> {
        let strict = self.talk.settings().tls_strict_eof;
        self.await_turn()?;
        let portion = self.portion(buffer.len());
        let buffer = buffer.get_mut(..portion).unwrap_or_default();
        // Bytes that have come already are not to be waited for.
        if self.unheard >= UNHEARD && data.has_pending() {
            self.heed()?;
            self.catch_up()?;
            self.unheard = 0;
        }
        let mut wait = self.unheard >= UNHEARD;
        loop {
            if std::mem::replace(&mut wait, true) {
                let limit = self.talk.settings().data_timeout;
                self.ready(data.as_fd(), For::Reading, limit.map(|limit| Instant::now() + limit))?;
                self.unheard = 0;
            }
            match data.read(buffer, strict) {
                Ok(length) => {
                    self.unheard += length;
                    self.count(length);
                    return Ok(length);
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(Cut::Reset(error)),
            }
        }
    }

    /// Tells the event of a file and finds the last reply.
    pub(in crate::session) fn conclude(
        self,
        result: Result<(), Cut>,
        file: Place,
        whole: Kind,
        incomplete: Kind,
    ) -> Result<Reply, End> {
        let reason = result.as_ref().err().map(Cut::reason);
        let subject =
            Subject::Transfer { file, bytes: self.bytes, duration: self.began.elapsed(), tls: self.tls, reason };
        if result.is_err() {
            self.talk.tell(incomplete, subject);
            return self.reply(result);
        }
        Ok(self.talk.acknowledge(whole, subject, complete()))
    }

    /// The last reply.
    pub(in crate::session) fn reply(self, result: Result<(), Cut>) -> Result<Reply, End> {
        match result {
            Ok(()) => Ok(complete()),
            Err(cut) => cut.reply(self.talk),
        }
    }
}

fn complete() -> Reply {
    Reply::new(226, "Transfer complete.")
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reading the file is ours, the rest is the network's.
pub(in crate::session) fn send_error(error: io::Error) -> Cut {
    match Errno::from_io_error(&error) {
        Some(Errno::IO | Errno::STALE) => Cut::Storage(Error::Io(error)),
        _ => Cut::Reset(error),
    }
}
