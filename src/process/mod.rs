//! The process itself: signals and limits.

pub mod limits;
pub mod signals;
