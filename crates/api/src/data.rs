//! How are values stored, read and removed?

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::StatusCode;
use photinus_contract::{CodedError, Data, DataId};
use photinus_engine::DataText;
use photinus_engine::lists::{DATA, MESSAGES};
use uuid::Uuid;

use crate::App;
use crate::blobs;
use crate::body::JsonText;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::replies::{json, json_list, json_text, list as list_of, no_content};

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
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&DATA)?;
    Ok(json_list(app.handle.data(ns.name(), &asked).await?))
}

/// Stores a value by itself, or a file, for messages to refer to.
///
/// The answer comes when it is on the disk.
#[utoipa::path(
    post,
    path = "/data",
    tag = "data",
    request_body(content(
        (ref("#/components/schemas/DataInput") = "application/json"),
        (ref("#/components/schemas/FileInput") = "multipart/form-data"),
    )),
    responses((status = 201, body = ref("#/components/schemas/Data"))),
)]
pub(crate) async fn create(
    State(app): State<App>,
    ns: InNamespace,
    request: Request,
) -> Result<Response, ApiError> {
    let stored = match blobs::is_form(request.headers()) {
        true => blobs::upload(&app, &ns, request).await?,
        false => {
            let text = JsonText::from_request(request, &app).await?;
            let input: DataText<'_> = text.object()?;
            app.handle.store_data(ns.name(), &input).await?
        }
    };
    Ok(json(StatusCode::CREATED, &stored))
}

/// Deletes a value that was stored by itself.
#[utoipa::path(delete, path = "/data/{id}", tag = "data", responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    app.handle.delete_data(ns.name(), DataId(id)).await?;
    Ok(no_content())
}

/// Refused: there is no shared storage to publish a value to.
#[utoipa::path(post, path = "/data/{id}/value/publish", tag = "data", responses())]
pub(crate) async fn publish_value(_: InNamespace, _: PathId) -> ApiError {
    not_published()
}

/// Refused: there is no shared storage to publish a blob to.
#[utoipa::path(post, path = "/data/{id}/blob/publish", tag = "data", responses())]
pub(crate) async fn publish_blob(_: InNamespace, _: PathId) -> ApiError {
    not_published()
}

fn not_published() -> ApiError {
    let text = "Data cannot be published to shared storage: there is none in this namespace";
    CodedError::bad_request("FF10414", text).into()
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

/// The messages that refer to a value, newest first; none, if there is no such value.
#[utoipa::path(
    get,
    path = "/data/{id}/messages",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Messages"))),
    extensions(("x-list" = json!("messages"))),
)]
pub(crate) async fn messages(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&MESSAGES)?;
    let listed = app.handle.messages_of_value(ns.name(), id, &asked).await?;
    Ok(list_of(listed, |message, out| {
        out.extend_from_slice(message.record().content.message_json());
    }))
}

async fn found(app: &App, ns: &InNamespace, id: Uuid) -> Result<Data, ApiError> {
    let datum = app.handle.datum(ns.name(), id).await?;
    datum.ok_or_else(nothing_found)
}
