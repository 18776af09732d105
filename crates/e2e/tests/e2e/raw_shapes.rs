//! Do the server's frames, and its page of connections, have exactly FireFly's keys?

use photinus_e2e::{FrameBytes, Heard, RawSocket, Server, UpgradeRequest, opcode, wait_until};
use serde_json::{Value, json};

/// What every event has on the wire. The last two are ours; FireFly's clients ignore them.
const EVENT: [&str; 11] = [
    "created",
    "id",
    "message",
    "namespace",
    "reference",
    "sequence",
    "subscription",
    "topic",
    "type",
    "delivery",
    "attempt",
];

#[track_caller]
fn assert_keys<'a>(object: &Value, expected: impl IntoIterator<Item = &'a str>) {
    let keys: std::collections::BTreeSet<&str> = object
        .as_object()
        .unwrap_or_else(|| panic!("no object: {object}"))
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, expected.into_iter().collect(), "{object}");
}

#[track_caller]
fn assert_uuid(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    let is_lower_hex = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    assert!(
        parts == [8, 4, 4, 4, 12] && is_lower_hex,
        "no UUID: {value}"
    );
}

/// RFC 3339 in UTC, with no more digits than needed.
#[track_caller]
fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let rest = text.strip_suffix('Z').unwrap_or_default();
    let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, "1"));
    assert_eq!(seconds.len(), "2026-01-02T03:04:05".len(), "{value}");
    assert!(
        (1..=9).contains(&fraction.len()) && !fraction.ends_with('0'),
        "{value}"
    );
}

/// Checks an event, and what of `more` it has beyond every event.
#[track_caller]
fn assert_event(event: &Value, subscription: &Value, more: &[&str]) {
    assert_keys(event, EVENT.into_iter().chain(more.iter().copied()));
    assert_uuid(&event["id"]);
    assert_uuid(&event["reference"]);
    assert_time(&event["created"]);
    assert!(event["sequence"].is_u64(), "{event}");
    assert_eq!(event["type"], "message_confirmed");
    assert_eq!(event["namespace"], "default");
    assert_eq!(event["subscription"], *subscription);
    assert_eq!(event["attempt"], 1);
    assert!(
        event["delivery"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{event}"
    );
    let message = &event["message"];
    assert_eq!(message["header"]["id"], event["reference"]);
    for reference in message["data"].as_array().unwrap() {
        assert_keys(reference, ["id", "hash"]);
    }
}

#[test]
fn an_event_has_the_keys_of_firefly_and_two_of_ours() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest.subscribe("app", json!({}), json!({}));
    let subscription = json!({"id": created["id"], "namespace": "default", "name": "app"});
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");

    rest.broadcast("t1", "tag");
    let event = socket.receive();
    assert_event(&event, &subscription, &[]);
    let message = &event["message"];
    assert_keys(
        message,
        [
            "header",
            "hash",
            "state",
            "confirmed",
            "data",
            "localNamespace",
        ],
    );
    assert_eq!(message["state"], "confirmed");
    let header = [
        "id",
        "type",
        "txtype",
        "created",
        "namespace",
        "topics",
        "tag",
        "datahash",
    ];
    assert_keys(&message["header"], header);
    socket.ack(&event);

    // Letters of every length, and those that Go escapes, are one frame like any other.
    let cid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    let body = json!({
        "header": {"topics": ["t2"], "cid": cid, "key": "<ä€😀&\u{2028}>"},
        "idempotencyKey": "once", "data": [],
    });
    rest.post("/api/v1/messages/broadcast", &body).expect(202);
    let event = socket.receive();
    assert_event(&event, &subscription, &["correlator"]);
    assert_eq!(event["correlator"], cid);
    assert_eq!(event["message"]["header"]["cid"], cid);
    assert_eq!(event["message"]["header"]["key"], "<ä€😀&\u{2028}>");
    assert_eq!(event["message"]["data"], json!([]));
    socket.ack(&event);

    // An ephemeral subscription is named by its id.
    let mut ephemeral = RawSocket::open(
        server.address(),
        "/ws?ephemeral&namespace=default&name=shown",
    );
    ephemeral.settle();
    rest.broadcast("t3", "tag");
    let event = ephemeral.receive();
    let id = event["subscription"]["id"].clone();
    assert_uuid(&id);
    assert_event(
        &event,
        &json!({"id": id, "namespace": "default", "name": id}),
        &[],
    );
}

#[test]
fn a_batch_has_the_keys_of_firefly_and_a_new_id_each_time() {
    let server = Server::start();
    let rest = server.rest();
    let options = json!({"batch": true, "readAhead": 3, "batchTimeout": "1h"});
    let created = rest.subscribe("app", json!({}), options);
    let subscription = json!({"id": created["id"], "namespace": "default", "name": "app"});
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start("app");
        let batch = socket.receive();
        assert_keys(&batch, ["type", "id", "subscription", "events"]);
        assert_eq!(batch["type"], "event_batch");
        assert_eq!(batch["subscription"], subscription);
        assert_uuid(&batch["id"]);
        let events = batch["events"].as_array().unwrap();
        assert_eq!(events.len(), 3);
        for event in events {
            assert_event(event, &subscription, &[]);
            assert_ne!(event["id"], batch["id"]);
        }
        assert!(!ids.contains(&batch["id"]), "the id of an earlier delivery");
        ids.push(batch["id"].clone());
        socket.close();
    }
}

