//! Threads in every order that some thousands of tries find: what the server's threads share is compiled here with locks,
//! channels and threads that let another one come first, and holds what it promises. Run it with `cargo run --release`.

#![allow(dead_code, unexpected_cfgs, unfulfilled_lint_expectations, reason = "of each file only a part is tried here")]

mod accounts;
mod channels;
mod events;
mod locks;
#[path = "../../../src/memory.rs"]
mod memory;
mod net;
#[path = "../../../src/protocol/mod.rs"]
mod protocol;
mod server;
mod session;
mod storage;

/// What is compiled here finds these channels under the name of its own.
extern crate self as crossbeam_channel;
pub(crate) use channels::*;

use std::sync::Arc;
use std::time::Instant;

/// So many orders of each.
const TRIES: usize = 3000;

fn main() {
    let ports = net::free_ports(2);
    tried("no port is lent twice", move || net::no_port_is_lent_twice(&ports));
    tried("one failure bans", net::one_failure_bans);
    let (_client, stream) = server::connection();
    let stream = Arc::new(stream);
    tried("caps hold and waiting ends", move || server::caps_hold_and_waiting_ends(&stream));
    let (_client, stream) = server::connection();
    let stream = Arc::new(stream);
    let evicted = stream.clone();
    tried("who logs in is not evicted", move || server::who_logs_in_is_not_evicted(&evicted));
    tried("each client is served once", move || server::each_client_is_served_once(&stream));
    tried("no account has too many sessions", session::no_account_has_too_many_sessions);
    tried("nothing goes unpaid", session::nothing_goes_unpaid);
    tried("no quota is exceeded", storage::no_quota_is_exceeded);
    tried("a changed password opens nothing", accounts::a_changed_password_opens_nothing);
    tried("a closed account opens to nobody", accounts::a_closed_account_opens_to_nobody);
    let scratch = Arc::new(events::Scratch::new());
    tried("every event reaches every follower", move || events::every_event_reaches_every_follower(&scratch));
    tried("nothing is acknowledged that is not safe", events::nothing_is_acknowledged_that_is_not_safe);
}

fn tried(what: &str, deed: impl Fn() + Send + Sync + Clone + 'static) {
    let began = Instant::now();
    shuttle::check_random(deed.clone(), TRIES);
    // Orders that are unlikely: few changes of threads, in any places.
    shuttle::check_pct(deed, TRIES, 3);
    println!("{what}: {} orders, {:.1} s", 2 * TRIES, began.elapsed().as_secs_f64());
}
