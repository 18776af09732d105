//! What is shown of the past of a subscription, and of that of a filter?

use serde_json::{Value, json};

use crate::api::Api;

/// Ten events with the tags `even` and `odd`, and a subscription to the even ones.
async fn history() -> (Api, String) {
    let api = Api::new().await;
    for number in 1..=10 {
        let tag = ["even", "odd"][number % 2];
        let message = json!({"header": {"tag": tag}, "data": [{"value": number}]});
        let path = "/api/v1/messages/broadcast?confirm";
        api.post(path, message).await.json(200);
    }
    let filter = json!({"message": {"tag": "even"}});
    let body = json!({"name": "app", "transport": "scripted", "filter": filter});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let id = created["id"].as_str().unwrap();
    (api, format!("/api/v1/subscriptions/{id}/events"))
}

fn sequences(items: &Value) -> Vec<i64> {
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| item["sequence"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_history_is_what_the_filter_matches() {
    let (api, path) = history().await;
    for (query, expected) in [
        ("", &[10, 8, 6, 4, 2][..]),
        ("?limit=5", &[10, 8, 6]),
        ("?skip=1&limit=4", &[8, 6]),
        ("?limit=0", &[]),
        ("?startsequence=3", &[10, 8, 6, 4]),
        ("?startsequence=4&endsequence=8", &[6, 4]),
        ("?startsequence=4&endsequence=9&skip=2", &[6, 4]),
        ("?startsequence=1&endsequence=11&limit=2", &[4, 2]),
        ("?startsequence=1&endsequence=11&limit=0", &[]),
        ("?endsequence=9&limit=3", &[8, 6]),
        ("?startsequence=8&endsequence=4", &[]),
        ("?startsequence=&endsequence=&limit=1", &[10]),
        ("?startsequence=-5&endsequence=3", &[2]),
        ("?sequence=%3C7", &[6, 4, 2]),
        ("?limit=3&sequence=%3C7", &[6, 4]),
        (
            "?startsequence=2&endsequence=9&sequence=4&sequence=8&sequence=10",
            &[8, 4],
        ),
        (
            "?startsequence=1&endsequence=11&sort=sequence",
            &[2, 4, 6, 8, 10],
        ),
        (
            "?startsequence=1&endsequence=11&sort=sequence&limit=2",
            &[8, 10],
        ),
        ("?topic=none", &[]),
    ] {
        let found = api.get(&format!("{path}{query}")).await.json(200);
        assert_eq!(sequences(&found["items"]), expected, "{query}");
        assert_eq!(
            (&found["count"], &found["total"]),
            (&json!(expected.len()), &found["count"])
        );
    }
    let found = api.get(&path).await;
    assert_eq!(found.keys()[..3], ["count", "total", "items"]);
    let first = &found.json(200)["items"][0];
    assert_eq!(first["message"]["header"]["tag"], "even");
    assert_eq!(first["subscription"], Value::Null);
}

#[tokio::test]
async fn a_history_that_cannot_be_meant_is_refused() {
    let (api, path) = history().await;
    for (query, code) in [
        ("startsequence=x", "FF10464"),
        ("endsequence=1.5", "FF10464"),
        ("startsequence=0&endsequence=1001", "FF10463"),
        ("limit=1001", "FF00192"),
        ("skip=1001", "FF00191"),
        ("sequence=x", "FF00143"),
        ("topic=%", "PH00400"),
    ] {
        let reply = api.get(&format!("{path}?{query}")).await;
        reply.is_error(400, code);
    }
    for id in ["0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01", "x"] {
        let path = format!("/api/v1/subscriptions/{id}/events");
        api.get(&path).await.is_error(404, "FF00164");
    }
}

#[tokio::test]
async fn a_preview_shows_what_a_filter_matches_among_the_newest_events() {
    let (api, _) = history().await;
    let path = "/api/v1/subscriptions/preview";
    let filter = json!({"message": {"tag": "^odd$"}});
    for (body, scanned, expected) in [
        (json!({"filter": filter}), 10, &[9, 7, 5, 3, 1][..]),
        (json!({"filter": filter, "last": 4}), 4, &[9, 7]),
        (json!({"filter": filter, "last": 1}), 1, &[]),
        (json!({"last": 2}), 2, &[10, 9]),
        (
            json!({"filter": null, "last": 1000}),
            10,
            &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
        ),
    ] {
        let found = api.post(path, body.clone()).await;
        assert_eq!(found.keys()[..3], ["scanned", "matched", "events"]);
        let found = found.json(200);
        assert_eq!(sequences(&found["events"]), expected, "{body}");
        assert_eq!(
            (&found["scanned"], &found["matched"]),
            (&json!(scanned), &json!(expected.len()))
        );
    }
    for (body, code) in [
        (json!({"last": 0}), "PH00442"),
        (json!({"last": 1001}), "PH00442"),
        (json!({"last": -1}), ""),
        (json!({"filter": {"topic": "("}}), "FF10171"),
    ] {
        api.post(path, body).await.is_error(400, code);
    }
}

#[tokio::test]
async fn a_preview_says_where_options_would_send_the_newest_events() {
    let (api, _) = history().await;
    let path = "/api/v1/subscriptions/preview";
    let body = |options: Value| {
        let filter = json!({"message": {"tag": "^odd$"}});
        json!({"transport": "scripted", "filter": filter, "options": options})
    };
    let found = api.post(path, body(json!({"address": "to-{tag}"}))).await;
    let found = found.json(200);
    let addresses = found["addresses"].as_array().unwrap();
    assert_eq!(sequences(&found["addresses"]), [9, 7, 5]);
    for (address, event) in addresses.iter().zip(found["events"].as_array().unwrap()) {
        let (id, sequence) = (&event["id"], &event["sequence"]);
        let expected = json!({"event": id, "sequence": sequence, "address": "to-odd"});
        assert_eq!(*address, expected);
    }
    let found = api.post(path, body(json!({"address": "{data.x}"}))).await;
    let found = found.json(200);
    assert_eq!(found["addresses"][0]["error"], "it has no address");

    let found = api.post(path, body(json!({}))).await;
    assert_eq!(found.json(200)["addresses"], json!([]), "it has none");
    let found = api.post(path, json!({"filter": {}})).await;
    assert!(found.json(200).get("addresses").is_none(), "nothing asked");
    for (asked, code) in [
        (json!({"transport": "nobody", "options": {}}), "FF10172"),
        (
            body(json!({"orderingKey": "topic", "batch": true})),
            "PH00445",
        ),
    ] {
        api.post(path, asked).await.is_error(400, code);
    }
}
