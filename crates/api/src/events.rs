//! How are events listed?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::{Event, EventId, EventType, Namespace, Sequence, Timestamp};
use photinus_engine::lists::EVENTS;
use serde::Serialize;
use uuid::Uuid;

use crate::App;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::replies::{json_text, list as list_of};

/// The events, newest first.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(
        ("fetchreferences" = Option<bool>, Query, description = "With the messages that they are about."),
    ),
    responses((status = 200, body = ref("#/components/schemas/Events"))),
    extensions(("x-list" = json!("events"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&EVENTS)?;
    let enriched = query.is_on("fetchreferences") || query.is_on("fetchreference");
    let events = app.handle.events(ns.name(), &asked).await?;
    Ok(list_of(events, |event, out| write(&event, enriched, out)))
}

/// An event.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    params(
        ("fetchreference" = Option<bool>, Query, description = "With the message that it is about."),
    ),
    responses((status = 200, body = ref("#/components/schemas/EnrichedEvent"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let event = app.handle.event(ns.name(), id).await?;
    let event = event.ok_or_else(nothing_found)?;
    let mut text = Vec::new();
    write(&event, query.is_on("fetchreference"), &mut text);
    Ok(json_text(StatusCode::OK, text))
}

/// Appends an event, with the message that it is about or without.
pub(crate) fn write(event: &Event, enriched: bool, out: &mut Vec<u8>) {
    if enriched {
        event.write_json(out);
    } else {
        // Neither the object nor a Vec refuses to be written.
        let _ = serde_json::to_writer(out, &Plain::new(event));
    }
}

/// An event without the message.
#[derive(Serialize)]
struct Plain<'a> {
    id: EventId,
    sequence: Sequence,
    #[serde(rename = "type")]
    kind: EventType,
    namespace: &'a Namespace,
    reference: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlator: Option<Uuid>,
    topic: &'a str,
    created: Timestamp,
}

impl<'a> Plain<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            id: event.id(),
            sequence: event.sequence(),
            kind: event.kind(),
            namespace: event.namespace(),
            reference: event.reference(),
            correlator: event.correlator(),
            topic: event.topic(),
            created: event.created(),
        }
    }
}
