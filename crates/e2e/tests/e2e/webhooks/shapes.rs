//! Does an event look as its subscription says, and does order by key let others go by?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use photinus_e2e::{PATIENCE, Reaction, Receiver};
use serde_json::{Value, json};

use super::{Hook, SOON, publish, start, start_with};

#[test]
fn an_event_is_a_cloud_event_where_that_is_asked_for() {
    let server = start();
    let rest = server.rest();
    let mut hooks = ["structured", "binary"].map(|mode| {
        let receiver = Receiver::start();
        let options = json!({"cloudEvents": mode, "signing": false});
        Hook::to(&rest, mode, &receiver, options);
        receiver
    });
    let message = rest.broadcast("orders", "order.created");
    let foreign = json!({
        "specversion": "1.0", "id": "17", "source": "/shop", "type": "order.paid",
        "subject": "orders", "trace": "a 100% \u{20ac}", "data": {"total": 3},
    });
    let body = foreign.to_string();
    let kind = Some("application/cloudevents+json");
    let sent = rest.send("POST", "/api/v1/cloudevents", kind, Some(body.as_bytes()));
    sent.unwrap().expect(202);

    let [structured, binary] = &mut hooks;
    let ours = structured.receive();
    assert_eq!(ours.header("content-type"), kind);
    assert_eq!(ours.header("webhook-signature"), None);
    let ours = ours.json();
    let mut expected = json!({
        "specversion": "1.0", "id": ours["id"], "source": "/namespaces/default",
        "type": "order.created", "subject": "orders", "time": ours["time"],
        "datacontenttype": "application/json", "data": {"topic": "orders"},
    });
    assert_eq!(ours, expected);
    let events = rest.get("/api/v1/events").expect(200);
    let mut events = events.as_array().unwrap().iter();
    let event = events
        .find(|event| event["reference"] == message["header"]["id"])
        .unwrap();
    assert_eq!(ours["id"], event["id"]);
    expected = foreign;
    expected["datacontenttype"] = "application/json".into();
    assert_eq!(structured.receive().json(), expected);

    let first = binary.receive();
    assert_eq!(first.json(), json!({"topic": "orders"}));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("ce-id"), ours["id"].as_str());
    assert_eq!(first.header("ce-type"), Some("order.created"));
    assert_eq!(first.header("ce-source"), Some("/namespaces/default"));
    let second = binary.receive();
    assert_eq!(second.json(), json!({"total": 3}));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "17"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("ce-subject", "orders"),
        ("ce-trace", "a%20100%25%20%E2%82%AC"),
    ] {
        assert_eq!(second.header(name), Some(value), "{name}");
    }
}

#[test]
fn a_batch_of_cloud_events_is_a_list() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let options =
        json!({"cloudEvents": "structured", "batch": true, "readAhead": 2, "batchTimeout": "60s"});
    Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &["t1", "t2"]);
    let request = receiver.receive();
    assert_eq!(
        request.header("content-type"),
        Some("application/cloudevents-batch+json")
    );
    let events = request.json();
    let subjects: Vec<&Value> = (0..2).map(|number| &events[number]["subject"]).collect();
    assert_eq!(subjects, ["t1", "t2"]);
}

#[test]
fn options_and_data_make_the_request() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let options = json!({
        "method": "PUT",
        "headers": {"x-plain": "shown"},
        "secretHeaders": {"authorization": "Bearer hush"},
        "query": {"a": "1", "b": "2"},
        "input": {"query": "q", "headers": "h", "body": "b", "path": "p"},
    });
    let hook = Hook::at(&rest, "app", &receiver.url("/base?z=0"), options);
    assert!(!hook.created.to_string().contains("hush"));
    assert!(!rest.get(&hook.path).text().contains("hush"));
    let value =
        json!({"q": {"b": 3}, "h": {"x-more": true}, "b": {"n": 1}, "p": "../x/%2e%2e/y z"});
    let message = json!({"data": [{"value": value}]});
    rest.post("/api/v1/messages/broadcast", &message)
        .expect(202);
    let request = receiver.receive();
    assert_eq!(
        request.line,
        "PUT /base/x/%252e%252e/y%20z?z=0&a=1&b=3 HTTP/1.1"
    );
    for (name, value) in [
        ("x-plain", "shown"),
        ("x-more", "true"),
        ("authorization", "Bearer hush"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.json(), json!({"n": 1}));
}

/// How many keys there are, and events of each.
const KEYS: usize = 8;
const EACH: usize = 10;

/// Who is being served.
#[derive(Default)]
struct Side {
    /// Keys with a request under way.
    now: BTreeSet<String>,
    /// How many there were at once, at most.
    most: usize,
}

#[test]
fn events_of_several_keys_go_side_by_side_and_in_order_for_each() {
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    let side = Arc::new((Mutex::new(Side::default()), Condvar::new()));
    let serving = side.clone();
    let failing = ["k0-0", "k0-3", "k0-4"].map(str::to_owned);
    let failing = Mutex::new(BTreeSet::from(failing));
    receiver.answers(move |request| {
        let (side, changed) = &*serving;
        let topic = request.topic();
        let (key, _) = topic.split_once('-').expect("a key and a number");
        let key = key.to_owned();
        let mut now = side.lock().unwrap();
        assert!(now.now.insert(key.clone()), "two of the key {key} at once");
        now.most = now.most.max(now.now.len());
        changed.notify_all();
        // The first of each key wait for one another.
        let now = changed.wait_timeout_while(now, PATIENCE, |now| now.most < KEYS);
        let (mut now, _) = now.unwrap();
        now.now.remove(&key);
        drop(now);
        // What fails holds up no other key.
        match failing.lock().unwrap().remove(&topic) {
            true => Reaction::status(500),
            false => Reaction::status(204).after(Duration::from_millis(5)),
        }
    });
    let options =
        json!({"orderingKey": "data.key", "readAhead": KEYS, "retryPolicy": {"delays": ["50ms"]}});
    let hook = Hook::to(&rest, "app", &receiver, options);
    for number in 0..EACH {
        for key in 0..KEYS {
            let topic = format!("k{key}-{number}");
            let value = json!({"topic": topic, "key": format!("k{key}")});
            let message = json!({"header": {"topics": [topic]}, "data": [{"value": value}]});
            rest.post("/api/v1/messages/broadcast", &message)
                .expect(202);
        }
    }
    let well = receiver.wait_for_well(KEYS * EACH);
    hook.wait_for_state(&rest, "idle");
    assert_eq!(receiver.well().len(), KEYS * EACH);
    assert_eq!(side.0.lock().unwrap().most, KEYS);
    let mut of_keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for topic in &well {
        let (key, number) = topic.split_once('-').unwrap();
        of_keys.entry(key).or_default().push(number);
    }
    for (key, numbers) in of_keys {
        let expected: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected, "{key}");
    }
}
