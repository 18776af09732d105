//! Is the secret of a subscription shown once, and replaced?

use photinus_contract::scripted::Scripted;
use serde_json::json;

use crate::api::Api;

const MARKER: &str = "s3cr3t-marker";
const ALL: &str = "/api/v1/subscriptions";

#[tokio::test]
async fn a_secret_that_is_made_is_in_one_answer() {
    let transport = Scripted::new();
    let api = Api::with(json!({}), transport.clone()).await;
    let body = json!({"name": "app", "transport": "scripted"});
    transport.make_secret(MARKER);
    let created = api.post(ALL, body.clone()).await.json(201);
    assert_eq!(created["options"]["secret"], MARKER);
    let one = format!("{ALL}/{}", created["id"].as_str().unwrap());
    let mut changed = created.clone();
    changed["options"]["secret"] = json!("***");
    changed["options"]["note"] = json!("n");
    for reply in [
        api.get(&one).await,
        api.get(&format!("{one}?fetchstatus")).await,
        api.get(ALL).await,
        api.put(ALL, body).await,
        api.put(ALL, changed).await,
    ] {
        assert_eq!(reply.status, 200);
        assert!(reply.text.contains(r#""secret":"***""#), "{}", reply.text);
        assert!(!reply.text.contains(MARKER), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_secret_is_replaced_by_one_that_is_said_or_made() {
    let api = Api::new().await;
    let body = json!({"name": "app", "transport": "scripted", "options": {"secret": "old"}});
    let created = api.post(ALL, body).await.json(201);
    let one = format!("{ALL}/{}", created["id"].as_str().unwrap());
    let rotate = format!("{one}/secret/rotate");

    let given = api
        .post(&rotate, json!({"secret": MARKER, "overlap": "1h"}))
        .await;
    assert_eq!(given.keys(), ["secret", "oldUntil"]);
    assert_eq!(given.json(200)["secret"], MARKER);
    // The scripted transport makes its secret of the time that it was told.
    for reply in [
        api.with_body("POST", &rotate, "", "").await,
        api.post(&rotate, json!({})).await,
        api.post(&rotate, json!({"secret": null, "overlap": ""}))
            .await,
    ] {
        let made = reply.json(200);
        let until = made["oldUntil"].as_str().unwrap();
        assert_eq!(made["secret"], format!("until {until}"));
    }
    let shown = api.get(&one).await.json(200);
    assert_eq!(shown["options"]["secret"], "***");

    for (body, code) in [
        (json!({"overlap": "721h"}), "PH00449: "),
        (json!({"overlap": "soon"}), "FF00137: "),
        (json!({"overlap": 5}), ""),
        (json!({"secret": ""}), "PH00449: "),
        (json!({"overlp": "1h"}), "unknown field `overlp`"),
    ] {
        api.post(&rotate, body).await.is_error(400, code);
    }
    for (id, status, code) in [
        ("0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01", 404, "FF00164: "),
        ("x", 400, "FF00138: "),
    ] {
        let path = format!("{ALL}/{id}/secret/rotate");
        api.post(&path, json!({})).await.is_error(status, code);
    }
}
