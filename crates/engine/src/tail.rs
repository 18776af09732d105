//! Which events are the newest?
//!
//! The committed records of a namespace, from some point up to its head, in memory, for all subscriptions
//! that keep up. Bounded by bytes: the oldest leave first.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use photinus_contract::{Event, Record, Sequence, Timestamp};

/// The newest records of one namespace.
#[derive(Debug)]
pub(crate) struct Tail {
    state: RwLock<State>,
    bytes_max: usize,
}

#[derive(Debug)]
struct State {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
    /// Everything after this is in `records`.
    floor: Sequence,
    head: Sequence,
    newest: Timestamp,
}

/// A piece of the log for a dispatcher.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Begins after this.
    pub(crate) after: Sequence,
    /// Records whose last event is after `after`, in order.
    pub(crate) records: Arc<[Arc<Record>]>,
    /// All events up to here are in it.
    pub(crate) through: Sequence,
    /// Who reads a page of the store keeps this until it goes on, so that it is known where somebody is.
    pub(crate) mark: Option<Arc<()>>,
}

impl Piece {
    /// The events of it that come after this. Where it was cut, the last record can go on behind it.
    pub(crate) fn events_after(&self, after: Sequence) -> impl Iterator<Item = Event> + '_ {
        let start = self.records.partition_point(|record| record.last <= after);
        let events = self.records[start..].iter().flat_map(Event::all);
        events
            .skip_while(move |event| event.sequence() <= after)
            .take_while(|event| event.sequence() <= self.through)
    }

    /// Whether what comes after `after` is in it.
    pub(crate) fn goes_on(&self, after: Sequence) -> bool {
        self.after <= after && after < self.through
    }
}

/// What a look at the tail finds.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// There is something.
    Piece(Piece),
    /// There is nothing newer.
    UpToDate,
    /// It is too old for the tail.
    Behind,
}

impl Tail {
    /// A tail that begins at the head of what is stored.
    pub(crate) fn new(head: Sequence, newest: Timestamp, bytes_max: usize) -> Self {
        let state = State {
            records: VecDeque::new(),
            bytes: 0,
            floor: head,
            head,
            newest,
        };
        Self {
            state: RwLock::new(state),
            bytes_max,
        }
    }

    /// The sequence of the newest event.
    pub(crate) fn head(&self) -> Sequence {
        self.read_state(|state| state.head)
    }

    /// When the newest event was committed.
    pub(crate) fn newest(&self) -> Timestamp {
        self.read_state(|state| state.newest)
    }

    /// Adds records that were committed, in order, each with the sequence just before it. Where that is not the
    /// head, another engine has appended to the same log: what it appended is in the store only, so the tail
    /// begins anew behind it, and nobody skips it.
    pub(crate) fn push(&self, records: impl IntoIterator<Item = (Sequence, Arc<Record>)>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (previous, record) in records {
            assert!(
                state.head <= previous && previous < record.first(),
                "records are pushed in order, once"
            );
            if state.head < previous {
                state.records.clear();
                state.bytes = 0;
                state.floor = previous;
            }
            state.head = record.last;
            state.newest = state.newest.max(record.content.created);
            state.bytes += record.content.size();
            state.records.push_back(record);
        }
        while state.bytes > self.bytes_max
            && let Some(oldest) = state.records.pop_front()
        {
            state.bytes -= oldest.content.size();
            state.floor = oldest.last;
        }
    }

    /// What comes after `after`, at most `records_max` records of it.
    pub(crate) fn look(&self, after: Sequence, records_max: usize) -> Look {
        self.read_state(|state| {
            if after >= state.head {
                return Look::UpToDate;
            }
            if after < state.floor {
                return Look::Behind;
            }
            let start = state.records.partition_point(|record| record.last <= after);
            let end = state.records.len().min(start + records_max.max(1));
            let records: Arc<[Arc<Record>]> = state.records.range(start..end).cloned().collect();
            let through = records.last().map_or(state.head, |record| record.last);
            Look::Piece(Piece {
                after,
                records,
                through,
                mark: None,
            })
        })
    }

