//! Can what was published be read back?

use photinus_e2e::Server;
use serde_json::{Value, json};

const ABSENT: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn events_are_listed_newest_first_and_enriched_on_request() {
    let server = Server::start();
    let rest = server.rest();
    let sent: Vec<Value> = (0..5)
        .map(|number| rest.broadcast(&format!("t{number}"), "t"))
        .collect();

    let events = rest.get("/api/v1/namespaces/default/events").expect(200);
    assert_eq!(topics(&events), ["t4", "t3", "t2", "t1", "t0"]);
    assert_eq!(events[0]["reference"], sent[4]["header"]["id"]);
    assert!(events[0].get("message").is_none(), "{events}");
    let page = rest.get("/api/v1/events?limit=2&skip=1").expect(200);
    assert_eq!(topics(&page), ["t3", "t2"]);
    let enriched = rest
        .get("/api/v1/events?fetchreferences=true&limit=1")
        .expect(200);
    assert_eq!(
        enriched[0]["message"]["header"]["id"],
        sent[4]["header"]["id"]
    );

    let path = format!("/api/v1/events/{}", events[2]["id"].as_str().unwrap());
    let event = rest.get(&path).expect(200);
    assert_eq!(event, events[2]);
    let event = rest.get(&format!("{path}?fetchreference=true")).expect(200);
    assert_eq!(event["message"]["header"]["id"], sent[2]["header"]["id"]);
}

