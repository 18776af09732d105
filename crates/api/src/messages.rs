//! How are messages published and read?

mod with_data;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::message::MessageState;
use photinus_contract::{Event, MessageInput, MessageKind, Record};
use uuid::Uuid;

use self::with_data::write_with_data;
use crate::App;
use crate::body::JsonBody;
use crate::errors::{ApiError, not_found};
use crate::paging::Page;
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::replies::{json, json_text, list as list_of};

/// POST messages/broadcast
pub(crate) async fn broadcast(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
    JsonBody(input): JsonBody<MessageInput>,
) -> Result<Response, ApiError> {
    publish(&app, &ns, MessageKind::Broadcast, input, &query).await
}

/// POST messages/private
pub(crate) async fn private(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
    JsonBody(input): JsonBody<MessageInput>,
) -> Result<Response, ApiError> {
    publish(&app, &ns, MessageKind::Private, input, &query).await
}

/// A message that is answered is committed. So there is nothing to wait for with `confirm`: it only changes
/// how the message is shown.
async fn publish(
    app: &App,
    ns: &InNamespace,
    kind: MessageKind,
    input: MessageInput,
    query: &Query,
) -> Result<Response, ApiError> {
    let receipt = app.handle.publish(ns.name(), kind, input).await?;
    let mut message = receipt.message;
    let mut status = StatusCode::ACCEPTED;
    if query.is_on("confirm") {
        message.state = MessageState::Confirmed;
        message.confirmed = Some(receipt.confirmed);
        status = StatusCode::OK;
    }
    Ok(json(status, &message))
}

/// GET messages
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    page: Page,
    query: Query,
) -> Result<Response, ApiError> {
    let records = app
        .handle
        .messages(ns.name(), page.skip, page.limit)
        .await?;
    if !query.is_on("fetchdata") {
        return Ok(list_of(records, |record, out| {
            out.extend_from_slice(record.content.message_json());
        }));
    }
    let mut budget = app.handle.list_budget();
    let mut texts = Vec::with_capacity(records.len());
    for record in &records {
        let data = app.handle.message_data(record).await?;
        for value in &data {
            budget.take(value)?;
        }
        texts.push(write_with_data(record.content.message_json(), &data)?);
    }
    Ok(list_of(texts, |text, out| out.extend(text)))
}

/// GET messages/{id}
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let text = if query.is_on("fetchdata") {
        let data = app.handle.message_data(&record).await?;
        write_with_data(record.content.message_json(), &data)?
    } else {
        record.content.message_json().to_vec()
    };
    Ok(json_text(StatusCode::OK, text))
}

/// GET messages/{id}/data: in the order of the message, what is missing left out.
pub(crate) async fn data(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let data = app.handle.message_data(&record).await?;
    Ok(json(StatusCode::OK, &data))
}

/// GET messages/{id}/events: newest first, as all lists.
pub(crate) async fn events(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    page: Page,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let mut events: Vec<Event> = Event::all(&record).collect();
    events.reverse();
    let shown = events.iter().skip(page.skip).take(page.limit);
    Ok(list_of(shown, |event, out| {
        crate::events::write(event, false, out)
    }))
}

async fn found(app: &App, ns: &InNamespace, id: Uuid) -> Result<Arc<Record>, ApiError> {
    let record = app.handle.message(ns.name(), id).await?;
    record.ok_or_else(not_found)
}
