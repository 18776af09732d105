//! Where does chance come from, and how is it repeated?

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that repeats a run: the seed that a failed one printed.
const SEED_VARIABLE: &str = "PHOTINUS_E2E_SEED";

/// A small generator of numbers that is the same for the same seed on every machine.
pub struct Dice(u64);

impl Dice {
    /// A new seed, or that of `PHOTINUS_E2E_SEED`; printed, so that a failing test shows it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the tests take a seed from outside"
    )]
    pub fn new() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => text.parse().expect("the seed is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |since| since.subsec_nanos().into()),
        };
        println!("to repeat: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    /// Another generator, for a thread of its own.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}
