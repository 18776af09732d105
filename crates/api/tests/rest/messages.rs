//! Are messages, events and data shown as FireFly shows them?

use serde_json::{Value, json};

use crate::api::Api;

const BROADCAST: &str = "/api/v1/messages/broadcast";

async fn published(api: &Api, topics: &[&str], value: Value) -> Value {
    let body = json!({"header": {"topics": topics, "tag": "tag1"}, "data": [{"value": value}]});
    api.post(BROADCAST, body).await.json(202)
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item[key].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_publish_is_answered_before_or_after_it_is_confirmed() {
    let api = Api::new().await;
    let body = || json!({"data": [{"value": {"b": 1, "a": 2}}]});
    let reply = api.post(BROADCAST, body()).await;
    let ready = reply.json(202);
    assert_eq!(
        reply.keys(),
        ["header", "localNamespace", "hash", "state", "data"]
    );
    assert_eq!(ready["state"], "ready");
    assert_eq!(ready["header"]["type"], "broadcast");
    assert_eq!(ready["header"]["topics"], json!(["default"]));
    assert_eq!(
        ready["data"][0].as_object().unwrap().len(),
        2,
        "references only"
    );

    for switch in ["confirm", "confirm=true&publish=true"] {
        let reply = api.post(&format!("{BROADCAST}?{switch}"), body()).await;
        let confirmed = reply.json(200);
        assert_eq!(confirmed["state"], "confirmed");
        let id = confirmed["header"]["id"].as_str().unwrap();
        let stored = api.get(&format!("/api/v1/messages/{id}")).await;
        assert_eq!(stored.json(200), confirmed);
    }
    assert_eq!(
        api.post(&format!("{BROADCAST}?confirm=1"), body())
            .await
            .json(202)["state"],
        "ready"
    );

    let private = json!({"group": {"members": [{"identity": "org1"}]}, "data": [{"value": 1}]});
    let private = api
        .post("/api/v1/messages/private?confirm", private)
        .await
        .json(200);
    assert_eq!(private["header"]["type"], "private");
    assert_eq!(private["header"]["group"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn errors_of_a_publish_have_their_codes() {
    let api = Api::new().await;
    let key = json!({"idempotencyKey": "k"});
    let first = api.post(BROADCAST, key.clone()).await.json(202);
    let again = api.post(BROADCAST, key).await;
    let id = first["header"]["id"].as_str().unwrap();
    again.is_error(
        409,
        &format!("FF10430: Idempotency key 'k' already used for message '{id}'"),
    );
    for (body, code) in [
        (json!({"header": {"topics": ["a b"]}}), "FF00140"),
        (json!({"header": {"topics": ["a", "a"]}}), "FF00133"),
        (json!({"data": [{}]}), "FF10205"),
    ] {
        api.post(BROADCAST, body).await.is_error(400, code);
    }
}

#[tokio::test]
async fn lists_are_newest_first_and_come_in_pages() {
    let api = Api::new().await;
    for topic in ["a", "b", "c"] {
        published(&api, &[topic], json!(topic)).await;
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?limit=2", vec!["c", "b"]),
        ("?limit=1&skip=1", vec!["b"]),
        ("?skip=3", vec![]),
    ] {
        let events = api.get(&format!("/api/v1/events{query}")).await.json(200);
        assert_eq!(texts(&events, "topic"), expected, "{query}");
        let data = api.get(&format!("/api/v1/data{query}")).await.json(200);
        assert_eq!(texts(&data, "value"), expected, "{query}");
        let messages = api.get(&format!("/api/v1/messages{query}")).await.json(200);
        let topics: Vec<_> = messages
            .as_array()
            .unwrap()
            .iter()
            .map(|m| &m["header"]["topics"][0])
            .collect();
        assert_eq!(topics, expected, "{query}");
    }
}

#[tokio::test]
async fn events_are_shown_with_and_without_their_message() {
    let api = Api::new().await;
    let message = published(&api, &["t1", "t2"], json!(1)).await;
    let id = message["header"]["id"].as_str().unwrap();
    let plain = [
        "id",
        "sequence",
        "type",
        "namespace",
        "reference",
        "topic",
        "created",
    ];

    let events = api.get("/api/v1/events").await.json(200);
    assert_eq!(texts(&events, "topic"), ["t2", "t1"]);
    assert_eq!(texts(&events, "reference"), [id, id]);
    let one = format!("/api/v1/events/{}", events[0]["id"].as_str().unwrap());
    let shown = api.get(&one).await;
    assert_eq!(shown.json(200), events[0]);
    assert_eq!(shown.keys(), plain);
    assert_eq!(
        api.get(&format!("{one}?fetchreferences")).await.json(200),
        events[0]
    );

    let enriched = api
        .get(&format!("{one}?fetchreference=true"))
        .await
        .json(200);
    let mut expected = events[0].clone();
    expected["message"] = api.get(&format!("/api/v1/messages/{id}")).await.json(200);
    assert_eq!(enriched, expected);
    for switch in ["fetchreferences", "fetchreference", "fetchreferences=true"] {
        let list = api.get(&format!("/api/v1/events?{switch}")).await.json(200);
        assert_eq!(list[0], expected, "{switch}");
    }

    let of_message = api
        .get(&format!("/api/v1/messages/{id}/events"))
        .await
        .json(200);
    assert_eq!(of_message, events);
    let of_message = api
        .get(&format!("/api/v1/messages/{id}/events?limit=1&skip=1"))
        .await
        .json(200);
    assert_eq!(texts(&of_message, "topic"), ["t1"]);

    let answer = json!({"header": {"cid": id}});
    api.post(BROADCAST, answer).await.json(202);
    let newest = api.get("/api/v1/events?limit=1").await.json(200);
    assert_eq!(newest[0]["correlator"], id);
}

#[tokio::test]
async fn an_id_of_something_else_finds_nothing() {
    let api = Api::new().await;
    let message = published(&api, &["t"], json!(1)).await;
    let event = api.get("/api/v1/events").await.json(200)[0]["id"].clone();
    let ids = [
        ("messages", &message["header"]["id"]),
        ("events", &event),
        ("data", &message["data"][0]["id"]),
    ];
    for (place, _) in ids {
        for (kind, id) in ids {
            let status = if place == kind { 200 } else { 404 };
            let reply = api
                .get(&format!("/api/v1/{place}/{}", id.as_str().unwrap()))
                .await;
            assert_eq!(reply.status, status, "{kind} in {place}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn values_are_shown_as_they_were_sent() {
    let api = Api::new().await;
    let body = r#"{"data":[{"value": {"z": 1.0, "a": "ü\u003c"}},{"value":"second"}]}"#;
    let message = api
        .with_body("POST", BROADCAST, "application/json", body)
        .await
        .json(202);
    let id = message["header"]["id"].as_str().unwrap();
    let first = message["data"][0]["id"].as_str().unwrap();

    let data = api
        .get(&format!("/api/v1/messages/{id}/data?limit=1"))
        .await
        .json(200);
    assert_eq!(
        texts(&data, "id"),
        [first, message["data"][1]["id"].as_str().unwrap()]
    );
    let one = api.get(&format!("/api/v1/data/{first}")).await;
    assert_eq!(one.json(200), data[0]);
    assert_eq!(
        one.keys(),
        ["id", "validator", "namespace", "hash", "created", "value"]
    );
    let value = api.get(&format!("/api/v1/data/{first}/value")).await;
    assert_eq!(value.json(200), data[0]["value"]);
    assert!(
        value.text.starts_with(r#"{"z":1.0,"a":"ü"#),
        "{}",
        value.text
    );

    for path in [
        format!("/api/v1/messages/{id}?fetchdata"),
        "/api/v1/messages?fetchdata=true".to_owned(),
    ] {
        let shown = api.get(&path).await.json(200);
        let shown = shown.get(0).unwrap_or(&shown);
        assert_eq!(shown["data"][1]["value"], "second", "{path}");
        assert_eq!(shown["data"][1]["validator"], "json", "{path}");
        assert_eq!(
            shown["data"][0]["hash"], message["data"][0]["hash"],
            "{path}"
        );
        assert_eq!(shown["header"], message["header"], "{path}");
    }
}
