//! Is what a receiver says besides "received" taken at its word?

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use photinus_e2e::{Reaction, Receiver, wait_for, wait_until};
use serde_json::json;

use super::{Hook, SOON, publish, shown, start, start_with, topics};

/// Answers the first so many requests so, and all others well.
fn first(receiver: &Receiver, count: usize, reaction: Reaction) {
    let asked = AtomicUsize::new(0);
    receiver.answers(
        move |_| match asked.fetch_add(1, Ordering::SeqCst) < count {
            true => reaction.clone(),
            false => Reaction::status(204),
        },
    );
}

#[test]
fn a_receiver_says_how_long_it_is_to_be_left_alone() {
    let server = start();
    let rest = server.rest();
    for status in [429, 503] {
        let mut receiver = Receiver::start();
        first(
            &receiver,
            1,
            Reaction::status(status).with("retry-after", "2"),
        );
        let options = json!({"retryPolicy": {"delays": ["1ms"]}, "firstEvent": "newest"});
        let hook = Hook::to(&rest, &format!("app{status}"), &receiver, options);
        publish(&rest, &topics(2));
        let expected = format!("the receiver is left alone for 2s: it answered {status}");
        hook.wait_for_reason(&rest, &expected);
        assert_eq!(hook.status(&rest)["state"], "waiting");
        let shown = shown(&rest, &receiver);
        assert_eq!(shown["state"], "open", "{shown}");
        assert!(shown["window"].as_u64() < Some(256), "{shown}");
        assert_eq!(receiver.wait_for_well(2), topics(2));
        let [bad, good] = [receiver.receive(), receiver.receive()];
        let waited = good.at - bad.at;
        assert!(waited >= Duration::from_millis(1_990), "{waited:?}");
        assert_eq!(good.topic(), "t1");
        hook.wait_for_state(&rest, "idle");
    }
}

#[test]
fn any_other_failure_with_a_wish_delays_the_event_alone() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    first(&receiver, 1, Reaction::status(404).with("retry-after", "1"));
    let options = json!({"retryPolicy": {"delays": ["24h"]}});
    let hook = Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &["t1"]);
    receiver.wait_for_well(1);
    let [bad, good] = [receiver.receive(), receiver.receive()];
    assert!(good.at - bad.at >= Duration::from_millis(990));
    hook.wait_for_state(&rest, "idle");
    assert_eq!(shown(&rest, &receiver)["state"], "closed");
}

#[test]
fn what_is_assured_is_tried_until_it_is_received() {
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    let statuses = [
        300, 400, 401, 403, 404, 408, 409, 418, 500, 501, 502, 504, 599,
    ];
    let asked = AtomicUsize::new(0);
    receiver.answers(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        Reaction::status(*statuses.get(number).unwrap_or(&200))
    });
    let hook = Hook::to(
        &rest,
        "app",
        &receiver,
        json!({"retryPolicy": {"delays": ["1ms"]}}),
    );
    publish(&rest, &topics(2));
    assert_eq!(receiver.wait_for_well(2), topics(2));
    let requests = receiver.requests();
    assert_eq!(requests.len(), statuses.len() + 2);
    let id = requests[0].header("webhook-id");
    let first = &requests[..=statuses.len()];
    assert!(
        first
            .iter()
            .all(|request| request.header("webhook-id") == id)
    );
    assert_ne!(requests.last().unwrap().header("webhook-id"), id);
    hook.wait_for_state(&rest, "idle");
}

#[test]
fn gone_pauses_the_subscription_until_it_is_resumed() {
    let mut server = start();
    let receiver = Receiver::start();
    first(&receiver, 1, Reaction::status(410));
    let hook = Hook::to(&server.rest(), "app", &receiver, json!({}));
    publish(&server.rest(), &topics(2));
    let reason = hook.wait_for_state(&server.rest(), "paused");
    assert!(reason.contains("410 Gone"), "{reason}");
    server.kill();
    server.start_again();
    let rest = server.rest();
    hook.wait_for_state(&rest, "paused");
    assert_eq!(receiver.count(), 1);
    rest.post(&format!("{}/resume", hook.path), &json!({}))
        .expect(200);
    assert_eq!(receiver.wait_for_well(2), topics(2));
    hook.wait_for_state(&rest, "idle");
}

#[test]
fn a_header_says_what_becomes_of_the_event() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let asked = AtomicUsize::new(0);
    receiver.answers(move |request| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let wish = |status, action: &str| {
            Reaction::status(status)
                .with("photinus-nack", action)
                .with("photinus-nack-reason", "not for me")
        };
        match request.topic().as_str() {
            // Whatever the status is.
            "park" => wish(200, "park"),
            "skip" => wish(500, "skip"),
            "retry" if number == 2 => wish(400, "retry").with("photinus-nack-delay", "700ms"),
            "pause" if number == 4 => wish(500, "pause").with("photinus-nack-delay", "900ms"),
            _ => Reaction::status(204),
        }
    });
    let hook = Hook::to(
        &rest,
        "app",
        &receiver,
        json!({"retryPolicy": {"delays": ["24h"]}}),
    );
    publish(&rest, &["park", "skip", "retry", "pause", "t5"]);
    let paused = wait_for("it to be paused, or to be over", || {
        let status = hook.status(&rest);
        (status["state"] == "paused" || receiver.count() >= 7).then_some(status)
    });
    if paused["state"] == "paused" {
        assert_eq!(paused["reason"], "not for me");
    }
    hook.wait_for_state(&rest, "idle");
    let came: Vec<_> = (0..7).map(|_| receiver.receive()).collect();
    let topics: Vec<String> = came.iter().map(|request| request.topic()).collect();
    assert_eq!(
        topics,
        ["park", "skip", "retry", "retry", "pause", "pause", "t5"]
    );
    assert!(came[3].at - came[2].at >= Duration::from_millis(690));
    assert!(came[5].at - came[4].at >= Duration::from_millis(890));
    let parked = hook.parked(&rest);
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (&parked[0]["attempts"], &parked[0]["reason"]),
        (&json!(1), &json!("not for me")),
        "{parked:?}"
    );
    // What is parked comes again when it is asked for, and is taken then.
    receiver.answers(|_| Reaction::status(204));
    rest.post(
        &format!("{}/parked/replay", hook.path),
        &json!({"all": true}),
    )
    .expect(200);
    assert_eq!(receiver.receive().topic(), "park");
    wait_until("nothing to be parked", || hook.parked(&rest).is_empty());
}
