//! Does each figure move exactly as it should?

mod deliveries;
mod positions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::store::{StoreError, StoreErrorKind};
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{HandOver, MessageKind, Outcome, Response, Wait};
use photinus_engine::metrics::{FAMILIES, Family, Sink, Source, Value};
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::{Bench, input};

/// Everything that was collected: `name{a,b}` and its value, of histograms the count.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Sink for Figures {
    fn put(&mut self, family: &'static Family, labels: &[&str], value: Value<'_>) {
        assert!(
            FAMILIES.iter().any(|known| std::ptr::eq(*known, family)),
            "{} is not listed",
            family.name
        );
        assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let name = format!("{}{{{}}}", family.name, labels.join(","));
        let value = match value {
            Value::Number(value) => value,
            Value::Buckets { buckets, .. } => buckets.count as f64,
            _ => panic!("{name}: {value:?}"),
        };
        assert_eq!(self.0.insert(name.clone(), value), None, "{name} twice");
    }
}

impl Figures {
    pub(crate) async fn of(bench: &Bench) -> Self {
        Self::at_most(bench, 100).await
    }

    async fn at_most(bench: &Bench, subscriptions_max: usize) -> Self {
        let mut figures = Self::default();
        bench.handle.collect(subscriptions_max, &mut figures).await;
        figures
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> f64 {
        let name = match name.contains('{') {
            true => name.to_owned(),
            false => format!("{name}{{}}"),
        };
        *self
            .0
            .get(&name)
            .unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// What is not as it was before, by how much; without what only says how things stand.
    fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        // How often somebody looks for something to do is another test's.
        let is_count = |name: &str| {
            let family = name.split('{').next().unwrap();
            family.ends_with("_total") && family != "photinus_shard_turns_total"
        };
        let counts = self.0.iter().filter(|(name, _)| is_count(name));
        counts
            .map(|(name, value)| (name.clone(), value - before.0.get(name).unwrap_or(&0.0)))
            .filter(|(_, more)| *more != 0.0)
            .collect()
    }

    /// The lane of the bench's subscriptions.
    #[track_caller]
    fn lane(&self, name: &str) -> f64 {
        self.get(&format!("photinus_{name}{{default,scripted}}"))
    }

    #[track_caller]
    fn app(&self, name: &str) -> f64 {
        self.get(&format!("photinus_subscription_{name}{{default,app}}"))
    }
}

/// Lets everything that can happen happen.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn named(changes: &BTreeMap<String, f64>, start: &str) -> Vec<(String, f64)> {
    let found = changes.iter().filter(|(name, _)| name.contains(start));
    found.map(|(name, more)| (name.clone(), *more)).collect()
}

