//! How does a request become a socket of the change feed?

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, SEC_WEBSOCKET_VERSION};
use hyper::upgrade::OnUpgrade;
use photinus_contract::CodedError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

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
    let response = create_response_with_body(&request, Body::empty);
    let response = response.map_err(|error| upgrade_required(&error))?;
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
        return Err(upgrade_required(&"this connection cannot be upgraded"));
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
    Ok(response)
}

fn upgrade_required(why: &dyn std::fmt::Display) -> CodedError {
    let text = format!("Only WebSocket upgrades are served here: {why}");
    CodedError::bad_request("PH00426", text)
}
