//! What sessions share because there is only so much of it: rates, and places.

pub(super) mod bucket;
pub(super) mod lanes;
pub(super) mod limiter;
pub(super) mod seats;
