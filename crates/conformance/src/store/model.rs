//! What should a store hold after these calls?
//!
//! A few maps. Each call is made on the store and on the maps, and the answer has to be the one that the maps give;
//! numbers that a store may choose (sequences, epochs, generations) are taken from its answers, and have to rise.

mod aside;
mod compare;

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{
    AppendError, Appended, CreateNamespaceError, CreateSubscriptionError, Failures, OffsetError,
    OffsetRecord, OffsetWrite, ParkedEntry, Pause, Start, Store,
};
use photinus_contract::{
    MessageId, Namespace, Record, Sequence, Subscription, SubscriptionId, Timestamp,
};

use super::histories::{Call, Change, Item, To};
use super::make::*;

#[derive(Default)]
pub(super) struct Model {
    logs: BTreeMap<Namespace, Vec<Record>>,
    keys: BTreeMap<(Namespace, Box<str>), MessageId>,
    subscriptions: Vec<Subscription>,
    positions: BTreeMap<SubscriptionId, OffsetRecord>,
    pauses: BTreeMap<SubscriptionId, Pause>,
    /// How often a pause was noted, or taken back.
    paused: i64,
    parked: BTreeMap<(SubscriptionId, Sequence), ParkedEntry>,
    replies: BTreeMap<(SubscriptionId, u64, Sequence), MessageId>,
    /// The number of the next message.
    next: u64,
}

fn ns(number: u8) -> Namespace {
    namespace(["a", "b", "c"][usize::from(number) % 3])
}

impl Model {
    /// Makes the call on the store, and compares.
    pub(super) async fn call(&mut self, store: &dyn Store, call: &Call) {
        match call {
            Call::CreateNamespace(number) => {
                let name = ns(*number);
                let answer = store.create_namespace(namespace_info(name.as_str())).await;
                let expected = match self.logs.contains_key(&name) {
                    true => Err(CreateNamespaceError::Exists),
                    false => Ok(()),
                };
                assert_eq!(answer, expected);
                self.logs.entry(name).or_default();
            }
            Call::Append(items) => self.append(store, items).await,
            Call::CreateSubscription(number, namespace, start) => {
                self.create(store, *number, ns(*namespace), *start).await;
            }
            Call::UpdateSubscription(number) => {
                self.update(store, *number).await;
                self.pause(store, *number).await;
            }
            Call::DeleteSubscription(number) => {
                let id = id(*number);
                let known = self.positions.remove(&id).is_some();
                assert_eq!(store.delete_subscription(id).await, Ok(known));
                self.subscriptions.retain(|other| other.id != id);
                self.pauses.remove(&id);
                self.parked.retain(|(other, _), _| *other != id);
                self.replies.retain(|(other, ..), _| *other != id);
            }
            Call::Claim(number) => {
                let answer = store.claim(id(*number)).await.unwrap();
                let known = self.positions.get_mut(&id(*number));
                if let (Some(known), Some(answer)) = (known, &answer) {
                    assert!(answer.epoch > known.epoch);
                    known.epoch = answer.epoch;
                }
                assert_eq!(answer, self.positions.get(&id(*number)).cloned());
            }
            Call::Seek(number, to) => self.seek(store, *number, *to).await,
            Call::Commit(changes) => self.commit(store, changes).await,
            Call::Park(changes) => self.park(store, changes).await,
            Call::Replay(number, picked) => self.replay(store, id(*number), picked).await,
            Call::Discard(number, picked) => self.discard(store, id(*number), picked).await,
            Call::Close | Call::Crash => unreachable!("not a call on an open store"),
        }
    }

    async fn append(&mut self, store: &dyn Store, items: &[Item]) {
        let records: Vec<NewRecord> = items.iter().map(|item| self.record(item)).collect();
        let answers = store.append(records.clone()).await;
        assert_eq!(answers.len(), records.len());
        for (record, answer) in records.into_iter().zip(answers) {
            let reasons = self.reasons(&record);
            match answer {
                Ok(appended) => {
                    assert!(reasons.is_empty(), "taken, though {reasons:?}");
                    self.appended(record, appended);
                }
                Err(error) => {
                    let same = |reason: &AppendError| match (reason, &error) {
                        (AppendError::Store(a), AppendError::Store(b)) => a.kind() == b.kind(),
                        (a, b) => a == b,
                    };
                    assert!(reasons.iter().any(same), "{error}; there was {reasons:?}");
                }
            }
        }
    }

