//! Is a secret replaced, and nothing else?

use photinus_contract::store::Offsets;
use photinus_contract::{CodedError, Outcome, SubscriptionId, Timestamp, VoidReason};
use photinus_engine::Rotated;
use serde_json::{Value, json};

use crate::bench::{Bench, input, tag};

async fn rotate(
    bench: &Bench,
    id: SubscriptionId,
    secret: Option<&str>,
    overlap: Option<&str>,
) -> Result<Rotated, CodedError> {
    let (secret, overlap) = (secret.map(str::to_owned), overlap.map(str::to_owned));
    let rotated = bench.handle.rotate_secret("default", id, secret, overlap);
    rotated.await
}

/// What the transport has.
fn secret(bench: &Bench, id: SubscriptionId) -> Value {
    let stored = bench.handle.subscription("default", id).unwrap();
    assert_eq!(stored.options.other["secret"], "***");
    stored.revealed_options()["secret"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_is_answered_once_and_moves_nothing() {
    let bench = Bench::new().await;
    let options = json!({"secret": "old", "note": "n", "readAhead": 2});
    let id = bench.subscribe("app", options).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    let two = bench.delivery().await;
    assert_eq!(bench.offset(id).await, 1);
    let before = bench.store.offset(id).await.unwrap().unwrap();

    let rotated = rotate(&bench, id, Some("new"), None).await.unwrap();
    assert_eq!(rotated.secret, "new");
    assert_eq!(bench.voided().await, (two.id, VoidReason::Reset));
    let again = bench.delivery().await;
    assert_eq!(tag(&again), "2");
    assert_eq!(again.subscription.revealed_options()["secret"], "new");
    let after = bench.store.offset(id).await.unwrap().unwrap();
    assert_eq!(
        (after.offset, after.generation),
        (before.offset, before.generation)
    );
    assert!(after.epoch > before.epoch, "{after:?}");
    // What was signed for the old one is late.
    bench.answer(&two, Outcome::ack());
    assert_eq!(bench.offset(id).await, 1);
    bench.answer(&again, Outcome::ack());
    assert_eq!(bench.offset(id).await, 2);

    assert_eq!(secret(&bench, id), "new");
    let stored = bench.handle.subscription("default", id).unwrap();
    assert!(stored.updated.is_some());
    assert_eq!(stored.options.other["note"], "n");
    assert_eq!(stored.options.first_event.as_deref(), Some("-1"));
    let bench = bench.restart().await;
    assert_eq!(secret(&bench, id), "new");
}

#[tokio::test(start_paused = true)]
async fn the_old_one_is_used_until_the_overlap_is_over() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"secret": "old"})).await.id;
    for (overlap, seconds) in [
        (None, 86_400),
        (Some("90m"), 5_400),
        (Some("0"), 0),
        (Some("720h"), 2_592_000),
    ] {
        let rotated = rotate(&bench, id, None, overlap).await.unwrap();
        // The scripted transport makes the secret of what it was told.
        assert_eq!(rotated.secret, format!("until {}", rotated.old_until));
        assert_eq!(secret(&bench, id), rotated.secret);
        let changed = bench.handle.subscription("default", id).unwrap().updated;
        let off = seconds_between(changed.unwrap(), rotated.old_until) - seconds;
        assert!((-5..=0).contains(&off), "{overlap:?}: {off}");
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_nanos() - from.as_nanos()).div_euclid(1_000_000_000)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let bench = Bench::new().await;
    let created = bench.subscribe("app", json!({"secret": "old"})).await;
    let id = created.id;
    let long = "s".repeat(300 << 10);
    for (secret, overlap, code) in [
        (None, Some("721h"), "PH00449"),
        (None, Some("soon"), "FF00137"),
        (Some(""), None, "PH00449"),
        (Some("***"), None, "PH00449"),
        (Some(long.as_str()), None, "FF00135"),
    ] {
        let error = rotate(&bench, id, secret, overlap).await.unwrap_err();
        assert_eq!((error.code(), error.status()), (code, 400), "{overlap:?}");
    }
    let refusal = CodedError::bad_request("PH00447", "too weak");
    bench.transport.refuse_options(Some(refusal));
    let error = rotate(&bench, id, Some("weak"), None).await.unwrap_err();
    assert_eq!(error.code(), "PH00447");
    assert_eq!(secret(&bench, id), "old");
    assert_eq!(bench.handle.subscription("default", id), Some(created));

    let nobody = SubscriptionId(uuid::Uuid::from_u128(7));
    let error = rotate(&bench, nobody, None, None).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF00164", 404));
    let elsewhere = bench.handle.rotate_secret("nowhere", id, None, None).await;
    assert_eq!(elsewhere.unwrap_err().code(), "FF10436");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_replaced_is_kept_by_a_change() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"secret": "old"})).await.id;
    rotate(&bench, id, Some("new"), None).await.unwrap();
    let options = json!({"secret": "***", "note": "1"});
    let changed = bench
        .handle
        .put_subscription("default", input("app", json!({}), options));
    assert_eq!(changed.await.unwrap().id, id);
    assert_eq!(secret(&bench, id), "new");
}
