//! How does a target call the REST API, and what has to be true of every answer?

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use photinus_api::{ApiConfig, RequestMetrics, router};
use photinus_contract::scripted::Scripted;
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_memory::MemoryStore;
use photinus_transport_system::System;
use photinus_transport_websockets::WebSockets;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::errors;

/// An engine in memory is given up after so many requests, because it keeps what they publish.
const REQUESTS_MAX: usize = 2_000;
/// What a body may have, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 10;
/// What an answer may have, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The API over an engine in memory, with the transports `websockets` and `scripted`, and listeners.
pub(crate) struct Rest {
    runtime: Runtime,
    router: Router,
    _engine: Engine,
    requests: usize,
    /// A subscription that is there, unless an input has deleted it.
    mine: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Rest {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (engine, router) = runtime.block_on(async {
            let mut config = EngineConfig::default();
            // Small, so that inputs can reach them.
            config.shards = 1;
            config.namespaces_max = 8;
            config.message_bytes_max = 16 << 10;
            config.message_values_max = 8;
            let parts = Parts::new(Arc::new(MemoryStore::default()), config);
            let engine = Engine::start(parts).await.unwrap();
            engine
                .start_transport(&WebSockets, json!({}))
                .await
                .unwrap();
            engine
                .start_transport(&Scripted::new(), json!({}))
                .await
                .unwrap();
            let system = System::new();
            engine.start_transport(&system, json!({})).await.unwrap();
            let api: ApiConfig = serde_json::from_value(json!({
                "body_bytes_max": BODY_BYTES_MAX,
                "blob_bytes_max": BODY_BYTES_MAX / 2,
                "origins": ["https://a.example"],
                // Nobody answers a message here.
                "request_timeout": "900ms",
            }))
            .unwrap();
            api.check().unwrap();
            let router = router(
                engine.handle(),
                system.listeners(),
                api,
                RequestMetrics::rest(),
            );
            (engine, router)
        });
        let mut rest = Self {
            runtime,
            router,
            _engine: engine,
            requests: 0,
            mine: String::new(),
        };
        let created = rest.post(
            "/api/v1/subscriptions",
            r#"{"name": "mine", "transport": "scripted"}"#,
        );
        rest.mine = created.json().unwrap()["id"].as_str().unwrap().to_owned();
        for _ in 0..3 {
            let published = rest.post("/api/v1/messages/broadcast?confirm", "{}");
            assert_eq!(published.status, 200);
        }
        rest
    }

    /// The request for the subscription that is there, if it is for `mine`.
    pub(crate) fn aimed(&self, mut request: Request<Body>) -> Request<Body> {
        let one = format!("/subscriptions/{}", self.mine);
        let uri = request
            .uri()
            .to_string()
            .replace("/subscriptions/mine", &one);
        if let Ok(uri) = uri.parse() {
            *request.uri_mut() = uri;
        }
        request
    }

    /// Calls `with` with an API that this thread keeps.
    pub(crate) fn with(with: impl FnOnce(&mut Self)) {
        use std::cell::RefCell;
        thread_local! {
            static REST: RefCell<Option<Rest>> = const { RefCell::new(None) };
        }
        REST.with_borrow_mut(|rest| {
            if rest
                .as_ref()
                .is_some_and(|rest| rest.requests > REQUESTS_MAX)
            {
                *rest = None;
            }
            with(rest.get_or_insert_with(Rest::new));
        });
    }

    /// Any request, from another machine; checks the answer's form.
    pub(crate) fn send(&mut self, mut request: Request<Body>) -> Answer {
        self.requests += 1;
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        request.extensions_mut().insert(peer);
        let shown = format!("{} {}", request.method(), request.uri());
        let is_head = request.method() == http::Method::HEAD;
        let answered = self.router.clone().oneshot(request);
        let answer = self.runtime.block_on(async {
            let Ok(response) = answered.await;
            let (parts, body) = response.into_parts();
            Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: to_bytes(body, ANSWER_BYTES_MAX).await.unwrap().into(),
            }
        });
        if !is_head {
            answer.check(&shown);
        }
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
    }

    fn post(&mut self, path: &str, body: &'static str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body)).unwrap())
    }

    pub(crate) fn delete(&mut self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).unwrap())
    }
}

impl Answer {
    /// The answer as JSON, as far as it can be taken apart.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn check(&self, request: &str) {
        let text = String::from_utf8_lossy(&self.body);
        match self.status {
            // Nothing to say, or the wrong method.
            204 | 405 => assert!(self.body.is_empty(), "{request}: {text}"),
            200 if self.headers[CONTENT_TYPE] == "application/x-ndjson" => {
                for line in text.lines() {
                    assert!(
                        serde_json::from_str::<Value>(line).is_ok(),
                        "{request}: {text}"
                    );
                }
            }
            // A file, as it was sent.
            200 if self.headers[CONTENT_TYPE] == "application/octet-stream" => {}
            200..=202 => {
                self.check_json(request, &text);
            }
            status => {
                self.check_json(request, &text);
                let body: Value = serde_json::from_slice(&self.body).unwrap();
                let keys = body.as_object().unwrap();
                assert_eq!(keys.len(), 1, "{request}: {text}");
                errors::check_text(status, keys["error"].as_str().unwrap());
            }
        }
    }

    fn check_json(&self, request: &str, text: &str) {
        assert_eq!(self.headers[CONTENT_TYPE], "application/json", "{request}");
        // Not a `Value`: what is deeply nested is kept as it was sent, and numbers may be of any size.
        let well_formed = serde_json::from_slice::<&serde_json::value::RawValue>(&self.body);
        assert!(well_formed.is_ok(), "{request}: {well_formed:?}: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_inputs_of_the_corpus_are_accepted() {
        for (file, status) in [
            ("publish", 202),
            ("publish-confirm", 200),
            ("publish-private", 202),
            ("subscribe", 201),
            ("namespace", 201),
            ("list", 200),
            ("seek", 200),
            ("seek-dry", 200),
            ("seek-nowhere", 400),
            ("pause", 200),
            ("resume", 200),
            ("history", 200),
            ("preview", 200),
            ("histogram", 200),
            ("histogram-widest", 200),
            ("operations", 200),
            ("identity", 200),
            ("messages-sorted", 200),
            ("data-filtered", 200),
            ("preflight", 204),
            ("publish-foreign-page", 403),
        ] {
            // Cargo runs a test in the directory of its package.
            let input = std::fs::read(format!("corpus/requests/{file}")).unwrap();
            let (request, _) = crate::requests::read(&input).unwrap();
            let mut rest = Rest::new();
            let request = rest.aimed(request);
            let answer = rest.send(request);
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, status, "{file}: {text}");
        }
    }
}
