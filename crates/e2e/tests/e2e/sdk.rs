//! Does FireFly's own Node.js client work unmodified?

use std::time::Duration;

use photinus_e2e::{
    ACK_STORED_WITHIN, DataDirectory, DeliveryLog, NodeApp, SdkError, Server, free_port, now,
    wait_until,
};
use serde_json::{Value, json};

const READ_AHEAD: usize = 5;

#[test]
fn an_sdk_application_goes_on_after_a_kill_without_loss_and_in_order() {
    // The application reconnects to the address that it was given, so the server has to come back there.
    let listen = format!("127.0.0.1:{}", free_port());
    let mut server = Server::start_with(DataDirectory::new(), &listen);
    let mut app = NodeApp::start(server.address());
    let subscription = app.call(
        "subscribe",
        json!({"subscription": {
            "name": "app1",
            "transport": "websockets",
            "filter": {"events": "^message_confirmed$"},
            "options": {"firstEvent": "oldest", "readAhead": READ_AHEAD},
        }}),
    );
    app.call("listen", json!({"name": "app1"}));

    let mut log = DeliveryLog::new(READ_AHEAD);
    log.connected(0);
    let mut expected: Vec<String> = Vec::new();
    for number in 0..20 {
        let topic = format!("before-{number}");
        let message =
            json!({"header": {"topics": [topic], "tag": "app"}, "data": [{"value": number}]});
        let options = json!({"confirm": number % 2 == 0});
        let sent = app.call("broadcast", json!({"message": message, "options": options}));
        assert!(sent["header"]["id"].is_string(), "{sent}");
        if number % 2 == 0 {
            assert_eq!(sent["state"], "confirmed", "{sent}");
        }
        expected.push(topic);
    }
    let message = json!({
        "header": {"topics": ["for-few"], "tag": "app"},
        "data": [{"value": "secret"}],
        "group": {"members": [{"identity": "did:firefly:org/org_0"}, {"identity": "org_1"}]},
    });
    let sent = app.call("private", json!({"message": message}));
    assert_eq!(sent["header"]["type"], "private", "{sent}");
    assert!(sent["header"]["group"].is_string(), "{sent}");
    expected.push("for-few".to_owned());
    receive(&mut app, &mut log, &expected, &subscription);

    // What was acknowledged is stored by then, so that only what was in flight may come again.
    let moment = now() + 2 * ACK_STORED_WITHIN;
    wait_until("acknowledgements to be stored", || now() >= moment);
    let killed = now();
    server.kill();
    server.start_again();
    let rest = server.rest();
    log.connected(1);
    for number in 0..20 {
        let topic = format!("after-{number}");
        rest.broadcast(&topic, "app");
        expected.push(topic);
    }
    receive(&mut app, &mut log, &expected, &subscription);
    assert_eq!(log.topics(), expected);
    log.assert_few_repeats(&[killed]);
    server.assert_running();
}

#[test]
fn the_sdk_finds_what_it_made_and_understands_refusals() {
    let server = Server::start();
    let mut app = NodeApp::start(server.address());
    let status = app.call("status", json!({}));
    assert_eq!(status["namespace"]["name"], "default", "{status}");
    let namespaces = app.call("namespaces", json!({}));
    assert!(names(&namespaces).contains(&"default"), "{namespaces}");

    let wanted = json!({"subscription": {"name": "app1", "options": {"firstEvent": "newest"}}});
    let subscription = app.call("subscribe", wanted.clone());
    let again = app.call("subscribe", wanted);
    assert_eq!(
        again["id"], subscription["id"],
        "PUT twice is one subscription"
    );
    let found = app.call("subscriptions", json!({"filter": {"name": "app1"}}));
    assert!(names(&found).contains(&"app1"), "{found}");

    let message = json!({"data": [{"value": {"a": 1}}], "idempotencyKey": "order-7"});
    let sent = app.call("broadcast", json!({"message": message}));
    let refused = app.try_call("broadcast", json!({"message": message}));
    match refused {
        Err(SdkError { class, message }) => {
            assert_eq!(class, "FireFlyIdempotencyError", "{message}");
            assert!(message.starts_with("FF10430: "), "{message}");
            assert!(
                message.contains(sent["header"]["id"].as_str().unwrap()),
                "{message}"
            );
        }
        Ok(second) => panic!("the key was used twice: {second}"),
    }
    let refused = app.try_call("broadcast", json!({"message": {"data": [{}]}}));
    let error = refused.expect_err("an entry without id and value");
    assert_eq!(error.class, "FireFlyError");
    assert!(error.message.starts_with("FF10205: "), "{error:?}");

    let stored = app.call("message", json!({"id": sent["header"]["id"]}));
    assert_eq!(stored["hash"], sent["hash"], "{stored}");
    let data = app.call("data", json!({"id": sent["data"][0]["id"]}));
    assert_eq!(data["value"], json!({"a": 1}), "{data}");
    let absent = json!({"id": "00000000-0000-4000-8000-000000000000"});
    assert_eq!(
        app.call("data", absent),
        Value::Null,
        "undefined in the client"
    );

    app.call("unsubscribe", json!({"id": subscription["id"]}));
    let found = app.call("subscriptions", json!({"filter": {}}));
    assert!(!names(&found).contains(&"app1"), "{found}");
}

