//! How is a subscription told to wait, and to go on?

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_subscription_is_paused_and_resumed() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted"});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let one = format!("/api/v1/subscriptions/{}", created["id"].as_str().unwrap());
    let path = |action: &str| format!("{one}/{action}");
    let until = "2101-01-01T00:00:00Z";
    for (body, reason) in [
        (json!({}), "it was paused"),
        (json!({"until": null, "reason": "a strike"}), "a strike"),
        (json!({"until": until, "reason": "the year"}), "the year"),
    ] {
        let paused = api.post(&path("pause"), body).await.json(200);
        assert_eq!(
            (&paused["state"], &paused["reason"]),
            (&json!("paused"), &json!(reason))
        );
        let shown = api.get(&format!("{one}?fetchstatus")).await.json(200);
        assert_eq!(shown["status"]["state"], "paused");
    }
    for _ in 0..2 {
        let resumed = api
            .with_body("POST", &path("resume"), "", "")
            .await
            .json(200);
        assert_eq!(resumed["state"], "waiting");
    }
    let paused = api
        .with_body("POST", &path("pause"), "", "")
        .await
        .json(200);
    assert_eq!(paused["state"], "paused");
}

#[tokio::test]
async fn a_pause_that_cannot_be_meant_is_refused() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted"});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let pause = format!(
        "/api/v1/subscriptions/{}/pause",
        created["id"].as_str().unwrap()
    );
    for (body, code) in [
        (json!({"until": "2001-01-01T00:00:00Z"}), "PH00443"),
        (json!({"until": "soon"}), ""),
        (json!({"reason": 5}), ""),
    ] {
        api.post(&pause, body).await.is_error(400, code);
    }
    for action in ["pause", "resume"] {
        let path = format!("/api/v1/subscriptions/0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01/{action}");
        api.post(&path, json!({})).await.is_error(404, "FF00164");
        let path = format!("/api/v1/subscriptions/x/{action}");
        api.post(&path, json!({})).await.is_error(400, "FF00138");
    }
}
