//! What time is it for a state machine?

use std::time::Duration;

use photinus_contract::Timestamp;

/// A point in time as the driver counts it: the time since 1970, as it was when the driver began, and what has passed
/// since. It never goes back. State machines are told the time and never ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl Instant {
    /// This time and `duration` more.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long ago `before` was; nothing if it is to come.
    pub fn since(self, before: Self) -> Duration {
        self.0.saturating_sub(before.0)
    }

    /// As it is written. Nothing is before 1970.
    pub fn from_time(time: Timestamp) -> Self {
        Self(Duration::from_nanos(time.as_nanos().max(0).unsigned_abs()))
    }

    /// The reverse of [`from_time`](Self::from_time).
    pub fn to_time(self) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX))
    }
}
