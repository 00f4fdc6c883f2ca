//! All black-box tests, in one binary: real sockets, a real server process, a database that real Django made.
//!
//! | file | about |
//! |---|---|
//! | `smoke.rs` | the shortest way through everything |

mod support;

mod smoke;
