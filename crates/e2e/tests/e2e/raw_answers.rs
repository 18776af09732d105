//! Which acknowledgements settle what, and which are an error?

use photinus_e2e::{Heard, RawSocket, Rest, Server};
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A server with a subscription `app` and two events, of which one is in flight at a time.
struct World {
    server: Server,
    rest: Rest,
    id: Value,
    sent: usize,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let rest = server.rest();
        let id = rest.subscribe("app", json!({}), json!({}))["id"].clone();
        let mut world = Self {
            server,
            rest,
            id,
            sent: 0,
        };
        world.publish();
        world.publish();
        world
    }

    fn publish(&mut self) {
        self.rest.broadcast(&format!("t{}", self.sent), "t");
        self.sent += 1;
    }

    fn open(&self, path: &str) -> RawSocket {
        RawSocket::open(self.server.address(), path)
    }

    /// A connection of `app`, with the event that is in flight there.
    fn in_flight(&self) -> (RawSocket, Value) {
        let mut socket = self.open("/ws");
        socket.start("app");
        let event = socket.receive();
        (socket, event)
    }
}

#[track_caller]
fn refused(socket: &mut RawSocket, code: &str) {
    // What was on its way may come first.
    let error = loop {
        match socket.hear() {
            Heard::Json(frame) if frame["type"] == "protocol_error" => {
                break frame["error"].as_str().unwrap().to_owned();
            }
            Heard::Json(_) => {}
            other => panic!("expected {code}, not {other:?}"),
        }
    };
    let expected = format!("FF10176: Invalid data: {code}: ");
    assert!(error.starts_with(&expected), "expected {code}, not {error}");
    socket.expect_end(1008);
}

#[test]
fn an_event_is_settled_by_its_id_and_any_one_name_of_its_subscription() {
    let mut world = World::new();
    let (mut socket, mut event) = world.in_flight();
    let id = world.id.clone();
    for (kind, subscription) in [
        ("ack", None),
        ("ack", Some(json!(null))),
        ("ACK", Some(json!({"id": id}))),
        ("Ack", Some(json!({"id": id, "namespace": "", "name": ""}))),
        (
            "ack",
            Some(json!({"id": id, "namespace": "nowhere", "name": "other"})),
        ),
        ("ack", Some(json!({"namespace": "default", "name": "app"}))),
        (
            "ack",
            Some(json!({"id": null, "namespace": "default", "name": "app"})),
        ),
        (
            "ack",
            Some(json!({"id": UNKNOWN, "namespace": "default", "name": "app"})),
        ),
        ("ack", Some(json!({"id": id, "unknown": {"a": 1}}))),
    ] {
        let mut ack = json!({"type": kind, "id": event["id"], "more": [1, 2]});
        if let Some(subscription) = subscription {
            ack["subscription"] = subscription;
        }
        world.publish();
        socket.send(&ack);
        let next = socket.receive();
        assert_ne!(next["id"], event["id"], "{ack}");
        event = next;
    }
    // In any form of a UUID.
    let forms: [fn(&str) -> String; 4] = [
        |id| id.to_uppercase(),
        |id| format!("urn:uuid:{id}"),
        |id| format!("{{{id}}}"),
        |id| id.replace('-', ""),
    ];
    for form in forms {
        world.publish();
        let form = form(event["id"].as_str().unwrap());
        socket.send(&json!({"type": "ack", "id": form}));
        let next = socket.receive();
        assert_ne!(next["id"], event["id"], "{form}");
        event = next;
    }
    // By its delivery, and without any name.
    for ack in [
        json!({"type": "ack", "delivery": event["delivery"]}),
        json!({"type": "ack"}),
    ] {
        world.publish();
        socket.send(&ack);
        let next = socket.receive();
        assert_ne!(next["id"], event["id"], "{ack}");
        event = next;
    }
}

