//! What does a seek promise?

use std::time::Duration;

use photinus_contract::{Outcome, Sequence, VoidReason};
use photinus_engine::SeekTo;
use serde_json::json;

use crate::bench::{Bench, tag};

#[tokio::test(start_paused = true)]
async fn a_seek_delivers_from_there_on() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"readAhead": 9})).await.id;
    bench.connect("a", "app");
    let published = bench.publish(["1", "2", "3", "4"]).await;
    bench.drain(4).await;
    let event = |index: usize| SeekTo::Event(published[index].id.event(0).0);
    for (to, offset, expected) in [
        (SeekTo::Oldest, -1, &["1", "2", "3", "4"][..]),
        (SeekTo::After(Sequence(2)), 2, &["3", "4"]),
        (SeekTo::After(Sequence(0)), 0, &["1", "2", "3", "4"]),
        (event(2), 2, &["3", "4"]),
        (event(0), 0, &["1", "2", "3", "4"]),
        (SeekTo::Newest, 4, &[]),
    ] {
        let sought = bench.handle.seek("default", id, to).await.unwrap();
        assert_eq!((sought.offset.0, sought.dry_run), (offset, false), "{to:?}");
        assert_eq!(bench.drain(expected.len()).await, expected, "{to:?}");
        bench.assert_quiet().await;
        assert_eq!(bench.offset(id).await, 4, "{to:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_before_the_first_event_of_then_or_later() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    let mut times = Vec::new();
    for tag in ["1", "2", "3", "4", "5"] {
        let topics = ["a", "b", "c"];
        let message = json!({"header": {"tag": tag, "topics": topics}, "data": [{"value": tag}]});
        let published = bench.send(message).await;
        let event = bench.handle.event("default", published.id.event(0).0).await;
        times.push(event.unwrap().unwrap().created());
    }
    let at = |nanos: i64| SeekTo::Time(photinus_contract::Timestamp::from_nanos(nanos));
    for (index, time) in times.iter().enumerate() {
        // Of events of one time, the first.
        let first = times.iter().position(|other| other == time).unwrap();
        let sought = bench.handle.seek("default", id, SeekTo::Time(*time)).await;
        assert_eq!(sought.unwrap().offset.0.max(0), 3 * first as i64, "{index}");
    }
    let oldest = bench.handle.seek("default", id, at(0)).await.unwrap();
    assert_eq!(oldest.offset, Sequence::OLDEST);
    let after = at(times[4].as_nanos() + 1);
    let newest = bench.handle.seek("default", id, after).await.unwrap();
    assert_eq!(newest.offset, Sequence(15));
    bench.connect("a", "app");
    bench.publish(["6"]).await;
    assert_eq!(bench.tags(1).await, ["6"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_voided_and_its_answers_change_nothing() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"readAhead": 1})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let old = bench.deliveries(2).await;
    let sought = bench.handle.seek("default", id, SeekTo::After(Sequence(2)));
    sought.await.unwrap();
    for delivery in old.iter().rev() {
        assert_eq!(bench.voided().await, (delivery.id, VoidReason::Reset));
    }
    assert_eq!(bench.tags(2).await, ["3", "4"]);
    for delivery in &old {
        bench.answer(delivery, Outcome::ack());
        bench.answer(delivery, Outcome::retry("late"));
    }
    bench.assert_quiet().await;
    assert_eq!(bench.offset(id).await, 2);
    // Nor does a position that the former owner still had to write.
    let bench = bench.restart().await;
    assert_eq!(bench.offset(id).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_a_seek_is_forgotten() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench.answer(&one, Outcome::retry("no"));
    let two = bench.delivery().await;
    assert_eq!(two.attempt, 2);
    bench
        .handle
        .seek("default", id, SeekTo::Oldest)
        .await
        .unwrap();
    bench.voided().await;
    let again = bench.delivery().await;
    assert_eq!((tag(&again).as_str(), again.attempt), ("1", 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_parked_is_delivered_again_after_a_seek_back() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    let reason = "bad".to_owned();
    bench.answer(&one, Outcome::Park { reason });
    assert_eq!(bench.drain(1).await, ["2"]);
    bench
        .handle
        .seek("default", id, SeekTo::Oldest)
        .await
        .unwrap();
    assert_eq!(bench.drain(2).await, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_follow_and_changes_nothing() {
    let bench = Bench::new().await;
    let filter = json!({"message": {"tag": "^even$"}});
    let options = json!({"readAhead": 5});
    let id = bench.subscribe_filtered("app", filter, options).await.id;
    bench.connect("a", "app");
    for _ in 0..300 {
        bench.publish(["odd", "even"]).await;
    }
    let first = bench.delivery().await;
    for (to, offset, events, scanned) in [
        (SeekTo::Oldest, -1, 300, 600),
        (SeekTo::After(Sequence(100)), 100, 250, 500),
        (SeekTo::After(Sequence(599)), 599, 1, 1),
        (SeekTo::Newest, 600, 0, 0),
        (SeekTo::After(Sequence(9999)), 9999, 0, 0),
    ] {
        let sought = bench.handle.seek_dry("default", id, to).await.unwrap();
        let following = sought.following.unwrap();
        assert_eq!((sought.offset.0, sought.dry_run), (offset, true), "{to:?}");
        assert_eq!(
            (following.events, following.scanned),
            (events, scanned),
            "{to:?}"
        );
        assert!(!following.more);
    }
    bench.deliveries(5).await;
    bench.assert_quiet().await;
    bench.answer(&first, Outcome::ack());
    assert_eq!(bench.delivery().await.attempt, 1);
    assert_eq!(
        bench.offset(id).await,
        3,
        "up to the event before the next that matches"
    );
}

#[tokio::test(start_paused = true)]
async fn a_seek_without_a_connection_holds_for_the_next() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    bench.publish(["1", "2", "3"]).await;
    let to = SeekTo::After(Sequence(2));
    bench.handle.seek("default", id, to).await.unwrap();
    assert_eq!(
        bench.handle.subscription_offset(id).await,
        Some(Sequence(2))
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let bench = bench.restart().await;
    bench.connect("a", "app");
    assert_eq!(bench.tags(1).await, ["3"]);
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_nothing_is_refused() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    let published = bench.publish(["1"]).await;
    let message = SeekTo::Event(published[0].id.0);
    for to in [message, SeekTo::Event(uuid::Uuid::nil())] {
        let error = bench.handle.seek("default", id, to).await.unwrap_err();
        assert_eq!((error.code(), error.status()), ("PH00441", 404));
    }
    let other = photinus_contract::SubscriptionId(uuid::Uuid::nil());
    let error = bench.handle.seek("default", other, SeekTo::Oldest).await;
    assert_eq!(error.unwrap_err().code(), "FF00164");
    let error = bench.handle.seek("nowhere", id, SeekTo::Oldest).await;
    assert_eq!(error.unwrap_err().code(), "FF10436");
}
