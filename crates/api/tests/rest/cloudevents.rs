//! Is a CloudEvent taken in each of its forms, and kept as it was?

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::api::{Api, Reply};

const PATH: &str = "/api/v1/cloudevents";
const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "A-1", "source": "/shop/7", "type": "com.example.order",
        "subject": "orders", "time": "2026-01-02T03:04:05+01:00", "datacontenttype": "application/json",
        "traceparent": "00-ab", "retries": 3, "urgent": true,
        "data": {"order": 17, "big": 12345678901234567890u64},
    })
}

/// The event with some members changed; `null` takes one away.
fn changed(changes: Value) -> Value {
    let mut event = event();
    let members = event.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    event
}

async fn structured(api: &Api, event: &Value) -> Reply {
    api.with_body("POST", PATH, STRUCTURED, event.to_string())
        .await
}

async fn binary(api: &Api, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut request = Request::post("/api/v1/namespaces/default/cloudevents");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(body.into()).unwrap()).await
}

/// The first value of a message.
async fn value(api: &Api, message: &Value) -> Value {
    let id = message["header"]["id"].as_str().unwrap();
    let data = api.get(&format!("/api/v1/messages/{id}/data")).await;
    data.json(200)[0]["value"].clone()
}

#[tokio::test]
async fn an_event_becomes_a_broadcast_that_keeps_all_its_attributes() {
    let api = Api::new().await;
    let message = structured(&api, &event()).await.json(202);
    let header = &message["header"];
    assert_eq!(header["type"], "broadcast");
    assert_eq!(header["tag"], "com.example.order");
    assert_eq!(header["topics"], json!(["orders"]));
    assert_eq!(header["author"], "/shop/7");
    assert_eq!(value(&api, &message).await, event()["data"]);
    let mut kept = event();
    kept.as_object_mut().unwrap().remove("data");
    assert_eq!(message["cloudEvent"], kept);
    let id = header["id"].as_str().unwrap();
    let events = api
        .get(&format!("/api/v1/messages/{id}/events"))
        .await
        .json(200);
    assert_eq!(events[0]["topic"], "orders");
    let read = api
        .get(&format!("/api/v1/messages/{id}?fetchdata"))
        .await
        .json(200);
    assert_eq!(read["cloudEvent"], kept);
    assert_eq!(read["data"][0]["value"], event()["data"]);
}

