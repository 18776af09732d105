//! What does a plugin author compile against?
//!
//! This crate: the types that cross the border between Photinus and its plugins, the traits of a
//! **transport** ([`transport`]) and the traits of a **store** ([`store`]). It has no runtime and does
//! no I/O, and it is the only crate of ours that a plugin sees; the plugins that ship with Photinus
//! are built on nothing else.
//!
//! # One event, in the words used here
//!
//! A *message* is what an application publishes. It becomes one [`Record`] of a namespace's log, with one
//! *event* for each topic of the message, and every event has a [`Sequence`]. A *subscription* is a filter
//! and a position in that log (its *offset*). A *transport* brings the matching events to the application
//! over a *connection*: each hand-over is a [`Delivery`] and is settled by an [`Outcome`].
//!
//! ```text
//!   engine ── deliver(Delivery) ──▶ Transport ──▶ the application
//!   engine ◀─ respond(Response) ─── Callbacks ◀── the application
//! ```
//!
//! # Order, durability, cancellation, errors
//!
//! * A subscription's events are handed over in sequence order, at most `readAhead + 1` unanswered at a
//!   time, and again from the offset after a reject, a lost connection or a restart.
//! * What a [`store`] has answered is durable; nothing is visible before it is durable.
//! * Futures may be dropped at any time: the work they started goes on, and only its answer is lost.
//! * Errors that a client sees are [`CodedError`]s: a code, an HTTP status and a text.

pub mod address;
pub mod backoff;
pub mod change;
pub mod cloud_event;
pub mod content;
pub mod data;
pub mod datatype;
pub mod delivery;
pub mod error;
pub mod event;
pub mod filter;
pub mod id;
pub mod intake;
pub mod message;
pub mod name;
pub mod object;
pub mod options;
pub mod ordering;
pub mod outbox;
pub mod own;
pub mod record;
pub mod retry;
pub mod run;
pub mod samples;
mod schema;
pub mod scripted;
pub mod secrets;
mod splice;
pub mod standing;
pub mod store;
pub mod subscription;
pub mod target;
pub mod targets;
pub mod time;
pub mod transport;
pub mod words;

pub use change::{ChangeEvent, ChangeFilter, ChangeKind};
pub use data::{Data, DataRef};
pub use datatype::Datatype;
pub use delivery::{
    Batch, BatchItem, Delivery, DeliveryId, HandOver, Outcome, Report, Response, VoidReason, Wait,
};
pub use error::CodedError;
pub use event::{Event, EventType};
pub use filter::SubscriptionFilter;
pub use id::{ConnectionId, DataId, EventId, MessageId, Sequence, SubscriptionId};
pub use message::{Message, MessageHeader, MessageInput, MessageKind};
pub use name::Namespace;
pub use options::SubscriptionOptions;
pub use ordering::OrderingKey;
pub use record::{NewRecord, Record};
pub use retry::RetryPolicy;
pub use run::Run;
pub use secrets::Secrets;
pub use splice::write_json_text;
pub use subscription::{Subscription, SubscriptionRef};
pub use time::{DurationText, Timestamp};
pub use transport::{Callbacks, Capabilities, Matcher, Transport, TransportPlugin};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
