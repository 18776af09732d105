//! Are namespaces and the status shown as FireFly shows them?

use serde_json::{Value, json};

use crate::api::Api;

#[tokio::test]
async fn namespaces_are_created_listed_and_kept_apart() {
    let api = Api::new().await;
    let all = api.get("/api/v1/namespaces?count&limit=0").await.json(200);
    assert_eq!(all.as_array().unwrap().len(), 1, "a bare list, always");
    let created = api
        .post(
            "/api/v1/namespaces",
            json!({"name": "ns1", "description": "One"}),
        )
        .await;
    let shown = created.json(201);
    assert_eq!(
        created.keys(),
        ["name", "networkName", "description", "created"]
    );
    assert_eq!(
        (&shown["name"], &shown["networkName"]),
        (&json!("ns1"), &json!("ns1"))
    );
    assert_eq!(shown["description"], "One");
    assert_eq!(api.get("/api/v1/namespaces/ns1").await.json(200), shown);
    let names: Vec<Value> = api
        .get("/api/v1/namespaces")
        .await
        .json(200)
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        names.iter().map(|ns| &ns["name"]).collect::<Vec<_>>(),
        ["default", "ns1"]
    );

    for (body, status, code) in [
        (json!({"name": "ns1"}), 409, "FF10193"),
        (json!({"name": "a b"}), 400, "FF00140"),
        (json!({"description": "no name"}), 400, "FF00140"),
        (json!({"name": 5}), 400, "invalid type"),
    ] {
        api.post("/api/v1/namespaces", body)
            .await
            .is_error(status, code);
    }

    api.post("/api/v1/namespaces/ns1/messages/broadcast", json!({}))
        .await
        .json(202);
    assert_eq!(api.get("/api/v1/events").await.json(200), json!([]));
    assert_eq!(
        api.get("/api/v1/namespaces/ns1/events")
            .await
            .json(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_status_has_all_that_clients_look_for() {
    let api = Api::new().await;
    let reply = api.get("/api/v1/status").await;
    let status = reply.json(200);
    assert_eq!(
        reply.keys(),
        ["namespace", "node", "org", "plugins", "multiparty"]
    );
    assert_eq!(status["namespace"]["name"], "default");
    assert_eq!(status["multiparty"]["enabled"], true);
    for member in ["node", "org"] {
        assert_eq!(status[member]["registered"], true, "{member}");
        assert_eq!(status[member]["id"].as_str().unwrap().len(), 36, "{member}");
    }
    assert_eq!(status["org"]["verifiers"], json!([]));
    for kind in [
        "blockchain",
        "database",
        "dataExchange",
        "events",
        "identity",
        "sharedStorage",
        "tokens",
    ] {
        assert!(status["plugins"][kind].is_array(), "{kind}");
    }
    assert_eq!(
        status["plugins"]["events"],
        json!([{"pluginType": "scripted"}, {"pluginType": "system"}])
    );
    let again = api.get("/api/v1/namespaces/default/status").await.json(200);
    assert_eq!(status, again);
}

#[tokio::test]
async fn a_running_transport_shows_its_status() {
    let api = Api::new().await;
    assert_eq!(
        api.get("/api/v1//scripted").await.json(200),
        json!({"waiting": 0})
    );
    api.get("/api/v1/namespaces/default/scripted")
        .await
        .is_error(404, "FF10109");
    api.get("/api/v1/carrier-pigeons")
        .await
        .is_error(404, "FF10109");
}
