//! What does a reader see while others write?
//!
//! Nobody sees sequence N+1 before N is durable and visible: a reader that has read up to N never asks for what is
//! below again. Sequences can have gaps, so what was seen is compared with the log as it is found in the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use photinus_contract::store::{ReadLimit, Store};
use photinus_contract::{MessageId, Namespace, Sequence};
use tokio::task::JoinSet;

use super::make::*;
use super::{Rig, hold};

const WRITERS: u64 = 6;
const CALLS_PER_WRITER: u64 = 40;
const READERS: usize = 3;

/// One who follows the log, as a subscription that is behind does.
struct Follower {
    store: Arc<dyn Store>,
    namespace: Namespace,
    seen: Vec<i64>,
}

impl Follower {
    fn new(store: &Arc<dyn Store>, namespace: &Namespace) -> Self {
        Self {
            store: Arc::clone(store),
            namespace: namespace.clone(),
            seen: Vec::new(),
        }
    }

    fn newest(&self) -> Sequence {
        Sequence(self.seen.last().copied().unwrap_or(0))
    }

    /// Reads what is new, to the end of the log.
    async fn follow(&mut self) {
        loop {
            let limit = ReadLimit {
                records: 7,
                bytes: usize::MAX,
            };
            let page = self.store.read(&self.namespace, self.newest(), limit).await;
            let page = page.unwrap();
            self.seen
                .extend(page.records.iter().map(|record| record.last.0));
            if !page.more {
                return;
            }
        }
    }

    /// Looks at the newest first, in three ways, and then reads up to it.
    async fn look(&mut self) {
        let head = self.store.head(&self.namespace).await.unwrap();
        self.follow().await;
        assert!(self.newest() >= head, "a head that reads do not reach");
        let back = self
            .store
            .read_back(&self.namespace, Sequence::MAX, ReadLimit::records(5))
            .await
            .unwrap();
        self.follow().await;
        for record in &back {
            let place = self.seen.binary_search(&record.last.0);
            assert!(place.is_ok(), "{} was seen only from behind", record.last);
        }
        let Some(record) = back.first() else { return };
        let id = record.content.id;
        let found = self.store.record(&self.namespace, id.0).await.unwrap();
        assert_eq!(found.map(|found| found.last), Some(record.last));
    }
}