    /// Why a record must be refused; any of them may be the answer.
    fn reasons(&self, record: &NewRecord) -> Vec<AppendError> {
        let content = &record.content;
        let refused = || {
            let kind = photinus_contract::store::StoreErrorKind::Other;
            AppendError::Store(photinus_contract::store::StoreError::new(kind, "refused"))
        };
        let mut reasons = Vec::new();
        match self.logs.get(&content.namespace) {
            None => reasons.push(AppendError::UnknownNamespace),
            Some(log) if log.iter().any(|old| old.content.id == content.id) => {
                reasons.push(refused());
            }
            Some(_) => {}
        }
        if content.events_len() == 0 {
            reasons.push(refused());
        }
        if let Some(key) = content.idempotency_key() {
            let holder = self.keys.get(&(content.namespace.clone(), Box::from(key)));
            reasons.extend(holder.map(|holder| AppendError::DuplicateKey { holder: *holder }));
        }
        if let Some(reply) = record.reply {
            let place = (reply.subscription, reply.generation, reply.event);
            let holder = self.replies.get(&place);
            reasons.extend(holder.map(|holder| AppendError::DuplicateReply { holder: *holder }));
            let current = self.positions.get(&reply.subscription);
            if current.map(|position| position.epoch) != reply.epoch {
                reasons.push(AppendError::Fenced);
            }
            let parked = self.parked.contains_key(&(reply.subscription, reply.event));
            if current.is_some_and(|position| reply.event <= position.offset) && !parked {
                reasons.push(AppendError::Passed);
            }
        }
        reasons
    }

    fn appended(&mut self, record: NewRecord, appended: Appended) {
        let content = record.content;
        assert_eq!(appended.previous, self.head(&content.namespace));
        let first = appended.last.0 + 1 - content.events_len() as i64;
        assert!(first > appended.previous.0);
        if let Some(key) = content.idempotency_key() {
            let place = (content.namespace.clone(), Box::from(key));
            self.keys.insert(place, content.id);
        }
        if let Some(reply) = record.reply {
            let place = (reply.subscription, reply.generation, reply.event);
            self.replies.insert(place, content.id);
        }
        if let Some(log) = self.logs.get_mut(&content.namespace) {
            log.push(Record::new(appended.last, content));
        }
    }

    async fn create(&mut self, store: &dyn Store, number: u8, namespace: Namespace, start: To) {
        if self.positions.contains_key(&id(number)) {
            // Ids are never used twice.
            return;
        }
        let name = format!("s{}", number % 2);
        let wanted = subscription(&namespace, u64::from(number), &name);
        let start = self.start(&namespace, start);
        let offset = self.resolve(&namespace, start);
        let mut expected = wanted.clone();
        expected.options.first_event = Some(offset.to_string());
        let taken = self
            .subscriptions
            .iter()
            .any(|other| other.namespace == namespace && *other.name == *name);
        let expected = match self.logs.contains_key(&namespace) {
            false => Err(CreateSubscriptionError::UnknownNamespace),
            true if taken => Err(CreateSubscriptionError::Exists),
            true => Ok(expected),
        };
        let answer = store.create_subscription(wanted, start).await;
        assert_eq!(answer, expected);
        if let Ok(created) = answer {
            let position = position(store, created.id).await;
            let plain = OffsetRecord::new(offset, position.epoch, position.generation);
            assert_eq!(position, plain);
            self.positions.insert(created.id, position);
            self.subscriptions.push(created);
        }
    }

    async fn update(&mut self, store: &dyn Store, number: u8) {
        let id = id(number);
        let Some(known) = self.subscriptions.iter_mut().find(|other| other.id == id) else {
            let unknown = subscription(&ns(0), u64::from(number), "unknown");
            assert_eq!(store.update_subscription(unknown).await, Ok(false));
            return;
        };
        let turn = known.options.read_ahead.unwrap_or(0) + 1;
        known.options.read_ahead = Some(turn);
        known.updated = Some(Timestamp::from_nanos(i64::from(turn)));
        assert_eq!(store.update_subscription(known.clone()).await, Ok(true));
        let after = position(store, id).await;
        let before = self.positions.get_mut(&id).unwrap();
        assert!(after.epoch > before.epoch);
        before.epoch = after.epoch;
        assert_eq!(after, *before);
    }

    async fn seek(&mut self, store: &dyn Store, number: u8, to: To) {
        let id = id(number);
        let Some(before) = self.positions.get(&id) else {
            assert_eq!(store.seek(id, Start::Oldest).await, Ok(None));
            return;
        };
        let namespace = self.namespace_of(id);
        let start = self.start(&namespace, to);
        let after = store.seek(id, start).await.unwrap().unwrap();
        assert!(after.epoch > before.epoch && after.generation > before.generation);
        let offset = self.resolve(&namespace, start);
        let plain = OffsetRecord::new(offset, after.epoch, after.generation);
        assert_eq!(after, plain);
        self.positions.insert(id, after);
        self.forget_replies(id, Sequence::MAX);
    }

    /// Notes one without an end, one with an end, and none, in turn.
    async fn pause(&mut self, store: &dyn Store, number: u8) {
        let id = id(number);
        self.paused += 1;
        let pause = match self.paused % 3 {
            0 => None,
            1 => Some(Pause::new(None, "for good")),
            _ => Some(Pause::new(Some(Timestamp::from_nanos(self.paused)), "")),
        };
        let known = self.positions.contains_key(&id);
        let answer = store.pause_subscription(id, pause.clone()).await;
        assert_eq!(answer, Ok(known));
        match pause.filter(|_| known) {
            Some(pause) => drop(self.pauses.insert(id, pause)),
            None => drop(self.pauses.remove(&id)),
        }
    }

