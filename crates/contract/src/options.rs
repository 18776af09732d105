//! How does a subscription want its events?

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::CodedError;
use crate::object::plain_values;
use crate::time::DurationText;

/// Read-ahead of a batch subscription that does not say: the size of its batches.
pub const BATCH_READ_AHEAD_DEFAULT: u16 = 50;
/// How long a batch waits to fill where the subscription does not say.
pub const BATCH_TIMEOUT_DEFAULT: &str = "50ms";

/// The options of a subscription: what the engine understands, and everything else in `other`, which is
/// kept and given to the transport. Written as one object with its keys in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SubscriptionOptions {
    /// Where to start: `newest` (the default), `oldest`, or a sequence, which is exclusive. Fixed when the
    /// subscription is created, and shown as that number from then on.
    pub first_event: Option<String>,
    /// How many events more than one may be in flight; for a batch subscription the size of a batch.
    pub read_ahead: Option<u16>,
    /// Whether deliveries carry the values of the event's message.
    pub with_data: Option<bool>,
    /// Whether events are delivered in batches.
    pub batch: Option<bool>,
    /// How long a batch waits to fill, counted from its first event. A [`DurationText`].
    pub batch_timeout: Option<String>,
    /// How long the application has to answer before the delivery counts as failed; no limit if absent.
    /// A [`DurationText`].
    pub ack_timeout: Option<String>,
    /// The transport's own options, and keys that nobody knows.
    #[serde(flatten, deserialize_with = "plain_values")]
    pub other: Map<String, Value>,
}

impl SubscriptionOptions {
    /// Whether events are delivered in batches.
    pub fn is_batch(&self) -> bool {
        self.batch == Some(true)
    }

    /// The read-ahead in force: 0 is the default, 50 for batches, where a batch of 0 makes no sense.
    pub fn read_ahead_or_default(&self) -> u16 {
        match self.read_ahead {
            None | Some(0) if self.is_batch() => BATCH_READ_AHEAD_DEFAULT,
            given => given.unwrap_or(0),
        }
    }

    /// The batch timeout, understood. `FF00137` if it cannot be.
    pub fn batch_timeout(&self) -> Result<Option<Duration>, CodedError> {
        parsed(self.batch_timeout.as_deref())
    }

    /// The ack timeout, understood. `FF00137` if it cannot be; zero means none.
    pub fn ack_timeout(&self) -> Result<Option<Duration>, CodedError> {
        Ok(parsed(self.ack_timeout.as_deref())?.filter(|timeout| !timeout.is_zero()))
    }

    /// The options as one JSON object.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = self.other.clone();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        put("firstEvent", self.first_event.clone().map(Value::from));
        put("readAhead", self.read_ahead.map(Value::from));
        put("withData", self.with_data.map(Value::from));
        put("batch", self.batch.map(Value::from));
        put("batchTimeout", self.batch_timeout.clone().map(Value::from));
        put("ackTimeout", self.ack_timeout.clone().map(Value::from));
        map
    }
}

impl Serialize for SubscriptionOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().serialize(serializer)
    }
}

fn parsed(text: Option<&str>) -> Result<Option<Duration>, CodedError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => Ok(Some(text.parse::<DurationText>()?.value())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_are_kept_and_keys_come_out_in_order() {
        let json =
            r#"{"zebra":{"a":null},"readAhead":5,"firstEvent":"oldest","apple":1.5,"batch":null}"#;
        let options: SubscriptionOptions = serde_json::from_str(json).unwrap();
        assert_eq!(options.read_ahead, Some(5));
        assert_eq!(
            serde_json::to_string(&options).unwrap(),
            r#"{"apple":1.5,"firstEvent":"oldest","readAhead":5,"zebra":{"a":null}}"#
        );
    }

    #[test]
    fn wrong_types_are_refused() {
        for json in [
            r#"{"firstEvent":5}"#,
            r#"{"readAhead":-1}"#,
            r#"{"readAhead":1.5}"#,
            r#"{"readAhead":65536}"#,
            r#"{"readAhead":"5"}"#,
            r#"{"withData":"true"}"#,
            r#"{"batch":1}"#,
            "[]",
        ] {
            assert!(
                serde_json::from_str::<SubscriptionOptions>(json).is_err(),
                "{json}"
            );
        }
    }

    #[test]
    fn the_read_ahead_of_a_batch_is_never_zero() {
        for (json, expected) in [
            ("{}", 0),
            (r#"{"readAhead":7}"#, 7),
            (r#"{"batch":true}"#, 50),
            (r#"{"batch":true,"readAhead":0}"#, 50),
            (r#"{"batch":true,"readAhead":3}"#, 3),
        ] {
            let options: SubscriptionOptions = serde_json::from_str(json).unwrap();
            assert_eq!(options.read_ahead_or_default(), expected, "{json}");
        }
    }
}
