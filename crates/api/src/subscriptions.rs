//! How are subscriptions listed, made, changed and removed?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::{Subscription, SubscriptionId};
use photinus_engine::lists::SUBSCRIPTIONS;
use photinus_engine::{SubscriptionInput, SubscriptionStatus};
use serde::Serialize;

use crate::App;
use crate::body::JsonBody;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::replies::{json, json_list, no_content};

/// The durable subscriptions, newest first.
#[utoipa::path(
    get,
    path = "/subscriptions",
    tag = "subscriptions",
    responses((status = 200, body = ref("#/components/schemas/Subscriptions"))),
    extensions(("x-list" = json!("subscriptions"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&SUBSCRIPTIONS)?;
    let all = app.handle.subscriptions(ns.name());
    Ok(json_list(asked.select(all)))
}

/// Creates a subscription.
///
/// 409 if there is one of that name.
#[utoipa::path(
    post,
    path = "/subscriptions",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/SubscriptionInput"),
    responses((status = 201, body = ref("#/components/schemas/Subscription"))),
)]
pub(crate) async fn create(
    State(app): State<App>,
    ns: InNamespace,
    JsonBody(input): JsonBody<SubscriptionInput>,
) -> Result<Response, ApiError> {
    let created = app.handle.create_subscription(ns.name(), input).await?;
    Ok(json(StatusCode::CREATED, &created))
}

/// Creates a subscription, or replaces the one of that name.
///
/// It goes on where it was; its first event stays what it was.
#[utoipa::path(
    put,
    path = "/subscriptions",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/SubscriptionInput"),
    responses((status = 200, body = ref("#/components/schemas/Subscription"))),
)]
pub(crate) async fn put(
    State(app): State<App>,
    ns: InNamespace,
    JsonBody(input): JsonBody<SubscriptionInput>,
) -> Result<Response, ApiError> {
    let subscription = app.handle.put_subscription(ns.name(), input).await?;
    Ok(json(StatusCode::OK, &subscription))
}

/// A subscription.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}",
    tag = "subscriptions",
    params(
        ("fetchstatus" = Option<bool>, Query, description = "Where it is, too."),
    ),
    responses((status = 200, body = ref("#/components/schemas/SubscriptionWithStatus"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    let id = SubscriptionId(id);
    let Some(subscription) = app.handle.subscription(ns.name(), id) else {
        return Err(nothing_found());
    };
    if !query.is_on("fetchstatus") {
        return Ok(json(StatusCode::OK, &subscription));
    }
    let shown = WithStatus {
        subscription: &subscription,
        status: app.handle.subscription_status(ns.name(), id).await?,
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Deletes a subscription.
///
/// What is in flight is cut off; its place in the log is forgotten.
#[utoipa::path(
    delete,
    path = "/subscriptions/{id}",
    tag = "subscriptions",
    responses((status = 204)),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    app.handle
        .delete_subscription(ns.name(), SubscriptionId(id))
        .await?;
    Ok(no_content())
}

#[derive(Serialize)]
struct WithStatus<'a> {
    #[serde(flatten)]
    subscription: &'a Subscription,
    status: SubscriptionStatus,
}
