//! How is the secret of a subscription replaced?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::SubscriptionId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::body::OptionalBody;
use crate::errors::ApiError;
use crate::params::{InNamespace, PathId};
use crate::replies::json;

/// By what, and for how long both are used. Not to be printed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RotateInput {
    /// The new secret; the transport makes one if it is not said.
    #[schemars(extend("writeOnly" = true))]
    secret: Option<String>,
    /// How long what is sent is signed with the old one, too: a duration such as `24h`, which it is if it is not said;
    /// at most `720h`, and `0s` for not at all.
    overlap: Option<String>,
}

/// Replaces the secret of a subscription.
///
/// The new one is shown in this answer alone. For the overlap what is sent is signed with both. The subscription goes on
/// where it was; what is in flight is delivered again.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/secret/rotate",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/RotateInput"),
    responses((status = 200, body = ref("#/components/schemas/Rotated"))),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    OptionalBody(input): OptionalBody<RotateInput>,
) -> Result<Response, ApiError> {
    let (id, handle) = (SubscriptionId(id), &app.handle);
    let rotated = handle.rotate_secret(ns.name(), id, input.secret, input.overlap);
    Ok(json(StatusCode::OK, &rotated.await?))
}
