//! Which TLS sessions are resumed: on a control connection those of any client that was here before, unless clients show
//! certificates, which a ticket would carry on unverified; on a data connection only those of its own control connection.
//! So one that was resumed belongs to its session.

use crate::locks::lock;
use rustls::server::{ProducesTickets, StoresServerSessions};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};

/// What the tickets of one client have in common: those of a control connection, and of another one that resumed it.
pub(super) type Family = [u8; 16];

/// So many are kept for a control connection, which is enough for TLS 1.2: a client resumes those as often and as late as
/// it likes. The tickets of TLS 1.3 are good without that, for as long as their keys are (RFC 8446, 4.6.1).
const MOST: usize = 2;

type Digested = [u8; 32];

/// The tickets of a control connection, valid on its data connections for as long as it lasts.
#[derive(Debug)]
pub(super) struct Tickets {
    server: Arc<dyn ProducesTickets>,
    /// Whether a control connection may be resumed.
    resumes: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    family: Family,
    /// What the client knows a session by, which may be as large as the session, and the session.
    known: Vec<(Digested, Vec<u8>)>,
}

impl Tickets {
    /// For a new control connection; `server` encrypts the tickets of them all.
    pub(super) fn new(server: Arc<dyn ProducesTickets>, family: Family, resumes: bool) -> Tickets {
        Tickets { server, resumes, state: Mutex::new(State { family, known: Vec::new() }) }
    }

    /// The client has proven that a ticket of this family is its own.
    pub(super) fn join(&self, family: Family) {
        lock(&self.state).family = family;
    }

    fn remember(&self, name: &[u8], session: &[u8]) {
        let known = &mut lock(&self.state).known;
        if known.len() < MOST {
            known.push((Sha256::digest(name).into(), session.to_vec()));
        }
    }

    /// The family of a ticket, and its session.
    fn open(&self, ticket: &[u8]) -> Option<(Family, Vec<u8>)> {
        let plain = self.server.decrypt(ticket)?;
        let (family, session) = plain.split_first_chunk()?;
        Some((*family, session.to_vec()))
    }

    /// The session of that name, if it is one of this client.
    fn find(&self, name: &[u8]) -> Option<Vec<u8>> {
        let state = lock(&self.state);
        let digest: Digested = Sha256::digest(name).into();
        if let Some((_, session)) = state.known.iter().find(|(known, _)| *known == digest) {
            return Some(session.clone());
        }
        self.open(name).filter(|(family, _)| *family == state.family).map(|(_, session)| session)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.server.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let family = lock(&self.state).family;
        let ticket = self.server.encrypt(&[&family, session].concat())?;
        self.remember(&ticket, session);
        Some(ticket)
    }

    /// A client that shows somebody else's ticket can't resume that session, and must not: it is not known here
    /// for more than that the other one could use it.
    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (_, session) = self.open(ticket).filter(|_| self.resumes)?;
        self.remember(ticket, &session);
        Some(session)
    }
}

/// TLS 1.2 without tickets: a session is known by an id, to this control connection alone.
impl StoresServerSessions for Tickets {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.remember(&id, &session);
        true
    }

    fn get(&self, _id: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _id: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// The same for its data connections: they resume, as often as they like, and issue nothing. A ticket that a client
/// leaves unread would turn its close into a reset, and lose what is on the way.
#[derive(Debug)]
pub(super) struct Resumable(pub(super) Arc<Tickets>);

impl ProducesTickets for Resumable {
    /// So TLS 1.3 asks below, and TLS 1.2 asks here but issues none.
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _session: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.0.find(ticket)
    }
}

impl StoresServerSessions for Resumable {
    fn put(&self, _id: Vec<u8>, _session: Vec<u8>) -> bool {
        false
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.0.find(id)
    }

    fn take(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.0.find(ticket)
    }

    fn can_cache(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(server: &Arc<dyn ProducesTickets>, family: u8, resumes: bool) -> Arc<Tickets> {
        Arc::new(Tickets::new(server.clone(), [family; 16], resumes))
    }

    #[test]
    fn every_ticket_of_a_client_is_its_own_and_few_are_kept() {
        let server = rustls::crypto::ring::Ticketer::new().unwrap();
        let (ours, theirs) = (tickets(&server, 1, true), tickets(&server, 2, true));
        let session = |number| vec![number; 16 << 10];
        let issued: Vec<Vec<u8>> = (0..8).map(|number| ours.encrypt(&session(number)).unwrap()).collect();
        for (ticket, number) in issued.iter().zip(0..) {
            assert_eq!(Resumable(ours.clone()).take(ticket), Some(session(number)));
            assert_eq!(Resumable(theirs.clone()).take(ticket), None);
            assert_eq!(tickets(&server, 3, true).decrypt(ticket), Some(session(number)));
        }
        assert_eq!(lock(&ours.state).known.len(), MOST);
        let foreign = rustls::crypto::ring::Ticketer::new().unwrap().encrypt(&[0; 100]).unwrap();
        assert_eq!(Resumable(ours).take(&foreign), None);
    }

    #[test]
    fn where_clients_show_certificates_only_data_connections_are_resumed() {
        let server = rustls::crypto::ring::Ticketer::new().unwrap();
        let ours = tickets(&server, 1, false);
        let ticket = ours.encrypt(b"session").unwrap();
        assert_eq!(ours.decrypt(&ticket), None);
        assert_eq!(Resumable(ours).take(&ticket), Some(b"session".to_vec()));
    }
}