#[test]
fn an_ack_that_fits_nothing_in_flight_is_an_error_and_settles_nothing() {
    let world = World::new();
    let id = world.id.clone();
    let (socket, event) = world.in_flight();
    socket.close();
    for frame in [
        json!({"type": "ack", "id": event["id"], "subscription": {}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"id": null, "name": ""}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"id": UNKNOWN}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"namespace": "default", "name": "other"}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"namespace": "other", "name": "app"}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"namespace": "", "name": "app"}}),
        json!({"type": "ack", "id": event["id"], "subscription": {"name": "app"}}),
        json!({"type": "ack", "id": UNKNOWN}),
        json!({"type": "ack", "id": UNKNOWN, "subscription": {"id": id}}),
        json!({"type": "ack", "id": event["reference"]}),
        json!({"type": "ack", "id": id}),
        json!({"type": "ack", "delivery": "1-999999"}),
        json!({"type": "ack", "delivery": "999999-1"}),
        json!({"type": "ack", "delivery": "first"}),
        json!({"type": "ack", "id": UNKNOWN, "delivery": event["delivery"]}),
    ] {
        let (mut socket, again) = world.in_flight();
        assert_eq!(again["id"], event["id"], "settled before {frame}");
        socket.send(&frame);
        refused(&mut socket, "FF10175");
    }
    // On the path of a namespace, acks are not filled in either.
    let mut socket = world.open("/api/v1/namespaces/default/ws");
    socket.send(&json!({"type": "start", "name": "app"}));
    let event = socket.receive();
    socket.send(&json!({"type": "ack", "id": event["id"], "subscription": {"name": "app"}}));
    refused(&mut socket, "FF10175");
    // Twice is once too often, where no earlier connection has left the event unanswered.
    let world = World::new();
    let (mut socket, event) = world.in_flight();
    socket.ack(&event);
    socket.ack(&event);
    refused(&mut socket, "FF10175");
}

#[test]
fn without_anything_in_flight_every_ack_is_an_error() {
    let server = Server::start();
    server.rest().subscribe("app", json!({}), json!({}));
    let ack = json!({"type": "ack"});
    let by_id = json!({"type": "ack", "id": UNKNOWN});
    let start = json!({"type": "start", "namespace": "default", "name": "app"});
    for (frames, code) in [
        (vec![ack.clone()], "FF10175"),
        (vec![by_id.clone()], "FF10175"),
        (vec![start.clone(), ack.clone()], "FF10175"),
        (vec![start.clone(), by_id.clone()], "FF10175"),
        (vec![start.clone(), start.clone(), by_id.clone()], "FF10175"),
    ] {
        let mut socket = RawSocket::open(server.address(), "/ws");
        for frame in &frames {
            socket.send(frame);
        }
        refused(&mut socket, code);
    }
}

#[test]
fn without_a_subscription_exactly_one_start_must_have_been() {
    let world = World::new();
    let start = json!({"type": "start", "namespace": "default", "name": "app"});
    for second in [
        start.clone(),
        json!({"type": "start", "namespace": "default", "name": "unknown"}),
        json!({"type": "start", "namespace": "default", "ephemeral": true, "filter": {"topic": "^never$"}}),
    ] {
        let (mut socket, event) = world.in_flight();
        socket.send(&second);
        socket.send(&json!({"type": "ack", "id": event["id"]}));
        refused(&mut socket, "FF10175");
    }
    // Named, it is clear; and without an id it is the oldest, whatever was started.
    let world = World::new();
    let (mut socket, event) = world.in_flight();
    socket.send(&start);
    socket.ack(&event);
    socket.receive_topic("t1");
    socket.send(&json!({"type": "ack"}));
    socket.settle();
    socket.send(&json!({"type": "ack"}));
    refused(&mut socket, "FF10175");
}

#[test]
fn with_autoack_every_answer_is_an_error() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("batched", json!({}), json!({"batch": true, "readAhead": 2}));
    rest.broadcast("t0", "t");
    let open = |path: &str| RawSocket::open(server.address(), path);
    for kind in ["ack", "nack"] {
        for name in ["app", "batched"] {
            for first in ["", "/ws?namespace=default&autoack&name="] {
                let mut socket = match first {
                    "" => {
                        let mut socket = open("/ws");
                        socket.send(&json!({
                            "type": "start", "namespace": "default", "name": name, "autoack": true,
                        }));
                        socket
                    }
                    path => open(&format!("{path}{name}")),
                };
                socket.send(&json!({"type": kind, "id": UNKNOWN}));
                refused(&mut socket, "FF10180");
            }
        }
    }
    // Also the answers that would be right without it.
    for ephemeral in [json!({}), json!({"batch": true, "readAhead": 2})] {
        let mut options = ephemeral;
        options["firstEvent"] = "oldest".into();
        for forms in [&["id", "subscription"][..], &["id"], &["delivery"], &[]] {
            let mut socket = open("/ws");
            socket.send(&json!({
                "type": "start", "namespace": "default", "ephemeral": true, "autoack": true, "options": options,
            }));
            let delivery = socket.receive();
            let mut ack = json!({"type": "ack"});
            for form in forms {
                ack[form] = delivery[form].clone();
            }
            socket.send(&ack);
            refused(&mut socket, "FF10180");
        }
    }
}

