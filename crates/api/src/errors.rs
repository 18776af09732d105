//! How does an error leave?

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use photinus_contract::CodedError;

use crate::replies::json;

/// An error on its way to the client. The server's own failures are logged here, once.
#[derive(Debug)]
pub(crate) struct ApiError(CodedError);

impl ApiError {
    /// The server's own failure.
    pub(crate) fn internal(text: &str) -> Self {
        Self(CodedError::internal(text))
    }
}

impl From<CodedError> for ApiError {
    fn from(error: CodedError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match status.as_u16() {
            500 => tracing::error!(error = %self.0, "a request failed"),
            // Whoever causes it says so once: the store that fails, the server that stops.
            501.. => {
                tracing::debug!(status = status.as_u16(), error = %self.0, "a request has to wait")
            }
            _ => {}
        }
        json(status, &self.0)
    }
}

/// There is no such path, or nothing under a path that lists what belongs to it.
pub(crate) fn not_found() -> ApiError {
    ApiError(CodedError::not_found("FF10109", "Not found"))
}

/// There is no such object.
pub(crate) fn nothing_found() -> ApiError {
    ApiError(CodedError::not_found("FF00164", "Not found"))
}

/// There is no namespace of this name.
pub(crate) fn unknown_namespace(name: &str) -> ApiError {
    ApiError(CodedError::not_found(
        "FF10436",
        format!("Unknown namespace '{name}'"),
    ))
}
