//! When is a receiver left alone, and how much does it get at once?
//!
//! A pure state machine: time comes in, what it says is done elsewhere.
//!
//! ```text
//!              failures in a row, or "not before …"
//!   Closed ───────────────────────────────────────▶ Open ── the wait is over ──▶ HalfOpen
//!     ▲                                               ▲                             │
//!     │                                               └───── the probe fails ───────┤
//!     └───────────────────────── any request is answered well ──────────────────────┘
//! ```
//!
//! Beside that a window says how many requests are under way at once: it halves when the receiver says that it is too
//! much, and grows by one for each window that goes well.

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait that a receiver can ask for, for all that is sent to it. The event that it said this of may wait
/// longer.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// What an operator has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Failures in a row.
    pub(crate) failures: usize,
    /// How long the first wait is.
    pub(crate) delay: Duration,
    /// How long a wait is at most, unless the receiver asks for more.
    pub(crate) delay_max: Duration,
    /// How many requests are under way at once, at most.
    pub(crate) window_max: usize,
}

/// What a request says about its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It works.
    Well,
    /// It does not, for this reason.
    Failing(String),
    /// It works, and this is too much for it.
    Overloaded {
        /// Not before this time has passed.
        retry_after: Option<Duration>,
        reason: String,
    },
    /// Nothing: no request was made, or it was given up.
    Nothing,
}

/// Whether a request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Yes,
    /// Yes, and all others wait for what becomes of it.
    AsProbe,
    NotNow,
}

/// What is different now for whoever sends to this receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// Nothing is sent until then.
    Opened(Instant),
    /// Everything is sent again.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Closed { failures: usize },
    Open { until: Instant, openings: u32 },
    HalfOpen { openings: u32, is_probed: bool },
}

