//! May a web page use the API only if it is ours or listed?

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::api::{Api, Reply};

async fn from_page(api: &Api, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:5000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn by_default_only_our_own_pages_may() {
    let api = Api::new().await;
    let own = from_page(
        &api,
        "GET",
        "/api/v1/status",
        &[("origin", "http://localhost:5000")],
    )
    .await;
    own.json(200);
    for (method, path) in [
        ("GET", "/api/v1/status"),
        ("POST", "/api/v1/messages/broadcast"),
        ("OPTIONS", "/api/v1/messages/broadcast"),
        ("GET", "/nowhere"),
    ] {
        for origin in ["http://localhost:3000", "http://evil.example", "null"] {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
            ];
            let reply = from_page(&api, method, path, &headers).await;
            reply.is_error(403, "PH00403");
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }
    }
    for name in own.headers.keys() {
        assert!(!name.as_str().starts_with("access-control"), "{name}");
    }
}

#[tokio::test]
async fn a_listed_page_may_and_its_browser_is_told() {
    let page = "https://console.example";
    let api = Api::with(json!({"origins": [page]}), Default::default()).await;
    let preflight = [
        ("origin", page),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type,x-other"),
    ];
    let reply = from_page(&api, "OPTIONS", "/api/v1/subscriptions", &preflight).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", page),
        ("access-control-allow-credentials", "true"),
        (
            "access-control-allow-methods",
            "GET, POST, PUT, PATCH, DELETE",
        ),
        ("access-control-allow-headers", "content-type,x-other"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    for (path, status) in [("/api/v1/status", 200), ("/nowhere", 404)] {
        let reply = from_page(&api, "GET", path, &[("origin", page)]).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["access-control-allow-origin"], page);
    }
    let other = from_page(
        &api,
        "GET",
        "/api/v1/status",
        &[("origin", "https://other.example")],
    )
    .await;
    other.is_error(403, "PH00403");
    assert_eq!(api.get("/api/v1/status").await.headers["vary"], "Origin");
}
