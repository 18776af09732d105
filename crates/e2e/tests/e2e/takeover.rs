//! Who gets the events when connections come, go, and share a name?

use photinus_e2e::{Frame, Server, wait_until};
use serde_json::json;

#[test]
fn a_second_connection_of_one_name_waits_and_takes_over_what_was_not_acknowledged() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 1}));
    let mut first = server.socket("/ws");
    first.start("app");
    rest.broadcast("t1", "t");
    rest.broadcast("t2", "t");
    let event = first.receive_topic("t1");
    first.receive_topic("t2");

    let mut second = server.socket("/ws");
    second.start("app");
    wait_until("both starts to be listed", || {
        let status = rest.get("/api/v1/websockets").expect(200);
        let starts = status["connections"].as_array().unwrap().iter();
        starts
            .filter(|connection| connection["subscriptions"][0]["name"] == "app")
            .count()
            == 2
    });
    // The first is still served: the acknowledgement makes room for one more.
    first.ack(&event);
    rest.broadcast("t3", "t");
    first.receive_topic("t3");

    drop(first);
    for topic in ["t2", "t3"] {
        let event = second.receive_topic(topic);
        assert_ne!(
            event["attempt"], 2,
            "a lost connection is no failure: {event}"
        );
        second.ack(&event);
    }
    rest.broadcast("t4", "t");
    second.receive_and_ack(["t4"]);
}

#[test]
fn what_a_connection_left_unanswered_comes_again_on_the_next() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 9}));
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_topic("t1");
    let event = socket.receive_topic("t2");
    socket.receive_topic("t3");
    // Above a gap, so it is provisional: order is kept by delivering all three again.
    socket.ack(&event);
    drop(socket);

    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(["t1", "t2", "t3"]);
    rest.broadcast("t4", "t");
    socket.receive_and_ack(["t4"]);
}

#[test]
fn a_start_may_come_before_its_subscription_exists() {
    let server = Server::start();
    let rest = server.rest();
    let mut socket = server.socket("/ws");
    socket.start("later");
    wait_until("the start to be listed", || {
        let status = rest.get("/api/v1/websockets").expect(200);
        status["connections"][0]["subscriptions"][0]["name"] == "later"
    });
    rest.broadcast("t1", "t");
    rest.subscribe("later", json!({}), json!({}));
    socket.receive_and_ack(["t1"]);
}

#[test]
fn a_deleted_subscription_falls_silent_and_its_successor_is_picked_up() {
    let server = Server::start();
    let rest = server.rest();
    let first = rest.subscribe("app", json!({}), json!({}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    rest.broadcast("t1", "t");
    socket.receive_and_ack(["t1"]);
    let path = format!("/api/v1/subscriptions/{}", first["id"].as_str().unwrap());
    assert_eq!(rest.delete(&path).status, 204);
    rest.broadcast("t2", "t");

    let second = rest.subscribe("app", json!({"topic": "^t3$"}), json!({}));
    assert_ne!(second["id"], first["id"]);
    rest.broadcast("t3", "t");
    // Had the deleted one lived on, t2 would have come first.
    let event = socket.receive_topic("t3");
    assert_eq!(event["subscription"]["id"], second["id"]);
}

#[test]
fn a_changed_subscription_repeats_what_is_in_flight_and_keeps_its_place() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest.subscribe("app", json!({}), json!({"readAhead": 9}));
    for (topic, tag) in [("t1", "old"), ("t2", "old"), ("t3", "new")] {
        rest.broadcast(topic, tag);
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let voided: Vec<_> = ["t1", "t2", "t3"]
        .into_iter()
        .map(|topic| socket.receive_topic(topic))
        .collect();

    let changed = json!({
        "name": "app",
        "filter": {"message": {"tag": "^new$"}},
        "options": {"firstEvent": "newest", "readAhead": 9},
    });
    let changed = rest.put("/api/v1/subscriptions", &changed).expect(200);
    assert_eq!(changed["id"], created["id"]);
    assert_eq!(
        changed["options"]["firstEvent"],
        created["options"]["firstEvent"]
    );
    let again = socket.receive_topic("t3");

    // Late answers are normal, and cost the connection nothing.
    for event in &voided {
        socket.ack(event);
    }
    socket.ack(&again);
    rest.broadcast("t4", "old");
    rest.broadcast("t5", "new");
    socket.receive_and_ack(["t5"]);
}

#[test]
fn one_connection_receives_events_of_several_starts() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.send(json!({
        "type": "start", "namespace": "default", "ephemeral": true,
        "filter": {"topic": "^t1$"}, "options": {"firstEvent": "oldest"},
    }));
    rest.broadcast("t1", "t");
    let events = [socket.receive_topic("t1"), socket.receive_topic("t1")];
    assert_eq!(events[0]["id"], events[1]["id"]);
    assert_ne!(
        events[0]["subscription"]["id"],
        events[1]["subscription"]["id"]
    );
    for event in &events {
        assert!(socket.ack(event));
    }
    rest.broadcast("t2", "t");
    let event = socket.receive_topic("t2");
    assert_eq!(event["subscription"]["name"], "app");
}

#[test]
fn a_ping_is_answered_with_its_payload_while_events_flow() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.ping(b"ping");
    assert_eq!(socket.next_frame(), Frame::Pong(b"ping".to_vec()));
    rest.broadcast("t1", "t");
    let event = socket.receive_topic("t1");
    socket.ping(b"");
    assert_eq!(socket.next_frame(), Frame::Pong(Vec::new()));
    socket.ack(&event);
    rest.broadcast("t2", "t");
    socket.receive_and_ack(["t2"]);
}
