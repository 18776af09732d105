//! Are datatypes defined once and for all, and is what names one checked?

use serde_json::{Value, json};

use crate::api::Api;

const DATATYPES: &str = "/api/v1/datatypes";
const DATA: &str = "/api/v1/data";
const BROADCAST: &str = "/api/v1/messages/broadcast";

fn widget() -> Value {
    json!({
        "name": "widget",
        "version": "1.0",
        "value": {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]},
    })
}

fn of_widget() -> Value {
    json!({"name": "widget", "version": "1.0"})
}

#[tokio::test]
async fn a_datatype_is_defined_once_and_found() {
    let api = Api::new().await;
    let reply = api.post(DATATYPES, widget()).await;
    let datatype = reply.json(202);
    assert_eq!(
        reply.keys(),
        [
            "id",
            "validator",
            "namespace",
            "name",
            "version",
            "hash",
            "created",
            "value"
        ]
    );
    assert_eq!(datatype["validator"], "json");
    assert_eq!(datatype["value"], widget()["value"]);
    let one = api.get(&format!("{DATATYPES}/widget/1.0")).await;
    assert_eq!(one.json(200), datatype);
    api.post(DATATYPES, widget())
        .await
        .is_error(409, "FF10193: ");
    for version in ["2.0", "3.0"] {
        let mut next = widget();
        next["version"] = json!(version);
        let path = format!("{DATATYPES}?confirm");
        api.post(&path, next).await.json(200);
    }
    for (query, expected) in [
        ("", &["3.0", "2.0", "1.0"][..]),
        ("?limit=1", &["3.0"]),
        ("?skip=1&limit=1", &["2.0"]),
        ("?skip=3", &[]),
    ] {
        let listed = api.get(&format!("{DATATYPES}{query}")).await.json(200);
        let listed = listed.as_array().unwrap().iter();
        let versions: Vec<_> = listed.map(|one| one["version"].as_str().unwrap()).collect();
        assert_eq!(versions, expected, "{query}");
    }
    for path in ["widget/4.0", "gadget/1.0", "%20/x"] {
        let unknown = api.get(&format!("{DATATYPES}/{path}")).await;
        unknown.is_error(404, "FF00164: ");
    }
}

#[tokio::test]
async fn a_datatype_is_announced_and_is_no_message() {
    let api = Api::new().await;
    let datatype = api.post(DATATYPES, widget()).await.json(202);
    let message = api.post(BROADCAST, json!({})).await.json(202);
    let events = "/api/v1/events?fetchreferences";
    let events = api.get(events).await.json(200);
    let announced = json!({
        "id": events[1]["id"],
        "sequence": 1,
        "type": "datatype_confirmed",
        "namespace": "default",
        "reference": datatype["id"],
        "topic": "ff_definition",
        "created": datatype["created"],
        "datatype": datatype,
    });
    assert_eq!(events[1], announced);
    assert_eq!(events[0]["type"], "message_confirmed");
    let path = format!("/api/v1/events/{}", announced["id"].as_str().unwrap());
    let mut plain = announced.clone();
    plain.as_object_mut().unwrap().remove("datatype");
    assert_eq!(api.get(&path).await.json(200), plain);

    let messages = api.get("/api/v1/messages").await.json(200);
    assert_eq!(messages.as_array().unwrap().len(), 1);
    assert_eq!(messages[0]["header"]["id"], message["header"]["id"]);
    let none = format!("/api/v1/messages/{}", datatype["id"].as_str().unwrap());
    for path in ["", "/data", "/events"] {
        let none = api.get(&format!("{none}{path}")).await;
        none.is_error(404, "FF10109: ");
    }
}

