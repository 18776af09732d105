//! What time is it?

use std::time::{SystemTime, UNIX_EPOCH};

use photinus_contract::Timestamp;

/// The time from which an application's wish to wait counts.
#[expect(
    clippy::disallowed_methods,
    reason = "a pause is until a time of day, and nothing else here asks for one"
)]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
