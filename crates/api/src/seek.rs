//! How is a subscription moved to another place of the log?

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use photinus_contract::{CodedError, SubscriptionId};
use photinus_engine::SeekTo;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::App;
use crate::body::JsonBody;
use crate::errors::ApiError;
use crate::params::{InNamespace, PathId};
use crate::reads::answered_in_turn;
use crate::replies::json;

/// Where to, as a client says it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeekInput {
    #[serde(default)]
    to: Value,
    #[serde(default)]
    dry_run: bool,
}

impl SeekInput {
    fn place(&self) -> Result<SeekTo, CodedError> {
        match &self.to {
            Value::String(text) => text.parse(),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                SeekTo::sequence(number.as_i64().unwrap_or(i64::MAX))
            }
            // What is left out reads like what is empty.
            Value::Null => "".parse(),
            other => other.to_string().parse(),
        }
    }
}

/// Moves a subscription to another place of the log.
///
/// It goes on from there; a dry run says where that would be, and how many events would follow.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/seek",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/SeekInput"),
    responses((status = 200, body = ref("#/components/schemas/Sought"))),
)]
pub(crate) async fn seek(
    State(app): State<App>,
    ns: InNamespace,
    PathId(id): PathId,
    JsonBody(input): JsonBody<SeekInput>,
) -> Result<Response, ApiError> {
    let (to, id) = (input.place()?, SubscriptionId(id));
    if !input.dry_run {
        let sought = app.handle.seek(ns.name(), id, to).await?;
        return Ok(json(StatusCode::OK, &sought));
    }
    let tried = async {
        match app.handle.seek_dry(ns.name(), id, to).await {
            Ok(sought) => json(StatusCode::OK, &sought),
            Err(error) => ApiError::from(error).into_response(),
        }
    };
    Ok(answered_in_turn(&app, tried).await)
}

#[cfg(test)]
mod tests {
    use photinus_contract::Sequence;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_a_text_or_a_whole_number() {
        let place = |to: Value| {
            let input: SeekInput = serde_json::from_value(json!({ "to": to })).unwrap();
            input.place()
        };
        assert_eq!(place(json!("oldest")), Ok(SeekTo::Oldest));
        assert_eq!(place(json!(5)), Ok(SeekTo::After(Sequence(5))));
        assert_eq!(place(json!("5")), Ok(SeekTo::After(Sequence(5))));
        assert_eq!(place(json!(-1)), Ok(SeekTo::After(Sequence(-1))));
        assert_eq!(place(json!(u64::MAX)), Ok(SeekTo::After(Sequence::MAX)));
        for to in [
            json!(null),
            json!(1.5),
            json!(-2),
            json!([5]),
            json!({}),
            json!(true),
        ] {
            assert_eq!(place(to.clone()).unwrap_err().code(), "PH00440", "{to}");
        }
    }
}