    async fn commit(&mut self, store: &dyn Store, changes: &[Change]) {
        let writes: Vec<OffsetWrite> = changes.iter().map(|change| self.write(change)).collect();
        let answers = store.commit(writes.clone()).await;
        assert_eq!(answers.len(), writes.len());
        for (write, answer) in writes.into_iter().zip(answers) {
            let id = write.subscription;
            let head = self.head(&self.namespace_of(id));
            let Some(known) = self.positions.get_mut(&id) else {
                assert_eq!(answer, Err(OffsetError::Fenced));
                continue;
            };
            if known.epoch != write.epoch {
                assert_eq!(answer, Err(OffsetError::Fenced));
            } else if write.offset < known.offset || write.offset > known.offset.max(head) {
                assert!(matches!(answer, Err(OffsetError::Store(_))), "{answer:?}");
            } else {
                assert_eq!(answer, Ok(()), "{write:?} on {known:?}");
                known.offset = write.offset;
                known.settled = write.settled;
                known.failures = write.failures;
                self.unpark(id, &write.unparked, &write.replays);
                self.forget_replies(id, write.offset);
            }
        }
    }

    fn head(&self, namespace: &Namespace) -> Sequence {
        let newest = self.logs.get(namespace).and_then(|log| log.last());
        newest.map_or(Sequence(0), |record| record.last)
    }

    fn namespace_of(&self, id: SubscriptionId) -> Namespace {
        let found = self.subscriptions.iter().find(|other| other.id == id);
        found.map_or_else(|| ns(0), |found| found.namespace.clone())
    }

    /// One of the log's sequences; the first if it has none.
    fn at(&self, namespace: &Namespace, index: u8) -> Sequence {
        let log = self.logs.get(namespace).map_or(&[][..], |log| log);
        let index = usize::from(index) % log.len().max(1);
        log.get(index).map_or(Sequence(1), |record| record.last)
    }

    fn start(&self, namespace: &Namespace, to: To) -> Start {
        match to {
            To::Oldest => Start::Oldest,
            To::Newest => Start::Newest,
            To::After(index) => Start::After(self.at(namespace, index)),
        }
    }

    fn resolve(&self, namespace: &Namespace, start: Start) -> Sequence {
        match (start, self.head(namespace)) {
            (Start::After(sequence), _) => sequence,
            (Start::Newest, Sequence(1..)) => self.head(namespace),
            _ => Sequence::OLDEST,
        }
    }

    fn record(&mut self, item: &Item) -> NewRecord {
        let namespace = ns(item.namespace);
        self.next += 1;
        let number = match item.old_id {
            true => self
                .logs
                .get(&namespace)
                .and_then(|log| log.last())
                .map_or(self.next, |record| number_of(record.content.id)),
            false => self.next,
        };
        let large = format!("\"{}\"", "z".repeat(6_000));
        let values: &[&str] = if item.large { &["1", &large] } else { &["[]"] };
        let topics = &["t", "u", "v"][..usize::from(item.events).min(3)];
        let mut record = record(&namespace, number, topics, values);
        record.content.edit(|parts| {
            parts.idempotency_key = item.key.map(|key| key.to_string());
        });
        if let Some(change) = &item.reply {
            let write = self.write(change);
            let id = write.subscription;
            let event = self.at(&self.namespace_of(id), change.index);
            let current = self.positions.get(&id).map(|known| known.generation);
            // A replay answers in the generation of its entry.
            let parked = self.parked.get(&(id, event)).map(|entry| entry.generation);
            let parked = parked.filter(|_| change.replayed.is_some());
            record.reply = Some(ReplyKey {
                subscription: id,
                generation: parked.or(current).unwrap_or(0),
                event,
                epoch: Some(write.epoch),
            });
        }
        record
    }

    fn write(&self, change: &Change) -> OffsetWrite {
        let id = id(change.subscription);
        let epoch = self.positions.get(&id).map_or(0, |known| known.epoch);
        let epoch = match change.stale {
            true => epoch.checked_sub(1).unwrap_or(epoch + 1),
            false => epoch,
        };
        let to = self.at(&self.namespace_of(id), change.index);
        let mut write = OffsetWrite::new(id, epoch, to);
        if change.index.is_multiple_of(2) {
            write.settled = vec![to.0 + 2..=to.0 + 2 + i64::from(change.index)];
            let since = change.unparked.map(|at| Timestamp::from_nanos(at.into()));
            write.failures = vec![Failures::new(to.next(), u32::from(change.index) + 1, since)];
        }
        let event = |index: u8| self.at(&self.namespace_of(id), index);
        write.unparked = change.unparked.map(event).into_iter().collect();
        if let Some(from) = change.replayed {
            let since = change.stale.then(|| Timestamp::from_nanos(from.into()));
            let events: BTreeSet<_> = (from..8).map(event).collect();
            let failed = |event| Failures::new(event, u32::from(from) + 1, since);
            write.replays = events.into_iter().map(failed).collect();
        }
        write
    }
}

fn id(number: u8) -> SubscriptionId {
    subscription_id(u64::from(number))
}
