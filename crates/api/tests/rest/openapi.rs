//! Does the document say what is asked and answered, and nothing else?

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::api::Api;

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;

async fn document(api: &Api) -> Value {
    api.get("/api/openapi.json").await.json(200)
}

/// Every object that has this key, wherever it stands.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key));
            object.values().for_each(|value| all(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let api = Api::new().await;
    let document = document(&api).await;
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let items = document["paths"].as_object().unwrap().values();
    let operations: Vec<&Value> = items
        .flat_map(|item| item.as_object().unwrap().values())
        .collect();
    let names = operations.iter().map(|operation| &operation["operationId"]);
    let unique: BTreeSet<&str> = names.map(|name| name.as_str().unwrap()).collect();
    assert_eq!(unique.len(), operations.len());
    for operation in &operations {
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with(['.', ':']), "{operation:#}");
    }
    let mut linked = Vec::new();
    all(&document["paths"], "links", &mut linked);
    assert!(linked.len() > 4);
    for link in linked
        .iter()
        .flat_map(|links| links.as_object().unwrap().values())
    {
        assert!(
            unique.contains(link["operationId"].as_str().unwrap()),
            "{link}"
        );
    }
}

#[tokio::test]
async fn it_is_served_as_json_as_yaml_and_as_a_page() {
    let api = Api::new().await;
    let document = document(&api).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(api.get("/api/swagger.json").await.json(200), document);
    for path in ["/api/openapi.yaml", "/api/swagger.yaml"] {
        let yaml = api.get(path).await;
        assert_eq!(
            (yaml.status, &yaml.headers["content-type"]),
            (200, &"application/yaml".parse().unwrap())
        );
        assert!(yaml.text.contains("openapi: 3.1.0\n"), "{path}");
    }
    let moved = api.get("/api").await;
    assert_eq!(
        (moved.status, moved.headers["location"].to_str().unwrap()),
        (303, "/api/")
    );
    let page = api.get("/api/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for name in page
        .text
        .split(['"', '\''])
        .filter(|name| name.starts_with("./"))
    {
        let file = api.bytes(&format!("/api/{}", &name[2..])).await;
        assert_eq!(file, 200, "{name}");
    }
    let start = api.get("/api/swagger-initializer.js").await;
    assert!(start.text.contains("openapi.json"), "{}", start.text);
    api.get("/api/nothing.js").await.is_error(404, "FF10109: ");
}

#[tokio::test]
async fn a_namespace_has_a_page_and_a_document_of_its_own() {
    let api = Api::new().await;
    let all = document(&api).await;
    let place = "/api/v1/namespaces/default/api";
    let own = api.get(&format!("{place}/openapi.json")).await.json(200);
    assert_eq!(own["servers"][0]["url"], "/api/v1/namespaces/default");
    let of_all = all["paths"].as_object().unwrap().keys();
    let expected: Vec<&str> = of_all
        .filter_map(|path| path.strip_prefix("/api/v1/namespaces/{ns}/"))
        .collect();
    let paths: Vec<&str> = own["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| &path[1..])
        .collect();
    assert_eq!(paths, expected);
    // Nothing speaks of a namespace any more, and no reference leads nowhere.
    let text = own.to_string();
    for gone in ["parameters/ns\"", "path.ns", "{ns}"] {
        assert!(!text.contains(gone), "{gone}");
    }
    for reference in text.split("\"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(own.pointer(&pointer).is_some(), "{pointer}");
    }
    // What a path of it says is true of the path below the namespace.
    assert_eq!(
        own["paths"]["/subscriptions/{id}"]["get"]["responses"],
        all["paths"]["/api/v1/namespaces/{ns}/subscriptions/{id}"]["get"]["responses"]
    );
    for name in [
        "swagger.json",
        "openapi.yaml",
        "swagger.yaml",
        "",
        "swagger-ui.css",
    ] {
        assert_eq!(api.bytes(&format!("{place}/{name}")).await, 200, "{name}");
    }
    let moved = api.get(place).await;
    assert_eq!(
        moved.headers["location"].to_str().unwrap(),
        format!("{place}/")
    );
    for name in ["", "/", "/openapi.json", "/swagger-ui.css"] {
        let path = format!("/api/v1/namespaces/none/api{name}");
        api.get(&path).await.is_error(404, "FF10436: ");
    }
}

#[tokio::test]
async fn the_way_to_a_page_stays_on_this_server() {
    let api = Api::new().await;
    for place in ["/api", "/api/v1/namespaces/default/api"] {
        for before in ["/", "//evil.example/..", "/\\evil.example/.."] {
            let moved = api.get(&format!("{before}{place}")).await;
            let to = moved.headers["location"].to_str().unwrap();
            assert_eq!((moved.status, to), (303, &*format!("{place}/")), "{before}");
        }
    }
}

#[tokio::test]
async fn every_operation_has_a_tag_that_is_explained() {
    let document = document(&Api::new().await).await;
    let explained: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let operations = document["paths"].as_object().unwrap().values();
    let used: BTreeSet<&str> = operations
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["tags"][0].as_str().expect("it has a tag"))
        .collect();
    assert_eq!(used, explained);
}

/// Holds an answer against the document, and lets nothing pass that the document does not name.
fn hold(document: &Value, method: &Method, template: &str, status: u16, body: &Value) {
    let operation = &document["paths"][template][method.as_str().to_ascii_lowercase()];
    let mut response = &operation["responses"][status.to_string()];
    if let Some(reference) = response["$ref"].as_str() {
        response = document.pointer(&reference[1..]).unwrap();
    }
    assert!(!response.is_null(), "{method} {template}: {status}");
    let mut schema = response["content"]["application/json"]["schema"].clone();
    assert!(
        !schema.is_null(),
        "{method} {template}: {status} without a shape"
    );
    schema["components"] = document["components"].clone();
    for shape in schema["components"]["schemas"]
        .as_object_mut()
        .unwrap()
        .values_mut()
    {
        if shape.get("properties").is_some() && shape.get("additionalProperties").is_none() {
            shape["unevaluatedProperties"] = false.into();
        }
    }
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(
        errors.is_empty(),
        "{method} {template}: {errors:#?}\n{body:#}"
    );
}

#[tokio::test]
async fn what_is_answered_has_the_shape_that_the_document_says() {
    let api = Api::new().await;
    let document = document(&api).await;
    let ns = "/api/v1/namespaces/{ns}";
    let group = json!({"name": "g", "members": [{"identity": "a"}, {"identity": "b"}]});
    let message = json!({"header": {"tag": "t", "topics": ["a", "b"]}, "data": [{"value": {"n": 1.50}}], "idempotencyKey": "k"});
    let mut ids = std::collections::BTreeMap::new();
    for (method, path, body, status) in [
        ("GET", "/api/v1/namespaces", json!(null), 200),
        ("POST", "/api/v1/namespaces", json!({"name": "other"}), 201),
        ("POST", "/api/v1/namespaces", json!({"name": "other"}), 409),
        ("POST", "/api/v1/namespaces", json!({"name": "-"}), 400),
        ("GET", "/api/v1/namespaces/{ns}", json!(null), 200),
        ("GET", "{ns}/status", json!(null), 200),
        (
            "POST",
            "{ns}/subscriptions",
            json!({"name": "app", "transport": "scripted", "filter": {"message": {"tag": "t"}}, "options": {"readAhead": 7}}),
            201,
        ),
        (
            "PUT",
            "{ns}/subscriptions",
            json!({"name": "app", "transport": "scripted"}),
            200,
        ),
        ("GET", "{ns}/subscriptions", json!(null), 200),
        ("GET", "{ns}/subscriptions?count", json!(null), 200),
        (
            "GET",
            "{ns}/subscriptions/{id}?fetchstatus",
            json!(null),
            200,
        ),
        ("POST", "{ns}/messages/broadcast", message.clone(), 202),
        ("POST", "{ns}/messages/broadcast", message, 409),
        (
            "POST",
            "{ns}/messages/broadcast?confirm",
            json!({"data": [{"value": [null]}]}),
            200,
        ),
        (
            "POST",
            "{ns}/messages/private",
            json!({"group": group, "header": {"author": "x", "cid": "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01"}}),
            202,
        ),
        (
            "POST",
            "{ns}/subscriptions/{id}/seek",
            json!({"to": "oldest", "dryRun": true}),
            200,
        ),
        (
            "POST",
            "{ns}/subscriptions/{id}/seek",
            json!({"to": "newest"}),
            200,
        ),
        (
            "POST",
            "{ns}/subscriptions/{id}/pause",
            json!({"reason": "x"}),
            200,
        ),
        ("POST", "{ns}/subscriptions/{id}/resume", json!(null), 200),
        (
            "POST",
            "{ns}/subscriptions/{id}/secret/rotate",
            json!({"secret": "s", "overlap": "1h"}),
            200,
        ),
        ("POST", "{ns}/subscriptions/{id}/test", json!(null), 200),
        ("GET", "{ns}/subscriptions/{id}/events", json!(null), 200),
        (
            "POST",
            "{ns}/subscriptions/preview",
            json!({"filter": {"message": {"tag": "t"}}}),
            200,
        ),
        ("POST", "{ns}/messages/requestreply", json!({}), 400),
        ("POST", "{ns}/cloudevents", json!(EVENT), 202),
        ("GET", "{ns}/messages", json!(null), 200),
        ("GET", "{ns}/messages?fetchdata", json!(null), 200),
        ("GET", "{ns}/messages/{id}", json!(null), 200),
        ("GET", "{ns}/messages/{id}?fetchdata", json!(null), 200),
        ("GET", "{ns}/messages/{id}/data", json!(null), 200),
        ("GET", "{ns}/messages/{id}/events", json!(null), 200),
        ("GET", "{ns}/events", json!(null), 200),
        ("GET", "{ns}/events?fetchreferences", json!(null), 200),
        ("GET", "{ns}/events/{id}?fetchreference", json!(null), 200),
        ("POST", "{ns}/data", json!({"value": {"a": 1}}), 201),
        ("POST", "{ns}/data/{id}/value/publish", json!({}), 400),
        ("GET", "{ns}/data/{id}/messages", json!(null), 200),
        (
            "POST",
            "{ns}/datatypes",
            json!({"name": "d", "version": "1", "value": {"type": "object"}}),
            202,
        ),
        (
            "POST",
            "{ns}/datatypes?confirm",
            json!({"name": "d", "version": "2", "value": {"type": "object"}}),
            200,
        ),
        ("GET", "{ns}/datatypes?count", json!(null), 200),
        (
            "GET",
            "{ns}/events?type=datatype_confirmed",
            json!(null),
            200,
        ),
        ("GET", "{ns}/datasubpaths/", json!(null), 200),
        ("GET", "{ns}/groups", json!(null), 200),
        ("GET", "{ns}/groups?count", json!(null), 200),
        ("GET", "{ns}/data", json!(null), 200),
        ("GET", "{ns}/data/{id}", json!(null), 200),
        ("GET", "{ns}/data/{id}/value", json!(null), 200),
        ("GET", "{ns}/events/nothing", json!(null), 400),
    ] {
        let method: Method = method.parse().unwrap();
        let template = path.split('?').next().unwrap();
        let template = match template.strip_prefix("{ns}") {
            Some(rest) => format!("{ns}{}", rest.replace("/nothing", "/{id}")),
            None => template.to_owned(),
        };
        let list = template.split('/').nth(5).unwrap_or_default().to_owned();
        let id: &String = ids.entry(list).or_default();
        let path = match path.strip_prefix("{ns}") {
            Some(rest) => format!("/api/v1/namespaces/default{}", rest.replace("{id}", id)),
            None => path.replace("{ns}", "default"),
        };
        let (kind, body) = match body {
            Value::String(text) => ("application/cloudevents+json", text),
            Value::Null => ("", String::new()),
            body => ("application/json", body.to_string()),
        };
        let reply = api.with_body(method.as_str(), &path, kind, body).await;
        let answer = reply.json(status);
        hold(&document, &method, &template, status, &answer);
        // What was made or listed last is asked for by its id.
        let list = template.split('/').nth(5).unwrap_or_default().to_owned();
        let first = answer
            .as_array()
            .and_then(|items| items.first())
            .unwrap_or(&answer);
        for id in [&first["header"]["id"], &first["id"]] {
            if let Some(id) = id.as_str() {
                ids.insert(list.clone(), id.to_owned());
            }
        }
    }
}
