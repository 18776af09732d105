//! What of a dispatcher has to be durable?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use photinus_contract::Sequence;
use photinus_contract::store::OffsetRecord;

use crate::rare::Rare;

/// What the offset record of a subscription says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Every matching event up to here is settled.
    pub offset: Sequence,
    /// What is settled above the offset for good: parked and skipped events.
    pub settled: Vec<RangeInclusive<i64>>,
    /// Counted failures of events above the offset.
    pub failures: Vec<(Sequence, u32)>,
}

/// How urgently a position has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unsaved {
    /// It was written.
    Nothing,
    /// It only passed events that did not match. Losing that costs another pass over them.
    Passed,
    /// Events were settled. Losing that repeats them.
    Settled,
}

/// The position of a running dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    offset: Sequence,
    noted: Rare<Noted>,
    unsaved: Unsaved,
}

/// What is known of events above the offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Noted {
    /// They are settled for good.
    settled: BTreeSet<i64>,
    /// Counted failures.
    failures: BTreeMap<Sequence, u32>,
}

impl Progress {
    pub(crate) fn new(record: &OffsetRecord) -> Self {
        Self {
            offset: record.offset,
            noted: Rare::new(Noted {
                settled: record.settled.iter().cloned().flatten().collect(),
                failures: record.failures.iter().copied().collect(),
            }),
            unsaved: Unsaved::Nothing,
        }
    }

    pub(crate) fn offset(&self) -> Sequence {
        self.offset
    }

    /// Moves the offset up to `to`. What it passes needs no more notes.
    pub(crate) fn pass(&mut self, to: Sequence, urgency: Unsaved) {
        assert!(to >= self.offset, "an offset never goes back");
        if to == self.offset {
            return;
        }
        self.offset = to;
        self.unsaved = self.unsaved.max(urgency);
        self.noted.change_if_any(|noted| {
            noted.settled = noted.settled.split_off(&(to.0 + 1));
            noted.failures = noted.failures.split_off(&to.next());
        });
    }

    /// Notes an event above the offset as settled for good.
    pub(crate) fn settle(&mut self, sequence: Sequence) {
        assert!(
            sequence > self.offset,
            "only what is above the offset needs a note"
        );
        self.noted.change(|noted| {
            noted.settled.insert(sequence.0);
            noted.failures.remove(&sequence);
        });
        self.unsaved = Unsaved::Settled;
    }

    pub(crate) fn is_settled(&self, sequence: Sequence) -> bool {
        let noted = self.noted.get();
        noted.is_some_and(|noted| noted.settled.contains(&sequence.0))
    }

    /// Whether so many events above the offset are settled for good that reading on has to wait. What was
    /// settled before a restart is read again first, for the gap is among it.
    pub(crate) fn is_span_full(&self, read_to: Sequence, max: usize) -> bool {
        self.noted.get().is_some_and(|Noted { settled, .. }| {
            settled.len() >= max && settled.last().is_some_and(|last| *last <= read_to.0)
        })
    }

    /// Counts a failure and returns how many there are now.
    pub(crate) fn count_failure(&mut self, sequence: Sequence) -> u32 {
        self.unsaved = Unsaved::Settled;
        self.noted.change(|noted| {
            let failures = noted.failures.entry(sequence).or_default();
            *failures = failures.saturating_add(1);
            *failures
        })
    }

    pub(crate) fn failures(&self, sequence: Sequence) -> u32 {
        let noted = self.noted.get();
        let failures = noted.and_then(|noted| noted.failures.get(&sequence));
        failures.copied().unwrap_or_default()
    }

    pub(crate) fn unsaved(&self) -> Unsaved {
        self.unsaved
    }

    /// The position as it is to be written; it counts as saved from now on.
    pub(crate) fn save(&mut self) -> Position {
        self.unsaved = Unsaved::Nothing;
        self.position()
    }

    /// The last write did not succeed.
    pub(crate) fn unsave(&mut self) {
        self.unsaved = Unsaved::Settled;
    }

    pub(crate) fn position(&self) -> Position {
        let mut settled: Vec<RangeInclusive<i64>> = Vec::new();
        let noted = self.noted.get();
        for &sequence in noted.iter().flat_map(|noted| &noted.settled) {
            match settled.last_mut() {
                Some(range) if *range.end() + 1 == sequence => {
                    *range = *range.start()..=sequence;
                }
                _ => settled.push(sequence..=sequence),
            }
        }
        let failures = noted.iter().flat_map(|noted| &noted.failures);
        Position {
            offset: self.offset,
            settled,
            failures: failures.map(|(&event, &count)| (event, count)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_record() {
        let mut progress = Progress::new(&OffsetRecord::new(Sequence(4), 1, 0));
        for sequence in [7, 8, 12] {
            progress.settle(Sequence(sequence));
        }
        progress.count_failure(Sequence(9));
        assert_eq!(progress.count_failure(Sequence(9)), 2);
        let position = progress.save();
        assert_eq!(position.settled, [7..=8, 12..=12]);
        assert_eq!(position.failures, [(Sequence(9), 2)]);
        assert_eq!(progress.unsaved(), Unsaved::Nothing);

        let mut record = OffsetRecord::new(position.offset, 2, 0);
        record.settled = position.settled;
        record.failures = position.failures;
        let mut again = Progress::new(&record);
        assert_eq!(again.position(), progress.position());
        again.pass(Sequence(8), Unsaved::Passed);
        assert_eq!(again.position().settled, [12..=12]);
        again.pass(Sequence(9), Unsaved::Settled);
        assert_eq!(again.position().failures, []);
        assert_eq!(again.unsaved(), Unsaved::Settled);
    }
}
