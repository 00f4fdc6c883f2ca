//! How a server is spoken with while it runs: over a Unix socket by root and by its own user, and its metrics by HTTP.
//!
//! Who connects to the socket sends one request: a JSON object on one line, of at most 4 KiB.
//!
//! ```text
//! {"request":"who"}
//! {"request":"kick","whose":"ann"}              the number of a session, an address, or a user
//! {"request":"ban","address":"10.0.0.1","seconds":60}    without seconds: for good
//! {"request":"bans"}
//! {"request":"unban","address":"10.0.0.1"}
//! {"request":"reload"}
//! {"request":"drain"}
//! {"request":"stop"}
//! {"request":"metrics"}
//! ```
//!
//! The answer is one flat JSON object a line, and then the end. The first line has `"ok":true` and what there is to say:
//! how many were meant (`count`), a `text`, the number of `sessions`, `followers` and `bans` that follow, one a line; or
//! it has nothing but `error`, one line for people. Behind the answer to `stop` the connection ends with the process, so
//! that who asked knows when it has gone. Names are written as in the journal: no byte of them is lost.

mod answer;
mod client;
mod http;
mod metrics;
mod page;
mod request;
mod service;
mod socket;
mod state;

pub use client::{Answer, ask};
pub use http::MetricsPort;
pub use request::Request;
pub use socket::{ControlSocket, Guard};

use crate::events::Complaints;
use crate::events::followers::Watch;
use crate::server::Remote;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

/// Reads the configuration anew: what is to be said of it, or why nothing has changed.
pub type Reload = Box<dyn Fn() -> Result<String, String> + Send + Sync>;

/// All that requests are about. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Papers>);

struct Papers {
    remote: Remote,
    followers: Vec<Watch>,
    reload: Option<Reload>,
    complaints: Complaints,
    /// Those who wait for the end of the process.
    waiting: Mutex<Vec<UnixStream>>,
}

impl Desk {
    /// For this server and the followers of its journal. None: there is no configuration that could be read anew.
    pub fn new(remote: Remote, followers: Vec<Watch>, reload: Option<Reload>) -> Desk {
        Desk(Arc::new(Papers {
            remote,
            followers,
            reload,
            complaints: Complaints::default(),
            waiting: Mutex::default(),
        }))
    }

    /// Reads the configuration anew, and has the log say what came of it.
    pub fn reload(&self) -> Result<String, String> {
        let Some(reload) = &self.0.reload else {
            return Err("this server has no configuration that it could read anew".to_string());
        };
        let result = reload();
        match &result {
            Ok(text) => log::info!("reload: {text}"),
            Err(why) => log::error!("reload: {why}; the configuration stays as it was"),
        }
        result
    }

    /// Whether there is a configuration that can be read anew.
    pub fn can_reload(&self) -> bool {
        self.0.reload.is_some()
    }

    /// Has the log say who is on and what they do.
    pub fn log_state(&self) {
        state::lines(&self.0.remote, &self.0.followers).iter().for_each(|line| log::info!("{line}"));
    }

    /// Answers who comes to the socket.
    pub fn open(&self, socket: ControlSocket) -> io::Result<Guard> {
        service::start(socket, self.clone())
    }

    /// Shows the metrics to who comes for them.
    pub fn show_metrics(&self, port: MetricsPort) -> io::Result<()> {
        let desk = self.clone();
        port.serve(move || metrics::text(&desk.0.remote, &desk.0.followers))
    }
}
