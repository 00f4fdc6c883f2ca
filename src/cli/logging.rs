//! The log: lines on standard error, for a supervisor to keep.

use env_logger::{Env, Target, WriteStyle};
use jiff::Timestamp;
use std::io::Write;

/// Starts it. RUST_LOG chooses what is shown, `info` if it is not set.
pub(super) fn start() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info"))
        .target(Target::Stderr)
        .write_style(WriteStyle::Never)
        .format(|out, record| {
            let (time, level) = (Timestamp::now(), record.level());
            writeln!(out, "{time:.3} {level:<5} {}", record.args())
        })
        .init();
}
