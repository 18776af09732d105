//! What time is it?

use std::time::{SystemTime, UNIX_EPOCH};

use photinus_contract::Timestamp;

/// The time that a receiver compares with its own. Nothing here is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "a signature tells the receiver's clock, not ours, when it was made"
)]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
