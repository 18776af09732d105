//! How do applications get their events over WebSockets?
//!
//! As FireFly's clients do: they open `/ws` or `/api/v1/namespaces/{ns}/ws`, attach with a query or a `start`
//! frame, and acknowledge each event. What is ours is additive: `delivery` and `attempt` on every event, and
//! the `nack` frame.
//!
//! ```text
//!   engine ── deliver ──▶ connection ── queue ──▶ socket task ── frames ──▶ client
//!   engine ◀─ respond ─── session ◀─── frames ─── socket task ◀──────────── client
//! ```
//!
//! One task owns one socket, both directions, so a client that does not read cannot stop what it sends from
//! being read. The engine's threads only ever put a delivery in the connection's bounded queue.

mod config;
mod transport;

mod upgrade;

mod connection;
mod inflight;
mod outbound;

mod answers;
mod frames;
mod mapping;
mod plain;
mod query;
mod session;
mod text;

mod buffers;
mod socket;
mod wire;

mod status;

#[doc(hidden)]
pub mod fuzzing;

pub use crate::config::Config;
pub use crate::transport::WebSockets;
