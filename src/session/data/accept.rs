//! Passive data connections: whose they have to be, also where a proxy is between.

use super::transfer::{Cut, Wire};
use crate::net::data::DataStream;
use crate::net::introduction::{HEADER_TIME, Introduction, Unknown};
use crate::net::passive::PassivePort;
use crate::net::wait::For;
use crate::protocol::proxy::Origin;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

impl Wire<'_, '_> {
    /// Waits for the client of this session, if that is not who has come first; strangers are closed.
    pub(super) fn accept(
        &mut self,
        port: &PassivePort,
        first: Option<(TcpStream, SocketAddr)>,
        until: Option<Instant>,
    ) -> Result<DataStream, Cut> {
        let failed = |error: io::Error| Cut::NoConnection(error.to_string());
        let mut newcomer = first;
        loop {
            if let Some((stream, from)) = newcomer
                && self.is_clients(&stream, from, until)?
            {
                return Ok(DataStream::new(stream));
            }
            match self.ready(port.as_fd(), For::Reading, until) {
                Err(Cut::Stalled) => return Err(Cut::NoConnection("nobody came in time".to_string())),
                other => other?,
            }
            newcomer = port.accept().map_err(failed)?;
        }
    }

    fn is_clients(&mut self, stream: &TcpStream, from: SocketAddr, until: Option<Instant>) -> Result<bool, Cut> {
        let whose = match self.talk.settings().trusts(from.ip()) {
            true => self.introduced(stream, from, until)?,
            false => Ok(from.ip().to_canonical()),
        };
        Ok(match whose {
            Ok(address) => self.talk.admits(address, from),
            Err(why) => {
                log::warn!("refused a data connection from {from}, which is a trusted proxy: {why}");
                false
            }
        })
    }

    /// The address that the proxy tells: everybody behind it comes from its own. Meanwhile the client is heard.
    fn introduced(
        &mut self,
        stream: &TcpStream,
        from: SocketAddr,
        until: Option<Instant>,
    ) -> Result<Result<IpAddr, Unknown>, Cut> {
        let late = Instant::now() + HEADER_TIME;
        let until = until.map_or(late, |until| until.min(late));
        let mut introduction = Introduction::default();
        loop {
            match introduction.read(stream) {
                Ok(Some(Origin::Client { client, .. })) => return Ok(Ok(client.ip())),
                Ok(Some(Origin::Proxy)) => return Ok(Ok(from.ip().to_canonical())),
                Ok(None) => {}
                Err(why) => return Ok(Err(why)),
            }
            match self.ready(stream.as_fd(), For::Reading, Some(until)) {
                Err(Cut::Stalled) => return Ok(Err(Unknown::Late)),
                other => other?,
            }
        }
    }
}