#[tokio::test]
async fn what_is_no_datatype_has_its_code() {
    let api = Api::new().await;
    let with = |key: &str, value: Value| {
        let mut datatype = widget();
        datatype[key] = value;
        datatype
    };
    for (body, status, start) in [
        (json!({}), 400, "FF00140: Field 'name'"),
        (with("name", json!("a b")), 400, "FF00140: Field 'name'"),
        (
            with("version", json!(null)),
            400,
            "FF00140: Field 'version'",
        ),
        (with("validator", json!("none")), 400, "FF00108: "),
        (with("validator", json!("definition")), 400, "FF00108: "),
        (with("value", json!(null)), 400, "FF10196: "),
        (with("value", json!("x")), 400, "FF10196: "),
        (with("value", json!({"type": "x"})), 400, "FF10196: "),
        (
            with("value", json!({"$ref": "http://127.0.0.1:1/"})),
            400,
            "FF10196: ",
        ),
        (
            with("value", json!({"const": "x".repeat(900_000)})),
            400,
            "FF10327: ",
        ),
        (with("name", json!(5)), 400, ""),
        (json!([]), 400, ""),
        (json!(null), 400, ""),
    ] {
        api.post(DATATYPES, body).await.is_error(status, start);
    }
    assert_eq!(api.get(DATATYPES).await.json(200), json!([]));
    assert_eq!(api.get("/api/v1/events").await.json(200), json!([]));
}

#[tokio::test]
async fn data_conforms_to_the_datatype_that_it_names() {
    let api = Api::new().await;
    api.post(DATATYPES, widget()).await.json(202);
    let good = json!({"value": {"price": 5}, "datatype": of_widget()});
    let stored = api.post(DATA, good.clone()).await.json(201);
    assert_eq!(stored["datatype"], of_widget());
    let shown = format!("{DATA}/{}", stored["id"].as_str().unwrap());
    assert_eq!(api.get(&shown).await.json(200), stored);

    let bad = json!({"value": {"price": "5"}, "datatype": of_widget()});
    for (entry, code) in [
        (bad.clone(), "FF10198: "),
        (json!({"value": {}, "datatype": of_widget()}), "FF10198: "),
        (json!({"value": {"price": 5}, "datatype": {}}), "FF10195: "),
        (
            json!({"value": {"price": 5}, "datatype": {"name": "widget"}}),
            "FF10195: ",
        ),
        (
            json!({"value": {"price": 5}, "datatype": {"name": "widget", "version": "2"}}),
            "FF10195: ",
        ),
        (json!({"value": {"price": 5}, "datatype": []}), ""),
        (json!({"value": {"price": 5}, "datatype": {"name": 5}}), ""),
        (
            json!({"value": 1, "validator": "x", "datatype": of_widget()}),
            "FF00108: ",
        ),
    ] {
        api.post(DATA, entry.clone()).await.is_error(400, code);
        let message = json!({"data": [{"value": 1}, entry]});
        api.post(BROADCAST, message).await.is_error(400, code);
    }
    let unchecked = json!({"value": 1, "validator": "none", "datatype": of_widget()});
    let unchecked = api.post(DATA, unchecked).await.json(201);
    assert_eq!(
        (&unchecked["validator"], &unchecked["datatype"]),
        (&json!("none"), &of_widget())
    );
    assert_eq!(api.get(DATA).await.json(200).as_array().unwrap().len(), 2);
    let messages = api.get("/api/v1/messages").await.json(200);
    assert_eq!(messages, json!([]));
}

