//! How does a request become a socket of the change feed?

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use photinus_contract::CodedError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Shared, socket};
use crate::errors::ApiError;

/// GET /spi/ws
pub(super) async fn accept(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match upgraded(&shared, request) {
        Ok(response) => response,
        Err(error) => {
            let mut response = ApiError::from(error).into_response();
            let version = HeaderValue::from_static("13");
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_VERSION, version);
            response
        }
    }
}

/// Checks the request and starts the socket's task, which waits for the upgrade.
fn upgraded(shared: &Arc<Shared>, mut request: Request) -> Result<Response, CodedError> {
    let accept_key = accept_key(&request)?;
    // The token makes a stop that begins from here on wait for the task.
    let _token = shared.tasks.token();
    if shared.stop.is_cancelled() {
        return Err(CodedError::unavailable("The server is stopping"));
    }
    let room = shared.room.clone().try_acquire_owned().map_err(|_| {
        let max = shared.sockets_max;
        CodedError::unavailable(format!(
            "Too many WebSocket connections: at most {max} ([spi] connections_max)"
        ))
    })?;
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(upgrade_required("this connection cannot be upgraded"));
    }
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (handle, stop) = (shared.handle.clone(), shared.stop.clone());
    shared.tasks.spawn(async move {
        let _room = room;
        match stop.run_until_cancelled(on_upgrade).await {
            Some(Ok(io)) => socket::run(io, &handle, &stop).await,
            Some(Err(error)) => tracing::debug!(%error, "a client went away during its upgrade"),
            None => {}
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
    Ok(response)
}

/// Checks that the request is an upgrade to WebSocket and makes the key of the answer.
fn accept_key(request: &Request) -> Result<HeaderValue, CodedError> {
    let headers = request.headers();
    for (holds, why) in [
        (request.method() == Method::GET, "the method must be GET"),
        (
            has_token(headers, CONNECTION, "upgrade"),
            "'Connection: Upgrade' is missing",
        ),
        (
            has_token(headers, UPGRADE, "websocket"),
            "'Upgrade: websocket' is missing",
        ),
        (
            has_token(headers, SEC_WEBSOCKET_VERSION, "13"),
            "'Sec-WebSocket-Version' must be 13",
        ),
    ] {
        if !holds {
            return Err(upgrade_required(why));
        }
    }
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .ok_or_else(|| upgrade_required("'Sec-WebSocket-Key' is missing"))?;
    HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| CodedError::internal("no accept key for this Sec-WebSocket-Key"))
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn upgrade_required(why: &str) -> CodedError {
    let text = format!("Only WebSocket upgrades are served here: {why}");
    CodedError::bad_request("PH00426", text)
}
