//! How does a test wait?
//!
//! On a condition, as long as [`PATIENCE`] lasts: a slow machine makes a test slower, never red.

use std::time::{Duration, Instant};

/// How long anything may take before it counts as not happening.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that cannot wake its waiter.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A point in time until which something may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    /// What is left, or nothing once it has passed.
    pub fn remaining(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(now());
        (!left.is_zero()).then_some(left)
    }
}

/// The machine's time.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests look at the server from outside, where time is real"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Returns once the condition holds; panics when patience ends.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()))
}

/// Returns what the condition gives once it gives something; panics when patience ends.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(PATIENCE);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(
            deadline.remaining().is_some(),
            "waited {PATIENCE:?} in vain: {what}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A time so long from now, as the API takes one: in milliseconds, as a text.
#[expect(
    clippy::disallowed_methods,
    reason = "the server looks at the clock of this machine"
)]
pub fn later(by: Duration) -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    (since.unwrap_or_default() + by).as_millis().to_string()
}
