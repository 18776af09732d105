//! What becomes of an event that fails?
//!
//! [`RetryPolicy`] is what a subscription says, [`Policy`] what it means.
//!
//! ```text
//!   attempt 1 ──▶ failed ── delay 1 ──▶ attempt 2 ──▶ failed ── delay 2 ──▶ … ──▶ the last one has failed
//!                                                                                  │
//!      then:  hold, and go on trying  │  park: set it aside, go on  │  skip: go on ◀┘
//! ```

mod written;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::written::RetryPolicy;

/// Longest delay between two attempts, before it is spread.
pub const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most delays that can be listed.
pub const DELAYS_MAX: usize = 100;
/// Largest factor between two delays.
pub const FACTOR_MAX: f64 = 100.0;
/// The first delay where a subscription says none.
pub const INITIAL_DELAY_DEFAULT: Duration = Duration::from_millis(250);
/// The longest delay where a subscription says none.
pub const MAX_DELAY_DEFAULT: Duration = Duration::from_secs(30);

/// What becomes of an event whose last attempt has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It is tried on, and what comes behind it waits.
    #[default]
    Hold,
    /// It is set aside with the reason, for somebody to look at and replay.
    Park,
    /// The subscription goes on without it.
    Skip,
}

/// What becomes of an event that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long it waits between attempts.
    pub delays: Delays,
    /// How many attempts there are.
    pub attempts_max: Option<u32>,
    /// How long after its first attempt it is tried.
    pub age_max: Option<Duration>,
    /// What then.
    pub then: Then,
}

/// How long an event waits between its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delays {
    /// Each is longer than the one before.
    Growing {
        /// The first.
        initial: Duration,
        /// The longest.
        max: Duration,
        /// How many thousandths of the one before each is.
        factor_permille: u32,
        /// How many thousandths of itself each is spread by, up and down.
        jitter_permille: u32,
    },
    /// These; the last repeats.
    Listed(Arc<[Duration]>),
}

impl Default for Delays {
    fn default() -> Self {
        Self::Growing {
            initial: INITIAL_DELAY_DEFAULT,
            max: MAX_DELAY_DEFAULT,
            factor_permille: 2_000,
            jitter_permille: 200,
        }
    }
}
