//! Do batch subscriptions deliver, settle and repeat whole batches?

use photinus_e2e::Server;
use serde_json::{Value, json};

#[test]
fn batches_fill_to_the_read_ahead_and_are_settled_by_their_id() {
    let server = Server::start();
    let rest = server.rest();
    let options = json!({"batch": true, "readAhead": 5, "batchTimeout": "50ms"});
    let created = rest.subscribe("app", json!({}), options);
    assert_eq!(created["options"]["batchTimeout"], "50ms", "{created}");
    for number in 1..=12 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    for expected in [
        ["t1", "t2", "t3", "t4", "t5"],
        ["t6", "t7", "t8", "t9", "t10"],
    ] {
        let batch = socket.receive();
        assert_eq!(batch["type"], "event_batch", "{batch}");
        assert_eq!(batch["subscription"]["id"], created["id"], "{batch}");
        assert_eq!(topics(&batch), expected);
        for event in batch["events"].as_array().unwrap() {
            assert_eq!(event["subscription"]["name"], "app", "{event}");
            assert_eq!(event["message"]["header"]["tag"], "t", "{event}");
        }
        socket.ack(&batch);
    }
    // Not full, so the timeout sends it.
    let batch = socket.receive();
    assert_eq!(topics(&batch), ["t11", "t12"]);
    socket.ack(&batch);
    rest.broadcast("t13", "t");
    assert_eq!(topics(&socket.receive()), ["t13"]);
}

#[test]
fn an_unanswered_batch_comes_again_under_another_id() {
    let server = Server::start();
    let rest = server.rest();
    let options = json!({"batch": true, "readAhead": 3, "batchTimeout": "10ms"});
    rest.subscribe("app", json!({}), options);
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let first = socket.receive();
    drop(socket);
    let mut socket = server.socket("/ws");
    socket.start("app");
    let second = socket.receive();
    assert_eq!(topics(&first), ["t1", "t2", "t3"]);
    assert_eq!(topics(&second), ["t1", "t2", "t3"]);
    assert_ne!(first["id"], second["id"]);
    socket.ack(&second);
    rest.broadcast("t4", "t");
    assert_eq!(topics(&socket.receive()), ["t4"]);
}

#[test]
fn a_batch_cannot_be_settled_by_the_id_of_one_of_its_events() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"batch": true, "readAhead": 2}));
    rest.broadcast("t1", "t");
    rest.broadcast("t2", "t");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let batch = socket.receive();
    socket.ack(&batch["events"][0]);
    let error = socket.receive_error_and_end();
    assert!(
        error.starts_with("FF10176: ") && error.contains("FF10175"),
        "{error}"
    );
}

#[test]
fn an_ephemeral_batch_subscription_works_without_acknowledgements() {
    let server = Server::start();
    let rest = server.rest();
    for number in 1..=4 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let mut socket = server.socket("/ws");
    socket.send(json!({
        "type": "start", "namespace": "default", "ephemeral": true, "autoack": true,
        "options": {"firstEvent": "oldest", "readAhead": 2, "batch": true, "batchTimeout": "100ms"},
    }));
    assert_eq!(topics(&socket.receive()), ["t1", "t2"]);
    assert_eq!(topics(&socket.receive()), ["t3", "t4"]);
}

fn topics(batch: &Value) -> Vec<&str> {
    let events = batch["events"]
        .as_array()
        .unwrap_or_else(|| panic!("no batch: {batch}"));
    events
        .iter()
        .map(|event| event["topic"].as_str().unwrap())
        .collect()
}
