//! Does an answer that never came, or came late to a batch, leave those that follow in their place?

use photinus_e2e::{RawSocket, Server};
use serde_json::{Value, json};

use crate::raw_late::{FORMS, refused};

#[test]
fn one_forgotten_ack_never_shifts_the_next() {
    let server = Server::start();
    let rest = server.rest();
    for form in FORMS {
        let name = format!("app-{form:?}");
        let topics: Vec<String> = (0..20).map(|number| format!("{name}-{number}")).collect();
        let filter = json!({"topic": format!("^{name}-")});
        rest.subscribe(&name, filter, json!({"ackTimeout": "1s"}));
        for topic in &topics {
            rest.broadcast(topic, "t");
        }
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start(&name);
        // Never answered, so it comes again. All others are answered once, also those that come again because
        // the machine is slow.
        let forgotten = socket.receive_topic(&topics[0]);
        let ack = json!({"type": "ack"});
        let mut event = socket.receive_topic(&topics[0]);
        assert_eq!(event["attempt"], 2);
        assert_ne!(event["delivery"], forgotten["delivery"]);
        for topic in &topics[1..] {
            socket.send(&form.answer(&ack, &event));
            event = socket.receive();
            while event["topic"] != **topic {
                // Its timeout was faster than its answer.
                socket.send(&form.answer(&ack, &event));
                event = socket.receive();
            }
        }
        socket.send(&form.answer(&ack, &event));
        socket.settle();
        // The application wakes up and answers what it forgot: it may do so once.
        socket.send(&form.answer(&ack, &forgotten));
        assert_eq!(socket.settle(), Vec::<Value>::new(), "{form:?}");
        refused(&mut socket, &form.answer(&ack, &forgotten));
    }
}

#[test]
fn a_late_batch_is_answered_by_its_own_id() {
    let server = Server::start();
    let rest = server.rest();
    let put = |name: &str, events: &str| {
        let body = json!({
            "name": name, "filter": {"events": events},
            "options": {"firstEvent": "oldest", "batch": true, "readAhead": 2, "batchTimeout": "10ms"},
        });
        rest.put("/api/v1/subscriptions", &body).expect(200);
    };
    for number in 1..=3 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let topics = |batch: &Value| -> Vec<Value> {
        let events = batch["events"].as_array().unwrap();
        events.iter().map(|event| event["topic"].clone()).collect()
    };
    let ack = |batch: &Value| json!({"type": "ack", "id": batch["id"]});
    for (name, way) in [("put", 0), ("delete", 1), ("nack", 2), ("reconnect", 3)] {
        put(name, "^message");
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start(name);
        let old = socket.receive();
        match way {
            0 => put(name, "^message_c"),
            1 => {
                let id = old["subscription"]["id"].as_str().unwrap();
                assert_eq!(
                    rest.delete(&format!("/api/v1/subscriptions/{id}")).status,
                    204
                );
                put(name, "^message");
            }
            2 => drop(socket.send(&json!({"type": "nack", "id": old["id"], "delay": "1ms"}))),
            _ => {
                socket.close();
                socket = RawSocket::open(server.address(), "/ws");
                socket.start(name);
            }
        }
        let current = socket.receive();
        assert_eq!(topics(&current), topics(&old), "{name}");
        assert_ne!(current["id"], old["id"], "{name}");
        if way == 2 {
            // It was answered, by the nack.
            refused(&mut socket, &ack(&old));
            socket = RawSocket::open(server.address(), "/ws");
            socket.start(name);
            let again = socket.receive();
            assert_eq!(topics(&again), topics(&old));
            // And what the last connection left is answered on this one.
            socket.send(&ack(&current));
            assert_eq!(socket.settle(), Vec::<Value>::new());
            socket.send(&ack(&again));
            assert_eq!(topics(&socket.receive()), ["t3"]);
            continue;
        }
        socket.send(&ack(&old));
        assert_eq!(
            socket.settle(),
            Vec::<Value>::new(),
            "{name}: it settled what is current"
        );
        socket.send(&ack(&current));
        assert_eq!(topics(&socket.receive()), ["t3"], "{name}");
        refused(&mut socket, &ack(&old));
    }
}
