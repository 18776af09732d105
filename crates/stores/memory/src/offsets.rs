//! How far is each durable subscription?

use photinus_contract::store::{
    OffsetError, OffsetRecord, OffsetWrite, Offsets, Replay, Start, StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, Namespace, Sequence, SubscriptionId};

use crate::{Durable, MemoryStore};

impl Offsets for MemoryStore {
    fn claim(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                Ok(durable.subscriptions.get_mut(&subscription).map(|state| {
                    state.position.epoch += 1;
                    state.position.clone()
                }))
            },
            Err,
        )
    }

    fn commit(&self, writes: Vec<OffsetWrite>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        self.write_each(writes, commit)
    }

    fn seek(
        &self,
        subscription: SubscriptionId,
        to: Start,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let Some(state) = durable.subscriptions.get(&subscription) else {
                    return Ok(None);
                };
                let offset = durable.resolve(&state.subscription.namespace, to)?;
                let before = &state.position;
                let record = OffsetRecord::new(offset, before.epoch + 1, before.generation + 1);
                // Of an earlier generation, only the reply key of a parked event is used again: by its replay.
                durable.forget_replies(subscription, |_| true);
                if let Some(state) = durable.subscriptions.get_mut(&subscription) {
                    state.position = record.clone();
                }
                Ok(Some(record))
            },
            Err,
        )
    }

    fn offset(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.read(|durable| {
            let state = durable.subscriptions.get(&subscription);
            Ok(state.map(|state| state.position.clone()))
        })
    }
}

impl Durable {
    /// The current epoch; `None` if there is no such subscription.
    pub(crate) fn epoch(&self, subscription: SubscriptionId) -> Option<u64> {
        let state = self.subscriptions.get(&subscription)?;
        Some(state.position.epoch)
    }

    /// Forgets the keys of replies to some of a subscription's events, but for those that are parked.
    pub(crate) fn forget_replies(
        &mut self,
        subscription: SubscriptionId,
        to: impl Fn(Sequence) -> bool,
    ) {
        let all = (subscription, 0, i64::MIN)..=(subscription, u64::MAX, i64::MAX);
        let state = self.subscriptions.get(&subscription);
        let is_parked = |event| state.is_some_and(|state| state.parked.contains_key(&event));
        self.replies
            .extract_if(all, |(.., event), _| {
                to(Sequence(*event)) && !is_parked(Sequence(*event))
            })
            .for_each(drop);
    }

    /// The sequence that a start means now.
    pub(crate) fn resolve(
        &self,
        namespace: &Namespace,
        start: Start,
    ) -> Result<Sequence, StoreError> {
        match start {
            Start::Oldest => Ok(Sequence::OLDEST),
            Start::Newest => Ok(match self.head(namespace) {
                0 => Sequence::OLDEST,
                head => Sequence(head),
            }),
            Start::After(sequence) => Ok(sequence.max(Sequence::OLDEST)),
            other => Err(StoreError::new(
                StoreErrorKind::Other,
                format!("the start {other:?} is not known"),
            )),
        }
    }
}

fn commit(durable: &mut Durable, write: OffsetWrite) -> Result<(), OffsetError> {
    let state = durable
        .subscriptions
        .get(&write.subscription)
        .filter(|state| state.position.epoch == write.epoch)
        .ok_or(OffsetError::Fenced)?;
    let refused = |text: String| StoreError::new(StoreErrorKind::Other, text);
    write.check().map_err(refused)?;
    let offset = state.position.offset;
    let newest = offset.max(Sequence(durable.head(&state.subscription.namespace)));
    if !(offset..=newest).contains(&write.offset) {
        return Err(refused(format!(
            "subscription {} cannot move from {offset} to {}: only a seek moves back, and the log ends at {newest}",
            write.subscription, write.offset
        ))
        .into());
    }
    let Some(state) = durable.subscriptions.get_mut(&write.subscription) else {
        return Err(OffsetError::Fenced);
    };
    state.position.offset = write.offset;
    state.position.settled = write.settled;
    state.position.failures = write.failures;
    for unparked in &write.unparked {
        state.parked.remove(unparked);
    }
    for failures in &write.replays {
        let entry = state.parked.get_mut(&failures.sequence);
        if let Some(replay) = entry.and_then(|entry| entry.replay.as_mut()) {
            *replay = Replay {
                failures: failures.count,
                since: failures.since,
            };
        }
    }
    // A reply cannot be asked for again once the offset has passed its event, unless that is parked.
    durable.forget_replies(write.subscription, |event| event <= write.offset);
    Ok(())
}
