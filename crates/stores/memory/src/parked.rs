//! Where are events kept that were set aside?

use std::ops::Bound;

use photinus_contract::store::{
    OffsetError, Parked, ParkedEntry, Replay, Selection, StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, EventId, Sequence, SubscriptionId};

use crate::subscriptions::SubscriptionState;
use crate::{Durable, MemoryStore};

impl Parked for MemoryStore {
    fn park(&self, entries: Vec<ParkedEntry>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        self.write_each(entries, |durable: &mut Durable, entry: ParkedEntry| {
            let state = durable
                .subscriptions
                .get_mut(&entry.subscription)
                .filter(|state| state.position.epoch == entry.epoch)
                .ok_or(OffsetError::Fenced)?;
            state.parked.insert(entry.sequence, entry);
            Ok(())
        })
    }

    fn parked(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        self.read(|durable| Ok(page(durable, subscription, after, limit, |_| true)))
    }

    fn replays(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        let is_marked = |entry: &ParkedEntry| entry.replay.is_some();
        self.read(|durable| Ok(page(durable, subscription, after, limit, is_marked)))
    }

    fn parked_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> BoxFuture<'static, Result<Option<ParkedEntry>, StoreError>> {
        let is_it = |entry: &ParkedEntry| entry.event == event;
        let after = Sequence(i64::MIN);
        self.read(|durable| Ok(page(durable, subscription, after, 1, is_it).pop()))
    }

    fn parked_count(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.read(|durable| {
            let state = durable.subscriptions.get(&subscription);
            Ok(state.map_or(0, |state| state.parked.len() as u64))
        })
    }

    fn replay(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let Some(state) = durable.subscriptions.get_mut(&subscription) else {
                    return Ok(0);
                };
                let selected = selected(state, &selection)?;
                for sequence in &selected {
                    if let Some(entry) = state.parked.get_mut(sequence) {
                        entry.replay.get_or_insert(Replay::default());
                    }
                }
                Ok(selected.len() as u64)
            },
            Err,
        )
    }

    fn discard(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<Vec<Sequence>, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let Some(state) = durable.subscriptions.get_mut(&subscription) else {
                    return Ok(Vec::new());
                };
                let selected = selected(state, &selection)?;
                let generation = state.position.generation;
                let gone = selected
                    .iter()
                    .filter_map(|event| state.parked.remove(event));
                let settled: Vec<Sequence> = gone
                    .filter(|entry| entry.generation == generation)
                    .map(|entry| entry.sequence)
                    .collect();
                state.position.settle(settled);
                let offset = state.position.offset;
                durable.forget_replies(subscription, |event| event <= offset);
                Ok(selected)
            },
            Err,
        )
    }
}

fn page(
    durable: &Durable,
    subscription: SubscriptionId,
    after: Sequence,
    limit: usize,
    wanted: impl Fn(&ParkedEntry) -> bool,
) -> Vec<ParkedEntry> {
    let Some(state) = durable.subscriptions.get(&subscription) else {
        return Vec::new();
    };
    let entries = state
        .parked
        .range((Bound::Excluded(after), Bound::Unbounded));
    entries
        .map(|(_, entry)| entry)
        .filter(|entry| wanted(entry))
        .take(limit)
        .cloned()
        .collect()
}

/// The places of the entries that are meant, in order.
fn selected(state: &SubscriptionState, selection: &Selection) -> Result<Vec<Sequence>, StoreError> {
    let entries = state.parked.values();
    let is_meant = |entry: &&ParkedEntry| match selection {
        Selection::All => Ok(true),
        Selection::Events(events) => Ok(events.contains(&entry.event)),
        Selection::Range(from, to) => Ok((*from..=*to).contains(&entry.sequence)),
        other => Err(StoreError::new(
            StoreErrorKind::Other,
            format!("the selection {other:?} is not known"),
        )),
    };
    let mut selected = Vec::new();
    for entry in entries {
        if is_meant(&entry)? {
            selected.push(entry.sequence);
        }
    }
    Ok(selected)
}
