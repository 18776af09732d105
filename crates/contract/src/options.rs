//! How does a subscription want its events?

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::CodedError;
use crate::object::{Plain, plain_values};
use crate::ordering::{EXPECTED, OrderingKey};
use crate::retry::{Policy, RetryPolicy};
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
    /// What becomes of events that fail: how often and how long they are tried, and what then.
    pub retry_policy: Option<RetryPolicy>,
    /// Events with the same key come one after the other, those with different keys side by side: `topic`, `author`,
    /// `tag`, `group`, or a path into the data of the message such as `data.customer.id`.
    #[serde(deserialize_with = "ordering_key")]
    pub ordering_key: Option<Box<str>>,
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

    /// The retry policy, understood: `FF00137` or `PH00444` if it cannot be.
    pub fn policy(&self) -> Result<Policy, CodedError> {
        let policy = self.retry_policy.as_ref();
        let policy = policy.map(|policy| policy.understood());
        policy.transpose().map(Option::unwrap_or_default)
    }

    /// The ordering key, understood: `PH00445` if it cannot be; the empty text means none.
    pub fn ordering_key(&self) -> Result<Option<OrderingKey>, CodedError> {
        let text = self.ordering_key.as_deref().filter(|text| !text.is_empty());
        text.map(OrderingKey::parse).transpose()
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
        let policy = self.retry_policy.as_ref();
        put(
            "retryPolicy",
            policy.and_then(|policy| serde_json::to_value(policy).ok()),
        );
        let order = self.ordering_key.as_deref();
        put("orderingKey", order.map(Value::from));
        map
    }
}

impl Serialize for SubscriptionOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().serialize(serializer)
    }
}

/// A text. What is none is refused by name.
fn ordering_key<'de, D>(deserializer: D) -> Result<Option<Box<str>>, D::Error>
where
    D: Deserializer<'de>,
{
    match Plain::deserialize(deserializer)?.0 {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into())),
        _ => {
            let text = format!("PH00445: Invalid option 'orderingKey': {EXPECTED}");
            Err(D::Error::custom(text))
        }
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
            r#"{"orderingKey":1}"#,
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
