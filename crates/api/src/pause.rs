//! How is a subscription told to wait, and to go on?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::store::Pause;
use photinus_contract::{SubscriptionId, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::body::OptionalBody;
use crate::errors::ApiError;
use crate::params::{InNamespace, PathId};
use crate::replies::json;

/// What is said with a pause of which nothing is said.
const REASON_DEFAULT: &str = "it was paused";

/// For how long, and why.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct PauseInput {
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    reason: Option<String>,
}

/// Has a subscription wait: it is delivered nothing until then, or until it is resumed.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/pause",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/PauseInput"),
    responses((status = 200, body = ref("#/components/schemas/SubscriptionStatus"))),
)]
pub(crate) async fn pause(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    OptionalBody(input): OptionalBody<PauseInput>,
) -> Result<Response, ApiError> {
    let reason = input.reason.filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    let pause = Pause::new(input.until, reason);
    let id = SubscriptionId(id);
    app.handle.pause(ns.name(), id, pause).await?;
    status(&app, &ns, id).await
}

/// Has a subscription go on that was paused.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/resume",
    tag = "subscriptions",
    responses((status = 200, body = ref("#/components/schemas/SubscriptionStatus"))),
)]
pub(crate) async fn resume(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = SubscriptionId(id);
    app.handle.resume(ns.name(), id).await?;
    status(&app, &ns, id).await
}

/// How it stands now.
async fn status(app: &App, ns: &InNamespace, id: SubscriptionId) -> Result<Response, ApiError> {
    let status = app.handle.subscription_status(ns.name(), id).await?;
    Ok(json(StatusCode::OK, &status))
}
