//! Are HTTP's own questions answered as FireFly answers them?

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::Request;
use serde_json::json;

use crate::api::Api;

const ID: &str = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";

#[tokio::test]
async fn paths_lead_somewhere_or_to_their_error() {
    let api = Api::new().await;
    for (path, status, error) in [
        ("/api/v1/status", 200, ""),
        ("/api/v1//status", 200, ""),
        ("//api/v1/namespaces/default//status", 200, ""),
        ("/api/v1/namespaces/def%61ult/status", 200, ""),
        (
            "/api/v1/namespaces/default/status?unknown=1&limit=x",
            200,
            "",
        ),
        ("/api/v1/status/", 404, "FF10109"),
        ("/", 404, "FF10109"),
        ("/api/v2/status", 404, "FF10109"),
        ("/api/v1/nothing", 404, "FF10109"),
        ("/api/v1/ws", 404, "FF10109"),
        ("/api/v1/namespaces/nowhere/nothing", 404, "FF10109"),
        (
            "/api/v1/namespaces/nowhere",
            404,
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            "/api/v1/namespaces/nowhere/status",
            404,
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            "/api/v1/namespaces/a+b%2520c/events",
            404,
            "FF10436: Unknown namespace 'a b c'",
        ),
        ("/api/v1/namespaces/%ff/status", 400, "PH00400"),
        ("/api/v1/events/5", 400, "FF00138"),
        ("/api/v1/subscriptions/app1", 400, "FF00138"),
        ("/api/v1/messages/5/data", 400, "FF00138"),
        ("/api/v1/events?limit=1001", 400, "FF00192"),
        ("/api/v1/messages?skip=1001", 400, "FF00191"),
        ("/api/v1/data?Limit=1001", 400, "FF00192"),
        ("/api/v1/subscriptions?limit=1001", 400, "FF00192"),
    ] {
        let reply = api.get(path).await;
        if error.is_empty() {
            reply.json(status);
        } else {
            reply.is_error(status, error);
        }
    }
    for (path, code) in [
        ("subscriptions", "FF00164"),
        ("events", "FF00164"),
        ("data", "FF00164"),
        ("messages", "FF10109"),
    ] {
        for id in [ID, "0D4E4D6E5F3B4D0A8A8A6F4F5B0F7B01"] {
            api.get(&format!("/api/v1/{path}/{id}"))
                .await
                .is_error(404, code);
        }
    }
    for path in [
        format!("messages/{ID}/data"),
        format!("messages/{ID}/events"),
    ] {
        api.get(&format!("/api/v1/{path}"))
            .await
            .is_error(404, "FF10109");
    }
    api.get(&format!("/api/v1/data/{ID}/value"))
        .await
        .is_error(404, "FF00164");
    api.get(&format!("/api/v1/events/{ID}?fetchreference"))
        .await
        .is_error(404, "FF00164");
    api.delete(&format!("/api/v1/subscriptions/{ID}"))
        .await
        .is_error(404, "FF10109");
}

#[tokio::test]
async fn a_wrong_method_is_405_without_a_body() {
    let api = Api::new().await;
    for (method, path) in [
        ("DELETE", "/api/v1/status"),
        ("POST", "/api/v1/namespaces/default"),
        ("POST", "/api/v1/scripted"),
        ("PUT", "/api/v1/messages/broadcast"),
        ("PATCH", "/api/v1/subscriptions"),
        ("OPTIONS", "/api/v1/subscriptions"),
    ] {
        let reply = api.with_body(method, path, "application/json", "{}").await;
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (405, ""),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn bodies_are_read_as_firefly_reads_them() {
    let api = Api::new().await;
    let json = "application/json";
    for path in [
        "/api/v1/subscriptions",
        "/api/v1/messages/broadcast",
        "/api/v1/messages/private",
        "/api/v1/namespaces",
    ] {
        for (content_type, body, status, error) in [
            ("", "{}", 415, "FF00162"),
            ("application/xml", "{}", 415, "FF00162"),
            ("multipart/form-data; boundary=x", "{}", 415, "FF00162"),
            (json, "", 400, "EOF"),
            (json, "null", 400, ""),
            (json, " [ ]", 400, ""),
            (json, "{", 400, ""),
            (json, "not json", 400, ""),
        ] {
            let reply = api.with_body("POST", path, content_type, body).await;
            reply.is_error(status, error);
            assert!(
                !reply.text.contains("\"PH"),
                "{path} {body}: {}",
                reply.text
            );
        }
    }
    let broadcast = "/api/v1/messages/broadcast";
    for (content_type, body) in [
        (json, r#"{"header":{"tag":"a"}}{"header":5}"#),
        ("Application/jsonx", "{} and more"),
        (json, r#"{"unknown":1,"data":null,"header":null}"#),
        ("text/plain", "whatever"),
        ("application/x-www-form-urlencoded", "a=b"),
    ] {
        api.with_body("POST", broadcast, content_type, body)
            .await
            .json(202);
    }
    for body in [
        r#"{"header":{"cid":"5"}}"#,
        r#"{"header":{"created":5}}"#,
        r#"{"data":{}}"#,
        r#"{"data":[{"hash":"5"}]}"#,
    ] {
        api.with_body("POST", broadcast, json, body)
            .await
            .is_error(400, "");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_or_without_a_length() {
    let api = Api::with(json!({"body_bytes_max": 100}), Default::default()).await;
    let path = "/api/v1/messages/broadcast";
    let fitting = format!("{{}}{}", " ".repeat(98));
    api.with_body("POST", path, "application/json", fitting.clone())
        .await
        .json(202);
    let too_large = fitting + " ";
    let reply = api
        .with_body("POST", path, "application/json", too_large.clone())
        .await;
    reply.is_error(413, "PH00413");
    let chunks = too_large.into_bytes();
    let chunks = chunks
        .chunks(10)
        .map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk)));
    let body = Body::from_stream(futures_util::stream::iter(chunks.collect::<Vec<_>>()));
    api.with_body("POST", path, "application/json", body)
        .await
        .is_error(413, "PH00413");
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_time_limit() {
    let config = json!({"request_timeout": "3s", "request_timeout_max": "8s"});
    let api = Api::with(config, Default::default()).await;
    for (asked, seconds) in [
        (None, 3),
        (Some("5"), 5),
        (Some("2000ms"), 2),
        (Some("1h"), 8),
        (Some("soon"), 3),
    ] {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let mut request =
            Request::post("/api/v1/messages/broadcast").header("content-type", "application/json");
        if let Some(asked) = asked {
            request = request.header("Request-Timeout", asked);
        }
        let begun = tokio::time::Instant::now();
        api.send(request.body(body).unwrap())
            .await
            .is_error(408, "FF00166");
        assert_eq!(begun.elapsed().as_secs(), seconds, "{asked:?}");
        assert!(begun.elapsed() < Duration::from_secs(seconds + 1));
    }
}

#[tokio::test]
async fn any_authorisation_is_tolerated() {
    let api = Api::new().await;
    for value in ["Basic Og==", "Basic dXNlcjpwYXNz", "Bearer x", "nonsense"] {
        let request = Request::get("/api/v1/status").header("authorization", value);
        api.send(request.body(Body::empty()).unwrap())
            .await
            .json(200);
    }
}
