//! What happens to an event that an application cannot use now?

use photinus_e2e::{Server, Socket};
use serde_json::{Value, json};

#[test]
fn a_nack_with_retry_delivers_from_there_again_in_order_and_counts() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 2}));
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let first_pass = ["t1", "t2", "t3"].map(|topic| socket.receive_topic(topic));
    nack(&mut socket, &first_pass[0], "retry");
    // Each delivery is answered, also those that the nack has voided.
    socket.ack(&first_pass[1]);
    socket.ack(&first_pass[2]);

    for (topic, attempt) in [("t1", 2), ("t2", 1), ("t3", 1)] {
        let event = socket.receive_topic(topic);
        assert_eq!(attempt_of(&event), attempt, "{event}");
        socket.ack(&event);
    }
    rest.broadcast("t4", "t");
    socket.receive_and_ack(["t4"]);
}

#[test]
fn a_skipped_event_is_not_delivered_again_and_holds_up_nothing() {
    settled_by("skip");
}

#[test]
fn a_parked_event_is_not_delivered_again_and_holds_up_nothing() {
    settled_by("park");
}

fn settled_by(action: &str) {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 1}));
    for topic in ["t1", "t2", "t3", "t4"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let bad = socket.receive_topic("t1");
    let good = socket.receive_topic("t2");
    nack(&mut socket, &bad, action);
    socket.ack(&good);
    socket.receive_and_ack(["t3"]);
    // With two in flight, the fourth comes only when the second was settled, which was after the nack.
    socket.receive_topic("t4");

    server.stop(photinus_e2e::StopSignal::Term);
    server.start_again();
    let mut socket = server.socket("/ws");
    socket.start("app");
    let next = socket.receive();
    assert!(
        next["topic"] == "t3" || next["topic"] == "t4",
        "after {action}, the restart went back to {next}"
    );
}

#[test]
fn nacks_that_make_no_sense_end_the_connection_with_an_error() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    for (what, frame) in [
        (
            "an unknown event",
            json!({"type": "nack", "id": unknown_id(), "action": "retry"}),
        ),
        (
            "an unknown action",
            json!({"type": "nack", "action": "explode"}),
        ),
    ] {
        let mut socket = server.socket("/ws");
        socket.start("app");
        let event = socket.receive_topic("t1");
        let mut frame = frame;
        if frame.get("id").is_none() {
            frame["id"] = event["id"].clone();
        }
        socket.send(frame);
        let error = socket.receive_error_and_end();
        assert!(error.starts_with("FF10176: "), "{what}: {error}");
    }
    // Nothing of that settled the event.
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(["t1"]);
}

fn nack(socket: &mut Socket, event: &Value, action: &str) {
    assert!(socket.send(json!({"type": "nack", "id": event["id"], "action": action})));
}

/// The first attempt need not be written.
fn attempt_of(event: &Value) -> u64 {
    event
        .get("attempt")
        .map_or(1, |attempt| attempt.as_u64().unwrap())
}

fn unknown_id() -> &'static str {
    "00000000-0000-4000-8000-000000000000"
}
