//! What becomes of an event that fails?
//!
//! [`RetryPolicy`] is what a subscription says, [`Policy`] what it means.
//!
//! ```text
//!   attempt 1 ──▶ failed ── delay 1 ──▶ attempt 2 ──▶ failed ── delay 2 ──▶ … ──▶ the last one has failed
//!                                                                                  │
//!      then:  hold, and go on trying  │  park: set it aside, go on  │  skip: go on ◀┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::error::CodedError;
use crate::time::DurationText;

/// Longest delay between two attempts.
pub const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most delays that can be listed.
pub const DELAYS_MAX: usize = 100;
/// Largest factor between two delays.
pub const FACTOR_MAX: f64 = 100.0;
/// The first delay where a subscription says none.
pub const INITIAL_DELAY_DEFAULT: Duration = Duration::from_millis(250);
/// The longest delay where a subscription says none.
pub const MAX_DELAY_DEFAULT: Duration = Duration::from_secs(30);

/// What a subscription says about events that fail, as it was given. All durations are texts such as `250ms`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The delay after the first failure; `250ms` if it is not said. At most 24 hours, as all delays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
    /// The longest delay; `30s` if it is not said, or the first if that is longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<String>,
    /// How many times as long as the one before each delay is, 1 to 100; 2 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub factor: Option<Number>,
    /// How far each delay is spread, as a part of it, so that subscriptions that failed together do not come back
    /// together: 0 to 1; 0.2 if it is not said, which is ±20 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub jitter: Option<Number>,
    /// In place of these four: each delay, of which the last repeats. At most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub delays: Option<Vec<String>>,
    /// How many attempts there are, the first delivery included; no end if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_attempts: Option<u32>,
    /// How long after its first attempt an event is tried; no end if it is not said. The last attempt is made when
    /// that time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// What becomes of the event then; `hold` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
}

/// What becomes of an event whose last attempt has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It is tried on, and what comes behind it waits.
    #[default]
    Hold,
    /// It is set aside with the reason, for somebody to look at and replay.
    Park,
    /// The subscription goes on without it.
    Skip,
}

/// What becomes of an event that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long it waits between attempts.
    pub delays: Delays,
    /// How many attempts there are.
    pub attempts_max: Option<u32>,
    /// How long after its first attempt it is tried.
    pub age_max: Option<Duration>,
    /// What then.
    pub then: Then,
}

/// How long an event waits between its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delays {
    /// Each is longer than the one before.
    Growing {
        /// The first.
        initial: Duration,
        /// The longest.
        max: Duration,
        /// How many thousandths of the one before each is.
        factor_permille: u32,
        /// How many thousandths of itself each is spread by, up and down.
        jitter_permille: u32,
    },
    /// These; the last repeats.
    Listed(Arc<[Duration]>),
}

impl Default for Delays {
    fn default() -> Self {
        Self::Growing {
            initial: INITIAL_DELAY_DEFAULT,
            max: MAX_DELAY_DEFAULT,
            factor_permille: 2_000,
            jitter_permille: 200,
        }
    }
}

impl RetryPolicy {
    /// What it means. `FF00137` for what is no duration, `PH00444` for what makes no sense; both name the field.
    pub fn understood(&self) -> Result<Policy, CodedError> {
        Ok(Policy {
            delays: self.delays()?,
            attempts_max: match self.max_attempts {
                Some(0) => return Err(refused("maxAttempts", "it is 1 or more")),
                given => given,
            },
            age_max: match duration("maxAge", self.max_age.as_deref())? {
                Some(Duration::ZERO) => return Err(refused("maxAge", "it is longer than nothing")),
                given => given,
            },
            then: self.then.unwrap_or_default(),
        })
    }

    fn delays(&self) -> Result<Delays, CodedError> {
        let initial = delay("initialDelay", self.initial_delay.as_deref())?;
        let longest = delay("maxDelay", self.max_delay.as_deref())?;
        let factor = within("factor", self.factor.as_ref(), 1.0, FACTOR_MAX)?;
        let jitter = within("jitter", self.jitter.as_ref(), 0.0, 1.0)?;
        if let Some(delays) = &self.delays {
            let is_alone = initial.is_none() && longest.is_none();
            if !is_alone || factor.is_some() || jitter.is_some() {
                let what = "they stand in place of initialDelay, maxDelay, factor and jitter";
                return Err(refused("delays", what));
            }
            if delays.is_empty() || delays.len() > DELAYS_MAX {
                return Err(refused("delays", "there are 1 to 100 of them"));
            }
            let listed = delays.iter().map(|text| {
                let listed = delay("delays", Some(text))?;
                listed.ok_or_else(|| refused("delays", "each is a duration such as '5s'"))
            });
            return Ok(Delays::Listed(listed.collect::<Result<_, _>>()?));
        }
        let first = initial.unwrap_or(INITIAL_DELAY_DEFAULT);
        let max = match longest {
            Some(longest) if initial.is_some() && longest < first => {
                return Err(refused("maxDelay", "it is not shorter than initialDelay"));
            }
            Some(longest) => longest,
            None => MAX_DELAY_DEFAULT.max(first),
        };
        Ok(Delays::Growing {
            initial: first.min(max),
            max,
            factor_permille: permille(factor.unwrap_or(2.0)),
            jitter_permille: permille(jitter.unwrap_or(0.2)),
        })
    }
}

