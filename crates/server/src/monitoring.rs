//! How does a machine see whether the server is well?

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use photinus_engine::Handle;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::metrics::{Metrics, metrics};

/// The `[monitoring]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MonitoringConfig {
    /// Where `/metrics`, `/livez` and `/readyz` are served: an IP address and a port. Port 0 takes any free one.
    #[schemars(extend("format" = "ip-port"))]
    pub(crate) listen: SocketAddr,
    /// Most connections at once. More wait to be accepted.
    #[schemars(range(min = 1))]
    pub(crate) connections_max: usize,
    /// Most durable subscriptions with figures of their own in `/metrics`: those that are furthest behind. 0: none.
    /// All count in the figures of their transport and namespace.
    pub(crate) subscriptions_max: usize,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 6000)),
            connections_max: 64,
            subscriptions_max: 1_000,
        }
    }
}

/// Whether requests can be taken: not before the engine runs, not while the store refuses writes, and not from the
/// moment on that the server is asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<Stage>);

#[derive(Default)]
struct Stage {
    handle: OnceLock<Handle>,
    stopping: AtomicBool,
}

impl Readiness {
    /// The engine runs, and the API is served.
    pub(crate) fn started(&self, handle: Handle) {
        // Told once; a second handle would be of the same engine.
        let _ = self.0.handle.set(handle);
    }

    /// The server was asked to stop.
    pub(crate) fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// The engine, once it runs.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.handle.get()
    }

    /// Why not, in one line.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        match self.handle() {
            Some(handle) => handle.readiness(),
            None => Err("starting".to_owned()),
        }
    }
}

/// What is served on the monitoring port.
pub(crate) fn router(readiness: Readiness, figures: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async {}))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(metrics).with_state(figures))
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    }
}
