//! What do connections do?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use photinus_contract::{ConnectionId, Outcome, Subscription};
use serde_json::json;

use crate::bench::{Bench, tag};

#[tokio::test(start_paused = true)]
async fn the_next_connection_takes_over_and_gets_what_was_unanswered() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({"readAhead": 2})).await;
    let a = bench.connect("a", "app");
    let b = bench.connect("b", "app");
    bench.publish(["1", "2", "3"]).await;
    let (one, two, three) = (
        bench.delivery().await,
        bench.delivery().await,
        bench.delivery().await,
    );
    assert_eq!(one.connection, a);
    bench.answer(&one, Outcome::ack());
    bench.answer(&three, Outcome::ack());
    bench.callbacks.connection_closed(&a);
    let again = bench.delivery().await;
    assert_eq!(
        (&again.connection, tag(&again).as_str(), again.attempt),
        (&b, "2", 1)
    );
    assert_ne!(again.id, two.id);
    // The old connection's answer is late; the new one's counts.
    bench.answer(&two, Outcome::ack());
    let three = bench.delivery().await;
    assert_eq!(tag(&three), "3");
    bench.answer(&three, Outcome::ack());
    assert_eq!(bench.offset(subscription.id).await, 1);
    bench.answer(&again, Outcome::ack());
    assert_eq!(bench.offset(subscription.id).await, 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_nothing_happens_until_one_comes() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 5})).await;
    bench.publish(["1", "2"]).await;
    let a = bench.connect("a", "app");
    assert_eq!(bench.drain(1).await, ["1"]);
    assert_eq!(bench.tags(1).await, ["2"]);
    bench.callbacks.connection_closed(&a);
    bench.publish(["3"]).await;
    bench.assert_quiet().await;
    bench.connect("b", "app");
    assert_eq!(bench.drain(2).await, ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn the_matcher_is_kept_and_asked_again() {
    let bench = Bench::new().await;
    bench.connect("a", "later");
    bench.publish(["0"]).await;
    bench
        .subscribe("later", json!({"firstEvent": "newest"}))
        .await;
    bench.publish(["1"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_list_leaves_what_is_on_both_undisturbed() {
    let bench = Bench::new().await;
    bench.subscribe("one", json!({})).await;
    bench.subscribe("two", json!({})).await;
    let a = bench.connect("a", "one");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench
        .callbacks
        .register_connection(&a, Arc::new(|_: &Subscription| true))
        .unwrap();
    let two = bench.delivery().await;
    assert_eq!(
        (&*one.subscription.name, &*two.subscription.name),
        ("one", "two")
    );
    bench.answer(&one, Outcome::ack());
    bench.answer(&two, Outcome::ack());
    bench.assert_quiet().await;
    bench.connect("a", "two");
    bench.publish(["2"]).await;
    assert_eq!(&*bench.delivery().await.subscription.name, "two");
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn closed_and_foreign_connections_are_refused() {
    let bench = Bench::new().await;
    let a = bench.connect("a", "app");
    bench.callbacks.connection_closed(&a);
    bench.callbacks.connection_closed(&a);
    let all = Arc::new(|_: &Subscription| true);
    let error = bench.callbacks.register_connection(&a, all).unwrap_err();
    assert_eq!(error.code(), "FF10290");
    let ephemeral = |connection: &ConnectionId, namespace: &str, filter, options| {
        bench.callbacks.ephemeral_subscription(
            connection,
            namespace,
            serde_json::from_value(filter).unwrap(),
            serde_json::from_value(options).unwrap(),
        )
    };
    let error = ephemeral(&a, "default", json!({}), json!({})).unwrap_err();
    assert_eq!(error.code(), "FF10290");
    let b = ConnectionId::new("b");
    for (namespace, filter, options, code) in [
        ("nowhere", json!({}), json!({}), "FF10436"),
        ("default", json!({"topic": "("}), json!({}), "FF10171"),
        (
            "default",
            json!({}),
            json!({"firstEvent": "first"}),
            "FF10191",
        ),
        ("default", json!({}), json!({"firstEvent": "-2"}), "FF10192"),
        ("default", json!({}), json!({"ackTimeout": "x"}), "FF00137"),
    ] {
        assert_eq!(
            ephemeral(&b, namespace, filter, options)
                .unwrap_err()
                .code(),
            code
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_subscription_lives_and_dies_with_its_connection() {
    let bench = Bench::new().await;
    bench.publish(["0"]).await;
    let a = ConnectionId::new("a");
    let start = |options| {
        let options = serde_json::from_value(options).unwrap();
        let filter = serde_json::from_value(json!({"message": {"tag": "^[0-9]$"}})).unwrap();
        bench
            .callbacks
            .ephemeral_subscription(&a, "default", filter, options)
            .unwrap()
    };
    let newest = start(json!({}));
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    assert_eq!((tag(&one).as_str(), one.subscription.id), ("1", newest.id));
    assert_eq!(
        (one.subscription.ephemeral, &*one.subscription.name),
        (true, &*newest.id.to_string())
    );
    let oldest = start(json!({"firstEvent": "oldest", "readAhead": 9}));
    let copies = [bench.delivery().await, bench.delivery().await];
    assert_eq!(
        copies.each_ref().map(tag),
        ["0", "1"],
        "each start gets its own copy"
    );
    assert!(copies.iter().all(|copy| copy.subscription.id == oldest.id));
    bench.publish(["word"]).await;
    bench.callbacks.connection_closed(&a);
    bench.publish(["2"]).await;
    bench.assert_quiet().await;
    assert!(bench.handle.subscriptions("default").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_matcher_that_panics_harms_nobody_else() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    let panics = Arc::new(AtomicBool::new(true));
    let armed = panics.clone();
    let matcher = Arc::new(move |_: &Subscription| {
        assert!(!armed.load(Ordering::Relaxed), "this matcher is broken");
        true
    });
    let broken = ConnectionId::new("broken");
    bench
        .callbacks
        .register_connection(&broken, matcher.clone())
        .unwrap();
    bench.connect("sound", "app");
    bench.publish(["1"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    panics.store(false, Ordering::Relaxed);
    bench
        .callbacks
        .register_connection(&broken, matcher)
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench
        .callbacks
        .connection_closed(&ConnectionId::new("sound"));
    bench.publish(["2"]).await;
    assert_eq!(bench.delivery().await.connection, broken);
}
