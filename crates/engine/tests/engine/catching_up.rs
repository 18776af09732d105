//! How often is an event read from the store when many subscriptions catch up?

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use photinus_contract::store::{Log, ReadLimit};
use photinus_contract::{Delivery, Namespace, Outcome, Sequence};
use photinus_engine::EngineConfig;
use photinus_engine::metrics::{Family, Sink, Value};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::Bench;

const MESSAGES: i64 = 1_200;
const SUBSCRIPTIONS: i64 = 40;
/// How many shards are tried, and how often an event may be read then. The ids of the subscriptions, which are made at
/// random, say on which shard each is, and so how far they get apart.
const SHARDS: [(usize, f64); 2] = [(1, 1.2), (3, 2.0)];

/// The bytes of all pages that were read.
#[derive(Default)]
struct ReadBytes(f64);

impl Sink for ReadBytes {
    fn put(&mut self, family: &'static Family, _: &[&str], value: Value<'_>) {
        if let ("photinus_pages_read_bytes_total", Value::Number(bytes)) = (family.name, value) {
            self.0 += bytes;
        }
    }
}

/// The bytes of the whole log, as pages count them.
async fn log_bytes(store: &MemoryStore) -> usize {
    let limit = ReadLimit {
        records: usize::MAX,
        bytes: usize::MAX,
    };
    let log = store.read(&Namespace::new("default"), Sequence(0), limit);
    let records = log.await.unwrap().records;
    records.iter().map(|record| record.content.size()).sum()
}

/// How often the log was read while subscriptions, the first at `first(0)` and so on, went through it on so many
/// shards. They are equally fast, but now and then one is some windows behind the others.
async fn times_read(shards: usize, first: fn(i64) -> i64) -> f64 {
    let store = MemoryStore::new();
    let publishing = Bench::on(store.clone(), EngineConfig::default()).await;
    for n in 0..MESSAGES {
        publishing
            .send(json!({"header": {"tag": n.to_string()}}))
            .await;
    }
    publishing.engine.shutdown().await.unwrap();
    // The pages in memory hold half of the log, and the tail nothing of it.
    let bytes = log_bytes(&store).await;
    let config = json!({
        "shards": shards, "page_records_max": 100, "page_bytes_max": bytes / 12,
        "pages_bytes_max": bytes / 2,
    });
    let config: EngineConfig = serde_json::from_value(config).unwrap();
    let bench = Bench::on(store, config).await;
    let (mut expected, mut all) = (BTreeMap::new(), 0);
    for number in 0..SUBSCRIPTIONS {
        let name = format!("app-{number}");
        let first = first(number);
        let options = json!({"firstEvent": first.to_string(), "readAhead": 9});
        bench.subscribe(&name, options).await;
        expected.insert(name.clone(), first + 1);
        all += MESSAGES - first;
        bench.connect(&name, &name);
    }
    // Who has an unanswered delivery stands still when its window is full. A few always do, and then others.
    let mut late: VecDeque<Delivery> = VecDeque::new();
    for number in 0..all {
        let delivery = loop {
            match tokio::time::timeout(Duration::from_secs(1), bench.delivery()).await {
                Ok(delivery) => break delivery,
                // All stand still.
                Err(_) => bench.answer(&late.pop_front().unwrap(), Outcome::ack()),
            }
        };
        let next = expected.get_mut(&*delivery.subscription.name).unwrap();
        assert_eq!(delivery.event.sequence().0, *next);
        *next += 1;
        if number % 41 == 0 {
            late.push_back(delivery);
        } else {
            bench.answer(&delivery, Outcome::ack());
        }
        if late.len() > 10 {
            bench.answer(&late.pop_front().unwrap(), Outcome::ack());
        }
    }
    let mut read = ReadBytes::default();
    bench.handle.collect(0, &mut read).await;
    read.0 / bytes as f64
}

#[tokio::test(start_paused = true)]
async fn equally_fast_subscriptions_from_oldest_read_each_event_about_once() {
    for (shards, times_max) in SHARDS {
        let times = times_read(shards, |_| 0).await;
        assert!(times < times_max, "{times} times with {shards} shards");
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_begin_inside_one_anothers_pages_share_them() {
    for (shards, times_max) in SHARDS {
        let times = times_read(shards, |number| number * 7).await;
        assert!(times < times_max, "{times} times with {shards} shards");
    }
}