#[tokio::test]
async fn a_message_brings_values_with_and_without_datatypes() {
    let api = Api::new().await;
    api.post(DATATYPES, widget()).await.json(202);
    let good = json!({"value": {"price": 5}, "datatype": of_widget()});
    let body = json!({"data": [{"value": 1}, good, {"value": 2}], "idempotencyKey": "k"});
    let message = api.post(BROADCAST, body.clone()).await.json(202);
    let id = message["header"]["id"].as_str().unwrap();
    let shown = api
        .get(&format!("/api/v1/messages/{id}/data"))
        .await
        .json(200);
    let values: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|data| &data["value"])
        .collect();
    assert_eq!(values, [&json!(1), &json!({"price": 5}), &json!(2)]);
    assert_eq!(shown[1]["datatype"], of_widget());
    assert_eq!(shown[0].get("datatype"), None);
    for (index, data) in shown.as_array().unwrap().iter().enumerate() {
        let reference = json!({"id": data["id"], "hash": data["hash"]});
        assert_eq!(message["data"][index], reference);
    }
    let with_data = api
        .get(&format!("/api/v1/messages/{id}?fetchdata"))
        .await
        .json(200);
    assert_eq!(with_data["data"][1]["datatype"], of_widget());

    // What is refused leaves nothing behind.
    api.post(BROADCAST, body).await.is_error(409, "FF10430: ");
    assert_eq!(api.get(DATA).await.json(200).as_array().unwrap().len(), 3);

    // Lines of an upload are checked one by one.
    let lines = [
        json!({"data": [good]}),
        json!({"data": [{"value": {}, "datatype": of_widget()}]}),
        json!({"data": [good, good]}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let path = "/api/v1/messages/bulk";
    let upload = api
        .with_body("POST", path, "application/x-ndjson", lines)
        .await;
    let answers: Vec<Value> = upload
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        answers[0]["id"].is_string() && answers[2]["id"].is_string(),
        "{answers:?}"
    );
    assert!(
        answers[1]["error"]
            .as_str()
            .unwrap()
            .starts_with("FF10198: "),
        "{answers:?}"
    );
    assert_eq!(api.get(DATA).await.json(200).as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn the_metadata_of_a_file_is_checked_before_it_is_read() {
    let api = Api::new().await;
    api.post(DATATYPES, widget()).await.json(202);
    for (metadata, status) in [(r#"{"price":5}"#, 201), (r#"{"price":""}"#, 400), ("", 400)] {
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=metadata\r\n\r\n{metadata}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"datatype.name\"\r\n\r\nwidget\r\n\
             --b\r\nContent-Disposition: form-data; name=\"datatype.version\"\r\n\r\n1.0\r\n\
             --b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nhello\r\n--b--"
        );
        let reply = api
            .with_body("POST", DATA, "multipart/form-data; boundary=b", form)
            .await;
        match status {
            201 => assert_eq!(reply.json(201)["datatype"], of_widget()),
            _ => reply.is_error(400, "FF10198: "),
        }
    }
}

#[tokio::test]
async fn a_value_leads_to_the_messages_that_refer_to_it() {
    let api = Api::new().await;
    let stored = api.post(DATA, json!({"value": 1})).await.json(201);
    let mut ids = Vec::new();
    let mut own = Value::Null;
    for number in 0..4 {
        let data = match number {
            0 => json!([{"value": 7}]),
            1 => json!([{"id": stored["id"]}, {"id": own}]),
            2 => json!([{"value": 8}]),
            _ => json!([{"id": own}]),
        };
        let message = api.post(BROADCAST, json!({"data": data})).await.json(202);
        if number == 0 {
            own = message["data"][0]["id"].clone();
        }
        ids.push(message["header"]["id"].clone());
    }
    for (id, query, expected) in [
        (&own, "", &[3, 1, 0][..]),
        (&own, "?limit=1", &[3]),
        (&own, "?skip=1&limit=2", &[1, 0]),
        (&stored["id"], "", &[1]),
        (&json!("11111111-2222-4333-8444-555555555555"), "", &[]),
        (&ids[0], "", &[]),
    ] {
        let path = format!("{DATA}/{}/messages{query}", id.as_str().unwrap());
        let found = api.get(&path).await.json(200);
        let found = found.as_array().unwrap().iter();
        let found: Vec<_> = found.map(|message| &message["header"]["id"]).collect();
        let expected: Vec<_> = expected.iter().map(|number| &ids[*number]).collect();
        assert_eq!(found, expected, "{path}");
    }
    api.get(&format!("{DATA}/x/messages"))
        .await
        .is_error(400, "FF00138: ");
}
