//! How are namespaces listed and created?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use crate::App;
use crate::body::JsonBody;
use crate::errors::ApiError;
use crate::params::InNamespace;
use crate::replies::json;

/// A namespace as an operator asks for it.
#[derive(Deserialize)]
pub(crate) struct NamespaceInput {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

/// GET namespaces: all of them, whatever the query says.
pub(crate) async fn list(State(app): State<App>) -> Response {
    json(StatusCode::OK, &app.handle.namespaces())
}

/// GET namespaces/{ns}
pub(crate) async fn one(InNamespace(info): InNamespace) -> Response {
    json(StatusCode::OK, &info)
}

/// POST namespaces
pub(crate) async fn create(
    State(app): State<App>,
    JsonBody(input): JsonBody<NamespaceInput>,
) -> Result<Response, ApiError> {
    let name = input.name.unwrap_or_default();
    let description = input.description.unwrap_or_default();
    let created = app.handle.create_namespace(&name, &description).await?;
    Ok(json(StatusCode::CREATED, &created))
}
