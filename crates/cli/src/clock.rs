//! What time is it?
//!
//! The only room that asks: a client has no clock to be given.

use std::time::Instant;

/// Now, to measure from.
#[expect(
    clippy::disallowed_methods,
    reason = "a client measures its own rate and its own waiting; nothing here is simulated"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
