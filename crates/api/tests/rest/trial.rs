//! How is a subscription tried?

use serde_json::json;

use crate::api::Api;

const ALL: &str = "/api/v1/subscriptions";

#[tokio::test]
async fn a_trial_says_what_was_exchanged() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted", "options": {"withData": true}});
    let created = api.post(ALL, body).await.json(201);
    let one = format!("{ALL}/{}", created["id"].as_str().unwrap());
    let test = format!("{one}/test");

    for reply in [
        api.with_body("POST", &test, "", "").await,
        api.post(&test, json!({})).await,
        api.post(&test, json!({"event": null})).await,
    ] {
        let keys = [
            "test",
            "event",
            "request",
            "response",
            "outcome",
            "settled",
            "durationMs",
        ];
        assert_eq!(reply.status, 200, "{}", reply.text);
        let trial = reply.json(200);
        let mut found: Vec<&str> = trial.as_object().unwrap().keys().map(|k| &**k).collect();
        found.sort_by_key(|key| keys.iter().position(|expected| expected == key));
        assert_eq!(found, keys);
        assert_eq!(
            (&trial["test"], &trial["settled"]),
            (&json!(true), &json!(true))
        );
        assert!(trial["durationMs"].is_number());
        let headers = json!([["value", r#"{"test":true}"#]]);
        assert_eq!(trial["request"]["headers"], headers);
        let event = trial["event"].as_str().unwrap();
        let line = trial["request"]["line"].as_str().unwrap();
        assert_eq!(line, format!("app {event}"));
        let gone = api.get(&format!("/api/v1/events/{event}")).await;
        gone.is_error(404, "");
    }
    assert_eq!(api.get("/api/v1/events").await.json(200), json!([]));
}

#[tokio::test]
async fn a_trial_is_with_an_event_of_the_log_if_one_is_named() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted"});
    let created = api.post(ALL, body).await.json(201);
    let one = format!("{ALL}/{}", created["id"].as_str().unwrap());
    let test = format!("{one}/test");
    let message = json!({"data": [{"value": 1}]});
    let confirmed = api
        .post("/api/v1/messages/broadcast?confirm", message)
        .await;
    confirmed.json(200);
    let event = api.get("/api/v1/events").await.json(200)[0].clone();
    for body in [
        json!({"event": event["id"]}),
        json!({"sequence": event["sequence"]}),
    ] {
        let trial = api.post(&test, body).await.json(200);
        assert_eq!(trial["event"], event["id"]);
    }
    let shown = api.get(&format!("{one}?fetchstatus")).await.json(200);
    assert_eq!(shown["status"]["currentOffset"], -1);

    let nothing = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
    for (body, status, code) in [
        (json!({"event": nothing}), 404, "PH00441: "),
        (json!({"sequence": 7}), 404, "PH00441: "),
        (json!({"event": nothing, "sequence": 7}), 400, "PH00448: "),
        (json!({"event": "x"}), 400, ""),
        (json!({"evnt": nothing}), 400, "unknown field `evnt`"),
    ] {
        api.post(&test, body).await.is_error(status, code);
    }
    for (id, status, code) in [(nothing, 404, "FF00164: "), ("x", 400, "FF00138: ")] {
        let path = format!("{ALL}/{id}/test");
        api.post(&path, json!({})).await.is_error(status, code);
    }
}