#[tokio::test]
async fn an_event_that_comes_again_is_answered_with_the_first_message() {
    let api = Api::new().await;
    let first = structured(&api, &event()).await.json(202);
    let again = structured(&api, &changed(json!({"data": "other"})))
        .await
        .json(202);
    assert_eq!(again, first);
    for other in [json!({"id": "A-2"}), json!({"source": "/shop/8"})] {
        let other = structured(&api, &changed(other)).await.json(202);
        assert_ne!(other["header"]["id"], first["header"]["id"]);
    }
    let long = json!({"id": "x".repeat(300)});
    let first = structured(&api, &changed(long.clone())).await.json(202);
    assert_eq!(structured(&api, &changed(long)).await.json(202), first);
    assert_eq!(
        api.get("/api/v1/messages")
            .await
            .json(200)
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn attributes_can_be_headers_and_the_body_the_data() {
    let api = Api::new().await;
    let attributes = |id| {
        [
            ("ce-specversion", "1.0"),
            ("CE-Type", "com.example.order"),
            ("ce-source", "/shop/%C3%A4%20"),
            ("ce-id", id),
            ("ce-comment", "a \"b\" %22"),
        ]
    };
    let with = |id: &'static str, content_type: &'static str| {
        let mut headers = attributes(id).to_vec();
        headers.push(("content-type", content_type));
        headers
    };
    let refused = binary(&api, &with("1", "application/json"), "{}").await;
    refused.is_error(400, "PH00470: No CloudEvent: attribute 'source' is no URI");

    let good = |id, content_type| {
        let mut headers = with(id, content_type);
        headers[2].1 = "/shop/%C3%A4";
        headers
    };
    let json = binary(&api, &good("1", "application/json"), r#"{"a":1}"#)
        .await
        .json(202);
    assert_eq!(json["header"]["author"], "/shop/ä");
    assert_eq!(json["header"]["topics"], json!(["default"]));
    let kept = json!({
        "specversion": "1.0", "type": "com.example.order", "source": "/shop/ä", "id": "1",
        "comment": "a \"b\" \"", "datacontenttype": "application/json",
    });
    assert_eq!(json["cloudEvent"], kept);
    assert_eq!(value(&api, &json).await, json!({"a": 1}));

    let text = binary(&api, &good("2", "text/plain"), "grüße")
        .await
        .json(202);
    assert_eq!(value(&api, &text).await, "grüße");
    assert_eq!(text["cloudEvent"]["dataIsBase64"], Value::Null);

    let bytes = binary(&api, &good("3", "application/octet-stream"), vec![0, 255])
        .await
        .json(202);
    assert_eq!(value(&api, &bytes).await, "AP8=");
    assert_eq!(bytes["cloudEvent"]["dataIsBase64"], true);

    let none = binary(&api, &good("4", "text/plain"), "").await.json(202);
    assert_eq!(none["data"], json!([]));

    let mut twice = good("5", "text/plain");
    twice.push(("ce-id", "6"));
    let twice = binary(&api, &twice, "").await;
    twice.is_error(400, "PH00470: No CloudEvent: attribute 'id' is there twice");
}

#[tokio::test]
async fn a_batch_is_taken_in_order_or_not_at_all() {
    let api = Api::new().await;
    let first = structured(&api, &event()).await.json(202);
    let send = async |events: Value| api.with_body("POST", PATH, BATCH, events.to_string()).await;
    let events: Vec<_> = (1..=3)
        .map(|n| changed(json!({"id": format!("A-{n}")})))
        .collect();
    let taken = send(json!(events)).await.json(202);
    assert_eq!(taken[0]["id"], first["header"]["id"], "it was there before");
    let sequences: Vec<_> = (0..3)
        .map(|n| taken[n]["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3]);

    let with_bad = json!([
        changed(json!({"id": "A-4"})),
        changed(json!({"type": "a/b"}))
    ]);
    let refused = send(with_bad).await;
    refused.is_error(400, "FF00140: event 1 of the batch: ");
    let with_bad = json!([changed(json!({"id": "A-4"})), changed(json!({"id": 5}))]);
    let refused = send(with_bad).await;
    refused.is_error(
        400,
        "PH00470: event 1 of the batch: No CloudEvent: attribute 'id'",
    );
    assert_eq!(send(json!([])).await.json(202), json!([]));
    send(json!({}))
        .await
        .is_error(400, "PH00470: No CloudEvent: ");
    assert_eq!(
        api.get("/api/v1/messages")
            .await
            .json(200)
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn what_is_no_event_is_refused_by_name() {
    let api = Api::new().await;
    for (changes, expected) in [
        (
            json!({"id": null}),
            "PH00470: No CloudEvent: attribute 'id' is missing",
        ),
        (
            json!({"specversion": null}),
            "PH00470: No CloudEvent: attribute 'specversion' is missing",
        ),
        (
            json!({"specversion": "0.3"}),
            "PH00470: No CloudEvent: attribute 'specversion' is '0.3'",
        ),
        (
            json!({"source": ""}),
            "PH00470: No CloudEvent: attribute 'source' is empty",
        ),
        (
            json!({"type": 5}),
            "PH00470: No CloudEvent: attribute 'type' is not a text",
        ),
        (json!({"type": "a/b"}), "FF00140: "),
        (json!({"subject": "a b"}), "FF00140: "),
        (json!({"subject": "a".repeat(65)}), "FF00140: "),
        (
            json!({"time": "yesterday"}),
            "PH00470: No CloudEvent: attribute 'time'",
        ),
        (
            json!({"time": "1700000000"}),
            "PH00470: No CloudEvent: attribute 'time'",
        ),
        (
            json!({"my_name": "x"}),
            "PH00470: No CloudEvent: attribute 'my_name'",
        ),
        (
            json!({"half": 0.5}),
            "PH00470: No CloudEvent: attribute 'half' is 0.5",
        ),
        (
            json!({"many": 3_000_000_000_u32}),
            "PH00470: No CloudEvent: attribute 'many'",
        ),
        (
            json!({"list": []}),
            "PH00470: No CloudEvent: attribute 'list'",
        ),
        (
            json!({"data_base64": "AP8="}),
            "PH00470: No CloudEvent: it has both",
        ),
        (
            json!({"data": null, "data_base64": "?"}),
            "PH00470: No CloudEvent: 'data_base64'",
        ),
    ] {
        structured(&api, &changed(changes))
            .await
            .is_error(400, expected);
    }
    for body in ["", "null", "[]", "5", "{", r#"{"id":"a","id":"b"}"#, "{}x"] {
        let refused = api.with_body("POST", PATH, STRUCTURED, body).await;
        refused.is_error(400, "PH00470: No CloudEvent: ");
    }
    for content_type in [
        "",
        "application/json",
        "application/cloudevents+avro",
        "text/plain",
    ] {
        let refused = api
            .with_body("POST", PATH, content_type, event().to_string())
            .await;
        refused.is_error(415, "FF00162: ");
    }
    let bytes = changed(json!({"data": null, "data_base64": "AP8="}));
    let bytes = structured(&api, &bytes).await.json(202);
    assert_eq!(value(&api, &bytes).await, "AP8=");
    assert_eq!(bytes["cloudEvent"]["dataIsBase64"], true);
    let elsewhere = "/api/v1/namespaces/nowhere/cloudevents";
    let elsewhere = api
        .with_body("POST", elsewhere, STRUCTURED, event().to_string())
        .await;
    elsewhere.is_error(404, "FF10436");
}
