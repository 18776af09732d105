//! What does `/metrics` say?
//!
//! ```text
//!   engine ──┐
//!   API ─────┼─▶ families and their figures ─▶ text, as Prometheus and those who follow it read it
//!   process ─┘
//! ```

mod process;
mod text;

#[cfg(test)]
mod reference;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use photinus_api::RequestMetrics;
use photinus_engine::metrics::{Family, Sink};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::process::Process;
use self::text::Text;
use crate::monitoring::Readiness;

static BUILD: Family = Family::gauge(
    "photinus_build_info",
    &["version"],
    "1; its label says which version runs.",
);
static UPTIME: Family = Family::gauge(
    "photinus_uptime_seconds",
    &[],
    "Time since this process began to start.",
);
static READY: Family = Family::gauge(
    "photinus_ready",
    &[],
    "1 while /readyz says that requests are taken, else 0.",
);

/// The figures of this module.
#[cfg(test)]
static FAMILIES: &[&Family] = &[&BUILD, &UPTIME, &READY];

/// What is counted of requests: of the API and of the SPI. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) rest: RequestMetrics,
    pub(crate) admin: RequestMetrics,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            rest: RequestMetrics::rest(),
            admin: RequestMetrics::admin(),
        }
    }
}

/// What there is to tell. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Parts>);

struct Parts {
    readiness: Readiness,
    requests: Requests,
    subscriptions_max: usize,
    begun: Instant,
    /// Held by whoever is being told: many who ask at once do not cost more memory than one.
    turn: Mutex<()>,
}

impl Metrics {
    pub(crate) fn new(readiness: Readiness, requests: Requests, subscriptions_max: usize) -> Self {
        Self(Arc::new(Parts {
            readiness,
            requests,
            subscriptions_max,
            begun: Instant::now(),
            turn: Mutex::default(),
        }))
    }

    /// Everything, as text.
    async fn text(&self) -> String {
        let parts = &*self.0;
        let _turn = parts.turn.lock().await;
        let mut text = Text::default();
        if let Some(handle) = parts.readiness.handle() {
            handle.collect(parts.subscriptions_max, &mut text).await;
        }
        let sink: &mut dyn Sink = &mut text;
        parts.requests.rest.collect(sink);
        parts.requests.admin.collect(sink);
        Process::look().collect(sink);
        let ready = parts.readiness.check().is_ok();
        sink.count(&READY, &[], u64::from(ready));
        sink.count(&BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        sink.number(&UPTIME, &[], parts.begun.elapsed().as_secs_f64());
        text.finish()
    }
}

/// GET /metrics
pub(crate) async fn metrics(State(metrics): State<Metrics>) -> Response {
    // With very many subscriptions this takes some milliseconds, in which no event should have to wait for a thread.
    let runtime = tokio::runtime::Handle::current();
    let text = tokio::task::spawn_blocking(move || runtime.block_on(metrics.text()));
    match text.await {
        Ok(text) => ([(CONTENT_TYPE, text::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures could not be brought together");
            http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
