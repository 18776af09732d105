//! How are messages published and read?

mod request;
mod with_data;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use photinus_contract::{CodedError, Event, MessageKind, Record};
use photinus_engine::lists::{EVENTS, Listed, MESSAGES};
use photinus_engine::metrics::Source;
use photinus_engine::{Prepared, Receipt};
use uuid::Uuid;

use self::request::RequestInput;
use self::with_data::write_with_data;
use crate::App;
use crate::body::JsonText;
use crate::deadline::Deadline;
use crate::departure::Client;
use crate::errors::{ApiError, not_found};
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::reads::answered_in_turn;
use crate::replies::{json, json_text, list as list_of};

/// Publishes a message to everyone in the namespace.
///
/// The answer comes when it is on the disk.
#[utoipa::path(
    post,
    path = "/messages/broadcast",
    tag = "messages",
    params(
        ("confirm" = Option<bool>, Query, description = "Answers 200 when the message is confirmed, instead of 202."),
    ),
    request_body = ref("#/components/schemas/MessageInput"),
    responses((status = 200, body = ref("#/components/schemas/Message")), (status = 202, body = ref("#/components/schemas/Message"))),
)]
pub(crate) async fn broadcast(
    State(app): State<App>,
    ns: InNamespace,
    deadline: Deadline,
    query: Query,
    text: JsonText,
) -> Result<Response, ApiError> {
    let (kind, input) = (MessageKind::Broadcast, text.object()?);
    let prepared = app.handle.prepare(ns.name(), kind, false, &input).await?;
    publish(&app, &deadline, prepared, &query).await
}

/// Publishes a message to a group.
///
/// The answer comes when it is on the disk.
#[utoipa::path(
    post,
    path = "/messages/private",
    tag = "messages",
    params(
        ("confirm" = Option<bool>, Query, description = "Answers 200 when the message is confirmed, instead of 202."),
    ),
    request_body = ref("#/components/schemas/MessageInput"),
    responses((status = 200, body = ref("#/components/schemas/Message")), (status = 202, body = ref("#/components/schemas/Message"))),
)]
pub(crate) async fn private(
    State(app): State<App>,
    ns: InNamespace,
    deadline: Deadline,
    query: Query,
    text: JsonText,
) -> Result<Response, ApiError> {
    let (kind, input) = (MessageKind::Private, text.object()?);
    let prepared = app.handle.prepare(ns.name(), kind, true, &input).await?;
    publish(&app, &deadline, prepared, &query).await
}

async fn publish(
    app: &App,
    deadline: &Deadline,
    prepared: Prepared,
    query: &Query,
) -> Result<Response, ApiError> {
    if query.is_on("confirm") {
        let confirmed = confirmed(app, deadline, prepared).await?;
        let text = confirmed.record.content.message_json().to_vec();
        return Ok(json_text(StatusCode::OK, text));
    }
    let receipt = app.handle.commit(prepared).await?;
    Ok(json_text(StatusCode::ACCEPTED, receipt.ready_json()))
}

/// Publishes a message and waits for the reply.
///
/// The reply is the first message whose `header.cid` is the id of this one. A tag and a group are needed; the time is that of the request.
#[utoipa::path(
    post,
    path = "/messages/requestreply",
    tag = "messages",
    request_body = ref("#/components/schemas/MessageInput"),
    responses((status = 200, body = ref("#/components/schemas/MessageWithData"))),
)]
pub(crate) async fn request_reply(
    State(app): State<App>,
    ns: InNamespace,
    deadline: Deadline,
    client: Client,
    text: JsonText,
) -> Result<Response, ApiError> {
    let request: RequestInput<'_> = text.object()?;
    request.check()?;
    let RequestInput { message, kind } = request;
    let kind = kind.unwrap_or(MessageKind::Private);
    let prepared = app.handle.prepare(ns.name(), kind, true, &message).await?;
    // It is waited for before it is published, so that no reply can come too soon.
    let reply = app.waiter.expect(&ns.0.name, prepared.id())?;
    confirmed(&app, &deadline, prepared).await?;
    let reply = tokio::select! {
        reply = reply.reply() => reply?,
        () = client.gone() => {
            let text = "The client has closed the connection while it waited for a reply";
            return Err(CodedError::new("FF00166", 408, text).into());
        }
    };
    let shown = async {
        match shown_with_data(&app, &reply).await {
            Ok(text) => json_text(StatusCode::OK, text),
            Err(error) => error.into_response(),
        }
    };
    Ok(answered_in_turn(&app, shown).await)
}

