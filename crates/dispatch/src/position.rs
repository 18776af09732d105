//! What of a dispatcher has to be durable?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use photinus_contract::Sequence;
use photinus_contract::store::{Failures, OffsetRecord};

use crate::instant::Instant;
use crate::lane::Order;
use crate::ranges::Ranges;
use crate::rare::Rare;

/// What the offset record of a subscription says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Every matching event up to here is settled.
    pub offset: Sequence,
    /// What is settled above the offset for good: parked and skipped events, with an ordering key also what was
    /// acknowledged.
    pub settled: Vec<RangeInclusive<i64>>,
    /// Counted failures of events above the offset.
    pub failures: Vec<Failures>,
    /// Events that were parked and are settled now: their entries go with the write of this position.
    pub unparked: Vec<Sequence>,
    /// Counted failures of replays.
    pub replays: Vec<Failures>,
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

/// How often an event has failed, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Failed {
    pub(crate) count: u32,
    pub(crate) since: Option<Instant>,
}

/// What is known of events besides the offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Noted {
    /// They are settled for good.
    settled: Ranges,
    /// Counted failures of events above the offset.
    failures: BTreeMap<Sequence, Failed>,
    /// Counted failures of replays.
    replays: BTreeMap<Sequence, Failed>,
    /// Up to here there may be events that were parked before a seek, and are delivered again.
    parked_through: Option<Sequence>,
    /// Their entries go with the next write.
    unparked: BTreeSet<Sequence>,
    /// Their entries go with a write that is on its way.
    unparking: BTreeSet<Sequence>,
}

impl Progress {
    pub(crate) fn new(record: &OffsetRecord) -> Self {
        Self {
            offset: record.offset,
            noted: Rare::new(Noted {
                settled: record.settled.iter().cloned().collect(),
                failures: record.failures.iter().map(noted).collect(),
                ..Noted::default()
            }),
            unsaved: Unsaved::Nothing,
        }
    }

    pub(crate) fn offset(&self) -> Sequence {
        self.offset
    }

    /// Events up to here may have been parked before a seek: settling them ends that.
    pub(crate) fn parked_through(&mut self, through: Sequence) {
        self.noted
            .change(|noted| noted.parked_through = Some(through).filter(|to| *to > self.offset));
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
            noted.settled.forget_to(to.0);
            noted.failures = noted.failures.split_off(&to.next());
            noted.parked_through = noted.parked_through.filter(|through| *through > to);
        });
    }

    /// Whether there may be events above the offset that were parked before a seek.
    pub(crate) fn has_parked(&self) -> bool {
        let noted = self.noted.get();
        noted.is_some_and(|noted| noted.parked_through.is_some())
    }

    /// Notes an event above the offset as settled for good. (Not what lies around it and does not match: with another
    /// filter it may.)
    pub(crate) fn settle(&mut self, sequence: Sequence) {
        assert!(
            sequence > self.offset,
            "only what is above the offset needs a note"
        );
        self.noted.change(|noted| {
            noted.settled.insert(sequence.0..=sequence.0);
            noted.failures.remove(&sequence);
        });
        self.unsaved = Unsaved::Settled;
    }

    pub(crate) fn is_settled(&self, sequence: Sequence) -> bool {
        let noted = self.noted.get();
        noted.is_some_and(|noted| noted.settled.contains(sequence.0))
    }

    /// Whether there are so many ranges settled above the offset that reading on has to wait. What was settled before
    /// a restart is read again first, for the gap is among it.
    pub(crate) fn is_span_full(&self, read_to: Sequence, max: usize) -> bool {
        self.noted.get().is_some_and(|Noted { settled, .. }| {
            settled.len() >= max && settled.end().is_some_and(|end| end <= read_to.0)
        })
    }

    /// An event of the log was settled by its application: if it was parked before a seek, it is no more.
    pub(crate) fn unpark_if_parked(&mut self, sequence: Sequence) {
        let through = self.noted.get().and_then(|noted| noted.parked_through);
        if through.is_some_and(|through| sequence <= through) {
            self.unpark(sequence);
        }
    }

    /// A replay was settled: the entry goes.
    pub(crate) fn unpark(&mut self, sequence: Sequence) {
        self.noted.change(|noted| {
            noted.replays.remove(&sequence);
            noted.unparked.insert(sequence);
        });
        self.unsaved = Unsaved::Settled;
    }

    /// A replay begins, or goes on, with the failures that are known of it.
    pub(crate) fn begin_replay(&mut self, sequence: Sequence, failed: Failed) {
        if failed.count > 0 {
            self.noted
                .change(|noted| noted.replays.insert(sequence, failed));
        }
    }

    /// A replay ended without being settled.
    pub(crate) fn end_replay(&mut self, sequence: Sequence) {
        self.noted
            .change_if_any(|noted| noted.replays.remove(&sequence));
    }

    /// Counts a failure of an attempt that began then, and returns what there are now.
    pub(crate) fn count_failure(
        &mut self,
        order: Order,
        sequence: Sequence,
        began: Option<Instant>,
    ) -> Failed {
        self.unsaved = Unsaved::Settled;
        self.noted.change(|noted| {
            let failed = noted.failures(order).entry(sequence).or_default();
            failed.count = failed.count.saturating_add(1);
            failed.since = failed.since.or(began);
            *failed
        })
    }

    pub(crate) fn failed(&self, order: Order, sequence: Sequence) -> Failed {
        let noted = self.noted.get();
        let failures = noted.map(|noted| match order {
            Order::Log => &noted.failures,
            Order::Replay => &noted.replays,
        });
        let failed = failures.and_then(|failures| failures.get(&sequence));
        failed.copied().unwrap_or_default()
    }

    /// Takes back the failures of all events but one, which was found to be their cause.
    pub(crate) fn forgive_all_but(&mut self, order: Order, culprit: Sequence) {
        self.unsaved = Unsaved::Settled;
        self.noted.change_if_any(|noted| {
            noted
                .failures(order)
                .retain(|sequence, _| *sequence == culprit);
        });
    }

    pub(crate) fn unsaved(&self) -> Unsaved {
        self.unsaved
    }

    /// The position as it is to be written; it counts as saved from now on.
    pub(crate) fn save(&mut self) -> Position {
        self.unsaved = Unsaved::Nothing;
        let position = self.position();
        self.noted.change_if_any(|noted| {
            noted.unparking.append(&mut noted.unparked);
        });
        position
    }

    /// A write did not succeed, and with it these entries did not go.
    pub(crate) fn unsave(&mut self, unparked: &[Sequence]) {
        self.unsaved = Unsaved::Settled;
        self.noted.change(|noted| {
            noted.unparking.retain(|event| !unparked.contains(event));
            noted.unparked.extend(unparked);
        });
    }

    /// A write has succeeded, and with it these entries are gone.
    pub(crate) fn saved(&mut self, unparked: &[Sequence]) {
        self.noted.change_if_any(|noted| {
            noted.unparking.retain(|event| !unparked.contains(event));
        });
    }

    /// Whether an event is settled whose entry may still be there.
    pub(crate) fn is_unparked(&self, event: Sequence) -> bool {
        self.noted.get().is_some_and(|noted| {
            noted.unparked.contains(&event) || noted.unparking.contains(&event)
        })
    }

    pub(crate) fn position(&self) -> Position {
        let Some(noted) = self.noted.get() else {
            return Position {
                offset: self.offset,
                ..Position::default()
            };
        };
        Position {
            offset: self.offset,
            settled: noted.settled.iter().collect(),
            failures: noted.failures.iter().map(written).collect(),
            unparked: noted.unparked.iter().copied().collect(),
            replays: noted.replays.iter().map(written).collect(),
        }
    }
}