#[test]
fn an_ephemeral_sdk_listener_gets_new_events_that_its_filter_accepts() {
    let server = Server::start();
    let rest = server.rest();
    rest.broadcast("too-early", "app");
    let mut app = NodeApp::start(server.address());
    let nothing = json!({"listener": "none", "filter": {"events": "^blockchain_"}});
    app.call("listenEphemeral", nothing);
    let messages = json!({"listener": "messages", "filter": {"events": "^message_"}});
    app.call("listenEphemeral", messages);

    // It starts with the newest event at a moment that only its first event tells.
    let mut published = 0;
    let first = loop {
        published += 1;
        rest.broadcast(&format!("live-{published}"), "app");
        if let Some(first) = app.event_within(Duration::from_millis(200)) {
            break first;
        }
    };
    rest.broadcast("last", "app");
    let mut event = first;
    loop {
        assert_eq!(event["listener"], "messages", "{event}");
        assert_eq!(event["event"]["type"], "message_confirmed", "{event}");
        let subscription = &event["event"]["subscription"];
        assert_eq!(subscription["id"], subscription["name"], "{event}");
        let topic = event["event"]["topic"].as_str().unwrap();
        assert_ne!(topic, "too-early");
        if topic == "last" {
            break;
        }
        event = app.event();
    }
}

#[test]
fn one_sdk_connection_serves_several_subscriptions() {
    let server = Server::start();
    let rest = server.rest();
    let mut app = NodeApp::start(server.address());
    for colour in ["blue", "red"] {
        let filter = json!({"message": {"tag": format!("^{colour}$")}});
        let options = json!({"firstEvent": "oldest"});
        let subscription = json!({"name": colour, "filter": filter, "options": options});
        app.call("subscribe", json!({"subscription": subscription}));
    }
    app.call("listenAll", json!({"names": ["blue", "red"]}));
    for number in 0..10 {
        let colour = if number % 3 == 0 { "blue" } else { "red" };
        rest.broadcast(&format!("{colour}-{number}"), colour);
    }
    let mut received: Vec<(String, String)> = (0..10)
        .map(|_| {
            let event = app.event()["event"].take();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&event["subscription"]["name"]), text(&event["topic"]))
        })
        .collect();
    // Each subscription has its order; between two of them there is none.
    received.sort_by(|a, b| a.0.cmp(&b.0));
    let topics: Vec<&str> = received.iter().map(|(_, topic)| topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "blue-0", "blue-3", "blue-6", "blue-9", "red-1", "red-2", "red-4", "red-5", "red-7",
            "red-8",
        ]
    );
}

/// Receives until the last of the expected topics has come.
fn receive(app: &mut NodeApp, log: &mut DeliveryLog, expected: &[String], subscription: &Value) {
    while log.topics().len() < expected.len() {
        let line = app.event();
        assert_eq!(line["listener"], "app1");
        let event = &line["event"];
        assert_eq!(event["subscription"]["id"], subscription["id"], "{event}");
        assert_eq!(event["message"]["header"]["tag"], "app", "{event}");
        log.delivered(
            event["sequence"].as_i64().unwrap(),
            event["topic"].as_str().unwrap(),
        );
        // The client acknowledges when its callback returns, which is now or a moment ago.
        log.acked(now());
    }
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}