#[test]
fn a_message_is_found_with_its_data_and_events() {
    let server = Server::start();
    let rest = server.rest();
    rest.broadcast("before", "t");
    let body = json!({
        "header": {"topics": ["a", "b"]},
        "data": [{"value": {"n": 1}}, {"value": "two"}],
    });
    let sent = rest
        .post("/api/v1/messages/broadcast?confirm", &body)
        .expect(200);
    let id = sent["header"]["id"].as_str().unwrap();

    let message = rest
        .get(&format!("/api/v1/namespaces/default/messages/{id}"))
        .expect(200);
    assert_eq!(message["header"], sent["header"]);
    assert_eq!(message["data"], sent["data"]);
    let values = rest
        .get(&format!("/api/v1/messages/{id}/data?limit=25"))
        .expect(200);
    assert_eq!(values[0]["value"], json!({"n": 1}), "{values}");
    assert_eq!(values[1]["value"], "two", "{values}");
    assert_eq!(values[0]["validator"], "json", "{values}");
    assert_eq!(values[1]["hash"], sent["data"][1]["hash"], "{values}");
    let mut events = topics_owned(
        &rest
            .get(&format!("/api/v1/messages/{id}/events"))
            .expect(200),
    );
    events.sort();
    assert_eq!(events, ["a", "b"]);

    let messages = rest.get("/api/v1/messages?limit=1").expect(200);
    assert_eq!(messages[0]["header"]["id"], id, "newest first: {messages}");
    assert_eq!(
        rest.get("/api/v1/messages")
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn data_is_found_by_its_id_and_listed() {
    let server = Server::start();
    let rest = server.rest();
    let sent: Vec<Value> = (0..3)
        .map(|number| rest.broadcast(&format!("t{number}"), "t"))
        .collect();
    for message in &sent {
        let reference = &message["data"][0];
        let path = format!("/api/v1/data/{}", reference["id"].as_str().unwrap());
        let data = rest.get(&path).expect(200);
        assert_eq!(data["id"], reference["id"]);
        assert_eq!(data["hash"], reference["hash"]);
        assert_eq!(
            data["value"],
            json!({"topic": message["header"]["topics"][0]})
        );
        assert_eq!(data["namespace"], "default");
    }
    let list = rest.get("/api/v1/data?limit=2").expect(200);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    let rest_of_it = rest.get("/api/v1/data?limit=25&skip=2").expect(200);
    assert_eq!(rest_of_it.as_array().unwrap().len(), 1, "{rest_of_it}");
}

#[test]
fn large_and_odd_values_come_back_as_they_were() {
    let server = Server::start();
    let rest = server.rest();
    for text in [
        r#"{"z":1,"a":2.50,"big":123456789012345678901234567890,"e":1E+05}"#.to_owned(),
        r#""\u003c ä 😀 \\ \" \u0000""#.to_owned(),
        format!("\"{}\"", "x".repeat(500_000)),
        "[[[[[[[[[]]]]]]]]]".to_owned(),
        "0".to_owned(),
        "false".to_owned(),
    ] {
        let body = format!(r#"{{"data":[{{"value":{text}}}]}}"#);
        let sent = rest
            .send(
                "POST",
                "/api/v1/messages/broadcast",
                Some("Application/JSON; charset=utf-8"),
                Some(body.as_bytes()),
            )
            .unwrap()
            .expect(202);
        let path = format!("/api/v1/data/{}", sent["data"][0]["id"].as_str().unwrap());
        let reply = rest.get(&path);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(reply.json()["value"], value);
        // Key order and the text of numbers are kept, which the parsed value does not tell.
        if text.starts_with('{') {
            assert!(reply.text().contains(&text), "{}", reply.text());
        }
    }
}

#[test]
fn what_is_not_there_is_not_found_with_fireflys_codes() {
    let server = Server::start();
    let rest = server.rest();
    for (path, status, code) in [
        (format!("events/{ABSENT}"), 404, "FF00164"),
        (
            format!("events/{ABSENT}?fetchreference=true"),
            404,
            "FF00164",
        ),
        (format!("messages/{ABSENT}"), 404, "FF10109"),
        (format!("messages/{ABSENT}/data"), 404, "FF10109"),
        (format!("messages/{ABSENT}/events"), 404, "FF10109"),
        (format!("data/{ABSENT}"), 404, "FF00164"),
        (format!("subscriptions/{ABSENT}"), 404, "FF00164"),
        ("events/no-id".to_owned(), 400, "FF00138"),
        ("messages/no-id".to_owned(), 400, "FF00138"),
        ("messages/no-id/data".to_owned(), 400, "FF00138"),
        ("data/no-id".to_owned(), 400, "FF00138"),
        ("subscriptions/no-id".to_owned(), 400, "FF00138"),
        ("events?limit=1001".to_owned(), 400, "FF00192"),
        ("events?skip=1001".to_owned(), 400, "FF00191"),
        ("messages?limit=1001".to_owned(), 400, "FF00192"),
        ("data?limit=1001".to_owned(), 400, "FF00192"),
    ] {
        for prefix in ["/api/v1", "/api/v1/namespaces/default"] {
            let reply = rest.get(&format!("{prefix}/{path}"));
            let error = reply.error();
            assert_eq!(reply.status, status, "{prefix}/{path}: {error}");
            assert!(error.starts_with(code), "{prefix}/{path}: {error}");
        }
    }
}

#[test]
fn the_status_has_what_the_clients_read_at_start() {
    let server = Server::start();
    let rest = server.rest();
    for path in ["/api/v1/status", "/api/v1/namespaces/default/status"] {
        let status = rest.get(path).expect(200);
        assert_eq!(status["namespace"]["name"], "default", "{status}");
        for kind in [
            "blockchain",
            "database",
            "dataExchange",
            "events",
            "identity",
            "sharedStorage",
            "tokens",
        ] {
            assert!(status["plugins"][kind].is_array(), "{kind}: {status}");
        }
        let events = status["plugins"]["events"].as_array().unwrap();
        let has_websockets = events
            .iter()
            .any(|plugin| plugin["pluginType"] == "websockets");
        assert!(has_websockets, "{status}");
        assert!(status["multiparty"]["enabled"].is_boolean(), "{status}");
    }
    assert_eq!(server.monitoring().get("/livez").status, 200);
    assert_eq!(server.monitoring().get("/readyz").status, 200);
}

#[test]
fn the_websockets_page_lists_every_start() {
    let server = Server::start();
    let rest = server.rest();
    let idle = rest.get("/api/v1/websockets").expect(200);
    assert_eq!(idle, json!({"enabled": true, "connections": []}));
    let mut socket = server.socket("/ws");
    socket.start("unknown");
    let connection = photinus_e2e::wait_for("the start to be listed", || {
        // As the UI asks for it, with two slashes.
        let status = rest.get("/api/v1//websockets").expect(200);
        let connection = status["connections"][0].clone();
        (connection["subscriptions"][0]["name"] == "unknown").then_some(connection)
    });
    assert!(connection["id"].is_string(), "{connection}");
    assert!(connection["userAgent"].is_string(), "{connection}");
    assert!(
        connection["remoteAddress"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    let start = &connection["subscriptions"][0];
    assert_eq!(start["ephemeral"], false);
    assert_eq!(start["namespace"], "default");
    assert_eq!(
        start["filter"],
        json!({"message": {}, "transaction": {}, "blockchainevent": {}})
    );
    assert!(start["startTime"].as_str().unwrap().ends_with('Z'));
    drop(socket);
    photinus_e2e::wait_until("the connection to leave the list", || {
        rest.get("/api/v1/websockets").expect(200)["connections"] == json!([])
    });
}

fn topics(events: &Value) -> Vec<&str> {
    let events = events
        .as_array()
        .unwrap_or_else(|| panic!("no list: {events}"));
    events
        .iter()
        .map(|event| event["topic"].as_str().unwrap())
        .collect()
}

fn topics_owned(events: &Value) -> Vec<String> {
    topics(events).into_iter().map(str::to_owned).collect()
}

#[test]
fn values_that_are_kept_apart_are_listed_whole() {
    let server = Server::start();
    let rest = server.rest();
    let large = |letter: &str| letter.repeat(100_000);
    for values in [
        json!([{"value": large("a")}, {"value": 1}]),
        json!([{"value": {"b": large("b")}}]),
    ] {
        let body = json!({"data": values});
        let path = "/api/v1/messages/broadcast?confirm";
        rest.post(path, &body).expect(200);
    }
    let stored = json!({"value": large("c")});
    rest.post("/api/v1/data", &stored).expect(201);
    for (query, expected) in [
        ("", json!([large("c"), {"b": large("b")}, 1, large("a")])),
        ("?limit=1&skip=1", json!([{"b": large("b")}])),
        ("?value=@bbb", json!([{"b": large("b")}])),
        ("?value=!@aaa", json!([large("c"), {"b": large("b")}, 1])),
        ("?sort=value&limit=2&skip=1", json!([large("c"), 1])),
        ("?validator=json&sort=created&limit=1", json!([1])),
    ] {
        let listed = rest.get(&format!("/api/v1/data{query}")).expect(200);
        let items = listed.as_array().unwrap().iter();
        let values: Vec<Value> = items.map(|item| item["value"].clone()).collect();
        assert!(Value::from(values) == expected, "{query}: {listed:.300}");
    }
}
