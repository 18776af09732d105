//! How do CloudEvents come in?
//!
//! Each becomes a broadcast: its type is the tag, its subject the topic, its source the author, its data the value. All
//! of its attributes are kept with the message, as they were given.

mod binary;
mod event;
mod structured;

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use photinus_contract::{CodedError, MessageKind, Record, Sequence};
use photinus_engine::metrics::Source;
use serde::Serialize;
use uuid::Uuid;

use self::event::CloudEvent;
use crate::App;
use crate::body::read;
use crate::errors::{ApiError, not_found};
use crate::params::InNamespace;
use crate::replies::{json, json_text};

/// One or several events.
pub(crate) enum CloudEvents {
    One(CloudEvent),
    Batch(Vec<CloudEvent>),
}

impl FromRequest<App> for CloudEvents {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let mode = Mode::of(request.headers())?;
        let headers = request.headers().clone();
        let body = read(request, app.config.body_bytes_max).await?;
        Ok(match mode {
            Mode::Structured => Self::One(structured::one(&body)?),
            Mode::Batch => Self::Batch(structured::batch(&body)?),
            Mode::Binary => Self::One(binary::read(&headers, &body)?),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Structured,
    Batch,
    Binary,
}

impl Mode {
    /// As the HTTP binding says: by the content type, else the attributes are headers.
    fn of(headers: &HeaderMap) -> Result<Self, CodedError> {
        let given = headers
            .get(CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .unwrap_or_default();
        match media_type(&given) {
            "application/cloudevents+json" => Ok(Self::Structured),
            "application/cloudevents-batch+json" => Ok(Self::Batch),
            other if other.starts_with("application/cloudevents") => Err(not_accepted(&given)),
            _ if headers.contains_key(binary::SPECVERSION) => Ok(Self::Binary),
            _ => Err(not_accepted(&given)),
        }
    }
}

/// A content type without its parameters.
fn media_type(content_type: &str) -> &str {
    let end = content_type.find(';').unwrap_or(content_type.len());
    content_type[..end].trim()
}

fn not_accepted(given: &str) -> CodedError {
    CodedError::new(
        "FF00162",
        415,
        format!(
            "Content type '{given}' is no CloudEvent: expected 'application/cloudevents+json', 'application/cloudevents-batch+json', or any other with the attributes in headers (ce-specversion, ce-id, ce-source, ce-type)"
        ),
    )
}

/// What became of an event of a batch.
#[derive(Serialize)]
struct Taken {
    /// The id of its message.
    id: Uuid,
    /// The sequence of its event.
    sequence: Sequence,
}

/// Publishes CloudEvents as broadcasts: one, a batch, or one with its attributes in headers.
///
/// 202 with the message; of a batch, with the ids and sequences, in order. What was sent before is answered in the same way, with the first message.
#[utoipa::path(
    post,
    path = "/cloudevents",
    tag = "messages",
    request_body(content(
        (ref("#/components/schemas/CloudEvent") = "application/cloudevents+json"),
        (ref("#/components/schemas/CloudEventBatch") = "application/cloudevents-batch+json"),
        (ref("#/components/schemas/Value") = "application/json"),
    )),
    responses((status = 202, body = ref("#/components/schemas/CloudEventsTaken"))),
)]
pub(crate) async fn publish(
    State(app): State<App>,
    ns: InNamespace,
    events: CloudEvents,
) -> Result<Response, ApiError> {
    match events {
        CloudEvents::One(event) => {
            let record = publish_one(&app, &ns, &event).await?;
            let text = photinus_engine::as_ready(record.content.message_json());
            Ok(json_text(StatusCode::ACCEPTED, text))
        }
        CloudEvents::Batch(events) => {
            let taken = publish_all(&app, &ns, &events).await?;
            Ok(json(StatusCode::ACCEPTED, &taken))
        }
    }
}

async fn publish_one(
    app: &App,
    ns: &InNamespace,
    event: &CloudEvent,
) -> Result<std::sync::Arc<Record>, ApiError> {
    let kind = MessageKind::Broadcast;
    let key = event.key();
    let message = event.message(&key);
    let prepared = app.handle.prepare(ns.name(), kind, false, &message).await?;
    match app.handle.commit(prepared).await {
        Ok(receipt) => Ok(receipt.record),
        Err(error) => first(app, ns, error).await,
    }
}

/// The message that the event was published as before.
async fn first(
    app: &App,
    ns: &InNamespace,
    error: CodedError,
) -> Result<std::sync::Arc<Record>, ApiError> {
    let Some(holder) = error.held_by() else {
        return Err(error.into());
    };
    let message = app.handle.message(ns.name(), holder).await?;
    message.ok_or_else(not_found)
}

/// All are checked before the first is published.
async fn publish_all(
    app: &App,
    ns: &InNamespace,
    events: &[CloudEvent],
) -> Result<Vec<Taken>, ApiError> {
    let mut lots = Vec::new();
    let keys: Vec<String> = events.iter().map(CloudEvent::key).collect();
    let events: Vec<_> = events.iter().zip(&keys).collect();
    let mut place = 0;
    for part in events.chunks(app.handle.lot_max().max(1)) {
        let mut lot = app.handle.lot(ns.name(), Source::Bulk, part.len())?;
        for (event, key) in part {
            let message = event.message(key);
            let prepared = app
                .handle
                .prepare_in(&mut lot, MessageKind::Broadcast, false, &message);
            prepared.await.map_err(|error| at(place, &error))?;
            place += 1;
        }
        lots.push(lot);
    }
    let mut taken = Vec::with_capacity(events.len());
    for lot in lots {
        for published in app.handle.enqueue(lot, None).await?.await {
            taken.push(match published {
                Ok(published) => Taken {
                    id: published.id.0,
                    sequence: published.sequence,
                },
                Err(error) => {
                    let record = first(app, ns, error).await?;
                    Taken {
                        id: record.content.id.0,
                        sequence: record.last,
                    }
                }
            });
        }
    }
    Ok(taken)
}

/// The error of one event of a batch.
fn at(place: usize, error: &CodedError) -> CodedError {
    error.of(&format!("event {place} of the batch"))
}
