//! What time is it in a run, and what is a new id?

use std::sync::{Mutex, PoisonError};

use photinus_contract::Timestamp;
use photinus_engine::Clock;
use tokio::time::Instant;
use uuid::{Builder, Uuid};

use crate::dice::Dice;

/// When every run begins: 2026-01-02T03:04:05Z, in milliseconds.
const BEGIN_MS: u64 = 1_767_323_045_000;

/// The clock of all engines of a run: virtual time, and ids drawn from the seed.
pub(crate) struct SimClock {
    origin: Instant,
    dice: Mutex<Dice>,
}

impl SimClock {
    /// A clock that begins now. To be made within the runtime of the run.
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            origin: Instant::now(),
            dice: Mutex::new(dice),
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let nanos = self.origin.elapsed().as_nanos() as i64;
        Timestamp::from_nanos(BEGIN_MS as i64 * 1_000_000 + nanos)
    }

    fn new_id(&self) -> Uuid {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&dice.number().to_be_bytes());
        random[8..].copy_from_slice(&dice.number().to_be_bytes()[..2]);
        let millis = BEGIN_MS + self.origin.elapsed().as_millis() as u64;
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
