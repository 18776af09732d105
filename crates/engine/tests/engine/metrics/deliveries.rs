//! Is what becomes of deliveries counted as it should be?

use super::*;

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted_with_its_name() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 1})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    let two = bench.delivery().await;
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("deliveries_total"), 2.0);
    assert_eq!(figures.lane("in_flight"), 2.0);
    assert_eq!(figures.app("in_flight"), 2.0);
    assert_eq!(figures.lane("subscriptions_active"), 1.0);
    assert_eq!(figures.app("active"), 1.0);

    let before = figures;
    bench.answer(&one, Outcome::retry("no"));
    let _ = bench.voided().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let delayed = Figures::of(&bench).await;
    assert_eq!(delayed.lane("subscriptions_delayed"), 1.0);
    assert_eq!(delayed.app("failed_attempts"), 1.0);
    // Late: it was voided.
    bench.answer(&two, Outcome::ack());
    let (one, two) = (bench.delivery().await, bench.delivery().await);
    let reason = String::new;
    bench.answer(&one, Outcome::Park { reason: reason() });
    bench.answer(&two, Outcome::Skip { reason: reason() });
    settle().await;
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    let lane = |name: &str, more: f64| (format!("photinus_{name}"), more);
    assert_eq!(
        named(&changes, "default,scripted"),
        [
            lane("deliveries_total{default,scripted}", 2.0),
            lane("deliveries_voided_total{default,scripted}", 1.0),
            lane("late_answers_total{default,scripted}", 1.0),
            lane("outcomes_total{default,scripted,park}", 1.0),
            lane("outcomes_total{default,scripted,retry}", 1.0),
            lane("outcomes_total{default,scripted,skip}", 1.0),
        ]
    );
    assert_eq!(
        named(&changes, "photinus_subscription_"),
        [
            lane("subscription_answers_total{default,app}", 2.0),
            lane("subscription_deliveries_total{default,app}", 2.0),
            lane("subscription_failures_total{default,app}", 1.0),
            lane("subscription_voided_total{default,app}", 1.0),
        ]
    );
    assert_eq!((after.lane("parked"), after.app("parked")), (1.0, 1.0));
    assert_eq!(after.lane("in_flight"), 0.0);
    assert_eq!(after.lane("subscriptions_delayed"), 0.0);
    assert_eq!(after.app("failed_attempts"), 0.0);
    assert_eq!(after.app("lag_sequences"), 0.0);
    assert_eq!(after.get("photinus_ack_latency_seconds{scripted}"), 3.0);

    // An ack, an ack with an answer, and a pause.
    let before = after;
    bench.publish(["3", "4"]).await;
    let (three, four) = (bench.delivery().await, bench.delivery().await);
    bench.answer(&three, Outcome::ack());
    let reply = Some(Box::default());
    bench.answer(&four, Outcome::Acknowledge { reply });
    let answer = bench.delivery().await;
    let pause = Outcome::Pause {
        until: None,
        reason: reason(),
    };
    bench.answer(&answer, pause);
    settle().await;
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    for (name, more) in [
        ("photinus_outcomes_total{default,scripted,ack}", 1.0),
        ("photinus_outcomes_total{default,scripted,reply}", 1.0),
        ("photinus_outcomes_total{default,scripted,pause}", 1.0),
        (
            "photinus_messages_published_total{default,broadcast,reply}",
            1.0,
        ),
    ] {
        assert_eq!(changes.get(name), Some(&more), "{name} in {changes:#?}");
    }
    assert_eq!(after.lane("subscriptions_paused"), 1.0);
    assert_eq!(after.app("paused"), 1.0);
    assert_eq!(after.app("lag_sequences"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_does_not_take_is_counted_by_reason_and_is_no_delivery() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    let connection = bench.connect("a", "app");
    bench
        .transport
        .answer_hand_overs([HandOver::Busy(Wait::Connection)]);
    bench.publish(["1"]).await;
    let _ = bench.delivery().await;
    bench
        .transport
        .answer_hand_overs([HandOver::Failed("no".to_owned())]);
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Ready);
    let _ = bench.delivery().await;
    bench.transport.answer_hand_overs([HandOver::Closed]);
    let _ = bench.delivery().await;
    bench.connect("b", "app");
    let taken = bench.delivery().await;
    bench.answer(&taken, Outcome::ack());
    settle().await;
    let figures = Figures::of(&bench).await;
    for reason in ["busy", "failed", "closed"] {
        let name = format!("photinus_hand_overs_refused_total{{default,scripted,{reason}}}");
        assert_eq!(figures.get(&name), 1.0, "{reason}");
    }
    assert_eq!(figures.lane("deliveries_total"), 1.0);
    assert_eq!(figures.app("failures_total"), 1.0);
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_batch_are_counted_one_by_one() {
    let bench = Bench::new().await;
    let options = json!({"batch": true, "readAhead": 3, "batchTimeout": "1s"});
    bench.subscribe("app", options).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    let batch = bench.batch().await;
    settle().await;
    assert_eq!(Figures::of(&bench).await.lane("in_flight"), 3.0);
    let park = Outcome::Park {
        reason: String::new(),
    };
    let response = Response::new(batch.subscription.id, batch.id, Outcome::ack());
    let response = response.with_items(vec![(batch.items[1].id, park)]);
    bench.callbacks.respond(&batch.connection, response);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("deliveries_total"), 3.0);
    assert_eq!(figures.lane("delivery_batches_total"), 1.0);
    for (outcome, count) in [("ack", 2.0), ("park", 1.0), ("retry", 0.0)] {
        let name = format!("photinus_outcomes_total{{default,scripted,{outcome}}}");
        assert_eq!(figures.get(&name), count, "{outcome}");
    }
    assert_eq!(figures.lane("in_flight"), 0.0);
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_leaves_nothing_in_flight_and_the_lag_stays_known() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 4})).await;
    let connection = bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    let first = bench.delivery().await;
    bench.answer(&first, Outcome::ack());
    let _ = bench.tags(2).await;
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_connections{scripted}"), 1.0);
    assert_eq!(figures.app("in_flight"), 2.0);
    bench.callbacks.connection_closed(&connection);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_connections{scripted}"), 0.0);
    assert_eq!(figures.get("photinus_connections_opened_total"), 1.0);
    assert_eq!(figures.lane("in_flight"), 0.0);
    assert_eq!(
        (figures.app("in_flight"), figures.app("active")),
        (0.0, 0.0)
    );
    assert_eq!(figures.lane("subscriptions_active"), 0.0);
    assert_eq!(figures.app("lag_sequences"), 2.0);
    assert_eq!(figures.lane("lag_sequences_max"), 2.0);
    assert_eq!(figures.lane("subscriptions_behind"), 1.0);
    let connection = bench.connect("b", "app");
    assert_eq!(bench.drain(2).await, ["2", "3"]);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("subscriptions_behind"), 0.0);
    assert_eq!(figures.lane("deliveries_total"), 5.0);
    // Three outcomes, and what the closed connection had is forgotten.
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 3.0);
    bench.callbacks.connection_closed(&connection);
}
