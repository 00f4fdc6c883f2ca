//! Threads in every order that some thousands of tries find: what the server's threads share is compiled here with locks
//! that let another thread come first, and holds what it promises. Run it with `cargo run --release`.

#![allow(dead_code, unfulfilled_lint_expectations, reason = "of each file only a part is tried here")]

mod locks;
mod net;
#[path = "../../../src/protocol/mod.rs"]
mod protocol;
mod server;
mod session;
mod storage;

/// So many orders of each.
const TRIES: usize = 3000;

fn main() {
    let ports = net::free_ports(2);
    let (_client, stream) = server::connection();
    let stream = std::sync::Arc::new(stream);
    tried("no port is lent twice", move || net::no_port_is_lent_twice(&ports));
    tried("caps hold and waiting ends", move || server::caps_hold_and_waiting_ends(&stream));
    tried("no quota is exceeded", storage::no_quota_is_exceeded);
}

fn tried(what: &str, deed: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(deed.clone(), TRIES);
    // Orders that are unlikely: few changes of threads, in any places.
    shuttle::check_pct(deed, TRIES, 3);
    println!("{what}: {} orders", 2 * TRIES);
}
