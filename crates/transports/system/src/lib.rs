//! How does code within this process get its events?
//!
//! As any application does, over a transport: a [`Listener`] is a connection of its own with one ephemeral
//! subscription. What it hears is a delivery like any other, in order, one answer each.
//!
//! ```text
//!   engine ── deliver ──▶ connection ── queue ──▶ Listener::next ──▶ the code that listens
//!   engine ◀─ respond ─── connection ◀─ ack, retry, … ── Heard ◀────────────┘
//! ```
//!
//! [`System`] is the plugin; [`Listeners`], which it gives away before it runs, is the way in. A listener that
//! is slow fills its own queue and holds up nobody else.

mod config;
mod transport;

mod connection;
mod listener;

pub use crate::config::Config;
pub use crate::listener::{Heard, Listener};
pub use crate::transport::{Listeners, System};
