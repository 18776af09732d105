//! Is every request counted under the route that it was for, and under nothing that its client has made up?

use std::collections::BTreeMap;

use axum::body::Body;
use http::Request;
use photinus_contract::scripted::Scripted;
use photinus_engine::metrics::{Family, Sink, Value};
use serde_json::json;

use crate::api::Api;

/// `code method host route` and how many requests; and the sums of sizes.
#[derive(Default)]
struct Requests {
    counts: BTreeMap<String, f64>,
    request_bytes: f64,
    response_bytes: f64,
    awaited: Option<f64>,
}

impl Sink for Requests {
    fn put(&mut self, family: &'static Family, labels: &[&str], value: Value<'_>) {
        let name = family.name.trim_start_matches("ff_apiserver_rest_");
        match (name, value) {
            ("requests_total", Value::Number(count)) => {
                assert_eq!(self.counts.insert(labels.join(" "), count), None);
            }
            ("request_duration_seconds", Value::Buckets { buckets, .. }) => {
                let bounds: Vec<u64> = buckets
                    .cumulative
                    .iter()
                    .map(|(b, _)| b / 1_000_000)
                    .collect();
                // FireFly's, in milliseconds.
                let firefly = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
                assert_eq!(bounds, firefly);
            }
            ("request_size_bytes", Value::Summary { sum, .. }) => self.request_bytes += sum,
            ("response_size_bytes", Value::Summary { sum, .. }) => self.response_bytes += sum,
            ("photinus_replies_awaited", Value::Number(count)) => self.awaited = Some(count),
            (name, value) => panic!("{name} {labels:?} {value:?}"),
        }
    }
}

impl Requests {
    fn of(api: &Api) -> Self {
        let mut requests = Self::default();
        api.metrics.collect(&mut requests);
        requests
    }

    #[track_caller]
    fn are(&self, expected: &[(&str, f64)]) {
        let found: Vec<_> = self
            .counts
            .iter()
            .map(|(name, n)| (name.as_str(), *n))
            .collect();
        assert_eq!(found, expected);
    }
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "localhost:5000")
}

#[tokio::test]
async fn a_request_is_counted_by_the_template_of_its_route() {
    let api = Api::new().await;
    Requests::of(&api).are(&[]);
    for (method, path) in [
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/namespaces/default/events?limit=1"),
        ("GET", "/api/v1/namespaces/other/events"),
        ("GET", "/api/v1/events/not-an-id"),
        ("PATCH", "/api/v1/events"),
        ("BREW", "/api/v1/events"),
        ("GET", "/api/v1/made/up"),
        ("GET", "/api/v1/scripted"),
    ] {
        api.send(request(method, path).body(Body::empty()).unwrap())
            .await;
    }
    let made_up = Request::get("/api/v1/status").header("Host", "made.up");
    api.send(made_up.body(Body::empty()).unwrap()).await;
    Requests::of(&api).are(&[
        ("200 GET localhost /api/v1/events", 1.0),
        ("200 GET localhost /api/v1/namespaces/{ns}/events", 1.0),
        ("200 GET localhost /api/v1/{transport}", 1.0),
        ("200 GET other /api/v1/status", 1.0),
        ("400 GET localhost /api/v1/events/{id}", 1.0),
        ("404 GET localhost /api/v1/namespaces/{ns}/events", 1.0),
        ("404 GET localhost other", 1.0),
        ("405 PATCH localhost /api/v1/events", 1.0),
        ("405 other localhost /api/v1/events", 1.0),
    ]);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_counted_by_its_route_and_waits_in_sight() {
    let api = Api::with(json!({}), Scripted::new()).await;
    let body = json!({"header": {"tag": "t"}, "group": {"members": [{"identity": "a"}]}});
    let asks = request("POST", "/api/v1/messages/requestreply")
        .header("Content-Type", "application/json")
        .header("Request-Timeout", "200ms")
        .body(Body::from(body.to_string()))
        .unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    let asking = api.clone();
    waiting.spawn(async move { asking.send(asks).await.status });
    while Requests::of(&api).awaited != Some(1.0) {
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none(), "nobody was seen waiting");
    }
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), 408);
    let requests = Requests::of(&api);
    requests.are(&[("408 POST localhost /api/v1/messages/requestreply", 1.0)]);
    assert_eq!(requests.awaited, Some(0.0));
}

#[tokio::test]
async fn sizes_are_those_of_the_request_and_the_answer() {
    let api = Api::new().await;
    let body = json!({"data": [{"value": "x".repeat(10_000)}]}).to_string();
    let publish = request("POST", "/api/v1/messages/broadcast")
        .header("Content-Type", "application/json")
        .header("Content-Length", body.len())
        .body(Body::from(body.clone()))
        .unwrap();
    let answer = api.send(publish).await.text.len() as f64;
    let requests = Requests::of(&api);
    assert_eq!(requests.response_bytes, answer);
    let head = requests.request_bytes - body.len() as f64;
    assert!((50.0..250.0).contains(&head), "{head}");
}
