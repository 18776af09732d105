//! What is found when the store is opened again?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use photinus_contract::record::{NewRecord, RecordContent};
use photinus_contract::store::{
    AppendError, Failures, Group, OffsetRecord, OffsetWrite, ParkedEntry, Selection, Start, Store,
};
use photinus_contract::{MessageId, Record, Sequence, Subscription, Timestamp};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::make::*;
use super::{Rig, close_and_open, crash_and_open, hold};

/// All that was answered before an orderly close is there afterwards, byte for byte; nothing that was refused; and
/// sequences and epochs go on above.
pub async fn everything_answered_is_found_after_a_close(rig: &mut dyn Rig) {
    let store = rig.open();
    let before = furnish(&*store).await;
    let store = close_and_open(rig, store).await;
    before.inspect(&*store).await;
    let store = close_and_open(rig, store).await;
    before.go_on(&*store).await;
}

/// The same after a crash, which gives nobody time for anything. Needs [`Rig::crash`].
pub async fn everything_answered_is_found_after_a_crash(rig: &mut dyn Rig) {
    let store = rig.open();
    let before = furnish(&*store).await;
    let rule = "reopen::everything_answered_is_found_after_a_crash";
    let Some(after) = crash_and_open(rig, rule) else {
        return;
    };
    drop(store);
    before.inspect(&*after).await;
    // And after another one, right behind the first.
    let Some(after) = crash_and_open(rig, rule) else {
        return;
    };
    before.go_on(&*after).await;
}

/// What a furnished store holds.
struct Furnished {
    s: Subscribed,
    records: Vec<Arc<Record>>,
    large: String,
    subscriptions: Vec<Subscription>,
    position: OffsetRecord,
    parked: Vec<ParkedEntry>,
}

/// Stores something of everything, and has something of everything refused.
async fn furnish(store: &dyn Store) -> Furnished {
    let s = subscribed(store).await;
    let ns = &s.namespace;
    with_namespace(store, "other").await;
    let definition = RawValue::from_string(r#"{"name":"g"}"#.to_owned()).unwrap();
    let group = Group::new(ns.clone(), hash(1), definition, Timestamp::from_nanos(5));
    store.put_group(group).await.unwrap();
    for number in [40, 41] {
        store.put_data(data(ns, number, "[1.0]")).await.unwrap();
    }
    assert_eq!(store.delete_data(ns, data_id(41)).await, Ok(true));

    let large = large_value(7);
    let mut full = record(ns, 20, &["a", "b"], &["1", &large, "[]"]);
    full.content.edit(|parts| {
        parts.idempotency_key = Some("k".to_owned());
        parts.tag = "tag".to_owned();
    });
    let claimed = store.claim(s.id).await.unwrap().unwrap();
    let replied = s.reply(21, 4, Some(claimed.epoch));
    let refused = [keyed(ns, 22, "k"), s.reply(23, 4, Some(claimed.epoch))];
    let refused = refused.into_iter().chain([s.reply(24, 5, Some(0))]);
    let call = [full, replied].into_iter().chain(refused).collect();
    let answers = store.append(call).await;
    let taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, false, false, false]);

    // Sought once, so that the generation is not the first; answered and parked in the new one.
    let sought = store.seek(s.id, Start::Oldest).await.unwrap().unwrap();
    let (epoch, generation) = (sought.epoch, sought.generation);
    let event = s.at(6);
    let again = reply(ns, 25, s.id, generation, event, Some(epoch));
    append_one(store, again).await.unwrap();
    let mut entries = [1, 2, 9].map(|number| s.entry(epoch, number, "why"));
    entries[1].error = Some("what went wrong".to_owned());
    let parked = store.park(entries.into()).await;
    assert_eq!(parked, [Ok(()), Ok(()), Ok(())]);
    let both = Selection::Events([2, 9].map(|number| message(number).event(0)).into());
    assert_eq!(store.replay(s.id, both).await, Ok(2));
    let since = Some(Timestamp::from_nanos(1_234_567_890_123_456_789));
    let mut write = OffsetWrite::new(s.id, epoch, Sequence(s.at(3)));
    write.settled = vec![s.at(5)..=s.at(5), s.at(7)..=s.at(8)];
    write.failures = vec![
        Failures::new(Sequence(s.at(6)), 4, None),
        Failures::new(Sequence(s.at(9)), 1, since),
    ];
    write.replays = vec![Failures::new(Sequence(s.at(2)), 7, since)];
    write.unparked = vec![Sequence(s.at(1))];
    assert_eq!(commit(store, write).await, Ok(()));
    let mut stale = s.write(9);
    stale.epoch = claimed.epoch;
    assert!(commit(store, stale).await.is_err());

    for (number, name) in [(3, "third"), (2, "second")] {
        let wanted = subscription(ns, number, name);
        let created = store.create_subscription(wanted, Start::Newest).await;
        created.unwrap();
    }
    let mut changed = store.subscriptions().await.unwrap().remove(1);
    changed.options.read_ahead = Some(9);
    changed.updated = Some(Timestamp::from_nanos(99));
    assert_eq!(store.update_subscription(changed).await, Ok(true));
    Furnished {
        records: store.read(ns, Sequence(0), ALL).await.unwrap().records,
        large,
        subscriptions: store.subscriptions().await.unwrap(),
        position: position(store, s.id).await,
        parked: store.parked(s.id, Sequence::OLDEST, 9).await.unwrap(),
        s,
    }
}