fn full() -> StoreError {
    StoreError::new(StoreErrorKind::Full, "a test\nsays so")
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_counted_once_by_kind_route_and_namespace() {
    let bench = Bench::new().await;
    let before = Figures::of(&bench).await;
    bench.publish(["1", "2", "3"]).await;
    let two_topics = json!({"header": {"topics": ["a", "b"]}});
    bench.send(two_topics).await;
    let to_group = json!({"group": {"members": [{"identity": "a"}]}});
    let to_group = || serde_json::from_value(to_group.clone()).unwrap();
    let by_transport = bench
        .callbacks
        .publish("default", MessageKind::Private, to_group());
    by_transport.await.unwrap();
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    assert_eq!(
        named(&changes, "messages_published"),
        [
            (
                "photinus_messages_published_total{default,broadcast,rest}".to_owned(),
                4.0
            ),
            (
                "photinus_messages_published_total{default,private,transport}".to_owned(),
                1.0
            ),
        ]
    );
    assert_eq!(
        named(&changes, "ff_"),
        [
            ("ff_broadcast_confirmed_total{default}".to_owned(), 4.0),
            ("ff_broadcast_submitted_total{default}".to_owned(), 4.0),
            ("ff_private_msg_confirmed_total{default}".to_owned(), 1.0),
            ("ff_private_msg_submitted_total{default}".to_owned(), 1.0),
        ]
    );
    assert_eq!(changes["photinus_events_published_total{default}"], 6.0);
    assert_eq!(after.get("photinus_publish_duration_seconds"), 5.0);
    assert_eq!(after.get("ff_broadcast_histogram{default}"), 4.0);
    assert_eq!(after.get("photinus_commit_group_records"), 5.0);
    assert_eq!(after.get("photinus_commit_duration_seconds"), 5.0);
    assert_eq!(after.get("photinus_head_sequence{default}"), 6.0);
    assert_eq!(after.get("photinus_tail_records{default}"), 5.0);
    assert!(changes["photinus_published_bytes_total{default}"] > 1_000.0);
    assert_eq!(after.get("photinus_commit_queue_records"), 0.0);
    assert_eq!(after.get("photinus_commit_queue_bytes"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_by_its_code() {
    let bench = Bench::new().await;
    bench.send(json!({"idempotencyKey": "k"})).await;
    let before = Figures::of(&bench).await;
    for (namespace, message) in [
        ("default", json!({"idempotencyKey": "k"})),
        ("default", json!({"header": {"tag": "no tag"}})),
        ("nowhere", json!({})),
    ] {
        let message = serde_json::from_value(message).unwrap();
        let refused = bench
            .handle
            .publish(namespace, MessageKind::Broadcast, message);
        refused.await.unwrap_err();
    }
    let changes = Figures::of(&bench).await.since(&before);
    assert_eq!(
        changes.into_iter().collect::<Vec<_>>(),
        [
            ("ff_broadcast_rejected_total{default}".to_owned(), 1.0),
            ("ff_broadcast_submitted_total{default}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF00140}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF10430}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF10436}".to_owned(), 1.0),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_overtake_a_message_that_was_not_stored_is_refused_and_counted() {
    let bench = Bench::new().await;
    let before = Figures::of(&bench).await;
    bench.store.hold_writes();
    let chain = photinus_engine::Chain::default();
    let mut pending = Vec::new();
    for chain in [Some(&chain), Some(&chain), None] {
        let kind = MessageKind::Broadcast;
        let mut lot = bench.handle.lot("default", Source::Bulk, 1).unwrap();
        let message = Default::default();
        let prepared = bench.handle.prepare_in(&mut lot, kind, false, &message);
        prepared.await.unwrap();
        pending.push(bench.handle.enqueue(lot, chain).await.unwrap());
        // Each in a group of its own.
        settle().await;
    }
    bench.store.fail_writes(Some(full()));
    bench.store.release(1);
    bench.store.fail_writes(None);
    bench.store.release_all();
    let mut committed = Vec::new();
    for pending in pending {
        committed.push(pending.await[0].is_ok());
    }
    // Who has no chain is not concerned.
    assert_eq!(committed, [false, false, true]);
    let changes = Figures::of(&bench).await.since(&before);
    let rejected = named(&changes, "rejected");
    let name = "ff_broadcast_rejected_total{default}";
    assert_eq!(rejected, [(name.to_owned(), 2.0)]);
    let refused = named(&changes, "publish_refused");
    let name = "photinus_publish_refused_total{PH00503}";
    assert_eq!(refused, [(name.to_owned(), 2.0)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_holds_back_nothing() {
    let bench = Bench::new().await;
    bench.store.hold_writes();
    let chain = photinus_engine::Chain::default();
    let mut pending = Vec::new();
    // The first is with the store; the others are some groups, and of each one finds no room in it.
    for count in [1].into_iter().chain([300; 12]) {
        let kind = MessageKind::Broadcast;
        let mut lot = bench.handle.lot("default", Source::Bulk, count).unwrap();
        for _ in 0..count {
            let message = Default::default();
            let prepared = bench.handle.prepare_in(&mut lot, kind, false, &message);
            prepared.await.unwrap();
        }
        pending.push(bench.handle.enqueue(lot, Some(&chain)).await.unwrap());
        settle().await;
    }
    bench.store.fail_writes(Some(full()));
    bench.store.release(1);
    for pending in pending {
        let answered = tokio::time::timeout(Duration::from_secs(60), pending).await;
        assert!(answered.unwrap().iter().all(Result::is_err));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_commit_is_seen_while_it_waits() {
    let bench = Bench::new().await;
    bench.store.hold_writes();
    let publish = |count: usize| {
        let handle = bench.handle.clone();
        (0..count).map(move |_| {
            let handle = handle.clone();
            async move {
                let kind = MessageKind::Broadcast;
                handle.publish("default", kind, Default::default()).await
            }
        })
    };
    let mut waiting = tokio::task::JoinSet::new();
    publish(1).for_each(|one| drop(waiting.spawn(one)));
    settle().await;
    publish(5).for_each(|one| drop(waiting.spawn(one)));
    settle().await;
    let figures = Figures::of(&bench).await;
    // The first is with the store.
    assert_eq!(figures.get("photinus_commit_queue_records"), 5.0);
    assert!(figures.get("photinus_commit_queue_bytes") > 1_000.0);
    bench.store.release_all();
    while let Some(published) = waiting.join_next().await {
        published.unwrap().unwrap();
    }
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_commit_queue_records"), 0.0);
    assert_eq!(figures.get("photinus_commit_group_records"), 2.0);
}
