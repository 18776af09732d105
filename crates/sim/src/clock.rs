//! What time is it in a run, and what is a new id?

use std::sync::{Mutex, PoisonError};

use photinus_contract::Timestamp;
use photinus_engine::Clock;
use uuid::{Builder, Uuid};

use crate::dice::Dice;
use crate::history::History;

/// The clock of all engines of a run: virtual time, and ids drawn from the seed.
pub(crate) struct SimClock {
    history: History,
    dice: Mutex<Dice>,
}

impl SimClock {
    /// The clock of this history.
    pub(crate) fn new(history: History, dice: Dice) -> Self {
        Self {
            history,
            dice: Mutex::new(dice),
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.history.wall()
    }

    fn new_id(&self) -> Uuid {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&dice.number().to_be_bytes());
        random[8..].copy_from_slice(&dice.number().to_be_bytes()[..2]);
        let millis = self.history.wall().as_nanos() as u64 / 1_000_000;
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
