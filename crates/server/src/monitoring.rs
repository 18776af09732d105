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

/// The `[monitoring]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MonitoringConfig {
    /// Where `/livez` and `/readyz` are served: an IP address and a port. Port 0 takes any free one.
    pub(crate) listen: SocketAddr,
    /// Most connections at once. More wait to be accepted.
    #[schemars(range(min = 1))]
    pub(crate) connections_max: usize,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 6000)),
            connections_max: 64,
        }
    }
}

/// Whether requests can be taken: not before the engine runs, and not from the moment on that the server is
/// asked to stop.
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

    fn is_ready(&self) -> bool {
        !self.0.stopping.load(Ordering::Relaxed)
            && self.0.handle.get().is_some_and(Handle::is_ready)
    }
}

/// What is served on the monitoring port.
pub(crate) fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async {}))
        .route("/readyz", get(readyz))
        .with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