/// Publishes a message and waits until it is confirmed. A message that is committed is: its events are visible to
/// everybody before this returns, so there is nothing more to wait for.
async fn confirmed(
    app: &App,
    deadline: &Deadline,
    prepared: Prepared,
) -> Result<Receipt, ApiError> {
    deadline.waits_for(prepared.id());
    let prepared = prepared.via(Source::Confirm);
    Ok(app.handle.commit(prepared).await?)
}

/// The messages, newest first.
#[utoipa::path(
    get,
    path = "/messages",
    tag = "messages",
    params(
        ("fetchdata" = Option<bool>, Query, description = "With their values in the place of the references."),
    ),
    responses((status = 200, body = ref("#/components/schemas/Messages"))),
    extensions(("x-list" = json!("messages"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&MESSAGES)?;
    let messages = app.handle.messages(ns.name(), &asked).await?;
    if !query.is_on("fetchdata") {
        return Ok(list_of(messages, |message, out| {
            out.extend_from_slice(message.record().content.message_json());
        }));
    }
    let Listed { items, total } = messages;
    let mut budget = app.handle.list_budget();
    let mut texts = Vec::with_capacity(items.len());
    for message in &items {
        let record = message.record();
        let data = app.handle.message_data(record).await?;
        for value in &data {
            budget.take(value)?;
        }
        texts.push(write_with_data(record.content.message_json(), &data)?);
    }
    let items = texts;
    Ok(list_of(Listed { items, total }, |text, out| {
        out.extend(text)
    }))
}

/// A message.
#[utoipa::path(
    get,
    path = "/messages/{id}",
    tag = "messages",
    params(
        ("fetchdata" = Option<bool>, Query, description = "With its values in the place of the references."),
    ),
    responses((status = 200, body = ref("#/components/schemas/MessageWithData"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let text = if query.is_on("fetchdata") {
        shown_with_data(&app, &record).await?
    } else {
        record.content.message_json().to_vec()
    };
    Ok(json_text(StatusCode::OK, text))
}

/// The values of a message, in its order; those that are not there any more are left out.
#[utoipa::path(
    get,
    path = "/messages/{id}/data",
    tag = "messages",
    responses((status = 200, body = ref("#/components/schemas/DataOfMessage"))),
)]
pub(crate) async fn data(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let data = app.handle.message_data(&record).await?;
    Ok(json(StatusCode::OK, &data))
}

/// The events of a message, newest first if the query does not say otherwise: one for each topic.
#[utoipa::path(
    get,
    path = "/messages/{id}/events",
    tag = "messages",
    responses((status = 200, body = ref("#/components/schemas/Events"))),
    extensions(("x-list" = json!("events"))),
)]
pub(crate) async fn events(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&EVENTS)?;
    let record = found(&app, &ns, id).await?;
    let mut events: Vec<Event> = Event::all(&record).collect();
    events.reverse();
    Ok(list_of(asked.select(events), |event, out| {
        crate::events::write(&event, false, out)
    }))
}

/// The transaction of a message, of which there is none: always 404.
#[utoipa::path(get, path = "/messages/{id}/transaction", tag = "messages")]
pub(crate) async fn transaction(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let record = found(&app, &ns, id).await?;
    let text = format!("Message '{}' has no transaction", record.content.id);
    Err(CodedError::not_found("FF10210", text).into())
}

async fn shown_with_data(app: &App, record: &Record) -> Result<Vec<u8>, ApiError> {
    let data = app.handle.message_data(record).await?;
    write_with_data(record.content.message_json(), &data)
}

async fn found(app: &App, ns: &InNamespace, id: Uuid) -> Result<Arc<Record>, ApiError> {
    let record = app.handle.message(ns.name(), id).await?;
    record.ok_or_else(not_found)
}
