//! Are secret options kept, and never shown?
//!
//! The scripted transport has one: `secret`.

use std::sync::Arc;

use photinus_contract::store::{NamespaceInfo, Namespaces, Start, Subscriptions};
use photinus_contract::{
    CodedError, ConnectionId, Delivery, Namespace, Subscription, SubscriptionFilter,
    SubscriptionId, SubscriptionOptions, Timestamp,
};
use photinus_engine::EngineConfig;
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::bench::{Bench, input};

const MARKER: &str = "s3cr3t-marker";

/// What the transport is given, and what anybody else sees.
fn secret(subscription: &Subscription) -> Option<Value> {
    subscription.revealed_options().remove("secret")
}

fn assert_hidden(subscription: &Subscription) {
    let shown = serde_json::to_string(subscription).unwrap();
    for text in [shown, format!("{subscription:?}")] {
        assert!(!text.contains(MARKER), "{text}");
        assert!(text.contains("***"), "{text}");
    }
}

async fn put(bench: &Bench, options: Value) -> Result<Arc<Subscription>, CodedError> {
    let input = input("app", json!({}), options);
    bench.handle.put_subscription("default", input).await
}

async fn delivered(bench: &Bench) -> Delivery {
    bench.publish(["1"]).await;
    bench.delivery().await
}

#[tokio::test(start_paused = true)]
async fn a_secret_reaches_the_transport_and_nobody_else() {
    let bench = Bench::new().await;
    let created = bench
        .subscribe("app", json!({"secret": MARKER, "note": "n"}))
        .await;
    assert_hidden(&created);
    bench.connect("a", "app");
    let delivery = delivered(&bench).await;
    assert_hidden(&delivery.subscription);
    assert_eq!(secret(&delivery.subscription), Some(json!(MARKER)));
    assert_eq!(delivery.subscription.options.other["note"], json!("n"));

    let bench = bench.restart().await;
    let stored = bench.handle.subscription("default", created.id).unwrap();
    assert_hidden(&stored);
    assert_eq!(secret(&stored), Some(json!(MARKER)));
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_is_masked_or_left_out() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"secret": MARKER})).await;
    for (options, expected) in [
        (json!({"note": "1"}), Some(json!(MARKER))),
        (json!({"note": "2", "secret": "***"}), Some(json!(MARKER))),
        (json!({"secret": "other"}), Some(json!("other"))),
        (json!({"secret": null}), None),
        (json!({}), None),
    ] {
        let changed = put(&bench, options.clone()).await.unwrap();
        assert_eq!(secret(&changed), expected, "{options}");
        assert_eq!(
            changed.options.other.get("secret").cloned(),
            expected.map(|_| json!("***"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_alone_is_a_change() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"secret": MARKER})).await;
    let same = put(&bench, json!({"secret": "***"})).await.unwrap();
    assert_eq!(same.updated, None);
    let changed = put(&bench, json!({"secret": "other"})).await.unwrap();
    assert!(changed.updated.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_mask_with_nothing_behind_it_is_refused() {
    let bench = Bench::new().await;
    let error = put(&bench, json!({"secret": "***"})).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PH00432", 400));
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_before_it_was_a_secret_is_hidden() {
    let store = MemoryStore::new();
    let default = Namespace::new("default");
    let created = Timestamp::from_nanos(1);
    let namespace = NamespaceInfo::new(default.clone(), "", created);
    store.create_namespace(namespace).await.unwrap();
    let options = serde_json::from_value(json!({"secret": MARKER, "note": "n"})).unwrap();
    let id = SubscriptionId(uuid::Uuid::from_u128(7));
    let filter = SubscriptionFilter::default();
    let old = Subscription::new(id, default, "app", "scripted", filter, options, created);
    store.create_subscription(old, Start::Oldest).await.unwrap();

    let bench = Bench::on(store, EngineConfig::default()).await;
    let stored = bench.handle.subscription("default", id).unwrap();
    assert_hidden(&stored);
    bench.connect("a", "app");
    let delivery = delivered(&bench).await;
    assert_eq!(secret(&delivery.subscription), Some(json!(MARKER)));
    let kept = put(&bench, json!({"note": "other"})).await.unwrap();
    assert_eq!(secret(&kept), Some(json!(MARKER)));
}

/// What whoever asked is answered, or anybody else.
fn shown(subscription: &Subscription) -> Value {
    subscription.options.other["secret"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_the_transport_makes_is_shown_once() {
    let bench = Bench::new().await;
    let plain = bench.subscribe("app", json!({})).await;
    assert_eq!(plain.options.other.get("secret"), None);
    bench.transport.make_secret(MARKER);
    let created = bench.subscribe("other", json!({})).await;
    assert_eq!(shown(&created), json!(MARKER));
    let added = put(&bench, json!({"note": "1"})).await.unwrap();
    assert_eq!(shown(&added), json!(MARKER));

    for id in [created.id, added.id] {
        let stored = bench.handle.subscription("default", id).unwrap();
        assert_hidden(&stored);
        assert_eq!(secret(&stored), Some(json!(MARKER)));
    }
    let listed = bench.handle.subscriptions("default");
    assert_eq!(listed.len(), 2);
    listed
        .iter()
        .for_each(|subscription| assert_hidden(subscription));
    // What is kept was shown before, whatever the transport would make today.
    bench.transport.make_secret("another");
    for options in [
        json!({"note": "2"}),
        json!({"note": "3", "secret": "***"}),
        json!({"note": "3"}),
    ] {
        let kept = put(&bench, options).await.unwrap();
        assert_hidden(&kept);
        assert_eq!(secret(&kept), Some(json!(MARKER)));
    }
    // One that was sent is known to who sent it.
    let sent = put(&bench, json!({"secret": "mine"})).await.unwrap();
    assert_eq!(shown(&sent), json!("***"));
    let made_anew = put(&bench, json!({"secret": null})).await.unwrap();
    assert_eq!(shown(&made_anew), json!("another"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_for_a_subscription_that_is_not_stored() {
    let bench = Bench::new().await;
    bench.transport.make_secret(MARKER);
    let started = bench.callbacks.ephemeral_subscription(
        &ConnectionId::new("a"),
        "default",
        SubscriptionFilter::default(),
        SubscriptionOptions::default(),
    );
    let started = started.unwrap();
    assert_eq!(started.options.other.get("secret"), None);
    assert!(started.secrets.is_empty());
}
