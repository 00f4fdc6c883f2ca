//! The vocabulary of the tests: a real server process on a free port with a database that real Django made, and a
//! client that says lines and expects codes.

mod check;
mod client;
mod control;
#[cfg(feature = "object-storage")]
pub mod elsewhere;
mod embedded;
pub mod homes;
mod managed;
pub mod proxy;
mod server;
#[cfg(feature = "object-storage")]
pub mod store;
mod tls;

pub use check::{Report, check, may_become_others, people};
pub use client::{Client, Data};
pub use embedded::Embedded;
pub use homes::Files;
pub use managed::{Done, Managed, finish};
pub use server::{Builder, Signal, TestServer, ann_in, signal_process, started};
pub use tls::{Identity, Tls, pem, replace};

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Asks until the answer is yes; the test fails if that takes too long. Nothing sleeps for a fixed time.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until nobody reads from a socket that was closed: what another test started at that moment has a copy of it
/// for a while.
#[track_caller]
pub fn is_unread(socket: &Path) {
    eventually("nobody reads there", || UnixDatagram::unbound().unwrap().connect(socket).is_err());
}

/// Waits for the end of a process whose number stands there; what is left of it at most waits for init.
#[track_caller]
pub fn has_ended(pid: &[u8]) {
    let pid: u32 = std::str::from_utf8(pid).unwrap().trim().parse().unwrap();
    eventually("the process has ended", || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        state.is_err() || state.unwrap().contains(") Z ")
    });
}

/// A port below 1024 that is free, if we may have any; no test gets that of another.
pub fn port_of_root() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() as u16 % 400;
    let next = || 600 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 400;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..400).map(|_| next()).find(is_free).unwrap_or(600)
}

/// Puts a copy of the program there. Another process writes it: what this one has open to write, a child that is being
/// started elsewhere has open, too, and then the copy can't be started.
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp").args([Path::new(env!("CARGO_BIN_EXE_django-ftpd")), to]).status().unwrap();
    assert!(copied.success());
}

/// Bytes that no compression or text mode leaves alone.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
