//! How long may a request take?

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use photinus_contract::{CodedError, DurationText, MessageId};
use tokio::time::Instant;

use crate::App;
use crate::errors::ApiError;

const REQUEST_TIMEOUT: &str = "request-timeout";

/// Answers 408 when the time is up. What the request has started may go on.
pub(crate) async fn enforce(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let asked = asked(request.headers());
    let limit = asked.unwrap_or_else(|| app.config.request_timeout.value());
    let limit = limit.min(app.config.request_timeout_max.value());
    let deadline = Deadline::default();
    request.extensions_mut().insert(deadline.clone());
    let begun = Instant::now();
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::from(deadline.passed(limit, begun.elapsed())).into_response(),
    }
}

/// The end of a request's time: what it means then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadline {
    waits_for: Arc<OnceLock<MessageId>>,
}

impl Deadline {
    /// From now on the request waits for what follows from this message, which is published whether or not
    /// somebody waits.
    pub(crate) fn waits_for(&self, message: MessageId) {
        let _ = self.waits_for.set(message);
    }

    fn passed(&self, limit: Duration, waited: Duration) -> CodedError {
        match self.waits_for.get() {
            Some(message) => {
                let waited = milliseconds(waited);
                let text = format!("The request with id '{message}' timed out after {waited}ms");
                CodedError::new("FF10260", 408, text)
            }
            None => {
                let text = format!("The request was not done after {} ms", limit.as_millis());
                CodedError::new("FF00166", 408, text)
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// As Go writes them for people: `1,500.61`.
fn milliseconds(duration: Duration) -> String {
    let hundredths = (duration.as_micros() + 5) / 10;
    let whole = (hundredths / 100).to_string();
    let mut text = String::with_capacity(whole.len() + 8);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + &format!(".{:02}", hundredths % 100)
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
    fn milliseconds_are_written_for_people() {
        for (micros, expected) in [
            (0, "0.00"),
            (4, "0.00"),
            (5, "0.01"),
            (999_994, "999.99"),
            (999_995, "1,000.00"),
            (1_500_610, "1,500.61"),
            (120_000_000, "120,000.00"),
            (3_600_000_050, "3,600,000.05"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), expected);
        }
    }

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
