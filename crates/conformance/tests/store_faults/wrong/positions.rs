//! How can positions and parked entries be wrong?

use photinus_contract::store::{
    OffsetError, OffsetRecord, OffsetWrite, Offsets, Parked, ParkedEntry, Selection, Start,
    StoreError, Subscriptions,
};
use photinus_contract::{BoxFuture, EventId, Sequence, SubscriptionId};

use super::{Before, Fault, Wrong, now, then};

type Position = Result<Option<OffsetRecord>, StoreError>;

impl Offsets for Wrong {
    fn claim(&self, subscription: SubscriptionId) -> BoxFuture<'static, Position> {
        let times = {
            let mut state = self.state();
            let times = state.claims.entry(subscription).or_default();
            *times += 1;
            *times
        };
        match self.fault {
            Fault::GivesAnEpochTwice if times.is_multiple_of(2) => self.offset(subscription),
            Fault::ForgetsFailuresInEverySecondClaim if times.is_multiple_of(2) => {
                let claimed = now(self.inner.claim(subscription)).unwrap();
                if let Some(claimed) = claimed {
                    let mut write = OffsetWrite::new(subscription, claimed.epoch, claimed.offset);
                    write.settled = claimed.settled;
                    now(self.inner.commit(vec![write])).remove(0).unwrap();
                }
                self.offset(subscription)
            }
            _ => self.spoilt(self.inner.claim(subscription), subscription),
        }
    }

    fn commit(
        &self,
        mut writes: Vec<OffsetWrite>,
    ) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        let inner = self.inner.clone();
        for write in &mut writes {
            let id = write.subscription;
            self.kept().committed.insert(id, write.offset);
            let current = || {
                now(inner.offset(id))
                    .ok()
                    .flatten()
                    .map(|record| record.epoch)
            };
            match self.fault {
                Fault::CommitsWithAnOldEpoch => write.epoch = current().unwrap_or(write.epoch),
                Fault::SeeksWithoutFencing | Fault::UpdatesWithoutFencing
                    if self.state().forgiven.get(&id) == Some(&write.epoch) =>
                {
                    write.epoch = current().unwrap_or(write.epoch);
                }
                // What is not shown is no place to be.
                Fault::Gaps if write.offset > self.newest_of(id) => write.offset = Sequence::MAX,
                Fault::ForgetsWhatIsSettled => write.settled.clear(),
                Fault::KeepsSettledEntries => write.unparked.clear(),
                Fault::ForgetsFailuresOfReplays => write.replays.clear(),
                Fault::UnparksWithAnOldEpoch => {
                    let (id, unparked) = (write.subscription, write.unparked.clone());
                    for place in unparked {
                        let range = Selection::Range(place, place);
                        let _ = now(inner.discard(id, range));
                    }
                }
                Fault::UnparksBeforeThePosition => {
                    for place in std::mem::take(&mut write.unparked) {
                        drop(inner.discard(id, Selection::Range(place, place)));
                    }
                }
                Fault::FreesReplyKeysOfTheParked => {
                    let mut state = self.state();
                    let freed: Vec<_> = state
                        .replies
                        .keys()
                        .filter(|(other, _, event)| *other == id && *event <= write.offset)
                        .copied()
                        .collect();
                    state.freed_replies.extend(freed);
                }
                _ => {}
            }
        }
        match self.fault {
            Fault::CommitsWhenPolled => Box::pin(async move { inner.commit(writes).await }),
            Fault::FailsAllCommitsWithOne => {
                let stale = writes.iter().any(|write| {
                    let current = now(inner.offset(write.subscription)).unwrap();
                    current.is_none_or(|current| current.epoch != write.epoch)
                });
                match stale {
                    true => {
                        let answers = writes.iter().map(|_| Err(OffsetError::Fenced)).collect();
                        Box::pin(async { answers })
                    }
                    false => inner.commit(writes),
                }
            }
            Fault::MovesBack => then(inner.commit(writes), |mut answers| {
                for answer in &mut answers {
                    if matches!(answer, Err(OffsetError::Store(_))) {
                        *answer = Ok(());
                    }
                }
                answers
            }),
            _ => inner.commit(writes),
        }
    }

    fn seek(&self, subscription: SubscriptionId, to: Start) -> BoxFuture<'static, Position> {
        let forgiven = now(self.inner.offset(subscription)).ok().flatten();
        {
            let mut state = self.state();
            if self.is(Fault::SeeksWithoutFencing)
                && let Some(forgiven) = forgiven
            {
                state.forgiven.insert(subscription, forgiven.epoch);
            }
            state.sought.insert(subscription);
        }
        let to = match self.fault {
            Fault::Gaps => self.start(self.namespace_of(subscription).as_ref(), to),
            _ => to,
        };
        self.spoilt(self.inner.seek(subscription, to), subscription)
    }

    fn offset(&self, subscription: SubscriptionId) -> BoxFuture<'static, Position> {
        self.spoilt(self.inner.offset(subscription), subscription)
    }
}

