//! What do subscriptions promise over their life?

use std::time::Duration;

use photinus_contract::store::{Offsets, Subscriptions};
use photinus_contract::{CodedError, Outcome, Subscription, VoidReason};
use photinus_engine::EngineConfig;
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::bench::{Bench, input, tag};

#[tokio::test(start_paused = true)]
async fn a_subscription_goes_on_where_it_was_after_a_restart() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"readAhead": 1})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    assert_eq!(bench.drain(2).await, ["1", "2"]);
    assert_eq!(bench.tags(1).await, ["3"]);
    let bench = bench.restart().await;
    assert_eq!(
        bench
            .handle
            .subscription("default", id)
            .unwrap()
            .name
            .as_ref(),
        "app"
    );
    bench.connect("b", "app");
    let three = bench.delivery().await;
    assert_eq!((tag(&three).as_str(), three.attempt), ("3", 1));
    assert!(
        three.id.epoch() > 1,
        "deliveries of the new owner have ids of their own"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_over_a_restart() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench.answer(&one, Outcome::retry("no"));
    assert_eq!(bench.delivery().await.attempt, 2);
    let bench = bench.restart().await;
    bench.connect("b", "app");
    assert_eq!(bench.delivery().await.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn the_start_is_fixed_at_creation() {
    let bench = Bench::new().await;
    bench.publish(["1", "2"]).await;
    for (first, shown, expected) in [
        ("oldest", "-1", "1"),
        ("newest", "2", "3"),
        ("1", "1", "2"),
        ("0", "0", "1"),
    ] {
        let subscription = bench.subscribe(first, json!({"firstEvent": first})).await;
        assert_eq!(subscription.options.first_event.as_deref(), Some(shown));
        if first == "newest" {
            bench.publish(["3"]).await;
        }
        bench.connect(&format!("to-{first}"), first);
        assert_eq!(bench.tags(1).await, [expected], "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_the_offset_and_delivers_the_unanswered_again() {
    let bench = Bench::new().await;
    let created = bench.subscribe("app", json!({"readAhead": 1})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    let (two, three) = (bench.delivery().await, bench.delivery().await);
    let put = |filter: Value, options: Value| {
        bench
            .handle
            .put_subscription("default", input("app", filter, options))
    };
    let same = put(json!({}), json!({"readAhead": 1, "firstEvent": "newest"}))
        .await
        .unwrap();
    assert_eq!(
        (same.id, same.updated),
        (created.id, None),
        "nothing changed"
    );
    bench.assert_quiet().await;

    let changed = put(
        json!({"message": {"tag": "[^3]"}}),
        json!({"firstEvent": "oldest"}),
    )
    .await;
    let changed = changed.unwrap();
    assert_eq!((changed.id, changed.created), (created.id, created.created));
    assert_eq!(changed.options.first_event, created.options.first_event);
    assert!(changed.updated.is_some());
    // The newest first: what is left out is the end, never the middle.
    assert_eq!(bench.voided().await, (three.id, VoidReason::Reset));
    assert_eq!(bench.voided().await, (two.id, VoidReason::Reset));
    let again = bench.delivery().await;
    assert_eq!(tag(&again), "2");
    bench.answer(&two, Outcome::ack());
    bench.publish(["4"]).await;
    bench.assert_quiet().await;
    bench.answer(&again, Outcome::ack());
    assert_eq!(bench.drain(1).await, ["4"]);
    assert_eq!(bench.offset(created.id).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_subscription_is_gone_and_its_name_is_free() {
    let bench = Bench::new().await;
    let first = bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench
        .handle
        .delete_subscription("default", first.id)
        .await
        .unwrap();
    assert_eq!(bench.voided().await, (one.id, VoidReason::Reset));
    bench.answer(&one, Outcome::ack());
    let error = bench
        .handle
        .delete_subscription("default", first.id)
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF10109", 404));
    let second = bench.subscribe("app", json!({})).await;
    assert_ne!(second.id, first.id);
    assert_eq!(
        bench.drain(1).await,
        ["1"],
        "the connection picks up the new one"
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_subscriptions_are_refused_in_firefly_s_order() {
    let bench = Bench::new().await;
    bench.subscribe("taken", json!({})).await;
    let create = async |body: Value| -> CodedError {
        let input = serde_json::from_value(body).unwrap();
        bench
            .handle
            .create_subscription("default", input)
            .await
            .unwrap_err()
    };
    for (body, code) in [
        (json!({}), "FF00140"),
        (
            json!({"name": "0d4e4d6e5f3b4d0a8a8a6f4f5b0f7b01"}),
            "FF00141",
        ),
        (json!({"name": "-", "transport": "nope"}), "FF00140"),
        (json!({"name": "a", "transport": "system"}), "FF10266"),
        (json!({"name": "a", "transport": "Scripted"}), "FF10172"),
        (
            json!({"name": "a", "transport": "scripted", "options": {"tlsConfigName": "x", "batchTimeout": "y"}}),
            "FF10455",
        ),
        (
            json!({"name": "a", "transport": "scripted", "options": {"batchTimeout": "y", "batch": true, "withData": true}}),
            "FF00137",
        ),
        (
            json!({"name": "a", "transport": "scripted", "options": {"batch": true, "withData": true}, "filter": {"topic": "("}}),
            "FF10460",
        ),
        (
            json!({"name": "taken", "transport": "scripted", "filter": {"topic": "("}}),
            "FF10171",
        ),
        (
            json!({"name": "taken", "transport": "scripted", "options": {"firstEvent": "x"}}),
            "FF10193",
        ),
        (
            json!({"name": "a", "transport": "scripted", "options": {"firstEvent": "x"}}),
            "FF10191",
        ),
    ] {
        assert_eq!(create(body.clone()).await.code(), code, "{body}");
    }
    bench
        .transport
        .refuse_options(Some(CodedError::bad_request("FF10242", "no url")));
    let body = json!({"name": "a", "transport": "scripted", "filter": {"topic": "("}});
    assert_eq!(create(body).await.code(), "FF10242");
}

#[tokio::test(start_paused = true)]
async fn many_subscriptions_catch_up_from_the_store_while_the_log_grows() {
    // A tail so short and pages so small that everything but the newest comes from the store.
    let config = serde_json::from_value(json!({
        "tail_bytes_max": 4_000, "page_records_max": 7, "pages_bytes_max": 40_000, "shards": 3,
    }));
    let config: EngineConfig = config.unwrap();
    let bench = Bench::on(MemoryStore::new(), config).await;
    for n in 0..100 {
        bench
            .send(json!({"header": {"tag": n.to_string(), "topics": ["a", "b"]}}))
            .await;
    }
    let mut expected = std::collections::BTreeMap::new();
    for n in 0..10 {
        let first = (n * 13).to_string();
        let name = format!("app-{n}");
        bench
            .subscribe(&name, json!({"firstEvent": first, "readAhead": n}))
            .await;
        expected.insert(name.clone(), n * 13 + 1);
        bench.connect(&name, &name);
    }
    for n in 100..150 {
        bench
            .send(json!({"header": {"tag": n.to_string(), "topics": ["a", "b"]}}))
            .await;
    }
    let all: i64 = (0..10).map(|n| 300 - n * 13).sum();
    for _ in 0..all {
        let delivery = bench.delivery().await;
        let next = expected.get_mut(&*delivery.subscription.name).unwrap();
        assert_eq!(
            delivery.event.sequence().0,
            *next,
            "{}",
            delivery.subscription.name
        );
        *next += 1;
        bench.answer(&delivery, Outcome::ack());
    }
    assert!(expected.values().all(|next| *next == 301));
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn events_that_do_not_match_move_the_offset_in_time() {
    let bench = Bench::new().await;
    let filter = json!({"topic": "^never$"});
    let subscription = bench.subscribe_filtered("app", filter, json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = bench
        .handle
        .subscription_offset(subscription.id)
        .await
        .unwrap();
    assert_eq!(before.0, -1, "that is not urgent");
    assert_eq!(bench.offset(subscription.id).await, 3);
}

#[tokio::test(start_paused = true)]
async fn values_are_delivered_only_to_those_who_ask() {
    let bench = Bench::new().await;
    bench
        .subscribe("with", json!({"withData": true, "readAhead": 3}))
        .await;
    bench.subscribe("without", json!({})).await;
    bench.connect("b", "without");
    let stored = bench.publish(["1"]).await[0];
    assert!(bench.delivery().await.data.is_none());
    bench
        .send(json!({"data": [{"id": stored.id.value(0)}, {"value": [1, 2]}]}))
        .await;
    bench.connect("a", "with");
    for expected in [vec!["\"1\""], vec!["\"1\"", "[1,2]"]] {
        let delivery = bench.delivery().await;
        let data = delivery.data.unwrap();
        assert_eq!(
            data.iter().map(|data| data.value.get()).collect::<Vec<_>>(),
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fenced_owner_moves_no_offset() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    // Somebody else claims the subscription while this owner stalls.
    bench.store.claim(id).await.unwrap().unwrap();
    bench.answer(&one, Outcome::ack());
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(bench.handle.subscription_offset(id).await.unwrap().0, -1);
}

#[tokio::test(start_paused = true)]
async fn namespaces_do_not_see_each_other() {
    let bench = Bench::new().await;
    bench
        .handle
        .create_namespace("other", "for tests")
        .await
        .unwrap();
    let error = bench
        .handle
        .create_namespace("other", "")
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF10193", 409));
    assert_eq!(
        bench
            .handle
            .create_namespace("-", "")
            .await
            .unwrap_err()
            .code(),
        "FF00140"
    );
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    let message = || serde_json::from_value(json!({"header": {"tag": "there"}})).unwrap();
    let kind = photinus_contract::MessageKind::Broadcast;
    bench
        .handle
        .publish("other", kind, message())
        .await
        .unwrap();
    let error = bench
        .handle
        .publish("nowhere", kind, message())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "FF10436: Unknown namespace 'nowhere'");
    bench.publish(["here"]).await;
    assert_eq!(bench.drain(1).await, ["here"]);
    bench.assert_quiet().await;
    let bench = bench.restart().await;
    assert_eq!(
        bench.handle.namespace("other").unwrap().description,
        "for tests"
    );
}

/// A transport may add `withData` to what it stores, and whoever got it from there sends it back.
#[tokio::test(start_paused = true)]
async fn what_is_stored_comes_back_although_nobody_could_ask_for_it() {
    let store = MemoryStore::new();
    let bench = Bench::on(store.clone(), EngineConfig::default()).await;
    let both = json!({"batch": true, "withData": true, "readAhead": 5, "batchTimeout": "1s"});
    let put = async |bench: &Bench, name: &str, options: &Value| {
        let input = input(name, json!({}), options.clone());
        let changed = bench.handle.put_subscription("default", input).await;
        changed.map_err(|error| error.code().to_owned())
    };
    bench.subscribe("batches", json!({"batch": true})).await;
    let mut stored = Subscription::clone(&*bench.subscribe("other", json!({"batch": true})).await);
    for name in ["batches", "new"] {
        assert_eq!(put(&bench, name, &both).await.unwrap_err(), "FF10460");
    }
    bench.engine.shutdown().await.unwrap();

    stored.options.with_data = Some(true);
    store.update_subscription(stored).await.unwrap();
    let bench = Bench::on(store, EngineConfig::default()).await;
    let changed = put(&bench, "other", &both).await.unwrap();
    assert_eq!(changed.options.read_ahead, Some(5));
    assert_eq!(changed.options.with_data, Some(true));
}
