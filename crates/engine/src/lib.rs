//! What runs dispatch?
//!
//! The engine takes messages in, commits them, and drives the dispatchers of all active subscriptions.
//!
//! ```text
//!   Handle::publish ─▶ publish ─▶ Committer ─▶ Store
//!                                    │
//!                                    ▼
//!                                  Tail ──wakes──▶ Shard ── deliver ──▶ Transport
//!                      Store ─▶ Pages ───────────▶   ▲                     │
//!                                                    └── Callbacks ◀───────┘
//! ```
//!
//! * [`Engine`] assembles it, starts transports and stops everything.
//! * [`Handle`] is what the API calls.
//! * [`Changes`] is what it hears of changes.

mod addresses;
mod blobs;
mod callbacks;
mod changes;
mod clock;
mod committer;
mod config;
mod core;
mod datatypes;
mod engine;
mod fatal;
mod filters;
mod handle;
mod health;
mod history;
pub mod lists;
pub mod metrics;
mod namespaces;
mod pages;
mod parked;
mod pause;
mod publish;
mod registry;
mod seek;
mod shard;
mod standing;
mod stored;
mod subscribe;
mod tail;
mod transports;
mod trial;
mod values;

pub use addresses::Address;
pub use blobs::BlobUpload;
pub use changes::Changes;
pub use clock::{Clock, SystemClock};
pub use config::EngineConfig;
pub use datatypes::DatatypeText;
pub use engine::{Engine, Parts, StartError};
pub use handle::Handle;
pub use history::Preview;
pub use parked::{ParkedEvent, ParkedPayload};
pub use photinus_contract::transport::Chain;
pub use publish::{DataText, HeaderText, Lot, MessageText, Pending, Prepared, Receipt, as_ready};
pub use seek::{Following, SeekTo, Sought};
pub use standing::{SubscriptionState, SubscriptionStatus};
pub use subscribe::{Rotated, SubscriptionInput};
pub use trial::{Trial, TrialOf};
