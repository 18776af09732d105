//! What does a receiver wish besides its status?

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use photinus_contract::words::{self, REASON_MAX, WAIT_MAX};
use photinus_contract::{DurationText, Outcome, Timestamp};

/// What to do with the event, whatever the status says: `retry`, `park`, `skip` or `pause`.
const NACK: &str = "photinus-nack";
/// How long to wait, for `retry` and `pause`.
const NACK_DELAY: &str = "photinus-nack-delay";
/// Why, for people.
const NACK_REASON: &str = "photinus-nack-reason";

/// What the headers of an answer wish.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// How long to wait before the next attempt.
    pub(crate) retry_after: Option<Duration>,
    /// What is to become of the event.
    pub(crate) nack: Option<Outcome>,
}

impl Wish {
    pub(crate) fn of(headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(RETRY_AFTER.as_str()).and_then(|text| wait(text.trim(), now));
        let delay = text(NACK_DELAY).and_then(|text| text.trim().parse::<DurationText>().ok());
        let delay = delay
            .map(|delay| delay.value().min(WAIT_MAX))
            .or(retry_after);
        let reason = match text(NACK_REASON).map(str::trim) {
            None | Some("") => "the receiver asked for it".to_owned(),
            Some(given) => given.chars().take(REASON_MAX).collect(),
        };
        let nack = text(NACK).filter(|action| !action.trim().is_empty());
        let nack = nack.and_then(|action| words::action(action, delay, reason, now));
        Self { retry_after, nack }
    }
}

/// Seconds, or a date of HTTP. At once is no wish: the schedule says how soon that is.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            let now = Duration::from_nanos(u64::try_from(now.as_nanos()).ok()?);
            date.saturating_sub(now)
        }
    };
    Some(wait.min(WAIT_MAX)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn wish(headers: &[(&'static str, &'static str)]) -> Wish {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        // 1994-11-06T08:49:37Z
        let now = Timestamp::from_nanos(784_111_777_000_000_000);
        Wish::of(&headers.collect(), now)
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", None),
            ("99999999999", Some(WAIT_MAX.as_secs())),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
        ] {
            let wish = wish(&[("retry-after", text)]);
            assert_eq!(
                wish.retry_after,
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[test]
    fn a_header_says_what_becomes_of_the_event() {
        let nack = |headers: &[(&'static str, &'static str)]| format!("{:?}", wish(headers).nack);
        assert_eq!(nack(&[("photinus-nack", "explode")]), "None");
        let reason = ("photinus-nack-reason", "not for me");
        assert_eq!(
            nack(&[("photinus-nack", "Park"), reason]),
            "Some(Park { reason: \"not for me\" })"
        );
        assert_eq!(
            nack(&[("photinus-nack", "skip")]),
            "Some(Skip { reason: \"the receiver asked for it\" })"
        );
        assert_eq!(
            nack(&[
                ("photinus-nack", "retry"),
                ("photinus-nack-delay", "1m"),
                reason
            ]),
            "Some(Retry { delay: Some(60s), counted: true, reason: \"not for me\" })"
        );
        assert_eq!(
            nack(&[("photinus-nack", "pause"), ("retry-after", "60"), reason]),
            "Some(Pause { until: Some(1994-11-06T08:50:37Z), reason: \"not for me\" })"
        );
        assert_eq!(
            nack(&[("photinus-nack", "pause"), reason]),
            "Some(Pause { until: None, reason: \"not for me\" })"
        );
    }
}
