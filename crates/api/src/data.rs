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

/// GET data
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    page: Page,
) -> Result<Response, ApiError> {
    let data = app.handle.data(ns.name(), page.skip, page.limit).await?;
    Ok(json(StatusCode::OK, &data))
}

/// GET data/{id}
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &found(&app, &ns, id).await?))
}

/// GET data/{id}/value
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
