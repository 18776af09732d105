//! Is a published message what FireFly's clients expect, down to its hashes?

use photinus_e2e::Server;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[test]
fn a_broadcast_has_the_fields_and_defaults_of_firefly() {
    let server = Server::start();
    let rest = server.rest();
    let message = rest
        .post(
            "/api/v1/namespaces/default/messages/broadcast",
            &json!({"data": [{"value": "hello"}], "group": {"name": "ignored"}, "unknown": 1}),
        )
        .expect(202);
    let header = &message["header"];
    assert_eq!(header["type"], "broadcast");
    assert_eq!(header["txtype"], "batch_pin");
    assert_eq!(header["topics"], json!(["default"]));
    assert_eq!(header["namespace"], "default");
    assert!(header.get("group").is_none(), "{message}");
    assert_eq!(message["localNamespace"], "default");
    assert!(["ready", "confirmed"].contains(&message["state"].as_str().unwrap()));
    assert_eq!(message["data"].as_array().unwrap().len(), 1);
    assert!(
        message["data"][0].get("value").is_none(),
        "references only: {message}"
    );
}

#[test]
fn the_hashes_are_those_that_firefly_computes() {
    let server = Server::start();
    let rest = server.rest();
    let send = |body: Value| rest.post("/api/v1/messages/broadcast", &body).expect(202);

    for (value, expected) in [
        (
            json!("hello"),
            "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a",
        ),
        (
            json!({"a": "x < y"}),
            "dc72702373c12812015b3546f8bbbc4d79d5812ddcceaf068e240903584011d9",
        ),
    ] {
        let message = send(json!({"data": [{"value": value}]}));
        assert_eq!(message["data"][0]["hash"], expected, "{value}");
    }
    let empty = send(json!({}));
    assert_eq!(
        empty["header"]["datahash"],
        "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
    );

    let message = send(json!({
        "header": {
            "cid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "topics": ["a", "b"], "tag": "t",
            "author": "did:firefly:org/org_0", "key": "0xabc",
        },
        "data": [{"value": 1}, {"value": [true, null]}],
    }));
    let references: Vec<String> = message["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| format!(r#"{{"id":{},"hash":{}}}"#, entry["id"], entry["hash"]))
        .collect();
    let header = &message["header"];
    assert_eq!(
        header["datahash"],
        sha256(&format!("[{}]", references.join(",")))
    );
    let keys = [
        "id",
        "cid",
        "type",
        "txtype",
        "author",
        "key",
        "created",
        "namespace",
        "group",
        "topics",
        "tag",
        "datahash",
    ];
    let fields: Vec<String> = keys
        .into_iter()
        .filter_map(|key| Some(format!(r#""{key}":{}"#, header.get(key)?)))
        .collect();
    assert_eq!(
        message["hash"],
        sha256(&format!("{{{}}}", fields.join(","))),
        "{message}"
    );
}

#[test]
fn each_topic_of_a_message_is_an_event_of_its_own() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 9}));
    let body = json!({"header": {"topics": ["a", "b", "c"], "cid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}});
    let message = rest.post("/api/v1/messages/broadcast", &body).expect(202);
    let mut socket = server.socket("/ws");
    socket.start("app");
    let events = ["a", "b", "c"].map(|topic| socket.receive_topic(topic));
    for pair in events.windows(2) {
        assert!(pair[0]["sequence"].as_i64() < pair[1]["sequence"].as_i64());
        assert_ne!(pair[0]["id"], pair[1]["id"]);
    }
    for event in &events {
        assert_eq!(event["type"], "message_confirmed");
        assert_eq!(event["namespace"], "default");
        assert_eq!(event["reference"], message["header"]["id"]);
        assert_eq!(event["correlator"], "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        assert!(event["created"].as_str().unwrap().ends_with('Z'), "{event}");
        assert_eq!(event["message"]["hash"], message["hash"]);
        assert_eq!(event["message"]["state"], "confirmed");
        assert!(
            event["message"].get("data").is_some_and(Value::is_array),
            "{event}"
        );
    }
}

#[test]
fn a_confirmed_send_returns_the_confirmed_message() {
    let server = Server::start();
    let rest = server.rest();
    for (query, status) in [
        ("", 202),
        ("?confirm=false", 202),
        ("?confirm=1", 202),
        ("?confirm", 200),
        ("?confirm=TRUE", 200),
    ] {
        let path = format!("/api/v1/namespaces/default/messages/broadcast{query}");
        let message = rest
            .post(&path, &json!({"data": [{"value": 1}]}))
            .expect(status);
        if status == 200 {
            assert_eq!(message["state"], "confirmed", "{query}: {message}");
            assert!(message["confirmed"].is_string(), "{query}: {message}");
        }
    }
    let private = json!({"group": {"members": [{"identity": "org_0"}]}, "data": [{"value": 1}]});
    let message = rest
        .post("/api/v1/messages/private?confirm=true", &private)
        .expect(200);
    assert_eq!(message["state"], "confirmed");
    assert_eq!(message["header"]["type"], "private");
}

#[test]
fn one_group_of_members_has_one_hash_in_any_order() {
    let server = Server::start();
    let rest = server.rest();
    let send = |members: Value| {
        let body = json!({"group": {"members": members}, "data": [{"value": 1}]});
        let message = rest.post("/api/v1/messages/private", &body).expect(202);
        message["header"]["group"].as_str().unwrap().to_owned()
    };
    let group = send(json!([{"identity": "a"}, {"identity": "b"}]));
    assert_eq!(group, send(json!([{"identity": "b"}, {"identity": "a"}])));
    assert_ne!(group, send(json!([{"identity": "a"}, {"identity": "c"}])));
    // A known group can be named by its hash.
    let body = json!({"header": {"group": group}, "data": [{"value": 2}]});
    let message = rest.post("/api/v1/messages/private", &body).expect(202);
    assert_eq!(message["header"]["group"], group);
}

#[test]
fn values_of_an_earlier_message_can_be_sent_again_by_reference() {
    let server = Server::start();
    let rest = server.rest();
    let first = rest.broadcast("t1", "t");
    let body = json!({"data": [{"id": first["data"][0]["id"]}]});
    let second = rest.post("/api/v1/messages/broadcast", &body).expect(202);
    assert_eq!(second["data"], first["data"]);
}

#[test]
fn an_idempotency_key_is_used_once_over_routes_and_restarts() {
    let mut server = Server::start();
    let rest = server.rest();
    let body = |key: &str| {
        json!({
            "idempotencyKey": key, "data": [{"value": 1}],
            "group": {"members": [{"identity": "org_0"}]},
        })
    };
    let first = rest
        .post("/api/v1/messages/broadcast", &body("k"))
        .expect(202);
    assert_eq!(first["idempotencyKey"], "k");
    let expected = format!(
        "FF10430: Idempotency key 'k' already used for message '{}'",
        first["header"]["id"].as_str().unwrap()
    );
    let refused = |rest: &photinus_e2e::Rest| {
        for path in [
            "/api/v1/messages/broadcast",
            "/api/v1/messages/private?confirm",
        ] {
            let reply = rest.post(path, &body("k"));
            assert_eq!((reply.status, reply.error()), (409, expected.clone()));
        }
    };
    refused(&rest);
    // An empty key is none.
    for _ in 0..2 {
        rest.post("/api/v1/messages/broadcast", &body(""))
            .expect(202);
    }
    server.kill();
    server.start_again();
    refused(&server.rest());
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
