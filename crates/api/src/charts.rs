//! How many came in when?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::{CodedError, Timestamp};
use photinus_engine::lists::{BAR_COUNT_MAX, Bar, Charted};
use schemars::JsonSchema;
use serde::Serialize;

use crate::App;
use crate::errors::ApiError;
use crate::params::{InNamespace, PathCollection};
use crate::query::Query;
use crate::replies::json;

/// Most buckets that can be asked for. A rest of time makes more.
const BUCKETS_MAX: i64 = 100;

/// What came in from one time to the next.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bucket {
    /// A number, as a text.
    count: String,
    /// Where it begins.
    timestamp: Timestamp,
    types: Vec<OfType>,
    /// There may be more than were counted.
    is_capped: bool,
}

/// Those of one type.
#[derive(Serialize, JsonSchema)]
struct OfType {
    /// A number, as a text.
    count: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// What is charted, if anything of the collection can be there.
fn charted(collection: &str) -> Result<Option<Charted>, CodedError> {
    match collection {
        "events" => Ok(Some(Charted::Events)),
        "messages" => Ok(Some(Charted::Messages)),
        "transactions" | "operations" | "tokentransfers" | "blockchainevents" => Ok(None),
        _ => {
            let text = format!("Collection '{collection}' is not supported");
            Err(CodedError::bad_request("FF10301", text))
        }
    }
}

/// How many events or messages came in when, in so many buckets of time.
///
/// Each counts up to 100. What can never be here is counted, too: as none.
#[utoipa::path(
    get,
    path = "/charts/histogram/{collection}",
    tag = "status",
    params(
        ("startTime" = String, Query, description = "Where the first bucket begins: RFC 3339, or seconds since 1970."),
        ("endTime" = String, Query, description = "Where the last one ends."),
        ("buckets" = u8, Query, description = "How many there are, from 1 to 100. If the time cannot be divided so, there are more."),
    ),
    responses((status = 200, body = ref("#/components/schemas/Histogram"))),
)]
pub(crate) async fn histogram(
    State(app): State<App>,
    ns: InNamespace,
    PathCollection(collection): PathCollection,
    query: Query,
) -> Result<Response, ApiError> {
    let borders = borders(&query)?;
    let bars = match charted(&collection)? {
        Some(what) => app.handle.histogram(ns.name(), what, &borders).await?,
        None => borders.windows(2).map(|_| Bar::default()).collect(),
    };
    let buckets = borders
        .iter()
        .zip(bars)
        .map(|(start, bar)| bucket(*start, bar));
    Ok(json(StatusCode::OK, &buckets.collect::<Vec<_>>()))
}

fn bucket(timestamp: Timestamp, bar: Bar) -> Bucket {
    let of_type = |(kind, count): (&'static str, usize)| OfType {
        count: count.to_string(),
        kind,
    };
    Bucket {
        count: bar.count.to_string(),
        timestamp,
        types: bar.kinds.into_iter().map(of_type).collect(),
        is_capped: bar.count == BAR_COUNT_MAX,
    }
}

/// Where the buckets begin, and where the last one ends; nothing if they would be shorter than can be told.
fn borders(query: &Query) -> Result<Vec<Timestamp>, CodedError> {
    let time = |name: &str| {
        let text = query.first(name).unwrap_or_default();
        let time = text.parse::<Timestamp>();
        time.map(Timestamp::as_nanos)
            .map_err(|_| not_understood(name))
    };
    let (start, end) = (time("startTime")?, time("endTime")?);
    let buckets = query.first("buckets").unwrap_or_default();
    let buckets: i64 = buckets.parse().map_err(|_| not_understood("buckets"))?;
    if !(1..=BUCKETS_MAX).contains(&buckets) {
        let text = format!("Parameter 'buckets' must be from 1 to {BUCKETS_MAX}");
        return Err(CodedError::bad_request("FF10298", text));
    }
    if start > end {
        let text = "Parameter 'startTime' must not be after 'endTime'";
        return Err(CodedError::bad_request("FF10300", text));
    }
    // Times are from 1677 to 2262: further apart than one number can say.
    let width = (i128::from(end) - i128::from(start)) / i128::from(buckets);
    let Ok(width @ 1..) = i64::try_from(width) else {
        return Ok(Vec::new());
    };
    let mut borders = vec![start];
    let mut border = start;
    while border < end {
        border = border.saturating_add(width);
        borders.push(border);
    }
    Ok(borders.into_iter().map(Timestamp::from_nanos).collect())
}

fn not_understood(name: &str) -> CodedError {
    let text = format!("Parameter '{name}' is missing, or is no number or time");
    CodedError::bad_request("FF10299", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(query: &str) -> Result<Vec<i64>, String> {
        let borders = borders(&Query::new(query).unwrap());
        let seconds = |time: &Timestamp| time.as_nanos() / 1_000_000_000;
        borders
            .map(|borders| borders.iter().map(seconds).collect())
            .map_err(|error| error.code().to_owned())
    }

    #[test]
    fn time_is_divided_and_a_rest_makes_one_more() {
        for (query, expected) in [
            (
                "startTime=100&endTime=130&buckets=3",
                vec![100, 110, 120, 130],
            ),
            ("startTime=100&endTime=100&buckets=3", vec![]),
            (
                "startTime=1970-01-01T00:00:10Z&endTime=20&buckets=1",
                vec![10, 20],
            ),
        ] {
            assert_eq!(seconds(query), Ok(expected), "{query}");
        }
        let nanos = "startTime=1600000000000000000&endTime=1600000000000000";
        assert_eq!(seconds(&format!("{nanos}000&buckets=1")), Ok(vec![]));
        assert_eq!(seconds(&format!("{nanos}007&buckets=3")).unwrap().len(), 5);
        assert_eq!(
            seconds(&format!("{nanos}199&buckets=100")).unwrap().len(),
            200
        );
        assert_eq!(seconds(&format!("{nanos}099&buckets=100")), Ok(vec![]));
        let widest = "startTime=1677-09-21T00:12:44Z&endTime=2262-04-11T23:47:16Z";
        assert_eq!(
            seconds(&format!("{widest}&buckets=100")).unwrap().len(),
            101
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_order() {
        for (query, code) in [
            ("", "FF10299"),
            ("startTime=x&endTime=2&buckets=0", "FF10299"),
            ("startTime=1&buckets=1", "FF10299"),
            ("startTime=1&endTime=2", "FF10299"),
            ("startTime=1&endTime=2&buckets=x", "FF10299"),
            ("starttime=1&endTime=2&buckets=1", "FF10299"),
            ("startTime=2&endTime=1&buckets=0", "FF10298"),
            ("startTime=1&endTime=2&buckets=101", "FF10298"),
            ("startTime=1&endTime=2&buckets=-1", "FF10298"),
            ("startTime=2&endTime=1&buckets=1", "FF10300"),
        ] {
            assert_eq!(seconds(query), Err(code.to_owned()), "{query}");
        }
    }
}
