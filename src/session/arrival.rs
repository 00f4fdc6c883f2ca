//! How a client has come: by itself, or through a proxy that says who it is.

use crate::protocol::proxy::Origin;
use std::net::SocketAddr;

/// A client that has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its address.
    pub peer: SocketAddr,
    /// It came to the port where TLS comes before the greeting.
    pub is_implicit: bool,
    /// What a trusted proxy says of it; None: none is between.
    pub origin: Option<Origin>,
}

impl Arrival {
    /// Of this address, without a proxy.
    pub fn direct(peer: SocketAddr, is_implicit: bool) -> Arrival {
        Arrival { peer, is_implicit, origin: None }
    }

    /// The one that a proxy at this address has meant. In version 1, HAProxy names itself where it looks after us.
    pub fn introduced(self, origin: Origin) -> Arrival {
        let own = SocketAddr::new(self.peer.ip().to_canonical(), self.peer.port());
        match origin {
            Origin::Client { client, .. } if client != own => Arrival { peer: client, origin: Some(origin), ..self },
            Origin::Client { .. } | Origin::Proxy => Arrival { origin: Some(Origin::Proxy), ..self },
        }
    }

    /// Whether it is the proxy itself: it looks whether the server is well.
    pub fn is_proxy(&self) -> bool {
        self.origin == Some(Origin::Proxy)
    }

    /// What the client has connected to, if that was not this server.
    pub(super) fn reached(&self) -> Option<SocketAddr> {
        match self.origin {
            Some(Origin::Client { reached, .. }) => Some(reached),
            Some(Origin::Proxy) | None => None,
        }
    }
}