impl Noted {
    fn failures(&mut self, order: Order) -> &mut BTreeMap<Sequence, Failed> {
        match order {
            Order::Log => &mut self.failures,
            Order::Replay => &mut self.replays,
        }
    }
}

fn noted(failures: &Failures) -> (Sequence, Failed) {
    let since = failures.since.map(Instant::from_time);
    let count = failures.count;
    (failures.sequence, Failed { count, since })
}

fn written((&sequence, failed): (&Sequence, &Failed)) -> Failures {
    Failures::new(sequence, failed.count, failed.since.map(Instant::to_time))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_position_survives_its_record() {
        let mut progress = Progress::new(&OffsetRecord::new(Sequence(4), 1, 0));
        for sequence in [7, 8, 12] {
            progress.settle(Sequence(sequence));
        }
        let began = Instant(Duration::from_secs(7));
        progress.count_failure(Order::Log, Sequence(9), Some(began));
        let later = Some(began.after(Duration::from_secs(1)));
        let failed = progress.count_failure(Order::Log, Sequence(9), later);
        assert_eq!((failed.count, failed.since), (2, Some(began)));
        let position = progress.save();
        assert_eq!(position.settled, [7..=8, 12..=12]);
        let expected = Failures::new(Sequence(9), 2, Some(began.to_time()));
        assert_eq!(position.failures, [expected]);
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

    #[test]
    fn an_entry_goes_with_a_write_that_succeeds() {
        let mut progress = Progress::new(&OffsetRecord::new(Sequence(4), 1, 0));
        progress.begin_replay(
            Sequence(2),
            Failed {
                count: 1,
                since: None,
            },
        );
        progress.count_failure(Order::Replay, Sequence(2), None);
        assert_eq!(
            progress.save().replays,
            [Failures::new(Sequence(2), 2, None)]
        );
        progress.unpark(Sequence(2));
        let position = progress.save();
        assert_eq!(
            (&*position.unparked, &*position.replays),
            (&[Sequence(2)][..], &[][..])
        );
        progress.unpark(Sequence(3));
        assert_eq!(progress.save().unparked, [Sequence(3)]);
        progress.unsave(&position.unparked);
        assert_eq!(progress.unsaved(), Unsaved::Settled);
        assert_eq!(progress.save().unparked, [Sequence(2)]);
        assert_eq!(progress.save().unparked, []);
        // It is known until the entry is gone.
        assert!(progress.is_unparked(Sequence(2)));
        progress.saved(&[Sequence(2), Sequence(3)]);
        assert_eq!(progress.noted, Rare::default());
    }

    #[test]
    fn only_events_of_before_a_seek_end_their_parking() {
        let mut progress = Progress::new(&OffsetRecord::new(Sequence(4), 1, 0));
        progress.unpark_if_parked(Sequence(5));
        progress.parked_through(Sequence(6));
        progress.unpark_if_parked(Sequence(6));
        progress.unpark_if_parked(Sequence(7));
        assert_eq!(progress.position().unparked, [Sequence(6)]);
        progress.pass(Sequence(6), Unsaved::Settled);
        let unparked = progress.save().unparked;
        progress.saved(&unparked);
        assert_eq!(progress.noted, Rare::default());
    }
}
