//! Who gets which event, and when?
//!
//! Pure state machines: no runtime, no clock, no randomness, no I/O. The engine feeds them inputs and performs
//! the actions that they ask for, so every interleaving can be tried in a test.
//!
//! * [`Dispatcher`] is one active subscription: what it has in flight, what is settled, where its offset is.
//! * [`Filter`] decides whether an event matches a subscription, and [`EventMatcher`] which of many it matches.

mod connections;
mod dispatcher;
mod filter;
mod instant;
mod keys;
mod lane;
mod matcher;
mod position;
mod ranges;
mod rare;
mod retry;
mod unanswered;
mod window;

pub use dispatcher::{
    Action, Arrived, Dispatcher, DispatcherConfig, Input, Item, Replayed, Room, SETTLED_SPAN_MAX,
    Taken, Verdict,
};
pub use filter::{Filter, PATTERN_BYTES_MAX, Patterns};
pub use instant::Instant;
pub use matcher::{EventMatcher, Place};
pub use position::{Position, Unsaved};
pub use retry::delay;