#[test]
fn an_error_has_a_type_and_a_text_and_no_id() {
    let server = Server::start();
    for (path, text) in [
        ("/ws", "nonsense"),
        ("/ws", "{}"),
        ("/ws?name=", ""),
        ("/ws", r#"{"type":"ack"}"#),
    ] {
        let mut socket = RawSocket::open(server.address(), path);
        if !text.is_empty() {
            socket.send_text(text);
        }
        match socket.hear() {
            Heard::Json(frame) => {
                assert_keys(&frame, ["type", "error"]);
                assert_eq!(frame["type"], "protocol_error");
                assert!(
                    frame["error"].as_str().unwrap().starts_with("FF10"),
                    "{frame}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_page_of_connections_shows_every_start_as_it_was_made() {
    let server = Server::start();
    let rest = server.rest();
    let page = || rest.get("/api/v1/websockets").expect(200);
    assert_eq!(page(), json!({"enabled": true, "connections": []}));
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    rest.subscribe("app", json!({"topic": "^stored$"}), json!({}));

    let mut named = RawSocket::connect(server.address());
    named.write(
        &UpgradeRequest::new("/ws")
            .and("User-Agent", "by hand/1")
            .bytes(),
    );
    assert_eq!(named.read_head().status, 101);
    named.settle();
    let mut other = RawSocket::open(
        server.address(),
        "/ws?ephemeral&namespace=nowhere&filter.events=^x&name=shown",
    );
    other.receive_error();
    let mut third = RawSocket::open(server.address(), "/api/v1/namespaces/other/ws");
    third.settle();

    named.send(&json!({
        "type": "start", "namespace": "default", "name": "app",
        "filter": {"tag": "^carried$", "message": {"author": "a"}},
    }));
    named.send(&json!({"type": "start", "namespace": "default", "name": "unknown"}));
    named.send(&json!({"type": "start", "namespace": "default", "name": "app"}));
    let ephemeral = FrameBytes::new(
        opcode::BINARY,
        r#"{"type":"start","namespace":"other","ephemeral":true,"filter":{"topic":"^t"}}"#,
    );
    named.write(&ephemeral.bytes());
    named.settle();
    third.send(&json!({"type": "start", "name": "pinned"}));
    third.settle();

    let filter = |keys: Value| {
        let mut filter = json!({"message": {}, "transaction": {}, "blockchainevent": {}});
        for (key, value) in keys.as_object().unwrap() {
            filter[key] = value.clone();
        }
        filter
    };
    let start = |namespace: &str, name: &str, ephemeral: bool, keys: Value| {
        let mut start = json!({
            "ephemeral": ephemeral, "namespace": namespace, "filter": filter(keys),
        });
        if !name.is_empty() {
            start["name"] = name.into();
        }
        start
    };
    let listed = page();
    assert_keys(&listed, ["enabled", "connections"]);
    assert_eq!(listed["enabled"], true);
    let connections = listed["connections"].as_array().unwrap();
    let expected = [
        (
            &named,
            "by hand/1",
            vec![
                start(
                    "default",
                    "app",
                    false,
                    json!({"tag": "^carried$", "message": {"author": "a"}}),
                ),
                start("default", "unknown", false, json!({})),
                start("default", "app", false, json!({})),
                start("other", "", true, json!({"topic": "^t"})),
            ],
        ),
        (
            &other,
            "",
            vec![start("nowhere", "shown", true, json!({"events": "^x"}))],
        ),
        (&third, "", vec![start("other", "pinned", false, json!({}))]),
    ];
    assert_eq!(connections.len(), expected.len());
    for (connection, (socket, agent, starts)) in connections.iter().zip(expected) {
        assert_keys(
            connection,
            ["id", "remoteAddress", "userAgent", "subscriptions"],
        );
        assert_uuid(&connection["id"]);
        assert_eq!(
            connection["remoteAddress"],
            socket.local_address().to_string()
        );
        assert_eq!(connection["userAgent"], agent);
        let mut shown = connection["subscriptions"].clone();
        for start in shown.as_array_mut().unwrap() {
            let time = start.as_object_mut().unwrap().remove("startTime").unwrap();
            assert_time(&time);
        }
        assert_eq!(shown, Value::Array(starts));
    }
    // It is global, also by the path that FireFly's console takes, and there is none for a namespace.
    assert_eq!(rest.get("/api/v1//websockets").expect(200), listed);
    assert_eq!(
        rest.get("/api/v1/namespaces/default/websockets").status,
        404
    );
    assert_eq!(rest.get("/api/v1/status/websockets").status, 404);

    named.close();
    drop(other);
    wait_until("two to be gone", || {
        page()["connections"].as_array().unwrap().len() == 1
    });
    assert_eq!(
        page()["connections"][0]["subscriptions"][0]["name"],
        "pinned"
    );
}
