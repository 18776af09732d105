//! Is every wrong message refused with its code, and does none of it become an event?

use photinus_e2e::Server;
use serde_json::{Value, json};

const ABSENT: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn every_wrong_message_is_refused_with_its_code() {
    let mut server = Server::start();
    let rest = server.rest();
    let good = rest.broadcast("good", "t");
    let (id, hash) = (&good["data"][0]["id"], &good["data"][0]["hash"]);
    let wrong_hash = json!("0".repeat(64));
    let header = |header: Value| json!({"header": header});
    let data = |data: Value| json!({"data": data});
    let eleven: Vec<String> = (0..11).map(|number| format!("t{number}")).collect();
    for (what, body, code) in [
        ("topic", header(json!({"topics": ["-"]})), "FF00140"),
        (
            "empty topic",
            header(json!({"topics": ["a", ""]})),
            "FF00140",
        ),
        (
            "topic twice",
            header(json!({"topics": ["a", "a"]})),
            "FF00133",
        ),
        (
            "eleven topics",
            header(json!({"topics": eleven})),
            "FF00134",
        ),
        ("tag", header(json!({"tag": "a b"})), "FF00140"),
        ("cid", header(json!({"cid": "12"})), ""),
        ("topics of another type", header(json!({"topics": "a"})), ""),
        ("an empty entry", data(json!([{}])), "FF10205"),
        ("a null value", data(json!([{"value": null}])), "FF10205"),
        ("an unknown id", data(json!([{"id": ABSENT}])), "FF10204"),
        (
            "a wrong hash",
            data(json!([{"id": id, "hash": wrong_hash}])),
            "FF10204",
        ),
        (
            "an id twice",
            data(json!([{"id": id, "hash": hash}, {"id": id}])),
            "FF00129",
        ),
        (
            "a validator",
            data(json!([{"value": 1, "validator": "perhaps"}])),
            "FF00108",
        ),
        (
            "a datatype",
            data(json!([{"value": 1, "datatype": {"name": "d", "version": "1"}}])),
            "FF10195",
        ),
        ("data of another type", data(json!({"value": 1})), ""),
    ] {
        for route in ["broadcast", "private"] {
            let mut body = body.clone();
            body["group"] = json!({"members": [{"identity": "org_0"}]});
            let reply = rest.post(&format!("/api/v1/messages/{route}"), &body);
            let error = reply.error();
            assert_eq!(reply.status, 400, "{route}, {what}: {error}");
            assert!(error.starts_with(code), "{route}, {what}: {error}");
        }
    }
    let topic = json!({"header": {"topics": ["fine", "-"]}});
    let error = rest.post("/api/v1/messages/broadcast", &topic).error();
    assert!(error.contains("header.topics[1]"), "{error}");

    let events = rest.get("/api/v1/events").expect(200);
    assert_eq!(
        events.as_array().unwrap().len(),
        1,
        "only the good one: {events}"
    );
    server.assert_running();
}

#[test]
fn a_private_message_needs_a_group() {
    let server = Server::start();
    let rest = server.rest();
    for (what, body, status, code) in [
        ("none", json!({"data": [{"value": 1}]}), 400, "FF00115"),
        (
            "no members",
            json!({"group": {"members": []}}),
            400,
            "FF00115",
        ),
        (
            "unknown",
            json!({"header": {"group": "0".repeat(64)}}),
            404,
            "FF10226",
        ),
        ("no hash", json!({"header": {"group": "12"}}), 400, ""),
    ] {
        let reply = rest.post("/api/v1/messages/private", &body);
        let error = reply.error();
        assert_eq!(reply.status, status, "{what}: {error}");
        assert!(error.starts_with(code), "{what}: {error}");
    }
}

#[test]
fn a_body_that_is_no_message_is_refused() {
    let mut server = Server::start();
    let rest = server.rest();
    for route in ["broadcast", "private"] {
        for body in ["", "null", "{", "[]", "5", "{\"header\":5}", "\u{0}"] {
            let path = format!("/api/v1/messages/{route}");
            let json = Some("application/json");
            let reply = rest
                .send("POST", &path, json, Some(body.as_bytes()))
                .unwrap();
            let error = reply.error();
            assert_eq!(reply.status, 400, "{route}, {body:?}: {error}");
            assert!(!error.is_empty(), "{route}, {body:?}");
        }
        // Only the first value of a body counts, and unknown fields do not.
        let body = br#"{"group":{"members":[{"identity":"a"}]},"more":[]} and what follows"#;
        let path = format!("/api/v1/messages/{route}");
        let reply = rest
            .send("POST", &path, Some("application/json"), Some(body))
            .unwrap();
        assert_eq!(reply.status, 202, "{}", reply.text());
    }
    server.assert_running();
}

#[test]
fn a_message_beyond_the_limit_is_refused_and_one_below_it_is_not() {
    let server = Server::start();
    let rest = server.rest();
    let message = |kilobytes: usize| {
        json!({
            "data": [{"value": "x".repeat(kilobytes << 10)}],
            "group": {"members": [{"identity": "org_0"}]},
        })
    };
    for (route, code) in [("broadcast", "FF10327"), ("private", "FF10328")] {
        let path = format!("/api/v1/messages/{route}");
        let reply = rest.post(&path, &message(900));
        let error = reply.error();
        assert_eq!(reply.status, 400, "{error}");
        assert!(error.starts_with(code), "{error}");
        rest.post(&path, &message(700)).expect(202);
    }
}
