//! What kind of run is it?

use std::num::NonZeroUsize;

use photinus_engine::EngineConfig;

use crate::dice::Dice;

/// What is drawn once for a run, so that runs differ from each other.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) steps: u64,
    /// In percent: how often an answer is a plain acknowledgement.
    pub(super) acknowledged: u64,
    /// In percent, of the other answers: how often it is one that goes back.
    pub(super) going_back: u64,
    /// Weights of steps.
    pub(super) publishing: u64,
    pub(super) changing: u64,
    pub(super) connecting: u64,
    pub(super) stalling: u64,
    pub(super) failing: u64,
    pub(super) crashing: u64,
    pub(super) doubling: u64,
    /// How many names of subscriptions there are.
    pub(super) names: u64,
    pub(super) other_namespace: bool,
    /// Bytes of the largest values.
    pub(super) value_max: u64,
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        Self {
            steps: dice.between(120, 320),
            acknowledged: dice.between(50, 95),
            going_back: dice.between(10, 70),
            publishing: dice.between(10, 30),
            changing: dice.between(1, 8),
            connecting: dice.between(3, 10),
            stalling: dice.pick(&[0, 4, 10]),
            failing: dice.pick(&[0, 0, 1, 2]),
            crashing: dice.pick(&[0, 1, 2, 4]),
            doubling: dice.pick(&[0, 1, 3]),
            names: dice.between(1, 5),
            other_namespace: dice.percent(30),
            value_max: dice.pick(&[20, 300, 3_000]),
        }
    }
}

/// Whether somebody listens to changes in the run of a seed, and with how long a queue. Not drawn, and seldom, because
/// it alters in which order tasks have their turns.
pub(super) fn listening(seed: u64) -> Option<NonZeroUsize> {
    let length = match seed % 14 {
        1 => 10_000,
        8 => 5,
        _ => return None,
    };
    NonZeroUsize::new(length)
}

/// Whether subscriptions have ordering keys in the run of a seed. Not drawn, so that other runs stay as they were.
pub(super) fn has_keys(seed: u64) -> bool {
    matches!(seed % 7, 0 | 2 | 6)
}

/// Whether people move, pause and resume subscriptions in the run of a seed. Not drawn, so that other runs stay as they
/// were.
pub(super) fn has_operators(seed: u64) -> bool {
    matches!(seed % 5, 1 | 4)
}

/// The configuration of one engine.
pub(super) fn config(dice: &mut Dice) -> EngineConfig {
    let non_zero = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    let mut config = EngineConfig::default();
    config.shards = dice.between(1, 3) as usize;
    config.commit_records_max = non_zero(dice.pick(&[1, 2, 1_000]));
    config.commit_bytes_max = non_zero(dice.pick(&[1_000, 64 << 20]));
    config.tail_bytes_max = dice.pick(&[0, 2_000, 6_000, 1 << 20]);
    config.page_records_max = non_zero(dice.pick(&[1, 2, 7, 512]));
    config.page_bytes_max = dice.pick(&[100, 3_000, 1 << 20]);
    config.pages_bytes_max = dice.pick(&[0, 5_000, 1 << 20]);
    config.window_bytes_max = non_zero(dice.pick(&[1_500, 4_000, 16 << 20]));
    config.offset_flush_ms = dice.pick(&[0, 10, 50, 50, 500]);
    config.idle_offset_flush_ms = dice.pick(&[100, 5_000, 30_000]);
    config.idle_offset_events_max = dice.pick(&[1, 10, 100_000]);
    config
}
