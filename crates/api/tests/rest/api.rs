//! How does a test call the API?

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderMap, Request};
use photinus_api::{ApiConfig, RequestMetrics, router};
use photinus_contract::scripted::Scripted;
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_memory::MemoryStore;
use photinus_transport_system::{Listeners, System};
use serde_json::{Value, json};
use tower::ServiceExt;

/// The API over an engine in memory, with a transport `scripted` and listeners.
#[derive(Clone)]
pub(crate) struct Api {
    router: Router,
    pub(crate) store: MemoryStore,
    pub(crate) listeners: Listeners,
    pub(crate) metrics: RequestMetrics,
    // Stopping it would take time that no test needs.
    _engine: Arc<Engine>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(json!({}), Scripted::new()).await
    }

    pub(crate) async fn with(config: Value, transport: Scripted) -> Self {
        Self::with_system(config, transport, json!({})).await
    }

    /// With this section of the configuration for listeners.
    pub(crate) async fn with_system(config: Value, transport: Scripted, section: Value) -> Self {
        let store = MemoryStore::default();
        let parts = Parts::new(Arc::new(store.clone()), EngineConfig::default());
        let engine = Engine::start(parts).await.unwrap();
        engine.start_transport(&transport, json!({})).await.unwrap();
        let system = System::new();
        engine.start_transport(&system, section).await.unwrap();
        let listeners = system.listeners();
        let config: ApiConfig = serde_json::from_value(config).unwrap();
        config.check().unwrap();
        let metrics = RequestMetrics::rest();
        Self {
            router: router(engine.handle(), listeners.clone(), config, metrics.clone()),
            metrics,
            store,
            listeners,
            _engine: Arc::new(engine),
        }
    }

    /// What answers, for a test that looks at an answer that is no text.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Any request, from another machine.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Reply {
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Asks for something, and does not take the answer.
    pub(crate) async fn unfetched(&self, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// The status of an answer that need not be a text.
    pub(crate) async fn bytes(&self, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        response.status().as_u16()
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Request::delete(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.with_body("POST", path, "application/json", body.to_string())
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.with_body("PUT", path, "application/json", body.to_string())
            .await
    }

    /// An empty content type is none.
    pub(crate) async fn with_body(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}

impl Reply {
    /// The JSON of an answer that must have this status and say that it is JSON.
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.text).unwrap()
    }

    /// An error of this status whose text begins so.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, start: &str) {
        let body = self.json(status);
        let text = body["error"].as_str().unwrap();
        assert!(text.starts_with(start), "{text}, expected {start}");
        assert_eq!(body.as_object().unwrap().len(), 1);
    }

    /// The keys of the object, in the order in which they are written.
    #[track_caller]
    pub(crate) fn keys(&self) -> Vec<String> {
        let (mut keys, mut depth, mut key) = (Vec::new(), 0, None);
        // Enough for objects whose texts hold no brackets and quotes.
        for (index, part) in self.text.split('"').enumerate() {
            if index % 2 == 1 {
                key = Some(part);
                continue;
            }
            if let Some(key) = key.filter(|_| depth == 1 && part.starts_with(':')) {
                keys.push(key.to_owned());
            }
            depth += part.matches(['{', '[']).count();
            depth -= part.matches(['}', ']']).count();
        }
        keys
    }
}
