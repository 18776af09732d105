//! Does the transport keep FireFly's rules on a real socket?
//!
//! A real HTTP server with the transport's mounts, real clients, and an engine that only records what it is
//! told. Nothing here sleeps; the time limit of [`harness::within`] is a guard against a hang.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod acks;
mod flow;
mod harness;
mod late;
mod nacks;
mod protocol;
mod starts;