/// What is known of a receiver.
#[derive(Debug)]
pub(crate) struct Receiver {
    limits: Limits,
    gate: Gate,
    /// How many requests may be under way, in thousandths.
    window_milli: usize,
    /// When it last was too much.
    halved: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            gate: Gate::Closed { failures: 0 },
            window_milli: limits.window_max.saturating_mul(1000),
            halved: None,
        }
    }

    /// How many requests may be under way at once.
    pub(crate) fn window(&self) -> usize {
        (self.window_milli / 1000).max(1)
    }

    /// Whether nothing is sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open { .. })
    }

    /// Whether somebody may wait to be told that something can be sent.
    pub(crate) fn is_waited_for(&self) -> bool {
        match self.gate {
            Gate::Closed { .. } => false,
            Gate::Open { .. } => true,
            Gate::HalfOpen { is_probed, .. } => is_probed,
        }
    }

    /// How it is called in what an operator sees.
    pub(crate) fn state(&self) -> &'static str {
        match self.gate {
            Gate::Closed { .. } => "closed",
            Gate::Open { .. } => "open",
            Gate::HalfOpen { .. } => "half-open",
        }
    }

    /// Whether a request may be made now. A probe is out from here on.
    pub(crate) fn admit(&mut self) -> Admission {
        match &mut self.gate {
            Gate::Closed { .. } => Admission::Yes,
            Gate::HalfOpen { is_probed, .. } if !*is_probed => {
                *is_probed = true;
                Admission::AsProbe
            }
            Gate::Open { .. } | Gate::HalfOpen { .. } => Admission::NotNow,
        }
    }

    /// Whether a request that was admitted may still be made.
    pub(crate) fn is_still_admitted(&self, is_probe: bool) -> bool {
        match self.gate {
            Gate::Closed { .. } => true,
            Gate::HalfOpen { .. } => is_probe,
            Gate::Open { .. } => false,
        }
    }

    /// The wait is over if it was to end until now: a probe may be made.
    pub(crate) fn wait_is_over(&mut self, now: Instant) -> bool {
        match self.gate {
            Gate::Open { until, openings } if until <= now => {
                self.gate = Gate::HalfOpen {
                    openings,
                    is_probed: false,
                };
                true
            }
            _ => false,
        }
    }

    /// The probe was not made. True if another one may be.
    pub(crate) fn probe_is_back(&mut self) -> bool {
        match &mut self.gate {
            Gate::HalfOpen { is_probed, .. } => std::mem::take(is_probed),
            _ => false,
        }
    }

    /// Takes in what a request says that began then.
    pub(crate) fn hear(
        &mut self,
        word: &Word,
        begun: Instant,
        is_probe: bool,
        now: Instant,
    ) -> Change {
        match word {
            Word::Nothing => Change::None,
            Word::Well => {
                self.grow();
                match std::mem::replace(&mut self.gate, Gate::Closed { failures: 0 }) {
                    Gate::Closed { .. } => Change::None,
                    _ => Change::Closed,
                }
            }
            Word::Failing(_) => self.fail(is_probe, None, now),
            Word::Overloaded { retry_after, .. } => {
                self.shrink(begun, now);
                self.fail(is_probe, *retry_after, now)
            }
        }
    }

    fn fail(&mut self, is_probe: bool, wait: Option<Duration>, now: Instant) -> Change {
        let wait = wait.map(|wait| wait.min(WAIT_MAX));
        let openings = match &mut self.gate {
            Gate::Closed { failures } => {
                *failures += 1;
                if *failures < self.limits.failures && wait.is_none() {
                    return Change::None;
                }
                0
            }
            // What was under way before says nothing new, but how long to wait.
            Gate::Open { until, .. } => match wait.map(|wait| now + wait) {
                Some(later) if later > *until => {
                    *until = later;
                    return Change::Opened(later);
                }
                _ => return Change::None,
            },
            Gate::HalfOpen { openings, .. } if is_probe => *openings + 1,
            Gate::HalfOpen { .. } => return Change::None,
        };
        let delay = wait.unwrap_or_else(|| self.delay(openings));
        let until = now + delay;
        self.gate = Gate::Open { until, openings };
        Change::Opened(until)
    }

    /// It doubles.
    fn delay(&self, openings: u32) -> Duration {
        let factor = 1u32.checked_shl(openings).unwrap_or(u32::MAX);
        self.limits
            .delay
            .saturating_mul(factor)
            .min(self.limits.delay_max)
    }

    fn grow(&mut self) {
        let max = self.limits.window_max.saturating_mul(1000);
        self.window_milli = (self.window_milli + (1000 / self.window()).max(1)).min(max);
    }

    /// Once for all that was under way together.
    fn shrink(&mut self, begun: Instant, now: Instant) {
        if self.halved.is_none_or(|halved| halved <= begun) {
            self.halved = Some(now);
            self.window_milli = (self.window() * 1000 / 2).max(1000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        failures: 3,
        delay: Duration::from_secs(1),
        delay_max: Duration::from_secs(5),
        window_max: 8,
    };

    struct World {
        receiver: Receiver,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self {
                receiver: Receiver::new(LIMITS),
                now: Instant::now(),
            }
        }

        fn hear(&mut self, word: Word) -> Change {
            let is_probe = matches!(
                self.receiver.gate,
                Gate::HalfOpen {
                    is_probed: true,
                    ..
                }
            );
            self.receiver.hear(&word, self.now, is_probe, self.now)
        }

        fn fail(&mut self) -> Change {
            self.hear(Word::Failing("x".into()))
        }

        fn hear_times(&mut self, times: usize, word: Word) {
            for _ in 0..times {
                self.hear(word.clone());
            }
        }

        fn fail_times(&mut self, times: usize) {
            self.hear_times(times, Word::Failing("x".into()));
        }

        fn pass(&mut self, seconds: u64) -> bool {
            self.now += Duration::from_secs(seconds);
            self.receiver.wait_is_over(self.now)
        }

        fn opened(&self, seconds: u64) -> Change {
            Change::Opened(self.now + Duration::from_secs(seconds))
        }
    }

    fn overloaded(seconds: Option<u64>) -> Word {
        Word::Overloaded {
            retry_after: seconds.map(Duration::from_secs),
            reason: "x".into(),
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_that_goes_well_counts_anew() {
        let mut world = World::new();
        assert_eq!((world.fail(), world.fail()), (Change::None, Change::None));
        assert_eq!(world.hear(Word::Well), Change::None);
        assert_eq!((world.fail(), world.fail()), (Change::None, Change::None));
        assert_eq!(world.receiver.admit(), Admission::Yes);
        assert_eq!(world.fail(), world.opened(1));
        assert_eq!(world.receiver.admit(), Admission::NotNow);
        assert!(!world.receiver.is_still_admitted(false));
    }

    #[test]
    fn one_probe_at_a_time_decides_and_the_wait_doubles() {
        let mut world = World::new();
        world.fail_times(3);
        for wait in [1, 2, 4, 5, 5] {
            assert!(!world.pass(wait - 1));
            assert!(world.pass(1));
            assert_eq!(world.receiver.admit(), Admission::AsProbe);
            assert_eq!(world.receiver.admit(), Admission::NotNow);
            assert!(world.receiver.is_still_admitted(true));
            assert!(!world.receiver.is_still_admitted(false));
            let next = (2 * wait).min(5);
            assert_eq!(world.fail(), world.opened(next));
        }
        assert!(world.pass(5));
        assert_eq!(world.receiver.admit(), Admission::AsProbe);
        assert!(world.receiver.probe_is_back());
        assert!(!world.receiver.probe_is_back());
        assert_eq!(world.receiver.admit(), Admission::AsProbe);
        assert_eq!(world.hear(Word::Well), Change::Closed);
        assert_eq!(world.receiver.admit(), Admission::Yes);
        // And it begins anew.
        world.fail_times(2);
        assert_eq!(world.fail(), world.opened(1));
    }

    #[test]
    fn what_was_under_way_before_does_not_prolong_the_wait_and_may_end_it() {
        let mut world = World::new();
        world.fail_times(3);
        assert_eq!(world.fail(), Change::None);
        assert_eq!(world.hear(Word::Nothing), Change::None);
        assert_eq!(world.hear(overloaded(Some(60))), world.opened(60));
        assert_eq!(world.hear(Word::Well), Change::Closed);
        world.fail_times(3);
        assert!(world.pass(1));
        assert_eq!(world.fail(), Change::None, "it is not the probe");
    }

    #[test]
    fn a_receiver_says_how_long_to_wait_and_gets_less() {
        let mut world = World::new();
        let an_hour = world.opened(3_600);
        assert_eq!(world.hear(overloaded(Some(100_000))), an_hour);
        world = World::new();
        assert_eq!(world.receiver.window(), 8);
        assert_eq!(world.hear(overloaded(None)), Change::None);
        assert_eq!(world.receiver.window(), 4);
        let begun = world.now - Duration::from_secs(1);
        let word = overloaded(None);
        world.receiver.hear(&word, begun, false, world.now);
        assert_eq!(world.receiver.window(), 4, "it was under way already");
        assert_eq!(world.hear(overloaded(Some(60))), world.opened(60));
        assert_eq!(world.receiver.window(), 2);
        world.hear_times(2, Word::Well);
        assert_eq!(world.receiver.window(), 3);
        world.hear_times(100, Word::Well);
        assert_eq!(world.receiver.window(), 8);
        world.hear_times(9, overloaded(None));
        assert_eq!(world.receiver.window(), 1);
    }
}
