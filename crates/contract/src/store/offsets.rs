//! How far is each durable subscription?

use std::ops::RangeInclusive;

use super::StoreError;
use crate::BoxFuture;
use crate::id::{Sequence, SubscriptionId};
use crate::time::Timestamp;

/// The positions of the durable subscriptions, and who may move them.
///
/// The *epoch* fences: whoever wants to move an offset [claims](Self::claim) it first, which raises the epoch,
/// and every write carries the epoch that it was claimed with. Update, seek and delete raise it too. So a
/// stalled owner, or a write queued before a seek, changes nothing.
pub trait Offsets: Send + Sync {
    /// Makes the caller the owner of a subscription's position: raises the epoch and returns the record with
    /// the new one. `None` if there is no such subscription.
    fn claim(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>>;

    /// Writes positions, each compared and set for itself, and answers each in the same order. One that is wrong
    /// in itself ([`OffsetWrite::check`]), moves back, or goes beyond the log is refused.
    fn commit(&self, writes: Vec<OffsetWrite>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>>;

    /// Moves a position, forgets what was settled above it, and raises the epoch and the seek generation.
    /// Returns the new record; `None` if there is no such subscription.
    fn seek(
        &self,
        subscription: SubscriptionId,
        to: Start,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>>;

    /// The position as it was last written; `None` if there is no such subscription.
    fn offset(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>>;
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Before the oldest event: the sequence -1.
    Oldest,
    /// After the newest event of the namespace at that moment.
    Newest,
    /// After this sequence.
    After(Sequence),
}

/// The position of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetRecord {
    /// Every matching event up to here is settled.
    pub offset: Sequence,
    /// Raised by each claim, update, seek.
    pub epoch: u64,
    /// Raised by each seek; part of the keys of replies.
    pub generation: u64,
    /// Above the offset: what is settled there for good, in order, not overlapping. Parked and skipped
    /// events, and with an ordering key what other keys have settled.
    pub settled: Vec<RangeInclusive<i64>>,
    /// Events above the offset that failed, in order.
    pub failures: Vec<Failures>,
}

/// How often an event has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Failures {
    /// The event.
    pub sequence: Sequence,
    /// Its counted failures.
    pub count: u32,
    /// When the first of these attempts was made, if somebody asks for it.
    pub since: Option<Timestamp>,
}

impl Failures {
    /// So many failures of an event.
    pub fn new(sequence: Sequence, count: u32, since: Option<Timestamp>) -> Self {
        Self {
            sequence,
            count,
            since,
        }
    }
}

impl OffsetRecord {
    /// A position with nothing settled above it.
    pub fn new(offset: Sequence, epoch: u64, generation: u64) -> Self {
        Self {
            offset,
            epoch,
            generation,
            settled: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Notes events above the offset as settled, in any order. What is at or below the offset is settled anyway.
    pub fn settle(&mut self, events: impl IntoIterator<Item = Sequence>) {
        let above = events.into_iter().filter(|event| *event > self.offset);
        let mut ranges: Vec<RangeInclusive<i64>> = above.map(|event| event.0..=event.0).collect();
        if ranges.is_empty() {
            return;
        }
        ranges.append(&mut self.settled);
        ranges.sort_unstable_by_key(|range| *range.start());
        for range in ranges {
            match self.settled.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => self.settled.push(range),
            }
        }
        let settled = &self.settled;
        self.failures.retain(|failures| {
            let place = failures.sequence.0;
            let below = settled.partition_point(|range| *range.start() <= place);
            below == 0 || *settled[below - 1].end() < place
        });
    }
}

/// A position to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetWrite {
    /// Whose position.
    pub subscription: SubscriptionId,
    /// With which epoch it was claimed; the write is refused if that is not the current one.
    pub epoch: u64,
    /// As [`OffsetRecord::offset`].
    pub offset: Sequence,
    /// As [`OffsetRecord::settled`].
    pub settled: Vec<RangeInclusive<i64>>,
    /// As [`OffsetRecord::failures`].
    pub failures: Vec<Failures>,
    /// Events that were parked and are settled now: their entries go in this write.
    pub unparked: Vec<Sequence>,
    /// Counted failures of replays, in order; an entry that is not marked any more keeps none.
    pub replays: Vec<Failures>,
}

impl OffsetWrite {
    /// A position with nothing settled above it.
    pub fn new(subscription: SubscriptionId, epoch: u64, offset: Sequence) -> Self {
        Self {
            subscription,
            epoch,
            offset,
            settled: Vec::new(),
            failures: Vec::new(),
            unparked: Vec::new(),
            replays: Vec::new(),
        }
    }

    /// What is wrong with it in itself: what is settled rises above the offset without overlap, and so does what
    /// failed. A store refuses the rest, because nobody could go on from it.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str, sequence: i64| {
            Err(format!(
                "the position {} of subscription {} says that {sequence} {what}, which has to rise above it",
                self.offset, self.subscription
            ))
        };
        let mut below = self.offset.0;
        for range in &self.settled {
            if *range.start() <= below || range.is_empty() {
                return wrong("is settled", *range.start());
            }
            below = *range.end();
        }
        let mut below = self.offset;
        for Failures { sequence, .. } in &self.failures {
            if *sequence <= below {
                return wrong("has failed", sequence.0);
            }
            below = *sequence;
        }
        Ok(())
    }
}

/// Why a position, or a parked entry, was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OffsetError {
    /// Somebody else claimed the subscription since, or it was changed, moved or deleted.
    #[error("the subscription has a newer owner")]
    Fenced,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_stands_in_few_ranges() {
        let mut record = OffsetRecord::new(Sequence(10), 1, 0);
        record.settled = vec![14..=15, 20..=22];
        record.failures = [13, 16, 18]
            .map(|n| Failures::new(Sequence(n), 1, None))
            .into();
        record.settle([]);
        assert_eq!(record.settled, [14..=15, 20..=22]);
        record.settle([19, 16, 4, 30, 21, 14, 10].map(Sequence));
        assert_eq!(record.settled, [14..=16, 19..=22, 30..=30]);
        let failed: Vec<i64> = record.failures.iter().map(|f| f.sequence.0).collect();
        assert_eq!(failed, [13, 18]);
    }
}
