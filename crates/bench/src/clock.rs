//! What time is it, and who keeps a pace?

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use tokio::sync::mpsc;

/// How precisely a pace is kept, in nanoseconds; the kernel's default is 50,000.
const SLACK_NANOS: NonZeroU64 = NonZeroU64::MIN;
/// How many beats may be ahead of who takes them: all that a measurement sends fits.
const BEATS_MAX: usize = 65_536;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring is what this crate is for"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day in UTC, fit for the name of a file.
pub fn time_of_day() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H-%M-%SZ")
        .to_string()
}

/// Beats at a fixed rate, whatever becomes of what they start: each carries its number and the time at which it was due.
///
/// A thread keeps the pace, because timers of the runtime are as coarse as a millisecond.
pub fn pace(rate: u32, count: usize) -> mpsc::Receiver<(usize, Instant)> {
    let (sender, receiver) = mpsc::channel(count.clamp(1, BEATS_MAX));
    let every = Duration::from_secs(1) / rate;
    std::thread::spawn(move || {
        // A thread that has less precise timers still keeps the pace.
        let _ = set_current_timer_slack(Some(SLACK_NANOS));
        let start = now() + every;
        for number in 0..count {
            let due = start + every * u32::try_from(number).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(now()));
            if sender.blocking_send((number, due)).is_err() {
                return;
            }
        }
    });
    receiver
}
