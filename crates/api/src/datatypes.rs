//! How are datatypes defined and shown?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_engine::DatatypeText;
use photinus_engine::lists::DATATYPES;

use crate::App;
use crate::body::JsonText;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathVersion};
use crate::query::Query;
use crate::replies::{json, json_list};

/// Defines a datatype: a JSON Schema that values of this name and version must conform to.
///
/// It is confirmed when it is answered, whether or not that was asked for, and announced by an event.
#[utoipa::path(
    post,
    path = "/datatypes",
    tag = "data",
    params(("confirm" = Option<bool>, Query, description = "Answers 200 instead of 202.")),
    request_body = ref("#/components/schemas/DatatypeInput"),
    responses(
        (status = 200, body = ref("#/components/schemas/Datatype")),
        (status = 202, body = ref("#/components/schemas/Datatype")),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
    text: JsonText,
) -> Result<Response, ApiError> {
    let input: DatatypeText<'_> = text.object()?;
    let datatype = app.handle.create_datatype(ns.name(), &input).await?;
    let status = match query.is_on("confirm") {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok(json(status, &datatype))
}

/// The datatypes, newest first.
#[utoipa::path(
    get,
    path = "/datatypes",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Datatypes"))),
    extensions(("x-list" = json!("datatypes"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&DATATYPES)?;
    Ok(json_list(app.handle.datatypes(ns.name(), &asked).await?))
}

/// A datatype.
#[utoipa::path(
    get,
    path = "/datatypes/{name}/{version}",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Datatype"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathVersion { name, version }: PathVersion,
) -> Result<Response, ApiError> {
    let datatype = app.handle.datatype(ns.name(), &name, &version).await?;
    let datatype = datatype.ok_or_else(nothing_found)?;
    Ok(json(StatusCode::OK, &datatype))
}
