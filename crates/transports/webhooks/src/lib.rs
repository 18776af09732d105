//! How do applications get their events as webhooks?
//!
//! Each event is a request to the URL of its subscription, signed as Standard Webhooks says; the answer settles it. One
//! connection serves all subscriptions, and no application has to come first.
//!
//! ```text
//!   engine ── deliver ──▶ sender ── one by one, or side by side ──▶ attempt ──▶ client ──▶ the receiver
//!                           │  one a subscription                      │  ▲                      │
//!                           ▼                                          ▼  └─────── answer ◀──────┘
//!                         station, one a receiver: how many at once, and whether it is left alone
//!   engine ◀─ respond ─── sender ◀──────────── verdict ◀───────────────┘
//! ```
//!
//! Every address is checked when it is connected to (`guard`), because whoever may make a subscription could have this
//! server ask what only this server can reach.

mod config;
mod options;
mod settings;
mod transport;

mod hub;
mod route;
mod sender;

mod receiver;
mod stations;

mod cloudevents;
mod fields;
mod request;
mod signing;

mod client;
mod guard;

mod answer;
mod tested;
mod verdict;

mod clock;

#[doc(hidden)]
pub mod fuzzing;

pub use crate::config::Config;
pub use crate::options::ConfirmationMode;
pub use crate::transport::Webhooks;
