//! What does publishing promise?

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use photinus_contract::{MessageKind, Timestamp};
use photinus_engine::lists::Query;
use photinus_engine::metrics::Source;
use photinus_engine::{Clock, Engine, EngineConfig, Parts, Pending, SystemClock};
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bench::Bench;

async fn refused(bench: &Bench, kind: MessageKind, message: Value) -> (String, u16) {
    let message = serde_json::from_value(message).unwrap();
    let error = bench
        .handle
        .publish("default", kind, message)
        .await
        .unwrap_err();
    (error.code().to_owned(), error.status())
}

#[tokio::test(start_paused = true)]
async fn one_event_for_each_topic() {
    let bench = Bench::new().await;
    let published = bench
        .send(json!({"header": {"topics": ["a", "b", "c"]}}))
        .await;
    assert_eq!(published.sequence.0, 3);
    let events = bench.handle.events("default", &Query::all(10)).await;
    let events = events.unwrap().items;
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence().0)
            .collect::<Vec<_>>(),
        [3, 2, 1]
    );
    assert_eq!(
        events.iter().map(|event| event.topic()).collect::<Vec<_>>(),
        ["c", "b", "a"]
    );
    for event in events {
        let found = bench
            .handle
            .event("default", event.id().0)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.sequence(), event.sequence());
        assert_eq!(event.reference(), published.id.0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_publishes_once_in_its_namespace() {
    let bench = Bench::new().await;
    bench.handle.create_namespace("other", "").await.unwrap();
    let message = || json!({"idempotencyKey": "k"});
    let first = bench.send(message()).await;
    let message = || serde_json::from_value(message()).unwrap();
    let publish = |namespace| {
        bench
            .handle
            .publish(namespace, MessageKind::Broadcast, message())
    };
    let error = publish("default").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "FF10430: Idempotency key 'k' already used for message '{}'",
            first.id
        )
    );
    assert_eq!(error.status(), 409);
    assert!(publish("other").await.is_ok());
    let both = tokio::join!(
        bench.handle.publish(
            "default",
            MessageKind::Broadcast,
            serde_json::from_value(json!({"idempotencyKey": "l"})).unwrap()
        ),
        bench.handle.publish(
            "default",
            MessageKind::Broadcast,
            serde_json::from_value(json!({"idempotencyKey": "l"})).unwrap()
        ),
    );
    assert!(
        both.0.is_ok() != both.1.is_ok(),
        "one of two at the same time is refused"
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_are_refused_with_their_codes() {
    let bench = Bench::new().await;
    let id = "01900000-0000-7000-8000-000000000400";
    let big = "x".repeat(900 << 10);
    for (message, code, status) in [
        (json!({"header": {"topics": ["!"]}}), "FF00140", 400),
        (json!({"header": {"tag": "a b"}}), "FF00140", 400),
        (json!({"header": {"topics": ["a", "a"]}}), "FF00133", 400),
        (
            json!({"header": {"topics": (0..11).map(|n| n.to_string()).collect::<Vec<_>>()}}),
            "FF00134",
            400,
        ),
        (json!({"data": [{}]}), "FF10205", 400),
        (json!({"data": [{"value": null}]}), "FF10205", 400),
        (json!({"data": [{"id": id}]}), "FF10204", 400),
        (
            json!({"data": [{"value": 1, "validator": "xml"}]}),
            "FF00108",
            400,
        ),
        (
            json!({"data": [{"value": 1, "datatype": {"name": "a", "version": "1"}}]}),
            "FF10195",
            400,
        ),
        (json!({"data": [{"blob": {"hash": "a"}}]}), "FF10239", 404),
        (json!({"data": [{"value": big}]}), "FF10327", 400),
    ] {
        assert_eq!(
            refused(&bench, MessageKind::Broadcast, message).await,
            (code.to_owned(), status)
        );
    }
    for (message, code, status) in [
        (json!({}), "FF00115", 400),
        (
            json!({"header": {"group": "00".repeat(32)}}),
            "FF10226",
            404,
        ),
        (
            json!({"group": {"members": [{"identity": "a"}]}, "data": [{"value": big}]}),
            "FF10328",
            400,
        ),
    ] {
        assert_eq!(
            refused(&bench, MessageKind::Private, message).await,
            (code.to_owned(), status)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn stored_values_can_be_referred_to() {
    let bench = Bench::new().await;
    let first = bench
        .send(json!({"data": [{"value": {"a": 1}}, {"value": "two"}]}))
        .await;
    let data = bench
        .handle
        .data("default", &Query::all(10))
        .await
        .unwrap()
        .items;
    assert_eq!(
        data.iter().map(|data| data.value.get()).collect::<Vec<_>>(),
        ["\"two\"", "{\"a\":1}"]
    );
    let second = bench
        .send(json!({"data": [{"value": 3}, {"id": data[0].id}]}))
        .await;
    let record = bench
        .handle
        .message("default", second.id.0)
        .await
        .unwrap()
        .unwrap();
    let values = bench.handle.message_data(&record).await.unwrap();
    assert_eq!(
        values
            .iter()
            .map(|data| data.value.get())
            .collect::<Vec<_>>(),
        ["3", "\"two\""]
    );
    assert_eq!(values[1].id, first.id.value(1));
    let twice = json!({"data": [{"id": data[0].id}, {"id": data[0].id}]});
    assert_eq!(
        refused(&bench, MessageKind::Broadcast, twice).await.0,
        "FF00129"
    );
    let wrong = json!({"data": [{"id": data[0].id, "hash": data[1].hash}]});
    assert_eq!(
        refused(&bench, MessageKind::Broadcast, wrong).await.0,
        "FF10204"
    );
}

/// A clock that can be set back.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Relaxed))
    }
    fn new_id(&self) -> Uuid {
        SystemClock.new_id()
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_commit_never_goes_back() {
    let store = MemoryStore::new();
    let clock = Arc::new(SetClock(AtomicI64::new(2_000)));
    let publish = async |engine: &Engine| {
        engine
            .handle()
            .publish("default", MessageKind::Broadcast, Default::default())
            .await
            .unwrap()
    };
    let start = async |store: &MemoryStore| {
        let mut parts = Parts::new(Arc::new(store.clone()), EngineConfig::default());
        parts.clock = clock.clone();
        Engine::start(parts).await.unwrap()
    };
    let engine = start(&store).await;
    let first = publish(&engine).await.confirmed;
    clock.0.store(1_000, Ordering::Relaxed);
    assert_eq!(publish(&engine).await.confirmed, first);
    engine.shutdown().await.unwrap();
    let engine = start(&store).await;
    assert_eq!(publish(&engine).await.confirmed, first);
}

#[tokio::test(start_paused = true)]
async fn values_that_are_referred_to_count_as_if_they_were_sent() {
    let bench = Bench::new().await;
    let big = json!({"data": [{"value": "x".repeat(500 << 10)}]});
    let (one, two) = (bench.send(big.clone()).await, bench.send(big).await);
    let message = json!({"data": [{"id": one.id.value(0)}, {"id": two.id.value(0)}]});
    let refused = refused(&bench, MessageKind::Broadcast, message).await;
    assert_eq!(refused, ("FF10327".to_owned(), 400));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_values_is_bounded_by_bytes() {
    let bench = Bench::new().await;
    for _ in 0..50 {
        bench
            .send(json!({"data": [{"value": "x".repeat(700 << 10)}]}))
            .await;
    }
    let error = bench
        .handle
        .data("default", &Query::all(1_000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "PH00414");
    assert_eq!(
        bench
            .handle
            .data("default", &Query::all(20))
            .await
            .unwrap()
            .items
            .len(),
        20
    );
}

/// Lets everything that can happen happen.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Queues a lot of these messages.
async fn enqueue(bench: &Bench, messages: &[Value]) -> Pending {
    let count = messages.len();
    let mut lot = bench.handle.lot("default", Source::Bulk, count).unwrap();
    for message in messages {
        let text = message.to_string();
        let message = serde_json::from_str(&text).unwrap();
        let kind = MessageKind::Broadcast;
        let prepared = bench.handle.prepare_in(&mut lot, kind, false, &message);
        prepared.await.unwrap();
    }
    assert_eq!(lot.len(), count);
    bench.handle.enqueue(lot, None).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn messages_are_in_the_log_in_the_order_in_which_they_were_queued() {
    let bench = Bench::new().await;
    let mut pending = Vec::new();
    let message = |number: i64| json!({"header": {"topics": ["a", "b"]}, "idempotencyKey": format!("k{number}")});
    // Groups of a thousand messages end within a lot of these.
    for lot in 0..360 {
        let messages: Vec<_> = (0..7).map(|place| message(lot * 7 + place)).collect();
        let queued = enqueue(&bench, &messages).await;
        // Whether or not anybody waits for it.
        match lot % 2 {
            0 => drop(queued),
            _ => pending.push((lot, queued)),
        }
    }
    let mut last = None;
    for (lot, pending) in pending {
        for (place, published) in pending.await.into_iter().enumerate() {
            let published = published.unwrap();
            let number = lot * 7 + place as i64;
            assert_eq!(published.sequence.0, 2 * number + 2);
            assert!(last < Some(published.id));
            last = Some(published.id);
        }
    }
    let again = enqueue(&bench, &[json!({}), message(0), message(3_000)]).await;
    let answers = again.await;
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF10430", 409));
    assert!(error.to_string().contains("'k0'"), "{error}");
    assert!(answers[0].is_ok() && answers[2].is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_alone_does_not_wait_behind_the_lots_that_have_queued() {
    let bench = Bench::new().await;
    bench.store.hold_writes();
    let lot = vec![json!({}); 100];
    let mut lots = Vec::new();
    for _ in 0..60 {
        lots.push(enqueue(&bench, &lot).await);
    }
    let handle = bench.handle.clone();
    let mut alone = tokio::task::JoinSet::new();
    alone.spawn(async move {
        let kind = MessageKind::Broadcast;
        handle.publish("default", kind, Default::default()).await
    });
    settle().await;
    // One group is with the store, one is full; it is in the next.
    for _ in 0..3 {
        assert!(alone.try_join_next().is_none());
        bench.store.release(bench.store.held_writes());
        settle().await;
    }
    alone.try_join_next().unwrap().unwrap().unwrap();
    bench.store.release_all();
    for lot in lots {
        assert!(lot.await.iter().all(Result::is_ok));
    }
}
