//! What do answers do?

use std::time::Duration;

use photinus_contract::store::{Parked, Store as _};
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{HandOver, Outcome, Response, Sequence, VoidReason, Wait};
use serde_json::json;

use crate::bench::{Bench, tag};

#[tokio::test(start_paused = true)]
async fn events_arrive_in_order_and_the_offset_follows_the_lowest_gap() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({"readAhead": 2})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let (one, two, three) = (
        bench.delivery().await,
        bench.delivery().await,
        bench.delivery().await,
    );
    assert_eq!([&one, &two, &three].map(tag), ["1", "2", "3"]);
    assert_eq!((one.attempt, one.id.number(), three.id.number()), (1, 1, 3));
    bench.answer(&three, Outcome::ack());
    bench.answer(&two, Outcome::ack());
    assert_eq!(bench.offset(subscription.id).await, 0);
    bench.answer(&one, Outcome::ack());
    assert_eq!(bench.tags(1).await, ["4"]);
    assert_eq!(bench.offset(subscription.id).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_reject_goes_back_to_the_offset_and_repeats_what_was_acknowledged_above_it() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({"readAhead": 3})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(bench.delivery().await);
    }
    bench.answer(&first[0], Outcome::ack());
    bench.answer(&first[2], Outcome::ack());
    bench.answer(&first[1], Outcome::retry("not now"));
    assert_eq!(bench.voided().await, (first[3].id, VoidReason::Rewound));
    let again = bench.delivery().await;
    assert_eq!((tag(&again).as_str(), again.attempt), ("2", 2));
    // An answer to a voided delivery changes nothing.
    bench.answer(&first[3], Outcome::ack());
    bench.answer(&again, Outcome::ack());
    let (three, four) = (bench.delivery().await, bench.delivery().await);
    assert_eq!((tag(&three).as_str(), three.attempt), ("3", 1));
    assert_eq!((tag(&four).as_str(), four.attempt), ("4", 1));
    bench.answer(&three, Outcome::ack());
    assert_eq!(bench.offset(subscription.id).await, 3);
    bench.answer(&four, Outcome::ack());
    assert_eq!(bench.offset(subscription.id).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_its_delay_and_backs_off() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    for (attempt, low, high) in [(1, 200, 300), (2, 400, 600), (3, 800, 1200)] {
        let delivery = bench.delivery().await;
        assert_eq!(delivery.attempt, attempt);
        let rejected = tokio::time::Instant::now();
        bench.answer(&delivery, Outcome::retry("no"));
        let again = bench.delivery().await;
        let waited = rejected.elapsed().as_millis();
        assert!(
            (low..=high + 2).contains(&waited),
            "attempt {attempt} waited {waited} ms"
        );
        // Uncounted, and with a delay of its own.
        let rejected = tokio::time::Instant::now();
        let delay = Duration::from_secs(5);
        let retry = Outcome::Retry {
            delay: Some(delay),
            counted: false,
            reason: String::new(),
        };
        bench.answer(&again, retry);
        let third = bench.delivery().await;
        assert!(rejected.elapsed() >= delay && rejected.elapsed() < delay * 2);
        assert_eq!(third.attempt, attempt + 1);
        bench.callbacks.respond(
            &third.connection,
            Response::new(
                third.subscription.id,
                third.id,
                Outcome::Retry {
                    delay: Some(Duration::ZERO),
                    counted: false,
                    reason: String::new(),
                },
            ),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn park_is_durable_before_the_offset_passes_and_rewinds_nothing() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({"readAhead": 2})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let (one, two, three) = (
        bench.delivery().await,
        bench.delivery().await,
        bench.delivery().await,
    );
    bench.answer(
        &two,
        Outcome::Park {
            reason: "poison".into(),
        },
    );
    assert_eq!(bench.tags(1).await, ["4"], "the window goes on");
    bench.answer(&one, Outcome::retry("again"));
    let mut voided = [bench.voided().await.0, bench.voided().await.0];
    voided.sort();
    assert_eq!(voided[0], three.id);
    assert_eq!(
        bench.drain(3).await,
        ["1", "3", "4"],
        "the parked one stays parked"
    );
    assert_eq!(bench.offset(subscription.id).await, 4);
    let parked = bench
        .store
        .parked(subscription.id, Sequence(0), 10)
        .await
        .unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].sequence, parked[0].attempts), (Sequence(2), 1));
    assert_eq!(
        (parked[0].reason.as_str(), parked[0].event),
        ("poison", two.event.id())
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_parked_or_skipped_above_a_gap_stays_so_after_a_restart() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 3})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(bench.delivery().await);
    }
    bench.answer(
        &first[1],
        Outcome::Skip {
            reason: String::new(),
        },
    );
    bench.answer(
        &first[2],
        Outcome::Park {
            reason: String::new(),
        },
    );
    bench.answer(&first[3], Outcome::ack());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let bench = bench.restart().await;
    bench.connect("b", "app");
    assert_eq!(bench.drain(2).await, ["1", "4"]);
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_ack_timeout_counts_and_delivers_again() {
    let bench = Bench::new().await;
    bench
        .subscribe("app", json!({"ackTimeout": "10s", "readAhead": 1}))
        .await;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let (one, two) = (bench.delivery().await, bench.delivery().await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.answer(&two, Outcome::ack());
    assert_eq!(bench.voided().await, (one.id, VoidReason::AckTimeout));
    let again = bench.delivery().await;
    assert_eq!((tag(&again).as_str(), again.attempt), ("1", 2));
    bench.answer(&again, Outcome::ack());
    let two = bench.delivery().await;
    assert_eq!((tag(&two).as_str(), two.attempt), ("2", 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_hand_over_counts_and_a_busy_one_does_not() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.transport.answer_hand_overs([
        HandOver::Busy(Wait::Connection),
        HandOver::Failed("refused".into()),
    ]);
    let connection = bench.connect("a", "app");
    bench.publish(["1"]).await;
    assert_eq!(bench.delivery().await.attempt, 1);
    bench.assert_quiet().await;
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Ready);
    assert_eq!(bench.delivery().await.attempt, 1);
    let again = bench.delivery().await;
    assert_eq!(again.attempt, 2);
    bench.answer(&again, Outcome::ack());
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dispatched_to_what_is_down() {
    let bench = Bench::new().await;
    let subscription = bench.subscribe("app", json!({})).await;
    let connection = bench.connect("a", "app");
    let down = ConnectionState::Down {
        reason: "no broker".into(),
    };
    bench
        .callbacks
        .connection_state(&connection, Scope::Subscription(subscription.id), down);
    bench.publish(["1"]).await;
    bench.assert_quiet().await;
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Up);
    assert_eq!(bench.delivery().await.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_the_subscription_until_then() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let one = bench.delivery().await;
    bench.answer(
        &one,
        Outcome::Pause {
            until: None,
            reason: "gone".into(),
        },
    );
    bench.publish(["2"]).await;
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn batches_fill_wait_and_take_an_outcome_for_each_event() {
    let bench = Bench::new().await;
    let options = json!({"batch": true, "readAhead": 3, "batchTimeout": "2s"});
    let subscription = bench.subscribe("app", options).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3", "4"]).await;
    let batch = bench.batch().await;
    let tags = |batch: &photinus_contract::Batch| -> Vec<String> {
        let tag = photinus_contract::filter::Attribute::Tag;
        batch
            .items
            .iter()
            .map(|item| item.event.attribute(tag).to_owned())
            .collect()
    };
    assert_eq!(tags(&batch), ["1", "2", "3"]);
    let park = Outcome::Park {
        reason: "bad".into(),
    };
    let respond = |batch: &photinus_contract::Batch, outcome, items| {
        let response = Response::new(batch.subscription.id, batch.id, outcome).with_items(items);
        bench.callbacks.respond(&batch.connection, response);
    };
    respond(
        &batch,
        Outcome::ack(),
        vec![
            (batch.items[0].id, park),
            (batch.items[1].id, Outcome::retry("later")),
        ],
    );
    let second = bench.batch().await;
    assert_eq!(
        tags(&second),
        ["2", "3", "4"],
        "what was acknowledged above the gap comes again"
    );
    assert_eq!(
        second
            .items
            .iter()
            .map(|item| item.attempt)
            .collect::<Vec<_>>(),
        [2, 1, 1]
    );
    assert_ne!(second.id, batch.id);
    respond(&batch, Outcome::ack(), vec![]);
    let sent = tokio::time::Instant::now();
    respond(&second, Outcome::ack(), vec![]);
    bench.publish(["5"]).await;
    let third = bench.batch().await;
    assert_eq!(tags(&third), ["5"]);
    assert!(
        sent.elapsed() >= Duration::from_secs(2),
        "it waited to fill"
    );
    respond(&third, Outcome::ack(), vec![]);
    assert_eq!(bench.offset(subscription.id).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_published_once_with_the_request_as_its_cid() {
    let bench = Bench::new().await;
    let filter = json!({"message": {"tag": "^request$"}});
    let subscription = bench.subscribe_filtered("app", filter, json!({})).await;
    let connection = bench.connect("a", "app");
    let request = bench.publish(["request"]).await[0];
    let reply = || {
        let reply = json!({"header": {"tag": "reply"}, "data": [{"value": 42}]});
        Outcome::Acknowledge {
            reply: Some(Box::new(serde_json::from_value(reply).unwrap())),
        }
    };
    let delivery = bench.delivery().await;
    // The connection is lost just after the answer: the event comes again, and is answered again.
    bench.answer(&delivery, reply());
    bench.callbacks.connection_closed(&connection);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.connect("b", "app");
    let again = bench.delivery().await;
    bench.answer(&again, reply());
    assert_eq!(bench.offset(subscription.id).await, 2);
    let messages = bench.messages().await;
    let replies: Vec<_> = messages
        .iter()
        .filter(|message| message.content.tag() == "reply")
        .collect();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].content.correlator, Some(request.id.0));
    assert_eq!(bench.store.name(), "memory");
}