#[test]
fn a_batch_is_settled_by_its_id_and_by_nothing_else() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"batch": true, "readAhead": 2}));
    for number in 0..6 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let open = || {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start("app");
        let batch = socket.receive();
        (socket, batch)
    };
    for wrong in [
        |batch: &Value| json!({"type": "ack", "id": batch["events"][0]["id"]}),
        |batch: &Value| json!({"type": "ack", "id": batch["events"][0]["id"], "subscription": batch["subscription"]}),
        |batch: &Value| json!({"type": "ack", "delivery": batch["events"][0]["delivery"]}),
        |batch: &Value| json!({"type": "ack", "id": batch["subscription"]["id"]}),
        // An ack without id means a single event.
        |_: &Value| json!({"type": "ack"}),
        |_: &Value| json!({"type": "ack", "subscription": {"namespace": "default", "name": "app"}}),
    ] {
        let (mut socket, batch) = open();
        assert_eq!(batch["events"][0]["topic"], "t0");
        socket.send(&wrong(&batch));
        refused(&mut socket, "FF10175");
    }
    // The subscription is not looked at, and neither is how many were started.
    let (mut socket, mut batch) = open();
    socket.start("app");
    for (number, subscription) in [None, Some(json!({})), Some(json!({"id": UNKNOWN}))]
        .into_iter()
        .enumerate()
    {
        let first = &batch["events"][0];
        assert_eq!(first["topic"], format!("t{}", number * 2));
        let mut ack = json!({"type": "ack", "id": batch["id"]});
        if let Some(subscription) = subscription {
            ack["subscription"] = subscription;
        }
        socket.send(&ack);
        if number < 2 {
            batch = socket.receive();
        }
    }
    // Twice is once too often.
    socket.send(&json!({"type": "ack", "id": batch["id"]}));
    refused(&mut socket, "FF10175");
}

#[test]
fn an_ack_without_id_takes_the_oldest_over_all_subscriptions_and_others_come_in_any_order() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("one", json!({"topic": "^a"}), json!({"readAhead": 2}));
    rest.subscribe("two", json!({"topic": "^b"}), json!({"readAhead": 2}));
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("one");
    socket.start("two");
    socket.settle();
    let mut in_flight = Vec::new();
    for topic in ["a1", "b1", "a2", "b2"] {
        rest.broadcast(topic, "t");
        in_flight.push(socket.receive_topic(topic));
    }
    // a1 and b1 by their age, then the others by their ids, the later one first.
    socket.send(&json!({"type": "ack"}));
    socket.send(&json!({"type": "ack"}));
    socket.ack(&in_flight[3]);
    socket.ack(&in_flight[2]);
    socket.settle();
    socket.close();
    // None of them is left.
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("one");
    socket.start("two");
    for topic in ["a3", "b3"] {
        rest.broadcast(topic, "t");
        socket.receive_topic(topic);
    }
}

#[test]
fn a_nack_that_makes_no_sense_is_an_error_and_settles_nothing() {
    let world = World::new();
    let (socket, event) = world.in_flight();
    socket.close();
    let id = event["id"].clone();
    for (frame, code) in [
        (json!({"type": "nack"}), ""),
        (json!({"type": "nack", "id": UNKNOWN}), "FF10175"),
        (
            json!({"type": "nack", "id": id, "subscription": {}}),
            "FF10175",
        ),
        (
            json!({"type": "nack", "id": id, "action": "explode"}),
            "PH00422",
        ),
        (
            json!({"type": "nack", "id": id, "action": "ack"}),
            "PH00422",
        ),
        (
            json!({"type": "nack", "id": id, "events": [{"id": id, "action": "park"}]}),
            "PH00422",
        ),
        (
            json!({"type": "nack", "id": id, "delay": "soon"}),
            "FF00137",
        ),
    ] {
        let (mut socket, again) = world.in_flight();
        assert_eq!(again["id"], event["id"], "settled before {frame}");
        socket.send(&frame);
        match code {
            // As an ack without id, the oldest; what it means is a retry.
            "" => assert_eq!(socket.receive()["attempt"], 2),
            code => refused(&mut socket, code),
        }
    }
}
