//! What time is it, and when is it so late?

use std::time::{SystemTime, UNIX_EPOCH};

use photinus_contract::Timestamp;
use tokio::time::Instant;

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

/// Waits until then; for ever if that is never.
pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
