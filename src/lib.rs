pub mod accounts;
pub mod events;
pub mod net;
pub mod protocol;
