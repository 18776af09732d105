//! How long does a subscription wait after a failure?

use std::time::Duration;

use photinus_contract::retry::Delays;

/// The delay after the failure number `failures` (from 1). `seed` decides where in the spread it lies: the same numbers
/// give the same delay.
pub fn delay(delays: &Delays, failures: u32, seed: u64) -> Duration {
    let before = failures.saturating_sub(1);
    match delays {
        Delays::Listed(delays) => {
            let last = delays.len().saturating_sub(1);
            let place = usize::try_from(before).unwrap_or(last).min(last);
            delays.get(place).copied().unwrap_or_default()
        }
        &Delays::Growing {
            initial,
            max,
            factor_permille,
            jitter_permille,
        } => {
            let mut base = initial.as_nanos();
            for _ in 0..before {
                if base >= max.as_nanos() || factor_permille <= 1_000 || base == 0 {
                    break;
                }
                // Rounded up, so that also what is a nanosecond long grows.
                base = (base * u128::from(factor_permille)).div_ceil(1_000);
            }
            spread(
                base.min(max.as_nanos()),
                jitter_permille,
                seed ^ u64::from(failures),
            )
        }
    }
}

/// A number of nanoseconds, so many thousandths of it less or more.
fn spread(base: u128, jitter_permille: u32, seed: u64) -> Duration {
    let width = u64::from(jitter_permille) * 2;
    let permille = 1_000 + mix(seed) % (width + 1);
    let nanos = base * u128::from(permille) / 1_000;
    let less = base * u128::from(jitter_permille) / 1_000;
    Duration::from_nanos(u64::try_from(nanos.saturating_sub(less)).unwrap_or(u64::MAX))
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

    fn growing(factor_permille: u32, jitter_permille: u32) -> Delays {
        Delays::Growing {
            initial: Duration::from_millis(250),
            max: Duration::from_secs(30),
            factor_permille,
            jitter_permille,
        }
    }

    #[test]
    fn delays_grow_up_to_the_maximum() {
        let millis = |delays: &Delays| -> Vec<u128> {
            (1..=9).map(|n| delay(delays, n, 7).as_millis()).collect()
        };
        assert_eq!(
            millis(&growing(2_000, 0)),
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        assert_eq!(
            millis(&growing(1_500, 0)),
            [250, 375, 562, 843, 1265, 1898, 2847, 4271, 6407]
        );
        assert_eq!(millis(&growing(1_000, 0)), [250; 9]);
        assert_eq!(
            delay(&growing(1_001, 0), u32::MAX, 7),
            Duration::from_secs(30)
        );
        let shortest = Delays::Growing {
            initial: Duration::from_nanos(1),
            max: Duration::from_secs(30),
            factor_permille: 1_001,
            jitter_permille: 0,
        };
        assert_eq!(delay(&shortest, u32::MAX, 7), Duration::from_secs(30));
        let nothing = Delays::Growing {
            initial: Duration::ZERO,
            max: Duration::from_secs(30),
            factor_permille: 2_000,
            jitter_permille: 200,
        };
        assert_eq!(delay(&nothing, u32::MAX, 7), Duration::ZERO);
    }

    #[test]
    fn listed_delays_end_with_the_last() {
        let listed = Delays::Listed([1, 5, 60].map(Duration::from_secs).into());
        let seconds = [1, 2, 3, 4, u32::MAX].map(|n| delay(&listed, n, 7).as_secs());
        assert_eq!(seconds, [1, 5, 60, 60, 60]);
    }

    #[test]
    fn delays_are_spread_within_bounds_and_repeatable() {
        let delays = Delays::default();
        let all: Vec<_> = (0..1000)
            .map(|seed| delay(&delays, 3, seed * 977))
            .collect();
        assert!(all.iter().all(|d| (800..=1200).contains(&d.as_millis())));
        assert!(all.iter().any(|d| d.as_millis() < 850));
        assert!(all.iter().any(|d| d.as_millis() > 1150));
        assert_eq!(delay(&delays, 3, 42), delay(&delays, 3, 42));
        let wide = growing(2_000, 1_000);
        let all: Vec<_> = (0..1000).map(|seed| delay(&wide, 3, seed * 977)).collect();
        assert!(all.iter().all(|d| d.as_millis() <= 2000));
    }
}
