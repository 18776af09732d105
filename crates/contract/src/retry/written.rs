//! How is a retry policy written?

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{
    DELAY_MAX, DELAYS_MAX, Delays, FACTOR_MAX, INITIAL_DELAY_DEFAULT, MAX_DELAY_DEFAULT, Policy,
    Then,
};
use crate::error::CodedError;
use crate::object::Plain;
use crate::time::DurationText;

/// What a subscription says about events that fail, as it was given. Whether it means anything is not known before it
/// is [understood](Self::understood): what a store holds can be read whoever wrote it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RetryPolicy(Value);

impl JsonSchema for RetryPolicy {
    fn schema_name() -> Cow<'static, str> {
        Fields::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Fields::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}

/// `null` means the same as an absent key.
impl<'de> Deserialize<'de> for RetryPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Plain(mut given) = Plain::deserialize(deserializer)?;
        if let Value::Object(given) = &mut given {
            given.retain(|_, value| !value.is_null());
        }
        Ok(Self(given))
    }
}

/// What a subscription says about events that fail, as it was given. All durations are texts such as `250ms`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "RetryPolicy")]
struct Fields {
    /// The delay after the first failure; `250ms` if it is not said. At most 24 hours, as all delays.
    initial_delay: Option<String>,
    /// The longest delay before it is spread; `30s` if it is not said, or the first if that is longer.
    max_delay: Option<String>,
    /// How many times as long as the one before each delay is, 1 to 100; 2 if it is not said.
    #[schemars(range(min = 1.0, max = 100.0))]
    factor: Option<f64>,
    /// How far each delay is spread, as a part of it, so that subscriptions that failed together do not come back
    /// together: 0 to 1; 0.2 if it is not said, which is ±20 %.
    #[schemars(range(min = 0.0, max = 1.0))]
    jitter: Option<f64>,
    /// In place of `initialDelay`, `maxDelay`, `factor` and `jitter`: each delay, of which the last repeats. At most 100.
    #[schemars(length(min = 1, max = 100))]
    delays: Option<Vec<String>>,
    /// How many attempts there are, the first delivery included; no end if it is not said.
    #[schemars(range(min = 1))]
    max_attempts: Option<u32>,
    /// How long after its first attempt an event is tried; no end if it is not said. The last attempt is made when
    /// that time is over.
    max_age: Option<String>,
    /// What becomes of the event then; `hold` if it is not said.
    #[schemars(with = "Option<Then>")]
    then: Option<String>,
}

impl RetryPolicy {
    /// The one that a text of JSON says. Of another text it is told when it is to be [understood](Self::understood).
    pub fn from_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self(text.into()))
    }

    /// What it means. `FF00137` for a text that is no duration, `PH00444` for all else that makes no sense; both name
    /// the field and what may stand there.
    pub fn understood(&self) -> Result<Policy, CodedError> {
        self.fields()?.understood()
    }

    fn fields(&self) -> Result<Fields, CodedError> {
        let refused = || {
            let text = r#"Invalid option 'retryPolicy': expected an object such as {"maxAttempts":5,"then":"park"}"#;
            CodedError::bad_request("PH00444", text)
        };
        let given = self.0.as_object().ok_or_else(refused)?;
        for (field, value) in given {
            // Alone, so that it is known whose fault it is.
            let alone = Map::from_iter([(field.clone(), value.clone())]);
            if Fields::deserialize(Value::Object(alone)).is_err() {
                return Err(unexpected(field));
            }
        }
        Fields::deserialize(&self.0).map_err(|_| refused())
    }
}

impl Fields {
    fn understood(&self) -> Result<Policy, CodedError> {
        let then = self.then.as_deref().map(|then| match then {
            "hold" => Ok(Then::Hold),
            "park" => Ok(Then::Park),
            "skip" => Ok(Then::Skip),
            _ => Err(unexpected("then")),
        });
        Ok(Policy {
            delays: self.delays()?,
            attempts_max: match self.max_attempts {
                Some(0) => return Err(unexpected("maxAttempts")),
                given => given,
            },
            age_max: match duration("maxAge", self.max_age.as_deref())? {
                Some(Duration::ZERO) => return Err(refused("maxAge", "it is longer than nothing")),
                given => given,
            },
            then: then.transpose()?.unwrap_or_default(),
        })
    }

