//! How is a subscription moved?

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_seek_says_where_it_went_and_a_dry_run_where_it_would() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted", "options": {"firstEvent": "newest"}});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let one = format!("/api/v1/subscriptions/{}", created["id"].as_str().unwrap());
    for value in ["a", "b", "c"] {
        let message = json!({"data": [{"value": value}]});
        let path = "/api/v1/messages/broadcast?confirm";
        api.post(path, message).await.json(200);
    }
    let events = api.get("/api/v1/events").await.json(200);
    let seek = format!("{one}/seek");
    for (to, offset, events) in [
        (json!("oldest"), -1, 3),
        (json!("newest"), 3, 0),
        (json!(1), 1, 2),
        (json!("1"), 1, 2),
        (events[0]["id"].clone(), 2, 1),
        (json!("2001-01-01T00:00:00Z"), -1, 3),
        (json!("2101-01-01T00:00:00+01:00"), 3, 0),
    ] {
        let dry = api.post(&seek, json!({"to": to, "dryRun": true})).await;
        let expected = json!({
            "offset": offset, "dryRun": true, "events": events, "scanned": events, "more": false,
        });
        assert_eq!(dry.json(200), expected);
        let done = api.post(&seek, json!({"to": to})).await.json(200);
        assert_eq!(done, json!({"offset": offset, "dryRun": false}));
        let shown = api.get(&format!("{one}?fetchstatus")).await.json(200);
        assert_eq!(shown["status"]["currentOffset"], offset);
        assert_eq!(
            shown["updated"],
            json!(null),
            "it is not changed, only moved"
        );
    }
}

#[tokio::test]
async fn what_names_no_place_is_refused() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted"});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let id = created["id"].as_str().unwrap();
    let seek = format!("/api/v1/subscriptions/{id}/seek");
    for (body, status, code) in [
        (json!({}), 400, "PH00440"),
        (json!({"to": "yesterday"}), 400, "PH00440"),
        (json!({"to": -2}), 400, "PH00440"),
        (json!({"to": ["oldest"]}), 400, "PH00440"),
        (json!({"to": "oldest", "dryRun": "yes"}), 400, ""),
        (json!({"to": id}), 404, "PH00441"),
    ] {
        api.post(&seek, body).await.is_error(status, code);
    }
    let to = json!({"to": "oldest"});
    let missing = "/api/v1/subscriptions/0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01/seek";
    api.post(missing, to.clone()).await.is_error(404, "FF00164");
    let missing = "/api/v1/subscriptions/x/seek";
    api.post(missing, to.clone()).await.is_error(400, "FF00138");
    let elsewhere = format!("/api/v1/namespaces/nowhere/subscriptions/{id}/seek");
    api.post(&elsewhere, to).await.is_error(404, "FF10436");
}
