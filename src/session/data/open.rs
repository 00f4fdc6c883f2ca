//! How a transfer gets its data connection: where it comes from, when the client hears of it, and its TLS.

use super::door::Door;
use super::transfer::{Cut, Wire};
use crate::net::data::{Connecting, DataStream};
use crate::net::tls::Records;
use crate::net::wait::For;
use crate::protocol::reply::Reply;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Instant;

impl Wire<'_, '_> {
    /// Says that the transfer begins, and has the data connection made: an active one before, for then a
    /// refusal is the only reply; a passive one after, for some clients connect only then.
    pub(in crate::session) fn open(&mut self, opening: &Reply) -> Result<DataStream, Cut> {
        let mut data = self.reach(opening)?;
        if self.talk.protect.data
            && let Err(cut) = self.secure(&mut data)
        {
            data.cut(false);
            return Err(cut);
        }
        Ok(data)
    }

    fn reach(&mut self, opening: &Reply) -> Result<DataStream, Cut> {
        match std::mem::replace(&mut self.talk.door, Door::Closed) {
            Door::Closed => Err(Cut::NoConnection("use PASV or PORT first".to_string())),
            Door::Active(target) => {
                let data = self.connect(target)?;
                self.begin(opening)?;
                Ok(data)
            }
            Door::Passive(port, _) => {
                let first = port.accept().map_err(|error| Cut::NoConnection(error.to_string()))?;
                self.begin(opening)?;
                let until = self.talk.settings().pasv_timeout.map(|limit| Instant::now() + limit);
                self.accept(&port, first, until)
            }
            Door::Early(early) => {
                self.begin(opening)?;
                match (early.failure, early.data.tls()) {
                    (Some(why), _) => Err(Cut::Insecure(why)),
                    (None, Some(_)) if !self.talk.protect.data => {
                        Err(Cut::NoConnection("it has begun TLS, and PROT C was said since".to_string()))
                    }
                    (None, _) => Ok(early.data),
                }
            }
        }
    }

    /// From here to the last reply the client is answered out of turn, also what it has sent ahead.
    fn begin(&mut self, opening: &Reply) -> Result<(), Cut> {
        self.talk.say(opening)?;
        self.answer()
    }

    /// Shakes hands, and finds out whether it is with the client of this session.
    fn secure(&mut self, data: &mut DataStream) -> Result<(), Cut> {
        let failed = |error: io::Error| Cut::Insecure(error.to_string());
        let settings = self.talk.settings();
        let limit = settings.tls_timeout.or(settings.data_timeout);
        let until = limit.map(|limit| Instant::now() + limit);
        while let Some(what) = self.talk.shake_hands(data).map_err(failed)? {
            match self.ready(data.as_fd(), what, until) {
                Err(Cut::Stalled) => return Err(Cut::Insecure("the client did not shake hands in time".to_string())),
                other => other?,
            }
        }
        self.tls = data.tls().and_then(Records::protection);
        self.talk.handle.set_data_tls(self.tls);
        let is_ours = data.tls().is_some_and(|tls| self.talk.control.owns(tls));
        self.talk.judge_reuse(is_ours).map_err(|why| Cut::Insecure(why.to_string()))
    }

    fn connect(&mut self, target: SocketAddr) -> Result<DataStream, Cut> {
        let failed = |error: io::Error| Cut::NoConnection(error.to_string());
        let control = self.talk.control.local();
        let below = if self.talk.settings().connect_from_data_port { control.port().saturating_sub(1) } else { 0 };
        // Where a proxy is between, the client need not be where the proxy is.
        let local = match self.talk.handle.arrival().reached() {
            Some(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            None => control,
        };
        let connecting = match Connecting::start(local, below, target) {
            Err(error) if below != 0 => {
                log::debug!("session {}: not from port {below}: {error}", self.talk.tag.id);
                Connecting::start(local, 0, target)
            }
            result => result,
        };
        let connecting = connecting.map_err(failed)?;
        let until = self.talk.settings().port_timeout.map(|limit| Instant::now() + limit);
        match self.ready(connecting.as_fd(), For::Writing, until) {
            Err(Cut::Stalled) => Err(Cut::NoConnection("the client does not answer".to_string())),
            Err(cut) => Err(cut),
            Ok(()) => connecting.finish().map_err(failed),
        }
    }
}
