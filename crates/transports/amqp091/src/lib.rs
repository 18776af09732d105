//! How do applications get their events from a broker that speaks AMQP 0-9-1?
//!
//! RabbitMQ and its kin. Each event is a message to an exchange; it is delivered when the broker has confirmed it, or
//! when the application answers. One connection serves all subscriptions of a target.
//!
//! ```text
//!   engine ── deliver ──▶ outboxes ──▶ publisher ── a channel a subscription ──▶ the broker ──▶ the application
//!   engine ◀─ respond ─── outboxes ◀── verdict ◀────────── confirm, return ────────┘   │              │
//!                             ▲                                                        │              │
//!                             └───────────────────── answers ◀── reply-to ◀────────────┴──────────────┘
//!   engine ◀─ publish ─── source ◀── a queue ◀── the broker
//! ```
//!
//! A broker that is not there is no error: `link` keeps trying, and its subscriptions say that they wait.

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
mod tls;
mod wire;

#[doc(hidden)]
pub mod fuzzing;

pub use crate::config::{Config, Source, Target};
pub use crate::transport::Amqp091;
