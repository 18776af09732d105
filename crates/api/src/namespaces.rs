//! How are namespaces listed and created?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::body::JsonBody;
use crate::errors::ApiError;
use crate::params::InNamespace;
use crate::replies::json;

/// A namespace as an operator asks for it.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct NamespaceInput {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

/// All namespaces, by name, whatever the query says.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces",
    tag = "namespaces",
    responses((status = 200, body = ref("#/components/schemas/Namespaces"))),
)]
pub(crate) async fn list(State(app): State<App>) -> Response {
    json(StatusCode::OK, &app.handle.namespaces())
}

/// A namespace.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{ns}",
    tag = "namespaces",
    responses((status = 200, body = ref("#/components/schemas/NamespaceInfo"))),
)]
pub(crate) async fn one(InNamespace(info): InNamespace) -> Response {
    json(StatusCode::OK, &info)
}

/// Creates a namespace.
///
/// It is there at once, and for good.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces",
    tag = "namespaces",
    request_body = ref("#/components/schemas/NamespaceInput"),
    responses((status = 201, body = ref("#/components/schemas/NamespaceInfo"))),
)]
pub(crate) async fn create(
    State(app): State<App>,
    JsonBody(input): JsonBody<NamespaceInput>,
) -> Result<Response, ApiError> {
    let name = input.name.unwrap_or_default();
    let description = input.description.unwrap_or_default();
    let created = app.handle.create_namespace(&name, &description).await?;
    Ok(json(StatusCode::CREATED, &created))
}
