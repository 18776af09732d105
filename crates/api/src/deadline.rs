//! How long may a request take?

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use photinus_contract::{CodedError, DurationText};

use crate::App;
use crate::errors::ApiError;

const REQUEST_TIMEOUT: &str = "request-timeout";

/// Answers 408 when the time is up. What the request has started may go on.
pub(crate) async fn enforce(State(app): State<App>, request: Request, next: Next) -> Response {
    let asked = asked(request.headers());
    let limit = asked.unwrap_or_else(|| app.config.request_timeout.value());
    let limit = limit.min(app.config.request_timeout_max.value());
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("The request was not done after {} ms", limit.as_millis());
            ApiError::from(CodedError::new("FF00166", 408, text)).into_response()
        }
    }
}

/// What the client asked for: seconds, or Go's notation. Anything else is as good as nothing.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(REQUEST_TIMEOUT)?.to_str().ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    text.parse::<DurationText>()
        .ok()
        .map(|duration| duration.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_seconds_or_a_duration() {
        for (text, expected) in [
            ("30", Some(Duration::from_secs(30))),
            ("500ms", Some(Duration::from_millis(500))),
            ("2m", Some(Duration::from_secs(120))),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_TIMEOUT, text.parse().unwrap());
            assert_eq!(asked(&headers), expected, "{text}");
        }
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
