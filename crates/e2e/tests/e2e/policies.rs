//! Are retry policies and ordering keys in force wherever a subscription is made or changed?

use std::time::Duration;

use photinus_e2e::{Frame, Rest, Server, Socket};
use serde_json::{Value, json};

/// How long nothing comes to what waits.
const QUIET: Duration = Duration::from_millis(300);

fn nack(socket: &mut Socket, event: &Value) {
    assert!(socket.send(json!({"type": "nack", "delivery": event["delivery"], "reason": "no"})));
}

fn publish(rest: &Rest, topic: &str, key: &str) {
    let body = json!({"header": {"topics": [topic]}, "data": [{"value": {"key": key}}]});
    let path = "/api/v1/messages/broadcast?confirm";
    rest.post(path, &body).expect(200);
}

/// Connections with an ephemeral subscription that has begun: by a frame with these options, and by an address.
fn both(server: &Server, options: &Value, query: &str) -> [Socket; 2] {
    let mut by_frame = server.socket("/ws");
    assert!(by_frame.send(
        json!({"type": "start", "namespace": "default", "ephemeral": true, "options": options})
    ));
    let by_address = server.socket(&format!("/ws?namespace=default&ephemeral&{query}"));
    [by_frame, by_address].map(|mut socket| {
        assert!(socket.ping(b"begun?"));
        assert!(matches!(socket.next_frame(), Frame::Pong(_)));
        socket
    })
}

#[test]
fn an_ephemeral_subscription_gives_an_event_up_after_its_attempts() {
    let server = Server::start();
    // There is nowhere to park for what ends with its connection.
    for then in ["skip", "park"] {
        let policy = json!({"delays": ["10ms"], "maxAttempts": 2, "then": then});
        let query = format!(
            "readahead=0&retrypolicy=%7B%22delays%22:[%2210ms%22],%22maxAttempts%22:2,%22then%22:%22{then}%22%7D"
        );
        let options = json!({"readAhead": 0, "retryPolicy": policy});
        let mut sockets = both(&server, &options, &query);
        publish(&server.rest(), "bad", "a");
        publish(&server.rest(), "good", "a");
        for socket in &mut sockets {
            for attempt in [1, 2] {
                let event = socket.receive_topic("bad");
                assert_eq!(event["attempt"], attempt);
                nack(socket, &event);
            }
            socket.receive_and_ack(["good"]);
        }
    }
}

#[test]
fn an_ephemeral_subscription_is_in_order_for_each_key() {
    let server = Server::start();
    let options = json!({"readAhead": 5, "orderingKey": "data.key"});
    let query = "readahead=5&orderingkey=data.key";
    let mut sockets = both(&server, &options, query);
    for (topic, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        publish(&server.rest(), topic, key);
    }
    for socket in &mut sockets {
        let first = socket.receive_topic("a1");
        assert_eq!(first.get("data"), None, "the key is not delivered");
        socket.receive_and_ack(["b1"]);
        assert!(socket.next_within(QUIET).is_none(), "its key waits");
        socket.ack(&first);
        socket.receive_and_ack(["a2"]);
    }
}

#[test]
fn options_that_make_no_sense_are_refused_by_name_wherever_they_are_said() {
    let server = Server::start();
    let rest = server.rest();
    for (options, query, text) in [
        (
            json!({"retryPolicy": {"then": "drop"}}),
            "retrypolicy=%7B%22then%22:%22drop%22%7D",
            "PH00444: Invalid option 'retryPolicy.then': expected 'hold', 'park' or 'skip'",
        ),
        (
            json!({"retryPolicy": "park"}),
            "retrypolicy=park",
            "PH00444: Invalid option 'retryPolicy': expected an object",
        ),
        (
            json!({"retryPolicy": {"maxAge": "soon"}}),
            "retrypolicy=%7B%22maxAge%22:%22soon%22%7D",
            "FF00137: Unable to parse 'retryPolicy.maxAge' as a duration",
        ),
        (
            json!({"orderingKey": "data.list[0]"}),
            "orderingkey=data.list[0]",
            "PH00445: Invalid option 'orderingKey' 'data.list[0]': expected 'topic'",
        ),
        (
            json!({"orderingKey": "tag", "batch": true}),
            "orderingkey=tag&batch",
            "PH00445: Options 'orderingKey' and 'batch' cannot be used together",
        ),
    ] {
        let subscription = json!({"name": "app", "transport": "websockets", "options": options});
        let error = rest.post("/api/v1/subscriptions", &subscription).error();
        assert!(error.starts_with(text), "{error}");
        let mut socket = server.socket("/ws");
        let start =
            json!({"type": "start", "namespace": "default", "ephemeral": true, "options": options});
        assert!(socket.send(start));
        let error = socket.receive_error_and_end();
        assert!(
            error.starts_with(&format!("FF10176: Invalid data: {text}")),
            "{error}"
        );
        let mut socket = server.socket(&format!("/ws?namespace=default&ephemeral&{query}"));
        let error = socket.receive_error();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn a_put_changes_the_policy_and_the_key_at_once_and_takes_away_what_it_does_not_name() {
    let server = Server::start();
    let rest = server.rest();
    let put = |options: Value| {
        let subscription = json!({"name": "app", "transport": "websockets", "options": options});
        rest.put("/api/v1/subscriptions", &subscription).expect(200)["options"].clone()
    };
    rest.subscribe(
        "app",
        json!({}),
        json!({"retryPolicy": {"delays": ["24h"]}}),
    );
    let mut socket = server.socket("/ws");
    socket.start("app");
    publish(&rest, "t1", "a");
    let event = socket.receive_topic("t1");
    nack(&mut socket, &event);
    assert!(socket.next_within(QUIET).is_none(), "it waits for a day");

    let policy = json!({"delays": ["10ms"], "maxAttempts": 3, "then": "park"});
    let options = put(json!({"retryPolicy": policy, "orderingKey": "data.key", "readAhead": 5}));
    assert_eq!(options["retryPolicy"], policy);
    assert_eq!(options["orderingKey"], "data.key");
    // The failure before the change counts.
    for attempt in [2, 3] {
        let event = socket.receive_topic("t1");
        assert_eq!(event["attempt"], attempt);
        nack(&mut socket, &event);
    }
    for topic in ["t2", "t3"] {
        publish(&rest, topic, "a");
    }
    socket.receive_topic("t2");
    assert!(socket.next_within(QUIET).is_none(), "its key waits");

    let options = put(json!({"readAhead": 5}));
    assert_eq!(
        (&options["retryPolicy"], &options["orderingKey"]),
        (&Value::Null, &Value::Null)
    );
    socket.receive_and_ack(["t2", "t3"]);
}
