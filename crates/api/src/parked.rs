//! How does somebody look at what a subscription set aside, and put it right?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::store::Selection;
use photinus_contract::{CodedError, Data, EventId, Sequence, SubscriptionId};
use photinus_engine::lists::PARKED;
use photinus_engine::{ParkedEvent, ParkedPayload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::App;
use crate::body::JsonBody;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathEvent, PathId};
use crate::query::Query;
use crate::replies::{json, json_list};

/// Most events that one request can name.
const EVENTS_MAX: usize = 1_000;

/// Which parked events are meant. One of the three.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ParkedInput {
    /// All that there are.
    all: Option<bool>,
    /// The ids of at most 1,000 events. One that is not parked is left out.
    #[schemars(length(max = 1_000))]
    events: Option<Vec<Uuid>>,
    /// The first sequence.
    from: Option<i64>,
    /// The last sequence, included; to the end if it is not said.
    to: Option<i64>,
}

impl ParkedInput {
    fn selection(self) -> Result<Selection, CodedError> {
        let refused = |text: &str| Err(CodedError::bad_request("PH00446", text));
        match self {
            Self {
                all: Some(true),
                events: None,
                from: None,
                to: None,
            } => Ok(Selection::All),
            Self {
                all: None | Some(false),
                events: Some(events),
                from: None,
                to: None,
            } => match events.len() {
                ..=EVENTS_MAX => Ok(Selection::Events(events.into_iter().map(EventId).collect())),
                _ => refused("'events' names more than 1,000 events: name fewer, or a range"),
            },
            Self {
                all: None | Some(false),
                events: None,
                from: Some(from),
                to,
            } => Ok(Selection::Range(
                Sequence(from),
                to.map_or(Sequence::MAX, Sequence),
            )),
            _ => refused(
                "Say which parked events are meant: {\"all\":true}, {\"events\":[\"<id>\"]} or {\"from\":<sequence>,\"to\":<sequence>}",
            ),
        }
    }
}

/// How many parked events were meant.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ParkedCount {
    count: u64,
}

/// A parked event with what it carries.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    parked: &'a ParkedEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    data: &'a [Data],
}

/// The events that a subscription set aside, in the order of the log.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}/parked",
    tag = "subscriptions",
    responses((status = 200, body = ref("#/components/schemas/ParkedEvents"))),
    extensions(("x-list" = json!("parked"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&PARKED)?;
    let id = SubscriptionId(id);
    let listed = app.handle.parked(ns.name(), id, &asked).await?;
    Ok(json_list(listed))
}

/// An event that a subscription set aside, with the event as it is delivered and the values of its message.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}/parked/{event}",
    tag = "subscriptions",
    responses((status = 200, body = ref("#/components/schemas/ParkedEventWithPayload"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    PathEvent(event): PathEvent,
) -> Result<Response, ApiError> {
    let (id, event) = (SubscriptionId(id), EventId(event));
    let found = app.handle.parked_payload(ns.name(), id, event).await?;
    let found: ParkedPayload = found.ok_or_else(nothing_found)?;
    let payload = found.event.map(|event| {
        let mut text = Vec::new();
        event.write_json(&mut text);
        String::from_utf8(text).map_err(CodedError::undecodable)
    });
    let payload = payload.transpose()?.map(RawValue::from_string);
    let shown = Shown {
        parked: &found.parked,
        payload: payload.transpose().map_err(CodedError::undecodable)?,
        data: &found.data,
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Has parked events delivered again.
///
/// In the order of the log among themselves, beside what else there is, with attempts of their own. One that is settled
/// is parked no more; one that fails again stays.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/parked/replay",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/ParkedInput"),
    responses((status = 200, body = ref("#/components/schemas/ParkedCount"))),
)]
pub(crate) async fn replay(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    JsonBody(input): JsonBody<ParkedInput>,
) -> Result<Response, ApiError> {
    let selection = input.selection()?;
    let id = SubscriptionId(id);
    let count = app.handle.replay_parked(ns.name(), id, selection).await?;
    Ok(json(StatusCode::OK, &ParkedCount { count }))
}

/// Gives parked events up: they are delivered no more, unless the subscription is moved back.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/parked/discard",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/ParkedInput"),
    responses((status = 200, body = ref("#/components/schemas/ParkedCount"))),
)]
pub(crate) async fn discard(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    JsonBody(input): JsonBody<ParkedInput>,
) -> Result<Response, ApiError> {
    let selection = input.selection()?;
    let id = SubscriptionId(id);
    let count = app.handle.discard_parked(ns.name(), id, selection).await?;
    Ok(json(StatusCode::OK, &ParkedCount { count }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selection_is_said_in_one_of_three_ways() {
        let selection = |input: serde_json::Value| {
            let input: ParkedInput = serde_json::from_value(input).unwrap();
            input.selection()
        };
        let event = Uuid::from_u128(7);
        let range = |from, to| Ok(Selection::Range(Sequence(from), Sequence(to)));
        assert_eq!(selection(json!({"all": true})), Ok(Selection::All));
        assert_eq!(
            selection(json!({"events": [event], "all": false})),
            Ok(Selection::Events(vec![EventId(event)]))
        );
        assert_eq!(selection(json!({"from": 3, "to": 9})), range(3, 9));
        assert_eq!(selection(json!({"from": 3})), range(3, Sequence::MAX.0));
        for input in [
            json!({}),
            json!({"all": false}),
            json!({"to": 9}),
            json!({"all": true, "from": 3}),
            json!({"all": true, "events": []}),
            json!({"events": [], "from": 3}),
            json!({"events": vec![event; 1_001]}),
        ] {
            assert_eq!(
                selection(input.clone()).unwrap_err().code(),
                "PH00446",
                "{input}"
            );
        }
    }
}