/// Writers append, each call with one to three records, and read after each call; readers read all the time.
/// Returns what each of them has seen.
async fn write_and_follow(store: &Arc<dyn Store>, namespace: &Namespace) -> Vec<Vec<i64>> {
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (over, mut reader) = (over.clone(), Follower::new(store, namespace));
        readers.spawn(async move {
            loop {
                let last = over.load(Ordering::Acquire);
                reader.look().await;
                if last {
                    return reader.seen;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let mut follower = Follower::new(store, namespace);
        writers.spawn(async move {
            for call in 0..CALLS_PER_WRITER {
                let first = writer * 10_000 + call * 10;
                let topics = ["t", "u", "v"];
                let records = (0..=call % 3).map(|part| {
                    let topics = &topics[..=(part as usize + writer as usize) % 3];
                    record(&follower.namespace, first + part, topics, &["1"])
                });
                let records = records.collect();
                let answers = lasts(follower.store.append(records).await);
                follower.follow().await;
                let newest = answers[answers.len() - 1];
                assert!(follower.seen.contains(&newest), "answered and not seen");
            }
            follower.seen
        });
    }
    let mut seen = writers.join_all().await;
    over.store(true, Ordering::Release);
    seen.extend(readers.join_all().await);
    seen
}

/// With many writers at once, whoever reads after what he has read misses nothing, whether he comes by a page, by
/// the head, from behind or by an id.
pub async fn no_reader_sees_a_record_before_an_earlier_one(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let seen = write_and_follow(&store, &ns).await;
    let all = sequences(&*store, &ns, 0).await;
    let calls = WRITERS * CALLS_PER_WRITER;
    assert!(all.len() as u64 > calls);
    assert!(all.is_sorted_by(|a, b| a < b));
    for seen in seen {
        // A writer stops looking after its own last record.
        assert_eq!(seen, all[..seen.len()], "a record came after a later one");
    }
}

/// Once an append was answered, every reader finds the record, in every way; and from then on, always.
pub async fn an_answered_record_is_seen_by_everybody_at_once(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let published: Arc<Mutex<Vec<(MessageId, Sequence)>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (store, ns, published, over) =
            (store.clone(), ns.clone(), published.clone(), over.clone());
        readers.spawn(async move {
            while !over.load(Ordering::Acquire) {
                let newest = published.lock().unwrap().last().copied();
                if let Some((id, last)) = newest {
                    let head = store.head(&ns).await.unwrap();
                    assert!(head >= last, "{head} is the head, {last} was answered");
                    assert_found(&*store, &ns, id, last).await;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, ns, published) = (store.clone(), ns.clone(), published.clone());
        writers.spawn(async move {
            for call in 0..CALLS_PER_WRITER {
                let number = writer * 10_000 + call;
                let last = append_one(&*store, record(&ns, number, &["t"], &["1"])).await;
                let last = last.unwrap();
                assert_found(&*store, &ns, message(number), last).await;
                published.lock().unwrap().push((message(number), last));
            }
        });
    }
    writers.join_all().await;
    over.store(true, Ordering::Release);
    readers.join_all().await;
}

async fn assert_found(store: &dyn Store, ns: &Namespace, id: MessageId, last: Sequence) {
    let one = ReadLimit {
        records: 1,
        bytes: usize::MAX,
    };
    let page = store.read(ns, last.previous(), one).await.unwrap();
    let ids: Vec<_> = page.records.iter().map(|r| r.content.id).collect();
    assert_eq!(ids, [id], "answered, and not in the page");
    let back = store
        .read_back(ns, last.next(), ReadLimit::records(1))
        .await
        .unwrap();
    assert_eq!(back.first().map(|record| record.content.id), Some(id));
    for part in [id.0, id.event(0).0, id.value(0).0] {
        let found = store.record(ns, part).await.unwrap();
        assert_eq!(found.map(|found| found.last), Some(last), "{part}");
    }
    assert!(store.value(ns, id.value(0)).await.unwrap().is_some());
}

/// However a record is met while it and others are written, all its parts are there.
pub async fn a_record_is_seen_whole_while_others_are_written(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let large: Arc<str> = large_value(1).into();
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let (store, ns, large, over) = (store.clone(), ns.clone(), large.clone(), over.clone());
        readers.spawn(async move {
            let mut met = 0;
            loop {
                let last = over.load(Ordering::Acquire);
                let back = store
                    .read_back(&ns, Sequence::MAX, ReadLimit::records(2))
                    .await
                    .unwrap();
                for record in back {
                    let id = record.content.id;
                    let sent = whole(&ns, number_of(id), &large);
                    assert_eq!(events(&record.content), events(&sent.content));
                    for (part, text) in ["1", &*large, "[2]"].into_iter().enumerate() {
                        let value = store.value(&ns, id.value(part)).await.unwrap();
                        assert_eq!(value.unwrap().value.get(), text);
                    }
                    met += 1;
                }
                if last {
                    assert!(met > 0, "reader {reader} has met nothing");
                    return;
                }
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..3 {
        let (store, ns, large) = (store.clone(), ns.clone(), large.clone());
        writers.spawn(async move {
            for call in 0..15 {
                let record = whole(&ns, writer * 10_000 + call, &large);
                append_one(&*store, record).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    over.store(true, Ordering::Release);
    readers.join_all().await;
}

fn whole(namespace: &Namespace, number: u64, large: &str) -> photinus_contract::record::NewRecord {
    record(namespace, number, &["a", "b", "c"], &["1", large, "[2]"])
}

/// What could still be lost is not seen by anybody. Needs [`Rig::hold`].
pub async fn what_is_not_durable_is_not_seen(rig: &mut dyn Rig) {
    let store = rig.open();
    let s = subscribed(&*store).await;
    let ns = &s.namespace;
    let before: BTreeMap<_, _> = [(s.id, position(&*store, s.id).await)].into();
    let Some(release) = hold(rig, "visibility::what_is_not_durable_is_not_seen") else {
        return;
    };
    let append = store.append(vec![record(ns, 20, &["t"], &["1"])]);
    let commit = store.commit(vec![s.write(5)]);
    let park = store.park(vec![s.entry(s.claimed.epoch, 6, "held")]);
    let create = store.create_namespace(namespace_info("new"));
    for _ in 0..20 {
        assert_eq!(store.head(ns).await, Ok(Sequence(s.at(10))));
        assert_eq!(sequences(&*store, ns, s.at(10)).await, NONE);
        let back = store
            .read_back(ns, Sequence::MAX, ReadLimit::records(1))
            .await
            .unwrap();
        assert_eq!(back[0].last, Sequence(s.at(10)));
        assert_eq!(store.record(ns, message(20).0).await, Ok(None));
        let value = store.value(ns, message(20).value(0)).await.unwrap();
        assert!(value.is_none());
        assert_eq!(position(&*store, s.id).await, before[&s.id]);
        assert_eq!(store.parked(s.id, Sequence(0), 9).await, Ok(vec![]));
        assert_eq!(store.namespaces().await.unwrap().len(), 1);
        tokio::task::yield_now().await;
    }
    release();
    assert!(append.await[0].is_ok());
    assert_eq!(commit.await, [Ok(())]);
    assert_eq!(park.await, [Ok(())]);
    assert_eq!(create.await, Ok(()));
    assert_eq!(sequences(&*store, ns, s.at(10)).await.len(), 1);
    assert_eq!(position(&*store, s.id).await.offset, Sequence(s.at(5)));
    assert_eq!(store.parked(s.id, Sequence(0), 9).await.unwrap().len(), 1);
    assert_eq!(store.namespaces().await.unwrap().len(), 2);
}
