//! What came of a run, for people and for programs?

mod markdown;
pub(crate) mod number;
mod text;

use serde::Serialize;

use crate::machine::Machine;
use crate::references::{Comparison, FIREFLY_FACTOR_MIN, compare};
use crate::rounds::Outcome;
use crate::targets::{Reached, reached};

pub use markdown::{markdown, replace_block};
pub use text::text;

/// A run. Its JSON is what is kept beside the table.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// When it began, in UTC.
    pub time: String,
    /// How much was done.
    pub scale: &'static str,
    /// Rounds of each measurement.
    pub rounds: usize,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// On what.
    pub machine: Machine,
    /// The sizes of a message and its event.
    pub workload: String,
    /// What was measured.
    pub outcomes: Vec<Outcome>,
    /// Beside what others do elsewhere.
    pub references: Vec<Comparison>,
    /// What is to be reached, and whether it was.
    pub targets: Vec<Reached>,
}

impl Report {
    /// Of these outcomes.
    pub fn new(
        time: String,
        scale: &crate::scale::Scale,
        machine: Machine,
        workload: String,
        outcomes: Vec<Outcome>,
        seconds: u64,
    ) -> Self {
        let references = compare(&outcomes);
        Self {
            version: 1,
            time,
            scale: scale.name,
            rounds: scale.rounds,
            seconds,
            machine,
            workload,
            targets: reached(&outcomes, &references),
            references,
            outcomes,
        }
    }

    /// Where and how, in a few lines.
    fn heading(&self) -> String {
        format!(
            "{} · {} rounds ({}) · {} s\n{}\n{}",
            self.time,
            self.rounds,
            self.scale,
            self.seconds,
            self.machine.describe(),
            self.workload
        )
    }

    /// What is aimed at, and what came of it.
    fn least_of_firefly(&self) -> Option<String> {
        let factors = self
            .references
            .iter()
            .filter(|one| one.is_drain_of_firefly());
        let least = factors.map(|one| one.factor).min_by(f64::total_cmp)?;
        Some(format!(
            "Of FireFly on SQLite, at least {} at each read-ahead and batch that was measured; at least {} is aimed at.",
            number::factor(least),
            number::factor(FIREFLY_FACTOR_MIN)
        ))
    }

    /// How many of the targets were reached, in words.
    fn reached(&self) -> String {
        let reached = self.targets.iter().filter(|one| one.is_reached).count();
        format!("{reached} of {} were reached.", self.targets.len())
    }

    /// Measurements that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.failed.is_some())
    }
}
