//! What time is it, and what is a new id?
//!
//! The one room that asks the machine. Everything else is told, so that a simulation can tell it something
//! else.

use std::time::{SystemTime, UNIX_EPOCH};

use photinus_contract::Timestamp;
use uuid::Uuid;

/// The sources of what cannot be computed.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A new UUID of version 7: unique, and in time order.
    fn new_id(&self) -> Uuid;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that asks the machine"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