impl Furnished {
    /// All of it is there, and nothing else.
    async fn inspect(&self, store: &dyn Store) {
        let ns = &self.s.namespace;
        assert_eq!(
            store.namespaces().await.unwrap(),
            ["ns", "other"].map(namespace_info)
        );
        let group = store.group(ns, hash(1)).await.unwrap().unwrap();
        assert_eq!(group.definition.get(), r#"{"name":"g"}"#);
        let stored = store.stored_data(ns, None, ALL).await.unwrap();
        assert_eq!(stored.len(), 1);
        let stored = store.value(ns, data_id(40)).await.unwrap().unwrap();
        assert_eq!(stored.value.get(), "[1.0]");
        let page = store.read(ns, Sequence(0), ALL).await.unwrap();
        assert_eq!(page.records, self.records);
        assert_eq!(page.records.len(), 13);
        let newest = self.records[self.records.len() - 1].last;
        assert_eq!(store.head(ns).await, Ok(newest));
        let value = store.value(ns, message(20).value(1)).await.unwrap();
        assert_eq!(value.unwrap().value.get(), self.large);
        for refused in [22, 23, 24] {
            let found = store.record(ns, message(refused).0).await;
            assert_eq!(found, Ok(None));
        }
        assert_all_same(&store.subscriptions().await.unwrap(), &self.subscriptions);
        assert_eq!(position(store, self.s.id).await, self.position);
        let parked = store.parked(self.s.id, Sequence::OLDEST, 9).await;
        assert_eq!(parked.unwrap(), self.parked);
        let replays = store.replays(self.s.id, Sequence::OLDEST, 9).await;
        assert_eq!(replays.unwrap(), self.parked);
    }

    /// Keys are still taken, owners still fenced, and what comes now comes above.
    async fn go_on(&self, store: &dyn Store) {
        let (s, ns) = (&self.s, &self.s.namespace);
        let stale = OffsetWrite::new(s.id, self.position.epoch - 1, Sequence(s.at(9)));
        assert!(commit(store, stale).await.is_err());
        let holder = message(20);
        assert_eq!(
            append_one(store, keyed(ns, 30, "k")).await,
            Err(AppendError::DuplicateKey { holder })
        );
        let claimed = store.claim(s.id).await.unwrap().unwrap();
        assert!(claimed.epoch > self.position.epoch);
        let event = s.at(6);
        let (generation, epoch) = (claimed.generation, Some(claimed.epoch));
        let again = reply(ns, 31, s.id, generation, event, epoch);
        let holder = message(25);
        assert_eq!(
            append_one(store, again).await,
            Err(AppendError::DuplicateReply { holder })
        );
        let newest = self.records[self.records.len() - 1].last;
        let mut answers = store.append(vec![record(ns, 32, &["t"], &[])]).await;
        let appended = answers.remove(0).unwrap();
        assert_eq!(appended.previous, newest);
        assert!(appended.last > newest);
        let sought = store.seek(s.id, Start::Oldest).await.unwrap().unwrap();
        assert!(sought.generation > self.position.generation);
    }
}

/// A crash while many write: what was answered until then is there, whole and where it was said to be; of the
/// rest, each record is there whole or not at all. Needs [`Rig::crash`].
pub async fn what_was_answered_is_found_after_a_crash_amid_writes(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let answered: Arc<Mutex<Vec<(MessageId, Sequence)>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let (store, ns) = (store.clone(), ns.clone());
        let (answered, over) = (answered.clone(), over.clone());
        writers.spawn(async move {
            for call in 0.. {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let group = [0, 1].map(|part| rich(&ns, writer * 1_000_000 + call * 2 + part));
                let ids = [&group[0], &group[1]].map(|record| record.content.id);
                for (id, answer) in ids.into_iter().zip(store.append(group.into()).await) {
                    // After the crash there is nobody who could answer.
                    let Ok(appended) = answer else { return };
                    answered.lock().unwrap().push((id, appended.last));
                }
            }
        });
    }
    while answered.lock().unwrap().len() < 60 {
        tokio::task::yield_now().await;
    }
    let told = answered.lock().unwrap().clone();
    let rule = "reopen::what_was_answered_is_found_after_a_crash_amid_writes";
    let after = crash_and_open(rig, rule);
    over.store(true, Ordering::Release);
    writers.join_all().await;
    let Some(after) = after else { return };

