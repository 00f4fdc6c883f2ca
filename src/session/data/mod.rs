//! Data connections: where they come from, whose they are, and the bytes on them.

pub(super) mod accept;
pub(super) mod door;
pub(super) mod early;
pub(super) mod open;
pub(super) mod pace;
pub(super) mod transfer;
