//! Is data stored by itself, found, referred to and removed as in FireFly?

use serde_json::{Value, json};

use crate::api::Api;

const DATA: &str = "/api/v1/data";
const BROADCAST: &str = "/api/v1/messages/broadcast";

fn id(data: &Value) -> &str {
    data["id"].as_str().unwrap()
}

#[tokio::test]
async fn stored_data_is_shown_as_it_was_sent() {
    let api = Api::new().await;
    let body =
        r#"{"value": {"b": 1.0, "a": "x < y"}, "id": "11111111-2222-4333-8444-555555555555"}"#;
    let reply = api.with_body("POST", DATA, "application/json", body).await;
    let stored = reply.json(201);
    assert_eq!(
        reply.keys(),
        ["id", "validator", "namespace", "hash", "created", "value"]
    );
    assert!(reply.text.contains(r#""value":{"b":1.0,"a":"x \u003c y"}"#));
    assert_ne!(id(&stored), "11111111-2222-4333-8444-555555555555");
    let one = api.get(&format!("{DATA}/{}", id(&stored))).await;
    assert_eq!(one.json(200), stored);
    let value = api.get(&format!("{DATA}/{}/value", id(&stored))).await;
    assert_eq!(value.json(200), stored["value"]);
    assert_eq!(api.get(DATA).await.json(200), json!([stored]));
    api.get("/api/v1/namespaces/other/data")
        .await
        .is_error(404, "FF10436: ");

    let hello = api.post(DATA, json!({"value": "hello", "validator": "none"}));
    let hello = hello.await.json(201);
    assert_eq!(hello["validator"], "none");
    assert_eq!(
        hello["hash"],
        "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a"
    );
}

#[tokio::test]
async fn what_cannot_be_stored_has_its_code() {
    let api = Api::new().await;
    for (body, status, start) in [
        (json!({}), 400, "FF00109: "),
        (json!({"value": null}), 400, "FF00109: "),
        (json!({"blob": {"hash": "ab".repeat(32)}}), 404, "FF10239: "),
        (json!({"value": 1, "validator": "x"}), 400, "FF00108: "),
        (json!({"value": 1, "datatype": {}}), 400, "FF10195: "),
        (json!(null), 400, ""),
    ] {
        api.post(DATA, body).await.is_error(status, start);
    }
    assert_eq!(api.get(DATA).await.json(200), json!([]));
}

#[tokio::test]
async fn messages_refer_to_stored_data_and_show_it() {
    let api = Api::new().await;
    let stored = api.post(DATA, json!({"value": [1]})).await.json(201);
    let reference = json!({"id": id(&stored), "hash": stored["hash"]});
    let body = json!({"data": [{"id": id(&stored)}, {"value": 2}]});
    let message = api.post(BROADCAST, body).await.json(202);
    assert_eq!(message["data"][0], reference);
    let shown = format!(
        "/api/v1/messages/{}",
        message["header"]["id"].as_str().unwrap()
    );
    let with_data = api.get(&format!("{shown}?fetchdata")).await.json(200);
    assert_eq!(with_data["data"][0]["value"], json!([1]));
    assert_eq!(with_data["data"][1]["value"], 2);

    for (data, code) in [
        (
            json!([{"id": id(&stored), "hash": "ab".repeat(32)}]),
            "FF10204: ",
        ),
        (
            json!([{"id": "11111111-2222-4333-8444-555555555555"}]),
            "FF10204: ",
        ),
        (json!([reference, reference]), "FF00129: "),
        (json!([{}]), "FF10205: "),
    ] {
        let refused = api.post(BROADCAST, json!({"data": data})).await;
        refused.is_error(400, code);
    }

    let removed = api.delete(&format!("{DATA}/{}", id(&stored))).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    let with_data = api.get(&format!("{shown}?fetchdata")).await.json(200);
    assert_eq!(with_data["data"][0], reference);
    assert_eq!(with_data["data"][1]["value"], 2);
}

#[tokio::test]
async fn only_stored_data_is_removed() {
    let api = Api::new().await;
    let message = api.post(BROADCAST, json!({"data": [{"value": 1}]})).await;
    let message = message.json(202);
    let published = format!("{DATA}/{}", id(&message["data"][0]));
    api.delete(&published).await.is_error(400, "PH00435: ");
    api.get(&published).await.json(200);
    let unknown = format!("{DATA}/11111111-2222-4333-8444-555555555555");
    api.delete(&unknown).await.is_error(404, "FF10143: ");
    api.delete(&format!("{DATA}/x"))
        .await
        .is_error(400, "FF00138: ");
    for what in ["value", "blob"] {
        let path = format!("{unknown}/{what}/publish");
        let publish = api.post(&path, json!({}));
        publish.await.is_error(400, "FF10414: ");
    }
}

#[tokio::test]
async fn the_newest_data_comes_first_wherever_it_is_kept() {
    let api = Api::new().await;
    for number in 0..4 {
        match number % 2 {
            0 => api.post(DATA, json!({"value": number})).await.json(201),
            _ => {
                let body = json!({"data": [{"value": number}]});
                api.post(BROADCAST, body).await.json(202)
            }
        };
    }
    for (query, expected) in [
        ("", &[3, 2, 1, 0][..]),
        ("?limit=2", &[3, 2]),
        ("?skip=1&limit=2", &[2, 1]),
        ("?skip=3", &[0]),
        ("?skip=4", &[]),
    ] {
        let listed = api.get(&format!("{DATA}{query}")).await.json(200);
        let listed = listed.as_array().unwrap().iter();
        let values: Vec<_> = listed.map(|data| data["value"].as_i64().unwrap()).collect();
        assert_eq!(values, expected, "{query}");
    }
}
