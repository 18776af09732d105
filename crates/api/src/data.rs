//! How are values read?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::Data;
use uuid::Uuid;

use crate::App;
use crate::errors::{ApiError, nothing_found};
use crate::paging::Page;
use crate::params::{InNamespace, PathId};
use crate::replies::{json, json_text};

/// The values, newest first.
#[utoipa::path(
    get,
    path = "/data",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/DataList"))),
    extensions(("x-list" = json!("data"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    page: Page,
) -> Result<Response, ApiError> {
    let data = app.handle.data(ns.name(), page.skip, page.limit).await?;
    Ok(json(StatusCode::OK, &data))
}

/// A value, with all that is known of it.
#[utoipa::path(
    get,
    path = "/data/{id}",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Data"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &found(&app, &ns, id).await?))
}

/// The value alone: any JSON.
#[utoipa::path(
    get,
    path = "/data/{id}/value",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Value"))),
)]
pub(crate) async fn value(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let data = found(&app, &ns, id).await?;
    match data.value.get() {
        "null" => Err(nothing_found()),
        value => Ok(json_text(StatusCode::OK, value.into())),
    }
}

async fn found(app: &App, ns: &InNamespace, id: Uuid) -> Result<Data, ApiError> {
    let datum = app.handle.datum(ns.name(), id).await?;
    datum.ok_or_else(nothing_found)
}
