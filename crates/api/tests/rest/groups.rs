//! Are groups shown as FireFly shows them?

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_group_is_there_when_a_message_has_used_it() {
    let api = Api::new().await;
    assert_eq!(api.get("/api/v1/groups").await.json(200), json!([]));
    for name in ["first", "second", "first"] {
        let body = json!({"group": {"name": name, "members": [{"identity": "b"}, {"identity": "a", "node": "n"}]}});
        api.post("/api/v1/messages/private", body).await.json(202);
    }
    let listed = api.get("/api/v1/groups").await.json(200);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let second = &listed[0];
    assert_eq!(second["name"], "second");
    assert_eq!(second["namespace"], "default");
    assert_eq!(second["localNamespace"], "default");
    assert_eq!(second["members"][0], json!({"identity": "a", "node": "n"}));
    assert_eq!(second["members"][1]["identity"], "b");
    assert_eq!(
        api.get("/api/v1/groups?skip=1").await.json(200),
        json!([listed[1]])
    );

    let hash = second["hash"].as_str().unwrap();
    for shown in [hash.to_owned(), format!("0x{}", hash.to_uppercase())] {
        let one = api.get(&format!("/api/v1/groups/{shown}")).await;
        assert_eq!(&one.json(200), second);
    }
    let known = json!({"header": {"group": hash}});
    let sent = api.post("/api/v1/messages/private", known).await.json(202);
    assert_eq!(sent["header"]["group"], hash);

    for (hash, status, code) in [
        ("ab".repeat(32), 404, "FF00164: "),
        ("ab".to_owned(), 400, "FF00107: "),
        ("zz".repeat(32), 400, "FF00106: "),
    ] {
        api.get(&format!("/api/v1/groups/{hash}"))
            .await
            .is_error(status, code);
    }
}
