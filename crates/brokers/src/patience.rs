//! How long is a broker waited for?

use std::time::{Duration, Instant};

/// The longest that a broker may take to start or to stop, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `is_so`; false if that takes too long.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "a broker runs in real time")]
fn now() -> Instant {
    Instant::now()
}
