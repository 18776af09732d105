//! What does a list show?
//!
//! FireFly's filter language: what a client asks of a list, and which rows that is. Every list is asked in the same
//! way, whether its rows come from the log, from memory, or are never there.
//!
//! ```text
//!   pairs of a URL's query ─▶ Query ◀── Fields: a name, a kind and a way to the value, for each collection
//!                               │
//!        rows, newest first ─▶ Collector ─▶ Listed: the page, and the total where it was asked for
//!               ▲
//!               └── Walk: what the log has of them, page by page
//! ```

mod condition;
mod field;
mod order;
mod query;

mod budget;
mod collector;
mod data;
mod histogram;
mod log;
mod walk;

mod collections;
mod message;

pub use self::budget::ListBudget;
pub use self::collections::{DATA, DATATYPES, EVENTS, GROUPS, MESSAGES, PARKED, SUBSCRIPTIONS};
pub use self::collector::{Collector, Listed};
pub use self::field::{Field, Kind, Value};
pub use self::histogram::{BAR_COUNT_MAX, Bar, Charted};
pub use self::message::ListedMessage;
pub use self::query::{LIMIT_DEFAULT, LIMIT_MAX, Query, SKIP_MAX};
pub(crate) use self::walk::{Span, Walk};
