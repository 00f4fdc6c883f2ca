//! An FTP server that logs people in with the accounts of a Django site.
//!
//! The house, from the top. What stands higher may use what stands lower, never the reverse; neighbours on one line
//! do not know each other. `tests/architecture.rs` holds it so.
//!
//! ```text
//! cli                               serve, check, demo, who, events, user, …: argv to deeds, errors to status
//! config                            one table of options; only cli reads it
//! control                           what may be asked of a server that runs: its socket, its metrics
//! server · process                  accept loop, who is on, stopping · the process itself, and what it is kept to
//! session                           one control connection: phases, commands, transfers
//! storage                           where files are: the disk, confined to each home
//! accounts · events · net           who may log in · what happened · sockets
//! programs · syslog · web           what the administrator has run beside the server · the system's log · web servers
//! protocol                          the text of FTP: pure, no I/O
//! files · locks · memory            how a small file is read · how anything is locked · whether there is memory
//! ```
//!
//! Three seams can be swapped, each a small trait: [`accounts::Accounts`] decides logins, [`storage::Storage`] gives
//! each account its files, [`events::Sink`] is told what happens.
//!
//! ```no_run
//! use django_ftpd::{accounts::{DjangoDatabase, Site}, events::Journal, server::Server, storage::Disk};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind("0.0.0.0:2121")?
//!     .accounts(Site::new(DjangoDatabase::open("db.sqlite3")?)?)
//!     .storage(Disk::new())
//!     .sink(Journal::append("/var/log/django-ftpd/events.jsonl")?);
//! let stopper = server.stopper(); // Clone + Send
//! # drop(stopper);
//! server.run()?; // blocks until stopped
//! # Ok(())
//! # }
//! ```
//!
//! Accounts of one's own: a directory that everybody may look at, and one account that may write in it:
//!
//! ```
//! use django_ftpd::accounts::{Account, Accounts, Attempt, Denial, Permissions, Proof, Refusal};
//! use django_ftpd::server::Server;
//!
//! struct Museum;
//!
//! impl Accounts for Museum {
//!     fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
//!         match (attempt.username, &attempt.proof) {
//!             ("keeper", Proof::Password(b"night watch")) => Ok(Account::new("keeper", "/srv/museum")),
//!             ("keeper", _) => Err(Refusal::Denied(Denial::WrongPassword)),
//!             (name, _) => {
//!                 let mut visitor = Account::new(name, "/srv/museum");
//!                 visitor.permissions = Permissions::from_letters("elr");
//!                 visitor.limits.download_rate = std::num::NonZeroU64::new(1_000_000);
//!                 Ok(visitor)
//!             }
//!         }
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let server = Server::bind("127.0.0.1:0")?.accounts(Museum);
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! A sink of one's own, which is told of each event, here of uploads:
//!
//! ```
//! use django_ftpd::events::{Entry, Kind, Sink, Subject};
//! use django_ftpd::server::Server;
//! use std::sync::mpsc::{Sender, channel};
//!
//! struct Uploads(Sender<Vec<u8>>);
//!
//! impl Sink for Uploads {
//!     fn record(&mut self, entry: &Entry) {
//!         if let (Kind::FileReceived, Subject::Transfer { file, .. }) = (entry.event.kind, &entry.event.subject) {
//!             let _ = self.0.send(file.real.clone()); // nobody listens any more: that ends no upload
//!         }
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let (sender, uploads) = channel();
//! let server = Server::bind("127.0.0.1:0")?.sink(Uploads(sender));
//! # drop((server, uploads));
//! # Ok(())
//! # }
//! ```

// No input may end a thread: what can fail says so.
#![cfg_attr(not(test), deny(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod accounts;
pub mod cli;
pub mod config;
pub mod control;
pub mod events;
mod files;
mod locks;
mod memory;
pub mod net;
pub mod process;
pub mod programs;
pub mod protocol;
pub mod server;
pub mod session;
pub mod storage;
mod syslog;
mod web;
