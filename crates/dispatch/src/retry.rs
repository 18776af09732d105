//! How long does a subscription wait after a failure?

use std::time::Duration;

/// Longest delay that an answer can ask for.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The delays between attempts: they begin at `initial`, double up to `max`, and are spread by ±20 % so that
/// subscriptions that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetrySchedule {
    /// The delay after the first failure.
    pub initial: Duration,
    /// The longest delay.
    pub max: Duration,
    /// The spread, in percent.
    pub jitter_percent: u32,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(250),
            max: Duration::from_secs(30),
            jitter_percent: 20,
        }
    }
}

impl RetrySchedule {
    /// The delay after the failure number `failures` (from 1). `seed` decides where in the spread it lies: the
    /// same numbers give the same delay.
    pub fn delay(&self, failures: u32, seed: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let base = self.initial.saturating_mul(1 << doublings).min(self.max);
        let spread = u64::from(self.jitter_percent) * 2;
        if spread == 0 {
            return base;
        }
        // Permille of the base: 1000 - jitter … 1000 + jitter.
        let offset = mix(seed ^ u64::from(failures)) % (spread * 10 + 1);
        let permille = 1000 - u64::from(self.jitter_percent) * 10 + offset;
        Duration::from_nanos((base.as_nanos() * u128::from(permille) / 1000) as u64)
    }
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let plain = RetrySchedule {
            jitter_percent: 0,
            ..RetrySchedule::default()
        };
        let millis: Vec<_> = (1..=9).map(|n| plain.delay(n, 7).as_millis()).collect();
        assert_eq!(
            millis,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        assert_eq!(plain.delay(u32::MAX, 7), plain.max);
    }

    #[test]
    fn delays_are_spread_within_bounds_and_repeatable() {
        let schedule = RetrySchedule::default();
        let delays: Vec<_> = (0..1000)
            .map(|seed| schedule.delay(3, seed * 977))
            .collect();
        assert!(delays.iter().all(|d| (800..=1200).contains(&d.as_millis())));
        assert!(delays.iter().any(|d| d.as_millis() < 850));
        assert!(delays.iter().any(|d| d.as_millis() > 1150));
        assert_eq!(schedule.delay(3, 42), schedule.delay(3, 42));
    }
}