    let read = after.read(&ns, Sequence(0), ALL).await.unwrap().records;
    for record in &read {
        let sent = rich(&ns, number_of(record.content.id)).content;
        assert_eq!(events(&record.content), events(&sent));
        let id = record.content.id;
        for (part, sent) in sent.values().enumerate() {
            let value = after.value(&ns, id.value(part)).await.unwrap();
            let sent = sent.json.unwrap();
            assert_eq!(value.unwrap().value.get().as_bytes(), sent);
        }
        let key = sent.idempotency_key().unwrap();
        let again = append_one(&*after, keyed(&ns, 99_000_000, key)).await;
        assert_eq!(again, Err(AppendError::DuplicateKey { holder: id }));
    }
    let found = |wanted: MessageId| read.iter().find(|record| record.content.id == wanted);
    for (id, last) in told {
        let found = found(id).map(|record| record.last);
        assert_eq!(found, Some(last), "{id} was answered, and is lost");
    }
    let newest = read[read.len() - 1].last;
    let next = append_one(&*after, record(&ns, 99_000_001, &["t"], &[])).await;
    assert!(next.unwrap() > newest);
}

/// A record with several events and values, some of them large, and a key.
fn rich(namespace: &photinus_contract::Namespace, number: u64) -> NewRecord {
    let large = format!("\"{}\"", "y".repeat(9_000));
    let values = ["1", &large, "{}"];
    let mut record = record(namespace, number, &["a", "b"], &values);
    record
        .content
        .edit(|parts| parts.idempotency_key = Some(number.to_string()));
    record
}

/// What nobody was told of when the crash came is whole or gone: a record with all its parts and keys, or nothing
/// of it, and nothing without what was called before it. Needs [`Rig::hold`] and [`Rig::crash`].
pub async fn what_was_held_is_whole_or_gone_after_a_crash(rig: &mut dyn Rig) {
    let rule = "reopen::what_was_held_is_whole_or_gone_after_a_crash";
    let store = rig.open();
    let s = subscribed(&*store).await;
    let ns = &s.namespace;
    let epoch = s.claimed.epoch;
    let Some(release) = hold(rig, rule) else {
        return;
    };
    let full = |number: u64| {
        let mut full = rich(ns, number);
        full.reply = s.reply(number, number as usize - 19, Some(epoch)).reply;
        full
    };
    let sent: Vec<RecordContent> = (20..26).map(|number| full(number).content).collect();
    drop(store.append((20..26).map(full).collect()));
    drop(store.commit(vec![s.write(5)]));
    let after = crash_and_open(rig, rule);
    release();
    drop(store);
    let Some(after) = after else { return };

    let found = numbers(&*after, ns).await;
    let kept = &found[10..];
    assert_eq!(*kept, (20..20 + kept.len() as u64).collect::<Vec<_>>());
    let all = sent.len();
    let offset = position(&*after, s.id).await.offset;
    let moved = offset == Sequence(s.at(5));
    assert!(moved || offset == Sequence::OLDEST);
    assert!(!moved || kept.len() == all, "later came without earlier");
    if moved {
        return;
    }
    for (index, sent) in sent.into_iter().enumerate() {
        let id = sent.id;
        let stored = index < kept.len();
        for part in 0..sent.values_len() {
            let value = after.value(ns, id.value(part)).await.unwrap();
            assert_eq!(value.is_some(), stored);
        }
        let key = sent.idempotency_key().unwrap();
        let again = append_one(&*after, keyed(ns, 50 + index as u64, key)).await;
        assert_eq!(again.is_ok(), !stored, "the idempotency key: {again:?}");
        let again = s.reply(70 + index as u64, index + 1, Some(epoch));
        let again = append_one(&*after, again).await;
        assert_eq!(again.is_ok(), !stored, "the reply key: {again:?}");
    }
}
