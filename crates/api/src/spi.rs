//! What is served to other systems on a port of its own?
//!
//! FireFly's SPI, as far as there is something to show: the namespaces, and the feed of changes over a WebSocket.
//!
//! ```text
//!   /spi/v1/namespaces, /spi/v1/namespaces/{ns}
//!   /spi/ws ─▶ upgrade ─▶ socket ◀── engine Changes
//! ```

mod config;
mod frames;
mod socket;
mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::StatusCode;
use photinus_engine::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::config::SpiConfig;
pub(crate) use self::frames::read;
use crate::config::ApiConfig;
use crate::counted::RequestMetrics;
use crate::errors::{ApiError, unknown_namespace};
use crate::front::{self, Front};
use crate::replies::json;

/// The SPI. Cheap to clone.
#[derive(Clone)]
pub struct Spi {
    shared: Arc<Shared>,
}

/// What all requests and sockets share.
pub(crate) struct Shared {
    handle: Handle,
    /// A permit for each socket that may still be opened.
    room: Arc<Semaphore>,
    sockets_max: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Spi {
    /// The SPI of this engine.
    pub fn new(handle: Handle, config: &SpiConfig) -> Self {
        let sockets_max = config.connections_max;
        Self {
            shared: Arc::new(Shared {
                handle,
                room: Arc::new(Semaphore::new(sockets_max.min(Semaphore::MAX_PERMITS))),
                sockets_max,
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        }
    }

    /// All that is served on the SPI's port. The same hosts and origins may use it as the API. Extensions of a
    /// request are used as by [`router`](crate::router).
    pub fn router(&self, api: &ApiConfig, metrics: RequestMetrics) -> Router {
        metrics.begin(api);
        let mut routes = Router::new();
        for (path, methods) in [
            ("/spi/v1/namespaces", get(namespaces)),
            ("/spi/v1/namespaces/{ns}", get(namespace)),
            ("/spi/ws", any(upgrade::accept)),
        ] {
            routes = routes.route(path, metrics.route(path).name(methods));
        }
        let routes = routes.fallback(elsewhere).with_state(self.shared.clone());
        let front = Arc::new(Front::new(api, metrics));
        Router::new().fallback(move |request: Request| front::answer(front, routes, request))
    }

    /// Ends all sockets, and resolves when they have ended.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

/// GET namespaces
async fn namespaces(State(shared): State<Arc<Shared>>) -> Response {
    json(StatusCode::OK, &shared.handle.namespaces())
}

/// GET namespaces/{ns}
async fn namespace(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let found = shared.handle.namespace(&name);
    let info = found.ok_or_else(|| unknown_namespace(&name))?;
    Ok(json(StatusCode::OK, &info))
}

/// As FireFly says it.
async fn elsewhere() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}
