//! Do the transports' own paths get to them, and nothing that should not?

use std::sync::Arc;

use axum::body::{Body, Bytes};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use photinus_contract::BoxFuture;
use photinus_contract::scripted::Scripted;
use photinus_contract::transport::{HttpBody, HttpService, PathParams};
use serde_json::json;

use crate::api::Api;

/// Says what it was asked.
struct Echo;

impl HttpService for Echo {
    fn call(&self, request: Request<HttpBody>) -> BoxFuture<'static, Response<HttpBody>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let params = parts.extensions.get::<PathParams>().unwrap();
            let peer = parts.extensions.get::<std::net::SocketAddr>().unwrap();
            let text = format!(
                "{} {} ns={:?} peer={peer} body={}",
                parts.method,
                parts.uri,
                params.get("ns"),
                String::from_utf8_lossy(&body)
            );
            let body: HttpBody =
                Box::pin(Full::new(Bytes::from(text)).map_err(|never| match never {}));
            Response::new(body)
        })
    }
}

/// Fails, as a bad plugin may.
struct Panics;

impl HttpService for Panics {
    fn call(&self, _: Request<HttpBody>) -> BoxFuture<'static, Response<HttpBody>> {
        panic!("on purpose")
    }
}

async fn api() -> Api {
    let transport = Scripted::new();
    for path in [
        "/ws",
        "/api/v1/namespaces/{ns}/ws",
        "/api/v1/status",
        "/api/v1/scripted",
    ] {
        transport.mount(path, Arc::new(Echo));
    }
    transport.mount("/panics", Arc::new(Panics));
    Api::with(json!({}), transport).await
}

#[tokio::test]
async fn a_mount_gets_every_method_its_parameters_and_the_body() {
    let api = api().await;
    let reply = api.with_body("POST", "/ws?a=b", "text/x", "hello").await;
    assert_eq!(
        reply.text,
        "POST /ws?a=b ns=None peer=192.0.2.7:4711 body=hello"
    );
    let reply = api.get("/api/v1/namespaces/a%2Db//ws").await;
    assert_eq!(
        reply.text,
        "GET /api/v1/namespaces/a%2Db/ws ns=Some(\"a-b\") peer=192.0.2.7:4711 body="
    );
    api.get("/ws/").await.is_error(404, "FF10109");
}

#[tokio::test]
async fn a_mount_replaces_no_route() {
    let api = api().await;
    assert!(api.get("/api/v1/status").await.json(200)["plugins"].is_object());
    assert!(api.get("/api/v1/scripted").await.text.starts_with("GET"));
}

#[tokio::test]
async fn a_panic_and_a_foreign_page_stop_before_or_at_the_mount() {
    let api = api().await;
    api.get("/panics").await.is_error(500, "PH00500");
    let page = Request::get("/ws")
        .header("host", "localhost:5000")
        .header("origin", "http://evil.example")
        .body(Body::empty())
        .unwrap();
    api.send(page).await.is_error(403, "PH00403");
}
