//! How long is it until the next attempt?

use std::time::Duration;

/// Delays that double up to a limit.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays that begin with `first`.
    pub fn new(first: Duration, max: Duration) -> Self {
        let first = first.min(max);
        Self {
            first,
            max,
            next: first,
        }
    }

    /// The delay before the next attempt.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.max);
        delay
    }

    /// It worked for so long, which is well if it is longer than the next delay: then the next one is the first again.
    pub fn worked(&mut self, time: Duration) -> bool {
        let is_well = time > self.next;
        if is_well {
            self.reset();
        }
        is_well
    }

    /// It works.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(5));
        let delays: Vec<_> = (0..4).map(|_| backoff.delay()).collect();
        assert_eq!(delays, [1, 2, 4, 5].map(seconds));
        assert!(!backoff.worked(seconds(5)));
        assert_eq!(backoff.delay(), seconds(5), "that was too short");
        assert!(backoff.worked(seconds(6)));
        assert_eq!(backoff.delay(), seconds(1));
        backoff.reset();
        assert_eq!(backoff.delay(), seconds(1));
    }
}