fn delay(field: &str, text: Option<&str>) -> Result<Option<Duration>, CodedError> {
    match duration(field, text)? {
        Some(delay) if delay > DELAY_MAX => Err(refused(field, "a delay is at most 24h")),
        delay => Ok(delay),
    }
}

fn duration(field: &str, text: Option<&str>) -> Result<Option<Duration>, CodedError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let duration = text.parse::<DurationText>().map_err(|_| {
        let text = format!(
            "Unable to parse 'retryPolicy.{field}' as a duration: expected a text such as '250ms', '1m30s', or digits for milliseconds"
        );
        CodedError::bad_request("FF00137", text)
    })?;
    Ok(Some(duration.value()))
}

fn within(
    field: &str,
    given: Option<&Number>,
    min: f64,
    max: f64,
) -> Result<Option<f64>, CodedError> {
    let Some(given) = given else { return Ok(None) };
    let number = given.as_f64().filter(|number| (min..=max).contains(number));
    let what = || refused(field, &format!("it is a number from {min} to {max}"));
    number.map(Some).ok_or_else(what)
}

fn permille(number: f64) -> u32 {
    // Within 0 and 100,000, so nothing is cut.
    (number * 1_000.0).round() as u32
}

fn refused(field: &str, what: &str) -> CodedError {
    CodedError::bad_request(
        "PH00444",
        format!("Invalid option 'retryPolicy.{field}': {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(json: &str) -> Result<Policy, CodedError> {
        let policy: RetryPolicy = serde_json::from_str(json).unwrap();
        // It comes out as it went in.
        let again = serde_json::to_value(&policy).unwrap();
        let given: serde_json::Value = serde_json::from_str(json).unwrap();
        let mut given = given.as_object().unwrap().clone();
        given.retain(|_, value| !value.is_null());
        assert_eq!(again, serde_json::Value::Object(given));
        policy.understood()
    }

    #[test]
    fn a_policy_means_what_it_says() {
        assert_eq!(understood("{}"), Ok(Policy::default()));
        assert_eq!(
            understood(r#"{"then":null,"delays":null}"#),
            Ok(Policy::default())
        );
        let seconds = Duration::from_secs;
        let growing = |initial, max, factor_permille, jitter_permille| Delays::Growing {
            initial,
            max,
            factor_permille,
            jitter_permille,
        };
        for (json, delays) in [
            (
                r#"{"initialDelay":"1s"}"#,
                growing(seconds(1), seconds(30), 2_000, 200),
            ),
            (
                r#"{"initialDelay":"1m"}"#,
                growing(seconds(60), seconds(60), 2_000, 200),
            ),
            (
                r#"{"maxDelay":"100ms"}"#,
                growing(
                    Duration::from_millis(100),
                    Duration::from_millis(100),
                    2_000,
                    200,
                ),
            ),
            (
                r#"{"initialDelay":"0","jitter":0,"factor":1.5}"#,
                growing(seconds(0), seconds(30), 1_500, 0),
            ),
            (
                r#"{"delays":["1s","5s","1m"]}"#,
                Delays::Listed([1, 5, 60].map(seconds).into()),
            ),
        ] {
            assert_eq!(understood(json).unwrap().delays, delays, "{json}");
        }
        let policy = understood(r#"{"maxAttempts":3,"maxAge":"24h","then":"park"}"#).unwrap();
        assert_eq!(
            (policy.attempts_max, policy.age_max, policy.then),
            (Some(3), Some(seconds(86_400)), Then::Park)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (json, code, field) in [
            (r#"{"initialDelay":"soon"}"#, "FF00137", "initialDelay"),
            (r#"{"maxAge":"-1s"}"#, "FF00137", "maxAge"),
            (r#"{"delays":["1s","x"]}"#, "FF00137", "delays"),
            (r#"{"delays":["1s",""]}"#, "PH00444", "delays"),
            (r#"{"delays":[]}"#, "PH00444", "delays"),
            (r#"{"delays":["1s"],"jitter":0}"#, "PH00444", "delays"),
            (r#"{"delays":["25h"]}"#, "PH00444", "delays"),
            (r#"{"maxDelay":"25h"}"#, "PH00444", "maxDelay"),
            (
                r#"{"initialDelay":"2s","maxDelay":"1s"}"#,
                "PH00444",
                "maxDelay",
            ),
            (r#"{"factor":0.5}"#, "PH00444", "factor"),
            (r#"{"factor":1e300}"#, "PH00444", "factor"),
            (r#"{"jitter":-0.1}"#, "PH00444", "jitter"),
            (r#"{"jitter":1.1}"#, "PH00444", "jitter"),
            (r#"{"maxAttempts":0}"#, "PH00444", "maxAttempts"),
            (r#"{"maxAge":"0s"}"#, "PH00444", "maxAge"),
        ] {
            let error = understood(json).unwrap_err();
            assert_eq!(error.code(), code, "{json}");
            assert!(
                error.to_string().contains(&format!("retryPolicy.{field}'")),
                "{error}"
            );
        }
        for json in [
            r#"{"maxAttempts":-1}"#,
            r#"{"maxAttempts":1.5}"#,
            r#"{"maxAttempts":5000000000}"#,
            r#"{"then":"drop"}"#,
            r#"{"factor":"2"}"#,
            r#"{"factor":1e999}"#,
            r#"{"maxDelays":"1s"}"#,
        ] {
            assert!(serde_json::from_str::<RetryPolicy>(json).is_err(), "{json}");
        }
    }
}
