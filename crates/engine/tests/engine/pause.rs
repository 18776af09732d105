//! What does a pause promise?

use std::time::Duration;

use photinus_contract::store::Pause;
use photinus_contract::{Outcome, Response, SubscriptionId, Timestamp};
use photinus_engine::{Clock, SubscriptionState, SystemClock};
use serde_json::json;

use crate::bench::{Bench, input};

impl Bench {
    async fn pause(&self, id: SubscriptionId, until: Option<Timestamp>) {
        let pause = Pause::new(until, "work on the mains");
        self.handle.pause("default", id, pause).await.unwrap();
    }

    async fn resume(&self, id: SubscriptionId) {
        self.handle.resume("default", id).await.unwrap();
    }

    async fn is_paused(&self, id: SubscriptionId) -> bool {
        let status = self.handle.subscription_status("default", id).await;
        status.unwrap().state == SubscriptionState::Paused
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_until_it_is_resumed_and_what_is_in_flight_is_answered() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"readAhead": 1})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let given = bench.deliveries(2).await;
    bench.pause(id, None).await;
    for delivery in &given {
        bench.answer(delivery, Outcome::ack());
    }
    bench.assert_quiet().await;
    assert_eq!(bench.offset(id).await, 2);
    assert!(bench.is_paused(id).await);
    bench.resume(id).await;
    assert_eq!(bench.drain(2).await, ["3", "4"]);
    assert!(!bench.is_paused(id).await);
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_a_connection_a_change_a_seek_and_a_restart() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.pause(id, None).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    bench.assert_quiet().await;
    let changed = input("app", json!({"topic": "."}), json!({"readAhead": 3}));
    bench
        .handle
        .put_subscription("default", changed)
        .await
        .unwrap();
    bench.assert_quiet().await;
    let to = photinus_engine::SeekTo::Oldest;
    bench.handle.seek("default", id, to).await.unwrap();
    bench.assert_quiet().await;
    let bench = bench.restart().await;
    assert!(bench.is_paused(id).await);
    bench.connect("b", "app");
    bench.assert_quiet().await;
    bench.resume(id).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    let bench = bench.restart().await;
    assert!(!bench.is_paused(id).await, "a resume is kept, too");
}

#[tokio::test(start_paused = true)]
async fn a_pause_until_a_time_ends_by_itself() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "app");
    // The clock of the wall does not follow that of the test, but the wait is as long.
    let now = SystemClock.now().as_nanos();
    let until = Timestamp::from_nanos(now + 60_000_000_000);
    bench.pause(id, Some(until)).await;
    bench.publish(["1"]).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(bench.transport.take_seen().is_none());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    let past = Pause::new(Some(Timestamp::from_nanos(1)), "");
    let error = bench.handle.pause("default", id, past).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PH00443", 400));
}

#[tokio::test(start_paused = true)]
async fn an_application_s_pause_is_the_same_and_outlives_a_restart() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    let (until, reason) = (None, "no paper".to_owned());
    bench.answer(&one, Outcome::Pause { until, reason });
    bench.assert_quiet().await;
    let bench = bench.restart().await;
    bench.connect("b", "app");
    bench.assert_quiet().await;
    let status = bench
        .handle
        .subscription_status("default", id)
        .await
        .unwrap();
    assert_eq!(status.state, SubscriptionState::Paused);
    assert_eq!(status.reason.as_deref(), Some("no paper"));
    bench.resume(id).await;
    let again = bench.delivery().await;
    assert_eq!(again.attempt, 1, "it counts as no attempt");
}

#[tokio::test(start_paused = true)]
async fn an_application_makes_the_pause_of_an_operator_longer_and_never_shorter() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"readAhead": 1})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let given = bench.deliveries(2).await;
    bench.pause(id, None).await;
    let soon = Timestamp::from_nanos(SystemClock.now().as_nanos() + 1_000_000_000);
    let (until, reason) = (Some(soon), "a moment".to_owned());
    bench.answer(&given[0], Outcome::Pause { until, reason });
    bench.voided().await;
    bench.assert_quiet().await;
    let status = bench.handle.subscription_status("default", id).await;
    assert_eq!(status.unwrap().reason.as_deref(), Some("work on the mains"));

    bench.resume(id).await;
    let again = bench.deliveries(2).await;
    bench.pause(id, Some(soon)).await;
    let (until, reason) = (None, "no paper".to_owned());
    bench.answer(&again[0], Outcome::Pause { until, reason });
    bench.voided().await;
    bench.assert_quiet().await;
    let status = bench.handle.subscription_status("default", id).await;
    assert_eq!(status.unwrap().reason.as_deref(), Some("no paper"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_every_item_says_something_else_is_no_pause() {
    let bench = Bench::new().await;
    let options = json!({"batch": true, "readAhead": 2});
    let id = bench.subscribe("app", options).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let batch = bench.batch().await;
    let (until, reason) = (None, "of nothing".to_owned());
    let mut response = Response::new(id, batch.id, Outcome::Pause { until, reason });
    response.items = batch
        .items
        .iter()
        .map(|item| (item.id, Outcome::ack()))
        .collect();
    bench.callbacks.respond(&batch.connection, response);
    bench.assert_quiet().await;
    assert!(!bench.is_paused(id).await);
    bench.publish(["3", "4"]).await;
    assert_eq!(bench.batch().await.items.len(), 2);
}
