//! Which events are there for a subscription?

use std::ops::Range;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::object::null_as_default;
use photinus_contract::{
    CodedError, Event, SubscriptionFilter, SubscriptionId, SubscriptionOptions,
};
use photinus_engine::SubscriptionInput;
use photinus_engine::lists::{EVENTS, LIMIT_MAX};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::body::JsonBody;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathId};
use crate::query::Query;
use crate::replies::json_text;

/// How many sequences a history goes over at most.
const SEQUENCES_MAX: i64 = LIMIT_MAX as i64;
/// How many events a preview looks at if nothing is said.
const LAST_DEFAULT: usize = 100;
/// How many addresses it shows at most.
const ADDRESSES_MAX: usize = 3;
/// How many events a preview looks at at most.
const LAST_MAX: usize = 1000;

/// The older events that the filter of a subscription matches, newest first.
///
/// Of at most 1,000 sequences: the newest ones if nothing is said.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}/events",
    tag = "subscriptions",
    params(
        ("startsequence" = Option<i64>, Query, description = "The first sequence."),
        ("endsequence" = Option<i64>, Query, description = "The sequence before which it ends."),
    ),
    responses((status = 200, body = ref("#/components/schemas/History"))),
    extensions(("x-list" = json!("events"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    id: Result<PathId, ApiError>,
    query: Query,
) -> Result<Response, ApiError> {
    // An id that is none names no subscription either.
    let PathId(id) = id.map_err(|_| nothing_found())?;
    let mut asked = query.asks(&EVENTS)?;
    let limit = limit(&query, asked.limit);
    let sequences = sequences(&query, limit)?;
    // The query is about so many events that the filter of the subscription may match, and about all of a range.
    if sequences.is_some() {
        asked.limit = LIMIT_MAX;
    }
    asked.count = false;
    let (ns, id) = (ns.name(), SubscriptionId(id));
    let sequences = sequences.unwrap_or(0..i64::MAX);
    let found = app.handle.subscription_events(ns, id, sequences, &asked);
    let found = found.await?;
    // FireFly keeps the end of its list, which is newest first.
    let kept = &found[found.len().saturating_sub(limit)..];
    let count = kept.len();
    let mut text = format!(r#"{{"count":{count},"total":{count},"items":["#).into_bytes();
    write_all(kept, &mut text);
    text.extend_from_slice(b"]}");
    Ok(json_text(StatusCode::OK, text))
}

/// As a list has it, but that none means none here.
fn limit(query: &Query, limit: usize) -> usize {
    let given = query.first_any_case("limit");
    match given.filter(|given| !given.is_empty()) {
        Some(given) if given.parse().unwrap_or(0) == 0 => 0,
        _ => limit,
    }
}

/// The sequences from `startsequence` up to, and without, `endsequence`.
fn sequences(query: &Query, limit: usize) -> Result<Option<Range<i64>>, CodedError> {
    let sequence = |name: &str| {
        let text = query.first_any_case(name).filter(|text| !text.is_empty());
        text.map(str::parse::<i64>).transpose().map_err(|_| {
            let text = format!("Parameter '{name}' is not a whole number");
            CodedError::bad_request("FF10464", text)
        })
    };
    match (sequence("startsequence")?, sequence("endsequence")?) {
        (None, None) => Ok(None),
        (Some(start), None) => Ok(Some(start..start.saturating_add(SEQUENCES_MAX))),
        (None, Some(end)) => {
            let before =
                i64::try_from(limit).map_or(SEQUENCES_MAX, |limit| limit.min(SEQUENCES_MAX));
            Ok(Some(end.saturating_sub(before).max(0)..end))
        }
        (Some(start), Some(end)) if end.saturating_sub(start) > SEQUENCES_MAX => {
            let text = format!(
                "Parameters 'startsequence' and 'endsequence' are more than {SEQUENCES_MAX} apart"
            );
            Err(CodedError::bad_request("FF10463", text))
        }
        (Some(start), Some(end)) => Ok(Some(start..end)),
    }
}

/// A subscription that is tried before it is saved; a filter alone, too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PreviewInput {
    /// How many of the newest events are looked at: 100 if absent, at most 1,000.
    last: Option<u64>,
    /// Which events it wants.
    filter: Option<SubscriptionFilter>,
    /// How it wants them: these are checked if they are there, and `addresses` says where the newest three would go.
    options: Option<SubscriptionOptions>,
    /// The transport that delivers it; `websockets` if empty.
    #[serde(deserialize_with = "null_as_default")]
    transport: String,
    /// That of a subscription whose secrets stay as they are.
    #[serde(deserialize_with = "null_as_default")]
    name: String,
}

/// What a filter would match among the newest events, and where options would send them.
#[utoipa::path(
    post,
    path = "/subscriptions/preview",
    tag = "subscriptions",
    request_body = ref("#/components/schemas/PreviewInput"),
    responses((status = 200, body = ref("#/components/schemas/Preview"))),
)]
pub(crate) async fn preview(
    State(app): State<App>,
    ns: InNamespace,
    JsonBody(input): JsonBody<PreviewInput>,
) -> Result<Response, ApiError> {
    let last = input
        .last
        .map_or(Some(LAST_DEFAULT), |last| last.try_into().ok());
    let last = last.filter(|last| (1..=LAST_MAX).contains(last));
    let last = last.ok_or_else(|| {
        let text = format!("'last' is the number of events to look at, from 1 to {LAST_MAX}");
        CodedError::bad_request("PH00442", text)
    })?;
    let filter = input.filter.unwrap_or_default();
    let preview = app.handle.preview(ns.name(), &filter, last).await?;
    let (scanned, matched) = (preview.scanned, preview.events.len());
    let addresses = match input.options {
        None => None,
        Some(options) => {
            let mut asked = SubscriptionInput::default();
            (asked.name, asked.transport) = (input.name, input.transport);
            (asked.filter, asked.options) = (filter, options);
            let newest = &preview.events[..matched.min(ADDRESSES_MAX)];
            let addresses = app.handle.addresses(ns.name(), &asked, newest).await?;
            Some(serde_json::to_string(&addresses).map_err(CodedError::undecodable)?)
        }
    };
    let mut text = format!(r#"{{"scanned":{scanned},"matched":{matched},"events":["#).into_bytes();
    write_all(&preview.events, &mut text);
    text.push(b']');
    if let Some(addresses) = addresses {
        text.extend_from_slice(format!(r#","addresses":{addresses}"#).as_bytes());
    }
    text.push(b'}');
    Ok(json_text(StatusCode::OK, text))
}

fn write_all(events: &[Event], out: &mut Vec<u8>) {
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        event.write_json(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_read_as_firefly_reads_them() {
        for (query, expected) in [
            ("", None),
            ("startsequence=&endsequence=", None),
            ("startsequence=5", Some((5, 1005))),
            ("endsequence=2000", Some((1975, 2000))),
            ("endsequence=7", Some((0, 7))),
            ("startsequence=5&endsequence=1005", Some((5, 1005))),
            ("startsequence=9&endsequence=5", Some((9, 5))),
            (
                "StartSequence=9223372036854775807",
                Some((i64::MAX, i64::MAX)),
            ),
        ] {
            let found = sequences(&Query::new(query).unwrap(), 25).unwrap();
            let found = found.map(|range| (range.start, range.end));
            assert_eq!(found, expected, "{query}");
        }
        for (query, code) in [
            ("startsequence=x", "FF10464"),
            ("endsequence=1.5", "FF10464"),
            (
                "startsequence=1&endsequence=99999999999999999999",
                "FF10464",
            ),
            ("startsequence=5&endsequence=1006", "FF10463"),
            (
                "startsequence=-9223372036854775808&endsequence=9223372036854775807",
                "FF10463",
            ),
        ] {
            let error = sequences(&Query::new(query).unwrap(), 25).unwrap_err();
            assert_eq!(error.code(), code, "{query}");
        }
    }
}