impl Wrong {
    fn spoilt(
        &self,
        wait: BoxFuture<'static, Position>,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Position> {
        let fault = self.fault;
        let lost = self.is_after(Before::Close, Fault::LosesPositionsInAClose);
        let committed = match self.is_after(Before::Crash, Fault::KeepsALaterWriteInACrash) {
            true => self.kept().committed.get(&id).copied(),
            false => None,
        };
        then(wait, move |position| {
            position.map(|position| {
                position.map(|mut position| {
                    if fault == Fault::KeepsTheGenerationOfASought {
                        position.generation = 0;
                    }
                    if lost {
                        position = OffsetRecord::new(
                            Sequence::OLDEST,
                            position.epoch,
                            position.generation,
                        );
                    }
                    position.offset = committed.unwrap_or(position.offset);
                    position
                })
            })
        })
    }

    /// How far a subscription can be: at the newest that is seen, or where it is.
    fn newest_of(&self, id: SubscriptionId) -> Sequence {
        let offset = now(self.inner.offset(id)).ok().flatten();
        let offset = offset.map_or(Sequence(0), |record| record.offset);
        let namespace = self.namespace_of(id);
        namespace.map_or(offset, |namespace| self.newest(&namespace).max(offset))
    }

    fn namespace_of(&self, id: SubscriptionId) -> Option<photinus_contract::Namespace> {
        let all = now(self.inner.subscriptions()).ok()?;
        let found = all.into_iter().find(|other| other.id == id)?;
        Some(found.namespace)
    }
}

impl Parked for Wrong {
    fn park(
        &self,
        mut entries: Vec<ParkedEntry>,
    ) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        if self.is(Fault::ParksWithAnOldEpoch) {
            for entry in &mut entries {
                let current = now(self.inner.offset(entry.subscription)).unwrap();
                entry.epoch = current.map_or(entry.epoch, |current| current.epoch);
            }
        }
        self.inner.park(entries)
    }

    fn parked(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        let fault = self.fault;
        let forgotten = fault == Fault::ForgetsParkedInASeek
            && self.state().sought.contains(&subscription)
            || self.is_after(Before::Crash, Fault::LosesParkedInACrash);
        let former = self.state().parked.get(&subscription).cloned();
        let wait = self.inner.parked(subscription, after, limit);
        then(wait, move |listed| {
            listed.map(|mut listed| {
                match fault {
                    Fault::ListsParkedBackwards => listed.reverse(),
                    Fault::KeepsParkedEntriesOfTheDeleted => {
                        return former.unwrap_or(listed);
                    }
                    _ if forgotten => listed.clear(),
                    _ => {}
                }
                listed
            })
        })
    }
    fn replays(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        match self.is_after(Before::Crash, Fault::LosesMarksInACrash) {
            true => Box::pin(async { Ok(Vec::new()) }),
            false => self.inner.replays(subscription, after, limit),
        }
    }

    fn parked_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> BoxFuture<'static, Result<Option<ParkedEntry>, StoreError>> {
        self.inner.parked_event(subscription, event)
    }

    fn parked_count(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.inner.parked_count(subscription)
    }

    fn replay(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        let selection = match self.fault {
            Fault::MarksAll => Selection::All,
            _ => selection,
        };
        self.inner.replay(subscription, selection)
    }

    fn discard(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<Vec<Sequence>, StoreError>> {
        let before = now(self.inner.offset(subscription)).ok().flatten();
        if let (Fault::DiscardsBeforeThePosition, Some(before)) = (self.fault, &before) {
            // Deleted as one that is settled: the position stays as it is.
            let offset = self.kept().committed.get(&subscription).copied();
            let offset = offset.unwrap_or(before.offset);
            let parked = now(self.inner.parked(subscription, offset, usize::MAX));
            let mut write = OffsetWrite::new(subscription, before.epoch, offset);
            let places = parked.unwrap_or_default().into_iter();
            write.unparked = places.map(|entry| entry.sequence).collect();
            write.settled.clone_from(&before.settled);
            drop(self.inner.commit(vec![write]));
        }
        let gone = self.inner.discard(subscription, selection);
        if let (Fault::DiscardsWithoutSettling, Some(before)) = (self.fault, before) {
            let gone = now(gone);
            let mut write = OffsetWrite::new(subscription, before.epoch, before.offset);
            write.settled = before.settled;
            write.failures = before.failures;
            now(self.inner.commit(vec![write])).remove(0).unwrap();
            return Box::pin(async { gone });
        }
        gone
    }
}
