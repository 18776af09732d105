//! How is a subscription tried?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::{CodedError, Sequence, SubscriptionId};
use photinus_engine::TrialOf;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::App;
use crate::body::OptionalBody;
use crate::errors::ApiError;
use crate::params::{InNamespace, PathId};
use crate::replies::json;

/// With what: one of the two, or a sample.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrialInput {
    /// The event of this id.
    event: Option<Uuid>,
    /// The event of this sequence.
    sequence: Option<i64>,
}

impl TrialInput {
    fn of(self) -> Result<TrialOf, CodedError> {
        match (self.event, self.sequence) {
            (None, None) => Ok(TrialOf::Sample),
            (Some(event), None) => Ok(TrialOf::Event(event)),
            (None, Some(sequence)) => Ok(TrialOf::Sequence(Sequence(sequence))),
            (Some(_), Some(_)) => Err(CodedError::bad_request(
                "PH00448",
                "A trial is with one event: give 'event' or 'sequence', or neither for a sample",
            )),
        }
    }
}

/// Tries a subscription with one event, and says what was exchanged.
///
/// With an event of the log, or with a sample that never was in it. It is no part of the stream: the application can see
/// that it is a test, and nothing is settled or moved by it, also if the subscription is paused.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/test",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/TrialInput"),
    responses((status = 200, body = ref("#/components/schemas/Trial"))),
)]
pub(crate) async fn test(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    OptionalBody(input): OptionalBody<TrialInput>,
) -> Result<Response, ApiError> {
    let (of, id) = (input.of()?, SubscriptionId(id));
    let trial = app.handle.test_subscription(ns.name(), id, of).await?;
    Ok(json(StatusCode::OK, &trial))
}
