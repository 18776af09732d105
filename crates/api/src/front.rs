//! What happens to every request, whatever it asks for?
//!
//! Its path is cleaned, a web page that may not is turned away, and a panic of whoever answers is contained.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use photinus_contract::CodedError;
use tower::ServiceExt;

use crate::config::ApiConfig;
use crate::counted::{RequestMetrics, Route};
use crate::errors::ApiError;
use crate::hosts::Hosts;
use crate::leftover::Leftover;
use crate::origins::{Origins, Page};
use crate::params::clean_path;

/// A client's own name for a request, for the log.
const REQUEST_ID: &str = "x-firefly-request-id";

/// What is decided before routing.
pub(crate) struct Front {
    hosts: Hosts,
    origins: Origins,
    metrics: RequestMetrics,
    /// For what no route answers.
    no_route: Route,
}

impl Front {
    pub(crate) fn new(config: &ApiConfig, metrics: RequestMetrics) -> Self {
        Self {
            hosts: Hosts::new(&config.hosts),
            origins: Origins::new(&config.origins),
            no_route: metrics.route("other"),
            metrics,
        }
    }
}

/// Answers a request of any path and method.
pub(crate) async fn answer(front: Arc<Front>, routes: Router, mut request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = request.headers().get(REQUEST_ID).cloned();
    let begun = front.metrics.begun(&mut request);
    let prepared = prepare(&front, &mut request);
    let (request, leftover) = Leftover::of(request);
    let mut response = match prepared {
        Err(error) => ApiError::from(error).into_response(),
        Ok(page) => {
            let preflight = page.as_ref().and_then(|page| page.preflight(&request));
            let mut response = match preflight {
                Some(response) => response,
                None => contained(routes, request).await,
            };
            if let Some(page) = page {
                page.allow(response.headers_mut());
            }
            front.origins.vary(response.headers_mut());
            response
        }
    };
    front.metrics.answered(begun, &response, &front.no_route);
    leftover.settle(&mut response).await;
    tracing::debug!(%method, path, ?id, status = response.status().as_u16(), "answered");
    response
}

fn prepare(front: &Front, request: &mut Request) -> Result<Option<Page>, CodedError> {
    clean_path(request.uri_mut())?;
    front.hosts.admit(request)?;
    front.origins.admit(request)
}

async fn contained(routes: Router, request: Request) -> Response {
    // Nothing of ours is looked at again after a panic: the handler's state ends with it.
    let answered = AssertUnwindSafe(async move { routes.oneshot(request).await });
    match answered.catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => {
            tracing::error!(panic = said(&*panic), "a request handler panicked");
            ApiError::internal("the server failed on this request; its log says more")
                .into_response()
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "not a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_nothing_else() {
        async fn panics() -> Response {
            panic!("on purpose")
        }
        let routes = Router::new()
            .route("/panics", get(panics))
            .route("/works", get(|| async {}));
        let front = Arc::new(Front::new(&ApiConfig::default(), RequestMetrics::rest()));
        for (path, status) in [("/panics", 500), ("/works", 200)] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = answer(front.clone(), routes.clone(), request).await;
            assert_eq!(response.status(), status, "{path}");
        }
    }
}