    /// How many records there are, and how many bytes of them.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.read_state(|state| (state.records.len(), state.bytes))
    }

    fn read_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use photinus_contract::record::{RecordContent, RecordEvent};
    use photinus_contract::{EventType, MessageId, Namespace};

    use super::*;

    fn record(last: i64, events: usize, created: i64) -> Arc<Record> {
        let event = RecordEvent {
            topic: "t".into(),
            json: vec![b'x'; 1_000].into(),
        };
        let content = RecordContent::new(
            MessageId::from_v7(uuid::Uuid::from_u128(last as u128)),
            Namespace::new("ns"),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(created),
            vec![event; events],
            0..0,
        );
        Arc::new(Record::new(Sequence(last), content))
    }

    fn look(tail: &Tail, after: i64, max: usize) -> Option<(Vec<i64>, i64)> {
        match tail.look(Sequence(after), max) {
            Look::Piece(piece) => Some((
                piece.records.iter().map(|r| r.last.0).collect(),
                piece.through.0,
            )),
            Look::UpToDate => Some((vec![], tail.head().0)),
            Look::Behind => None,
        }
    }

    #[test]
    fn it_gives_what_comes_after_a_sequence() {
        let tail = Tail::new(Sequence(4), Timestamp::from_nanos(9), 1 << 20);
        assert_eq!(look(&tail, 4, 10), Some((vec![], 4)));
        assert_eq!(look(&tail, 3, 10), None);
        tail.push([
            (Sequence(4), record(6, 2, 1)),
            (Sequence(6), record(7, 1, 12)),
            (Sequence(7), record(9, 1, 11)),
        ]);
        assert_eq!(look(&tail, 4, 10), Some((vec![6, 7, 9], 9)));
        assert_eq!(
            look(&tail, 5, 10),
            Some((vec![6, 7, 9], 9)),
            "in the middle of a record"
        );
        assert_eq!(look(&tail, 6, 1), Some((vec![7], 7)));
        assert_eq!(look(&tail, 8, 10), Some((vec![9], 9)), "in a gap");
        assert_eq!(look(&tail, 9, 10), Some((vec![], 9)));
        assert_eq!(tail.newest(), Timestamp::from_nanos(12));
    }

    #[test]
    fn a_piece_that_was_cut_within_a_record_ends_there() {
        let piece = Piece {
            after: Sequence(4),
            records: [record(6, 2, 1), record(9, 3, 1)].into(),
            through: Sequence(8),
            mark: None,
        };
        let events = |after| -> Vec<i64> {
            let events = piece.events_after(Sequence(after));
            events.map(|event| event.sequence().0).collect()
        };
        assert_eq!(events(4), [5, 6, 7, 8]);
        assert_eq!(events(5), [6, 7, 8]);
        assert_eq!(events(8), [0; 0]);
    }

    #[test]
    fn it_is_bounded_by_bytes() {
        let tail = Tail::new(Sequence(0), Timestamp::from_nanos(0), 5_000);
        tail.push((1..=100).map(|last| (Sequence(last - 1), record(last, 1, 0))));
        assert_eq!(look(&tail, 0, 10), None);
        assert_eq!(look(&tail, 97, 10), Some((vec![98, 99, 100], 100)));
        assert_eq!(tail.head(), Sequence(100));
    }

    #[test]
    fn what_another_engine_appended_is_not_skipped() {
        let tail = Tail::new(Sequence(4), Timestamp::from_nanos(9), 1 << 20);
        tail.push([
            (Sequence(4), record(5, 1, 1)),
            (Sequence(7), record(8, 1, 1)),
        ]);
        for behind in [4, 5, 6] {
            assert_eq!(look(&tail, behind, 10), None, "6 and 7 are in the store");
        }
        assert_eq!(look(&tail, 7, 10), Some((vec![8], 8)));
        tail.push([(Sequence(8), record(9, 1, 1))]);
        assert_eq!(look(&tail, 7, 10), Some((vec![8, 9], 9)));
    }
}
