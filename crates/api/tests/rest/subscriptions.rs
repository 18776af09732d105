//! Are subscriptions kept as FireFly keeps them?

use serde_json::{Value, json};

use crate::api::Api;

fn named(name: &str) -> Value {
    json!({"name": name, "transport": "scripted"})
}

#[tokio::test]
async fn a_subscription_is_created_shown_changed_and_deleted() {
    let api = Api::new().await;
    let path = "/api/v1/namespaces/default/subscriptions";
    let body = json!({
        "namespace": "other", "name": "app1", "transport": "scripted", "created": null, "updated": null,
        "filter": {"events": "message_confirmed"}, "options": {"firstEvent": "oldest", "note": "x"},
    });
    let created = api.post(path, body).await;
    let shown = created.json(201);
    let keys = [
        "id",
        "namespace",
        "name",
        "transport",
        "filter",
        "options",
        "created",
        "updated",
    ];
    assert_eq!(created.keys(), keys);
    assert_eq!(shown["namespace"], "default");
    assert_eq!(shown["options"]["firstEvent"], "-1");
    assert_eq!(shown["filter"]["message"], json!({}));
    let id = shown["id"].as_str().unwrap();
    let one = format!("/api/v1/subscriptions/{id}");
    assert_eq!(api.get(&one).await.json(200), shown);
    assert_eq!(
        api.get(&format!("{one}?fetchstatus=1")).await.json(200),
        shown
    );

    let with_status = api.get(&format!("{one}?fetchstatus")).await;
    assert!(with_status.json(200)["status"].is_object());
    assert_eq!(with_status.keys().last().unwrap(), "status");

    api.post(path, named("app1")).await.is_error(409, "FF10193");
    let mut changed = named("app1");
    changed["filter"] = json!({"topic": "^t"});
    changed["options"] = json!({"firstEvent": "newest"});
    let changed = api.put(path, changed).await.json(200);
    assert_eq!(
        (&changed["id"], &changed["created"]),
        (&shown["id"], &shown["created"])
    );
    assert_eq!(changed["options"]["firstEvent"], "-1");
    assert!(changed["updated"].is_string());
    assert_eq!(
        api.put(path, named("app2")).await.json(200)["updated"],
        Value::Null
    );

    let gone = api.delete(&one).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    api.get(&one).await.is_error(404, "FF00164");
    api.delete(&one).await.is_error(404, "FF10109");
}

#[tokio::test]
async fn the_offset_is_shown_unless_it_is_zero() {
    let api = Api::new().await;
    for (first_event, expected) in [
        ("oldest", json!({"currentOffset": -1})),
        ("0", json!({})),
        ("5", json!({"currentOffset": 5})),
    ] {
        let mut body = named(&format!("from-{first_event}"));
        body["options"] = json!({"firstEvent": first_event});
        let created = api.post("/api/v1/subscriptions", body).await.json(201);
        let id = created["id"].as_str().unwrap();
        let shown = api
            .get(&format!("/api/v1/subscriptions/{id}?fetchstatus=true"))
            .await
            .json(200);
        let offset = shown["status"].get("currentOffset");
        assert_eq!(offset, expected.get("currentOffset"), "{first_event}");
    }
}

#[tokio::test]
async fn the_status_says_how_far_it_is_behind_and_why() {
    let api = Api::new().await;
    let mut body = named("app");
    body["options"] = json!({"firstEvent": "oldest"});
    let created = api.post("/api/v1/subscriptions", body).await.json(201);
    let one = format!("/api/v1/subscriptions/{}", created["id"].as_str().unwrap());
    let status = || async {
        let shown = api.get(&format!("{one}?fetchstatus")).await;
        shown.json(200)["status"].clone()
    };
    let expected = json!({
        "currentOffset": -1, "tail": 0, "eventsBehind": 0, "secondsBehind": 0.0, "inFlight": 0,
        "parked": 0, "state": "waiting", "reason": "no connection wants it",
    });
    assert_eq!(status().await, expected);
    for value in [1, 2] {
        let message = json!({"data": [{"value": value}]});
        let path = "/api/v1/messages/broadcast?confirm";
        api.post(path, message).await.json(200);
    }
    let behind = status().await;
    assert_eq!(
        (&behind["tail"], &behind["eventsBehind"]),
        (&json!(2), &json!(2))
    );
    assert!(behind["secondsBehind"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn lists_are_newest_first_and_counted_on_request() {
    let api = Api::new().await;
    let path = "/api/v1/subscriptions";
    for name in ["a", "b", "c"] {
        api.post(path, named(name)).await.json(201);
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?limit=2", vec!["c", "b"]),
        ("?limit=2&skip=1", vec!["b", "a"]),
        ("?skip=5", vec![]),
        ("?limit=0", vec!["c", "b", "a"]),
    ] {
        let names = |list: &Value| -> Vec<String> {
            let items = list.as_array().unwrap().iter();
            items
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let list = api.get(&format!("{path}{query}")).await.json(200);
        assert_eq!(names(&list), expected, "{query}");
        let joint = if query.is_empty() { "?" } else { "&" };
        let counted = api
            .get(&format!("{path}{query}{joint}count=true"))
            .await
            .json(200);
        assert_eq!(names(&counted["items"]), expected, "{query}");
        assert_eq!(counted["count"], expected.len(), "{query}");
        assert_eq!(counted["total"], 3, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let api = Api::new().await;
    for (change, status, code) in [
        (json!({"name": ""}), 400, "FF00140"),
        (
            json!({"name": "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01"}),
            400,
            "FF00141",
        ),
        (json!({"transport": "carrier-pigeon"}), 400, "FF10172"),
        (json!({"filter": {"topic": "("}}), 400, "FF10171"),
        (json!({"options": {"firstEvent": "first"}}), 400, "FF10191"),
        (json!({"options": {"firstEvent": 5}}), 400, ""),
        (json!({"id": "5"}), 400, ""),
    ] {
        for method in ["POST", "PUT"] {
            let mut body = named("app");
            body.as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            let reply = api.with_body(
                method,
                "/api/v1/subscriptions",
                "application/json",
                body.to_string(),
            );
            reply.await.is_error(status, code);
        }
    }
    assert_eq!(api.get("/api/v1/subscriptions").await.json(200), json!([]));
}
