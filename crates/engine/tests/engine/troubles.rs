//! What happens when things go wrong half-way?

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::intake::{self, Queue, Taken};
use photinus_contract::store::{Parked, StoreError, StoreErrorKind};
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{MessageKind, Outcome, Sequence, Subscription, VoidReason};
use photinus_engine::{EngineConfig, SeekTo};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::{Bench, input, tag};

fn unavailable() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "a test says so")
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_to_its_end_when_nobody_waits_for_it() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    // As far as a request goes while the store holds its write.
    async fn abandon<T>(bench: &Bench, request: impl Future<Output = T>) {
        bench.store.hold_writes();
        let given_up = tokio::time::timeout(Duration::from_secs(1), request).await;
        assert!(given_up.is_err(), "it waits for the store");
        bench.store.release_all();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    let changed = input("app", json!({"message": {"tag": "^[12]$"}}), json!({}));
    abandon(&bench, bench.handle.put_subscription("default", changed)).await;
    bench.publish(["1", "3", "2"]).await;
    assert_eq!(bench.drain(2).await, ["1", "2"]);

    let new = input("new", json!({}), json!({}));
    abandon(&bench, bench.handle.create_subscription("default", new)).await;
    assert_eq!(bench.handle.subscriptions("default").len(), 2);

    abandon(&bench, bench.handle.create_namespace("other", "")).await;
    assert!(bench.handle.namespace("other").is_some());
    let kind = MessageKind::Broadcast;
    let publish = bench.handle.publish("other", kind, Default::default());
    assert!(publish.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_refused_holds_nobody() {
    let bench = Bench::new().await;
    let filter = json!({"message": {"tag": "^request$"}});
    let subscription = bench.subscribe_filtered("app", filter, json!({})).await;
    bench.connect("a", "app");
    bench.publish(["request", "request", "request"]).await;
    // The same key twice, and a message that is none.
    for reply in [
        json!({"idempotencyKey": "k"}),
        json!({"idempotencyKey": "k"}),
        json!({"header": {"tag": "no tag"}}),
    ] {
        let delivery = bench.delivery().await;
        let reply = Some(Box::new(serde_json::from_value(reply).unwrap()));
        bench.answer(&delivery, Outcome::Acknowledge { reply });
    }
    bench.assert_quiet().await;
    assert_eq!(bench.offset(subscription.id).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_a_store_that_fails_for_a_while() {
    let bench = Bench::new().await;
    let filter = json!({"message": {"tag": "^request$"}});
    bench.subscribe_filtered("app", filter, json!({})).await;
    bench.connect("a", "app");
    bench.publish(["request"]).await;
    let reply = || Outcome::Acknowledge {
        reply: Some(Box::default()),
    };
    let delivery = bench.delivery().await;
    bench.store.fail_writes(Some(unavailable()));
    bench.answer(&delivery, reply());
    let again = bench.delivery().await;
    assert_eq!(again.attempt, 1, "that is no failure of the application");
    bench.store.fail_writes(None);
    bench.answer(&again, reply());
    bench.assert_quiet().await;
    assert_eq!(bench.messages().await.len(), 2);
}

/// The store fails on one of the messages of a source, and takes those behind it: each is in a group of its own.
#[tokio::test(start_paused = true)]
async fn messages_of_a_source_do_not_overtake_one_that_could_not_be_stored() {
    let bench = Bench::new().await;
    let mut queue = Queue::new(bench.callbacks.clone(), "default");
    bench.store.hold_writes();
    for number in 0..4 {
        let message = intake::message(intake::value(b"1", None), "t", &number.to_string());
        queue.push(number, message, 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bench.store.fail_writes(Some(unavailable()));
    bench.store.release(1);
    bench.store.fail_writes(None);
    bench.store.release_all();
    let mut taken = Vec::new();
    let mut waited = 0;
    while !queue.is_empty() {
        match queue.next().await {
            Some((number, verdict)) => {
                assert_eq!(verdict, Taken::Yes);
                taken.push(number);
            }
            None => {
                waited += 1;
                queue.again();
            }
        }
    }
    assert_eq!((taken, waited), (vec![0, 1, 2, 3], 1));
    let mut stored = bench.messages().await;
    stored.sort_by_key(|record| record.first());
    let tags = stored.iter().map(|record| record.content.tag().to_owned());
    assert_eq!(tags.collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_is_bounded_by_what_it_keeps_in_memory() {
    let config = json!({"window_bytes_max": 100_000, "shards": 1});
    let config: EngineConfig = serde_json::from_value(config).unwrap();
    let bench = Bench::on(MemoryStore::new(), config).await;
    bench.subscribe("plain", json!({"readAhead": 1_000})).await;
    bench
        .subscribe("data", json!({"readAhead": 1_000, "withData": true}))
        .await;
    for _ in 0..50 {
        bench
            .send(json!({"data": [{"value": "x".repeat(20_000)}]}))
            .await;
    }
    for (name, at_most) in [("plain", 5), ("data", 3)] {
        bench.connect(name, name);
        let mut held = Vec::new();
        while held.len() < at_most
            && let Ok(delivery) =
                tokio::time::timeout(Duration::from_secs(10), bench.delivery()).await
        {
            held.push(delivery);
        }
        bench.assert_quiet().await;
        assert!(held.len() >= 2, "{name} got {}", held.len());
        for delivery in &held {
            bench.answer(delivery, Outcome::ack());
        }
        let rest = 50 - held.len();
        assert_eq!(bench.drain(rest).await.len(), rest, "{name} goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn ready_does_not_bring_up_what_is_down() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.publish(["1"]).await;
    let a = bench.connect("a", "app");
    let down = ConnectionState::Down {
        reason: "no broker".into(),
    };
    bench.callbacks.connection_state(&a, Scope::All, down);
    bench
        .callbacks
        .connection_state(&a, Scope::All, ConnectionState::Ready);
    bench.assert_quiet().await;
    bench
        .callbacks
        .connection_state(&a, Scope::All, ConnectionState::Up);
    assert_eq!(bench.drain(1).await, ["1"]);
}

/// It may lead elsewhere now. A seek leads nowhere else.
#[tokio::test(start_paused = true)]
async fn what_was_told_of_one_subscription_ends_when_it_is_changed_and_not_when_it_is_moved() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({})).await;
    let a = bench.connect("a", "app");
    let state = |scope, state| bench.callbacks.connection_state(&a, scope, state);
    let down = || ConnectionState::Down {
        reason: "no broker".into(),
    };
    let one = Scope::Subscription(subscription.id);
    let change = async |read_ahead: u16| {
        let changed = input("app", json!({}), json!({ "readAhead": read_ahead }));
        let changed = bench.handle.put_subscription("default", changed).await;
        assert!(changed.unwrap().updated.is_some());
    };

    state(one, down());
    bench.publish(["1"]).await;
    let moved = bench
        .handle
        .seek("default", subscription.id, SeekTo::Oldest);
    moved.await.unwrap();
    bench.assert_quiet().await;
    change(1).await;
    assert_eq!(bench.drain(1).await, ["1"]);

    state(Scope::All, down());
    state(one, ConnectionState::Up);
    bench.publish(["2"]).await;
    assert_eq!(bench.drain(1).await, ["2"]);
    change(2).await;
    bench.publish(["3"]).await;
    bench.assert_quiet().await;
    state(Scope::All, ConnectionState::Up);
    assert_eq!(bench.drain(1).await, ["3"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_although_the_store_fails_and_nothing_hangs_after_it() {
    let bench = Bench::new().await;
    for name in ["one", "two", "three"] {
        bench.subscribe(name, json!({})).await;
    }
    bench.store.fail_writes(Some(unavailable()));
    for name in ["one", "two", "three"] {
        bench.connect(name, name);
        tokio::time::sleep(Duration::from_millis(90)).await;
    }
    let handle = bench.handle.clone();
    let stopped = tokio::time::timeout(Duration::from_secs(60), bench.engine.shutdown());
    stopped.await.expect("it hangs").ok();
    let late = handle.put_subscription("default", input("one", json!({}), json!({"batch": true})));
    let error = late.await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PH00503", 503));
    let publish = handle.publish("default", MessageKind::Broadcast, Default::default());
    assert_eq!(publish.await.unwrap_err().code(), "PH00503");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_parked_is_not_delivered_again_by_a_lost_connection() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({})).await;
    let a = bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    bench.answer(
        &one,
        Outcome::Park {
            reason: "poison".into(),
        },
    );
    // The entry is on its way when the last connection goes.
    bench.callbacks.connection_closed(&a);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        bench
            .store
            .parked(subscription.id, Sequence(0), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    bench.connect("b", "app");
    assert_eq!(bench.drain(1).await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_is_told_what_is_void() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    let a = bench.connect("a", "app");
    bench.connect("b", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench
        .callbacks
        .register_connection(&a, Arc::new(|_: &Subscription| false))
        .unwrap();
    assert_eq!(bench.voided().await, (one.id, VoidReason::Reset));
    let again = bench.delivery().await;
    assert_eq!(
        (again.connection.as_str(), tag(&again).as_str()),
        ("b", "1")
    );
    // Nobody is left: it is told as well.
    bench
        .callbacks
        .register_connection(&again.connection, Arc::new(|_: &Subscription| false))
        .unwrap();
    assert_eq!(bench.voided().await, (again.id, VoidReason::Reset));
}

#[tokio::test(start_paused = true)]
async fn the_last_position_is_written_when_the_store_is_back() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({})).await;
    let a = bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    assert_eq!(bench.tags(1).await, ["2"]);
    bench.store.fail_writes(Some(unavailable()));
    bench.callbacks.connection_closed(&a);
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.store.fail_writes(None);
    assert_eq!(bench.offset(subscription.id).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_batch_has_the_defaults_of_a_durable_one() {
    let bench = Bench::new().await;
    let a = bench.connect("a", "nothing");
    let options = serde_json::from_value(json!({"batch": true})).unwrap();
    let filter = Default::default();
    bench
        .callbacks
        .ephemeral_subscription(&a, "default", filter, options)
        .unwrap();
    bench.publish(["1", "2"]).await;
    assert_eq!(bench.batch().await.items.len(), 2, "it waits to fill");
}

#[tokio::test(start_paused = true)]
async fn a_last_position_that_a_later_one_overtook_is_not_tried_for_ever() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({})).await;
    let a = bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    bench.store.hold_writes();
    bench.drain(1).await;
    let two = bench.delivery().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.answer(&two, Outcome::ack());
    bench.callbacks.connection_closed(&a);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.store.held_writes(), 2, "at 1, and at 2 when it ended");
    bench.store.fail_writes(Some(unavailable()));
    bench.store.release(1);
    bench.store.fail_writes(None);
    bench.store.release(1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        bench.store.release(2),
        2,
        "the store is tried, and the first one again, too late"
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.store.held_writes(), 0, "it can never succeed");
    assert_eq!(bench.offset(subscription.id).await, 2);
}
