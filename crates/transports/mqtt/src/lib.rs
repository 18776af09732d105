//! How do applications get their events from a broker that speaks MQTT?
//!
//! MQTT 5, and 3.1.1 where the broker offers no more. Each event is a message to a topic; it is delivered when the broker
//! has acknowledged it, or when the application answers. One connection serves all subscriptions of a target.
//!
//! ```text
//!   engine ── deliver ──▶ outboxes ──▶ publisher ──▶ session ── PUBLISH ──▶ the broker ──▶ the application
//!   engine ◀─ respond ─── outboxes ◀── verdict ◀──── session ◀─ PUBACK, PUBCOMP ─┘ │              │
//!                             ▲                                                    │              │
//!                             └───────────── answers ◀── response topic ◀──────────┴──────────────┘
//!   engine ◀─ publish ─── source ◀── session ◀── a topic filter ◀── the broker
//! ```
//!
//! The protocol itself is a library without input and output (mqtt-protocol-core); `session` gives it a connection.

mod config;
mod options;
mod transport;

mod hub;
mod link;
mod publisher;

mod answers;
mod mapping;
mod source;
mod tested;

mod clock;
mod connect;
mod greeting;
mod session;
mod tls;

#[doc(hidden)]
pub mod fuzzing;

pub use crate::config::{Config, Protocol, Source, Target};
pub use crate::transport::Mqtt;
