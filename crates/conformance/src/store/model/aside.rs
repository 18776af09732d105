//! What becomes of events that were set aside?

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use photinus_contract::store::{Failures, OffsetError, ParkedEntry, Replay, Selection, Store};
use photinus_contract::{EventId, Sequence, SubscriptionId, Timestamp};

use super::Model;
use crate::store::histories::{Change, Picked};
use crate::store::make::message;

impl Model {
    pub(super) async fn park(&mut self, store: &dyn Store, changes: &[Change]) {
        let entries: Vec<ParkedEntry> = changes.iter().map(|change| self.entry(change)).collect();
        let answers = store.park(entries.clone()).await;
        assert_eq!(answers.len(), entries.len());
        for (entry, answer) in entries.into_iter().zip(answers) {
            let current = self.positions.get(&entry.subscription);
            if current.is_some_and(|position| position.epoch == entry.epoch) {
                assert_eq!(answer, Ok(()));
                let place = (entry.subscription, entry.sequence);
                self.parked.insert(place, entry);
            } else {
                assert_eq!(answer, Err(OffsetError::Fenced));
            }
        }
    }

    pub(super) async fn replay(&mut self, store: &dyn Store, id: SubscriptionId, picked: &Picked) {
        let (selection, meant) = self.selection(id, picked);
        let answer = store.replay(id, selection).await;
        assert_eq!(answer, Ok(meant.len() as u64));
        for event in meant {
            let entry = self.parked.get_mut(&(id, event)).unwrap();
            entry.replay.get_or_insert(Replay::default());
        }
    }

    pub(super) async fn discard(&mut self, store: &dyn Store, id: SubscriptionId, picked: &Picked) {
        let (selection, meant) = self.selection(id, picked);
        let answer = store.discard(id, selection).await;
        assert_eq!(answer, Ok(meant.clone()));
        let Some(position) = self.positions.get_mut(&id) else {
            return;
        };
        let gone = meant.iter().map(|event| self.parked.remove(&(id, *event)));
        let settled: BTreeSet<i64> = gone
            .flatten()
            .filter(|entry| entry.generation == position.generation)
            .map(|entry| entry.sequence.0)
            .filter(|event| *event > position.offset.0)
            .collect();
        if !settled.is_empty() {
            let before = position.settled.iter().cloned().flatten();
            let settled: BTreeSet<i64> = before.chain(settled).collect();
            let failed = |failed: &Failures| !settled.contains(&failed.sequence.0);
            position.failures.retain(failed);
            position.settled = runs(&settled);
        }
        let offset = position.offset;
        self.forget_replies(id, offset);
    }

    /// What a position does to entries besides.
    pub(super) fn unpark(
        &mut self,
        id: SubscriptionId,
        unparked: &[Sequence],
        failed: &[Failures],
    ) {
        for event in unparked {
            self.parked.remove(&(id, *event));
        }
        for failed in failed {
            if let Some(entry) = self.parked.get_mut(&(id, failed.sequence))
                && let Some(replay) = &mut entry.replay
            {
                (replay.failures, replay.since) = (failed.count, failed.since);
            }
        }
    }

    /// Keys of events up to an offset go, but for those of parked events.
    pub(super) fn forget_replies(&mut self, id: SubscriptionId, offset: Sequence) {
        let parked = &self.parked;
        self.replies.retain(|(other, _, event), _| {
            *other != id || *event > offset || parked.contains_key(&(id, *event))
        });
    }

    /// Which entries are meant, for the store and for the model.
    fn selection(&self, id: SubscriptionId, picked: &Picked) -> (Selection, Vec<Sequence>) {
        let namespace = self.namespace_of(id);
        let of_it = self.parked.iter().filter(|((other, _), _)| *other == id);
        let entries = of_it.map(|((_, at), entry)| (*at, entry.event));
        match picked {
            Picked::All => (Selection::All, entries.map(|(at, _)| at).collect()),
            Picked::Events(places) => {
                let events: Vec<EventId> = places
                    .iter()
                    .map(|place| self.event(id, self.at(&namespace, *place)))
                    .collect();
                let meant = entries.filter(|(_, event)| events.contains(event));
                let meant = meant.map(|(at, _)| at).collect();
                (Selection::Events(events), meant)
            }
            Picked::Range(from, to) => {
                let (from, to) = (self.at(&namespace, *from), self.at(&namespace, *to));
                let meant = entries
                    .map(|(at, _)| at)
                    .filter(|at| (from..=to).contains(at));
                let meant = meant.collect();
                (Selection::Range(from, to), meant)
            }
        }
    }

    /// The event at a place of the log; one that there is nowhere, if there is none.
    fn event(&self, id: SubscriptionId, at: Sequence) -> EventId {
        let log = self.logs.get(&self.namespace_of(id));
        let of = log.and_then(|log| log.iter().find(|record| record.last == at));
        of.map_or(message(0).event(0), |of| {
            of.content.id.event(of.content.events_len() - 1)
        })
    }

    fn entry(&self, change: &Change) -> ParkedEntry {
        let write = self.write(change);
        let known = self.positions.get(&write.subscription);
        let event = self.event(write.subscription, write.offset);
        let mut entry = ParkedEntry::new(
            write.subscription,
            (write.epoch, known.map_or(0, |known| known.generation)),
            (write.offset, event),
            Timestamp::from_nanos(i64::from(change.index)),
        )
        .because(
            u32::from(change.index),
            format!("reason {}", change.index),
            change.stale.then(|| "error".to_owned()),
        );
        entry.replay = change.replayed.map(|failures| Replay {
            failures: failures.into(),
            since: change.unparked.map(|at| Timestamp::from_nanos(at.into())),
        });
        entry
    }
}

/// Numbers as few ranges.
fn runs(numbers: &BTreeSet<i64>) -> Vec<RangeInclusive<i64>> {
    let mut runs: Vec<RangeInclusive<i64>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end() + 1 == *number => *run = *run.start()..=*number,
            _ => runs.push(*number..=*number),
        }
    }
    runs
}
