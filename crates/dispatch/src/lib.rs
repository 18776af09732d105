//! Who gets which event, and when?
//!
//! Pure state machines: no runtime, no clock, no randomness, no I/O. The engine feeds them inputs and performs
//! the actions that they ask for, so every interleaving can be tried in a test.
//!
//! * [`Dispatcher`] is one active subscription: what it has in flight, what is settled, where its offset is.
//! * [`Filter`] decides whether an event matches a subscription.

mod connections;
mod dispatcher;
mod filter;
mod instant;
mod position;
mod retry;
mod unanswered;
mod window;

pub use dispatcher::{
    Action, Dispatcher, DispatcherConfig, Input, Item, Room, SETTLED_SPAN_MAX, Taken, Verdict,
};
pub use filter::{Filter, PATTERN_BYTES_MAX};
pub use instant::Instant;
pub use position::{Position, Unsaved};
pub use retry::RetrySchedule;