    fn delays(&self) -> Result<Delays, CodedError> {
        let initial = delay("initialDelay", self.initial_delay.as_deref())?;
        let longest = delay("maxDelay", self.max_delay.as_deref())?;
        let factor = within("factor", self.factor, 1.0, FACTOR_MAX)?;
        let jitter = within("jitter", self.jitter, 0.0, 1.0)?;
        if let Some(delays) = &self.delays {
            let is_alone = initial.is_none() && longest.is_none();
            if !is_alone || factor.is_some() || jitter.is_some() {
                let what = "they stand in place of initialDelay, maxDelay, factor and jitter";
                return Err(refused("delays", what));
            }
            if delays.is_empty() || delays.len() > DELAYS_MAX {
                return Err(unexpected("delays"));
            }
            let listed = delays.iter().map(|text| {
                let listed = delay("delays", Some(text))?;
                listed.ok_or_else(|| unexpected("delays"))
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

fn within(field: &str, given: Option<f64>, min: f64, max: f64) -> Result<Option<f64>, CodedError> {
    match given {
        Some(number) if !(min..=max).contains(&number) => Err(unexpected(field)),
        given => Ok(given),
    }
}

fn permille(number: f64) -> u32 {
    // Within 0 and 100,000, so nothing is cut.
    (number * 1_000.0).round() as u32
}

/// The value of a field is not of its kind, or there is no such field.
fn unexpected(field: &str) -> CodedError {
    let expected = match field {
        "initialDelay" | "maxDelay" | "maxAge" => "expected a text such as '250ms' or '1m30s'",
        "factor" => "expected a number from 1 to 100",
        "jitter" => "expected a number from 0 to 1",
        "delays" => r#"expected 1 to 100 texts such as ["1s","5s","1m"]"#,
        "maxAttempts" => "expected a whole number from 1 to 4294967295",
        "then" => "expected 'hold', 'park' or 'skip'",
        unknown => {
            let unknown: String = unknown.chars().take(64).collect();
            let what = "there are initialDelay, maxDelay, factor, jitter, delays, maxAttempts, maxAge and then";
            return refused(&unknown, what);
        }
    };
    refused(field, expected)
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
        policy.understood()
    }

    #[test]
    fn a_policy_comes_out_as_it_went_in() {
        for (json, written) in [
            ("{}", "{}"),
            (
                r#"{"then":"park","maxAge":"024h","delays":null,"factor":2.0,"jitter":0}"#,
                r#"{"factor":2.0,"jitter":0,"maxAge":"024h","then":"park"}"#,
            ),
            // What others stored can be read, and says nothing.
            (r#"{"backoff":[null,1]}"#, r#"{"backoff":[null,1]}"#),
            (r#""exponential""#, r#""exponential""#),
        ] {
            let policy: RetryPolicy = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&policy).unwrap(), written, "{json}");
        }
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
            (r#"{"maxAge":60}"#, "PH00444", "maxAge"),
            (r#"{"initialDelay":{"secs":1}}"#, "PH00444", "initialDelay"),
            (r#"{"maxAttempts":-1}"#, "PH00444", "maxAttempts"),
            (r#"{"maxAttempts":1.5}"#, "PH00444", "maxAttempts"),
            (r#"{"maxAttempts":"3"}"#, "PH00444", "maxAttempts"),
            (r#"{"maxAttempts":5000000000}"#, "PH00444", "maxAttempts"),
            (r#"{"factor":"2"}"#, "PH00444", "factor"),
            (r#"{"jitter":true}"#, "PH00444", "jitter"),
            (r#"{"then":"drop"}"#, "PH00444", "then"),
            (r#"{"then":""}"#, "PH00444", "then"),
            (r#"{"then":{"park":null}}"#, "PH00444", "then"),
            (r#"{"delays":"1s"}"#, "PH00444", "delays"),
            (r#"{"delays":[1]}"#, "PH00444", "delays"),
            (r#"{"delays":["1s",null]}"#, "PH00444", "delays"),
            (
                r#"{"delays":{"$serde_json::private::RawValue":"[\"1s\"]"}}"#,
                "PH00444",
                "delays",
            ),
            (
                r#"{"maxDelays":"1s","then":"park"}"#,
                "PH00444",
                "maxDelays",
            ),
        ] {
            let error = understood(json).unwrap_err();
            assert_eq!(error.code(), code, "{json}");
            assert!(
                error.to_string().contains(&format!("retryPolicy.{field}'")),
                "{error}"
            );
        }
        for json in ["[]", "5", r#""hold""#, "true", r#"[["1s"]]"#] {
            let error = understood(json).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("PH00444: Invalid option 'retryPolicy': expected an object"),
                "{error}"
            );
        }
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"factor":1e999}"#).is_err());
    }
}
