//! Is a receiver that fails left alone, and what does that mean for whoever sends there?

use std::time::Duration;

use photinus_e2e::{Reaction, Receiver, wait_until};
use serde_json::{Value, json};

use super::{Hook, publish, shown, start, start_with, topics};

/// What is left alone stays so for the rest of the test.
const FOR_GOOD: &str = "breaker_failures = 3\nbreaker_delay = \"24h\"\nbreaker_delay_max = \"24h\"";

const LEFT_ALONE: &str = "the receiver is left alone";

/// Tried again soon, and as often as it takes.
fn impatient() -> Value {
    json!({"retryPolicy": {"delays": ["1ms"]}})
}

#[test]
fn a_dead_receiver_is_down_and_comes_back_by_a_probe() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    receiver.stop();
    let hook = Hook::to(&rest, "app", &receiver, impatient());
    publish(&rest, &topics(3));
    let reason = hook.wait_for_reason(&rest, LEFT_ALONE);
    assert!(reason.contains("no connection"), "{reason}");
    wait_until("an operator to see it", || {
        let shown = shown(&rest, &receiver);
        let reason = shown["reason"].as_str().unwrap_or_default();
        shown["state"] == "open"
            && shown["subscriptions"] == json!([hook.created["id"]])
            && reason.contains("no connection")
    });
    receiver.start_again();
    assert_eq!(receiver.wait_for_well(3), topics(3));
    hook.wait_for_state(&rest, "idle");
    assert_eq!(receiver.well(), topics(3));
    let shown = shown(&rest, &receiver);
    assert_eq!(
        (&shown["state"], shown.get("reason")),
        (&json!("closed"), None)
    );
}

#[test]
fn nothing_but_probes_is_asked_and_counted_while_a_receiver_is_left_alone() {
    const WAIT: Duration = Duration::from_millis(500);
    let wait = format!("\"{WAIT:?}\"");
    let server = start_with(&format!(
        "breaker_failures = 2\nbreaker_delay = {wait}\nbreaker_delay_max = {wait}"
    ));
    let rest = server.rest();
    let receiver = Receiver::start();
    receiver.answers(|_| Reaction::status(500));
    let policy = json!({"delays": ["1ms"], "maxAttempts": 5, "then": "park"});
    let options = json!({"retryPolicy": policy, "readAhead": 10});
    let hook = Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &["t1", "t2"]);
    let parked = hook.wait_for_parked(&rest, 2);
    assert_eq!(
        (&parked[0]["attempts"], &parked[1]["attempts"]),
        (&json!(5), &json!(5))
    );
    let requests = receiver.requests();
    let topics: Vec<String> = requests.iter().map(|request| request.topic()).collect();
    assert_eq!(topics, [["t1"; 5], ["t2"; 5]].concat());
    for pair in requests[1..].windows(2) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= WAIT - Duration::from_millis(10), "{waited:?}");
    }
}

#[test]
fn subscriptions_of_one_receiver_share_what_is_known_of_it() {
    let server = start_with(FOR_GOOD);
    let rest = server.rest();
    let receiver = Receiver::start();
    receiver.answers(|request| match request.header("who") {
        Some("b") => Reaction::status(204),
        _ => Reaction::status(500),
    });
    let a = Hook::to(&rest, "a", &receiver, impatient());
    publish(&rest, &["t1"]);
    a.wait_for_reason(&rest, LEFT_ALONE);
    assert_eq!(receiver.count(), 3);
    // It would be answered well, and is not even asked.
    let mut options = impatient();
    options["headers"] = json!({"who": "b"});
    options["query"] = json!({"another": "query"});
    let b = Hook::to(&rest, "b", &receiver, options.clone());
    let reason = b.wait_for_reason(&rest, LEFT_ALONE);
    assert!(reason.contains("it answered 500"), "{reason}");
    assert_eq!(b.status(&rest)["state"], "waiting");
    assert_eq!(receiver.count(), 3);
    let mut ids = [&a, &b].map(|hook| hook.created["id"].as_str().unwrap());
    ids.sort_unstable();
    let all = shown(&rest, &receiver);
    let mut known: Vec<&str> = all["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    known.sort_unstable();
    assert_eq!(known, ids);
    // Another place of the same host is another receiver.
    options["url"] = receiver.url("/other").into();
    let c = Hook::at(&rest, "c", &receiver.url("/other"), options);
    assert_eq!(receiver.wait_for_well(1), ["t1"]);
    c.wait_for_state(&rest, "idle");
}

#[test]
fn a_change_to_another_url_delivers_at_once() {
    let server = start_with(FOR_GOOD);
    let rest = server.rest();
    let mut dead = Receiver::start();
    dead.stop();
    let hook = Hook::to(&rest, "app", &dead, impatient());
    publish(&rest, &topics(3));
    hook.wait_for_reason(&rest, LEFT_ALONE);
    let receiver = Receiver::start();
    let mut options = impatient();
    options["url"] = receiver.url("/").into();
    let body = json!({"name": "app", "transport": "webhooks", "options": options});
    rest.put("/api/v1/subscriptions", &body).expect(200);
    assert_eq!(receiver.wait_for_well(3), topics(3));
    hook.wait_for_state(&rest, "idle");
    // Nobody sends there any more.
    assert_eq!(shown(&rest, &dead), Value::Null);
    assert_eq!(shown(&rest, &receiver)["state"], "closed");
}

#[test]
fn what_is_deleted_while_its_receiver_is_down_leaves_nothing_behind() {
    let server = start_with("breaker_failures = 2\nbreaker_delay = \"300ms\"");
    let rest = server.rest();
    let mut receiver = Receiver::start();
    receiver.stop();
    let path = |hook: &Hook| hook.path.clone();
    let deleted = Hook::to(&rest, "deleted", &receiver, impatient());
    publish(&rest, &["t1"]);
    deleted.wait_for_reason(&rest, LEFT_ALONE);
    assert_eq!(rest.delete(&path(&deleted)).status, 204);
    assert_eq!(rest.get(&path(&deleted)).status, 404);
    // Another one of the same name begins where it is told to.
    let mut options = impatient();
    options["firstEvent"] = "newest".into();
    options["headers"] = json!({"who": "new"});
    let new = Hook::to(&rest, "deleted", &receiver, options);
    assert_ne!(new.created["id"], deleted.created["id"]);
    publish(&rest, &["t2"]);
    new.wait_for_reason(&rest, LEFT_ALONE);
    receiver.start_again();
    assert_eq!(receiver.wait_for_well(1), ["t2"]);
    new.wait_for_state(&rest, "idle");
    let requests = receiver.requests();
    assert!(requests.iter().all(|it| it.header("who") == Some("new")));
}
