//! Does a start frame, written by hand, do what FireFly's does?

use photinus_e2e::{FrameBytes, Heard, RawSocket, Rest, Server, opcode, wait_until};
use serde_json::{Value, json};

const PINNED: &str = "/api/v1/namespaces/default/ws";

/// The connections that are listed.
fn connections(rest: &Rest) -> Vec<Value> {
    let status = rest.get("/api/v1/websockets").expect(200);
    status["connections"].as_array().unwrap().clone()
}

#[test]
fn a_start_is_understood_in_any_letters_and_before_its_subscription_exists() {
    let server = Server::start();
    let rest = server.rest();
    let mut sockets: Vec<RawSocket> = ["start", "START", "Start"]
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let mut socket = RawSocket::open(server.address(), PINNED);
            // On this path the namespace is filled in.
            socket.send(&json!({"type": kind, "name": format!("app{number}"), "unknown": [1]}));
            assert_eq!(socket.settle(), Vec::<Value>::new());
            socket
        })
        .collect();
    // Unknown names are listed, and are no error.
    assert_eq!(connections(&rest).len(), 3);
    rest.broadcast("t1", "t");
    for (number, socket) in sockets.iter_mut().enumerate() {
        let created = rest.subscribe(&format!("app{number}"), json!({}), json!({}));
        let event = socket.receive_topic("t1");
        assert_eq!(event["subscription"]["id"], created["id"]);
        socket.ack(&event);
        rest.broadcast(&format!("only-{number}"), "t");
    }
}

#[test]
fn starts_of_several_kinds_and_namespaces_share_a_connection() {
    let server = Server::start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let durable = rest.subscribe("app", json!({}), json!({}));
    let body = json!({"name": "app", "options": {"firstEvent": "oldest"}});
    let namesake = rest
        .post("/api/v1/namespaces/other/subscriptions", &body)
        .expect(201);

    let mut socket = RawSocket::open(server.address(), "/ws");
    let ephemeral = |name: &str| {
        json!({
            "type": "start", "namespace": "default", "ephemeral": true, "name": name,
            "filter": {"topic": "^t1$"}, "options": {"firstEvent": "oldest"},
        })
    };
    socket.start("app");
    // The same name twice is one stream.
    socket.start("app");
    socket.send(&json!({"type": "start", "namespace": "other", "name": "app"}));
    socket.send(&ephemeral(""));
    // Ephemeral wins over a name, which is only shown.
    socket.send(&ephemeral("app"));
    socket.settle();
    rest.broadcast("t1", "t");
    let events: Vec<Value> = (0..3).map(|_| socket.receive_topic("t1")).collect();
    let body = json!({"header": {"topics": ["of-the-other"]}, "data": [{"value": 1}]});
    rest.post("/api/v1/namespaces/other/messages/broadcast", &body)
        .expect(202);
    let other = socket.receive_topic("of-the-other");
    assert_eq!(other["subscription"]["id"], namesake["id"]);
    assert_eq!(other["subscription"]["namespace"], "other");

    let subscriptions: std::collections::BTreeSet<&str> = events
        .iter()
        .map(|event| event["subscription"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(subscriptions.len(), 3, "each its own: {events:?}");
    assert!(subscriptions.contains(durable["id"].as_str().unwrap()));
    for event in &events {
        assert_eq!(event["id"], events[0]["id"]);
        if event["subscription"]["id"] != durable["id"] {
            assert_eq!(event["subscription"]["name"], event["subscription"]["id"]);
        }
    }
    // An ack is for its own stream only.
    for event in events.iter().chain([&other]) {
        socket.ack(event);
    }
    rest.broadcast("t2", "t");
    let event = socket.receive_topic("t2");
    assert_eq!(event["subscription"]["id"], durable["id"]);
    let starts = connections(&rest)[0]["subscriptions"].clone();
    assert_eq!(starts.as_array().unwrap().len(), 5);
    assert_eq!(starts[4]["name"], "app");
    assert_eq!(starts[4]["ephemeral"], true);
    assert!(starts[3].get("name").is_none(), "{starts}");
    // With several started, the id of an event alone says too little.
    socket.send(&json!({"type": "ack", "id": event["id"]}));
    assert!(socket.receive_error_and_end(1008).contains("FF10175: "));
}

#[test]
fn however_a_connection_ends_the_next_in_line_gets_all_that_was_unanswered_in_order() {
    type End = fn(RawSocket);
    let ends: [(&str, End); 6] = [
        ("a close frame", |socket| socket.close()),
        ("the end of TCP", |mut socket| {
            socket.finish_sending();
            while !matches!(socket.hear(), Heard::End | Heard::Reset) {}
        }),
        ("a reset", RawSocket::reset),
        ("a violation", |mut socket| {
            socket.write(&FrameBytes::new(opcode::PING, "x").unmasked().bytes());
            while !matches!(socket.hear(), Heard::End | Heard::Reset) {}
        }),
        ("an error", |mut socket| {
            socket.send_text("{}");
            while !matches!(socket.hear(), Heard::End | Heard::Reset) {}
        }),
        ("a close within a message", |mut socket| {
            socket.write(&FrameBytes::text("{").unfinished().bytes());
            socket.close();
        }),
    ];
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 3}));
    // All wait in one line, and the first is served.
    let mut line: Vec<RawSocket> = Vec::new();
    for _ in 0..=ends.len() {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start("app");
        socket.settle();
        line.push(socket);
    }
    let mut sent = 0;
    let mut line = line.into_iter();
    let mut first = line.next().unwrap();
    let mut settled = 0;
    for ((what, end), mut next) in ends.into_iter().zip(line) {
        while sent < settled + 4 {
            sent += 1;
            rest.broadcast(&format!("t{sent}"), "t");
        }
        let events: Vec<Value> = (settled + 1..=settled + 4)
            .map(|number| first.receive_topic(&format!("t{number}")))
            .collect();
        // The first is settled. What is above a gap is not, and comes again.
        first.ack(&events[0]);
        first.ack(&events[2]);
        first.settle();
        // Whoever waits hears nothing.
        assert_eq!(next.settle(), Vec::<Value>::new(), "{what}");
        end(first);
        settled += 1;
        let again = next.receive_topic(&format!("t{}", settled + 1));
        assert_eq!(
            again["attempt"], 1,
            "{what}: a lost connection is no failure"
        );
        assert_ne!(again["delivery"], events[1]["delivery"], "{what}");
        // It is acknowledged, so that the next round begins behind it.
        next.ack(&again);
        settled += 1;
        next.receive_topic(&format!("t{}", settled + 1));
        next.receive_topic(&format!("t{}", settled + 2));
        // Begin the next round with a clean window.
        next.send_text(r#"{"type":"ack"}"#);
        next.send_text(r#"{"type":"ack"}"#);
        settled += 2;
        next.settle();
        first = next;
    }
    wait_until("the others to be gone", || connections(&rest).len() == 1);
    sent += 1;
    rest.broadcast(&format!("t{sent}"), "t");
    first.receive_and_ack([&*format!("t{sent}")]);
}
