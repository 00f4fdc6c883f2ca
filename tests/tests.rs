//! All black-box tests, in one binary (`captured.rs` is a process of its own): real sockets, a real server process, a database that real Django made.
//!
//! | file | about |
//! |---|---|
//! | `login.rs` | USER, PASS, REIN, QUIT |
//! | `commands.rs` | every verb without a data connection: codes, arguments, before login |
//! | `file_commands.rs` | those of them that are about files and directories: names, sizes, times, modes |
//! | `listings.rs` | LIST, NLST, MLSD, MLST, STAT of a path |
//! | `digests.rs` | HASH, XCRC, XMD5 and their like: codes, parts, and who is heard meanwhile |
//! | `transfers.rs` | RETR, STOR, APPE, STOU, REST, TYPE A |
//! | `data_connections.rs` | active, passive, ABOR, what is heard during transfers |
//! | `devices.rs` | dialogues of cameras, scanners, controllers and old clients, as they were reported |
//! | `proxies.rs` | clients behind a proxy: who they are, what their proxy looks after, where their data goes |
//! | `tls.rs` | TLS on the control connection: its commands, who has to use it, what events say |
//! | `tls_certificates.rs` | certificates: broken ones, new ones while it runs, those of clients |
//! | `tls_data.rs` | data connections in TLS: their ends, and what is heard while they run |
//! | `tls_reuse.rs` | data connections in TLS: resumed or not |
//! | `tls_early.rs` | data connections that shake hands before their command |
//! | `permissions.rs` | every verb and every letter, live |
//! | `accounts.rs` | homes, refusals, and a database that locks, moves, breaks |
//! | `sites.rs` | custom user models, sites without FTP accounts, what the file says of users and groups |
//! | `accounts_command.rs` | a program that decides logins |
//! | `webhooks.rs` | web servers that are told of events |
//! | `programs.rs` | programs that run for events, and what they are told |
//! | `gates.rs` | programs that decide about uploads |
//! | `helper.rs` | the process that starts programs, asked for what it should not do |
//! | `object_stores.rs` | homes in buckets: every verb, whose files are whose, what is refused |
//! | `object_faults.rs` | buckets that fail: for a moment, for long, in the middle, by nonsense |
//! | `storages.rs` | which tests keep to the disk where the others run over stores |
//! | `passwords.rs` | every way in which Django stores a password, and what is done when memory is short |
//! | `rates.rs` | how fast: the whole server, accounts, sessions, and who gets which part |
//! | `account_limits.rs` | sessions, expiry and read-only paths of an account |
//! | `account_quotas.rs` | how much a home may hold, whatever is tried |
//! | `export.rs` | accounts from what dumpdata wrote: its forms, its faults, its changes |
//! | `events.rs` | all kinds of events with their fields, in order, over restarts |
//! | `journal.rs` | the journal as a file: old ones, numbers, what is acknowledged when, a full disk |
//! | `events_command.rs` | `django-ftpd events`: filters, columns, following, exit statuses |
//! | `followers.rs` | the audit database, the transfer log, the system's log: over restarts, kill -9 and outages |
//! | `who.rs` | who is on and what they do, followers that are behind, the state in the log |
//! | `control.rs` | the control socket: kick, ban, drain, stop; whose it is, and attacks on it |
//! | `reload.rs` | the configuration read anew: what changes for whom, and what is broken |
//! | `metrics.rs` | metrics in the format of Prometheus, over the socket and by HTTP |
//! | `stopping.rs` | signals: idle clients, running transfers, the grace |
//! | `daemonize.rs` | into the background, and what the caller hears of it |
//! | `process.rs` | the pidfile, SIGHUP and SIGUSR1, signals and troubles while the server starts |
//! | `systemd.rs` | sockets that are given, and what is told |
//! | `privileges.rs` | root becomes another user |
//! | `logging.rs` | the log: levels, forms, its file, journald |
//! | `manage.rs` | accounts without Django: the commands, what they refuse, and what a running server makes of it |
//! | `manage_terminal.rs` | passwords that are typed |
//! | `configuration.rs` | flags, environment, file; every mistake; help; demo |
//! | `check.rs` | `django-ftpd check`: accounts, homes, files, the process, and that it changes nothing |
//! | `check_network.rs` | `django-ftpd check`: addresses, ports, the firewall, certificates |
//! | `smoke.rs` | the shortest way through everything |
//! | `security_network.rs` | bounced and stolen data connections, exhausted ports, lines that are none |
//! | `security_proxies.rs` | PROXY headers from who may not send any, wrong and missing ones, data connections behind a proxy |
//! | `security_files.rs` | out of the home, through names, by size, by depth |
//! | `security_logins.rs` | guessing names and passwords, freezing others, writing into the log |
//! | `security_tls.rs` | what is said before, instead of and in the middle of a handshake |
//! | `security_tls_data.rs` | the same on data connections, and strangers who come to them |
//! | `security_tls_rein.rs` | the end of TLS behind REIN, and limits where handshakes have none |
//! | `security_tls_clients.rs` | client certificates that are not what they seem |
//! | `limits.rs` | how many for how long, and that nothing is left of those who were |
//! | `sandbox.rs` | what the kernel keeps from the server, and that the server misses nothing |
//! | `faults.rs` | kill -9, a panic, a full disk, a torn or moved journal |

mod support;

mod account_limits;
mod account_quotas;
mod accounts;
mod accounts_command;
mod check;
mod check_network;
mod commands;
mod configuration;
mod control;
mod daemonize;
mod data_connections;
mod devices;
mod digests;
mod events;
mod events_command;
mod export;
mod faults;
mod file_commands;
mod followers;
mod gates;
mod helper;
mod journal;
mod limits;
mod listings;
mod logging;
mod login;
mod manage;
mod manage_terminal;
mod metrics;
#[cfg(feature = "object-storage")]
mod object_faults;
#[cfg(feature = "object-storage")]
mod object_stores;
mod passwords;
mod permissions;
mod privileges;
mod process;
mod programs;
mod proxies;
mod rates;
mod reload;
mod sandbox;
mod security_files;
mod security_logins;
mod security_network;
mod security_proxies;
mod security_tls;
mod security_tls_clients;
mod security_tls_data;
mod security_tls_rein;
mod sites;
mod smoke;
mod stopping;
#[cfg(feature = "object-storage")]
mod storages;
mod systemd;
mod tls;
mod tls_certificates;
mod tls_data;
mod tls_early;
mod tls_reuse;
mod transfers;
mod webhooks;
mod who;
