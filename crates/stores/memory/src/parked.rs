//! Where are events kept that were set aside?

use std::ops::Bound;

use photinus_contract::store::{OffsetError, Parked, ParkedEntry, StoreError};
use photinus_contract::{BoxFuture, Sequence, SubscriptionId};

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
        self.read(|durable| {
            let Some(state) = durable.subscriptions.get(&subscription) else {
                return Ok(Vec::new());
            };
            let entries = state
                .parked
                .range((Bound::Excluded(after), Bound::Unbounded));
            Ok(entries
                .take(limit)
                .map(|(_, entry)| entry.clone())
                .collect())
        })
    }
}
