//! Which options does a subscription have, and what do they mean?

use std::collections::BTreeMap;

use mqtt_protocol_core::mqtt::packet::Qos;
use photinus_contract::address::Template;
use photinus_contract::content::Content;
use photinus_contract::object::null_as_default;
use photinus_contract::own::{self, duration, invalid};
use photinus_contract::{CodedError, SubscriptionOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::is_wild;
use crate::mapping::is_unfit;

/// Longest topic, in bytes, as MQTT has it.
pub(crate) const TOPIC_BYTES_MAX: usize = 65_535;
/// Most user properties that options may name.
const PROPERTIES_MAX: usize = 100;
/// Longest name or value of one, in bytes.
const PROPERTY_BYTES_MAX: usize = 8 << 10;
/// How long an application has to answer where the subscription does not say.
const ACK_TIMEOUT_DEFAULT: &str = "60s";

/// Whose word it is that an event was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ack {
    /// The broker's: it has the message.
    #[default]
    Broker,
    /// The application's: it answers to the response topic with the correlation data of the message. MQTT 5 only.
    Application,
}

/// What it means that nobody has subscribed to a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NoSubscribers {
    /// The event is delivered, to nobody.
    #[default]
    Deliver,
    /// It was not delivered, and is tried again. Only brokers of MQTT 5 tell.
    Retry,
}

/// The options of a subscription.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Options {
    /// The broker: NAME of a `[transports.mqtt.targets.NAME]` in the server's configuration.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(required)]
    pub(crate) target: String,
    /// The topic, with places such as `{namespace}`, `{type}`, `{topic}`, `{tag}`, `{author}` and `{data.some.path}`.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(required, length(min = 1))]
    pub(crate) topic: String,
    /// The quality of service: 0, which may lose events, 1, or 2; 1 if absent.
    #[schemars(range(max = 2))]
    pub(crate) qos: Option<u8>,
    /// Whether the broker keeps the last message of a topic for those who subscribe later.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) retain: bool,
    /// How long the broker keeps a message that nobody takes.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) message_expiry: Option<String>,
    /// What a message holds.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) content: Content,
    /// Whose word it is that an event was received.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) ack: Ack,
    /// What it means that nobody has subscribed to the topic.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) no_subscribers: NoSubscribers,
    /// User properties of each message.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) user_properties: BTreeMap<String, String>,
}

/// Where a subscription leads, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) target: String,
    pub(crate) topic: Template,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// In seconds.
    pub(crate) expiry: Option<u32>,
    pub(crate) content: Content,
    pub(crate) ack: Ack,
    pub(crate) no_subscribers: NoSubscribers,
    pub(crate) user_properties: BTreeMap<String, String>,
}

impl Route {
    /// Understands the options of a subscription.
    pub(crate) fn read(options: &SubscriptionOptions) -> Result<Self, CodedError> {
        let own: Options = own::options(&options.other, |key| invalid(key, expected(key)))?;
        let topic = Template::parse(&own.topic, "topic")?;
        if topic.fixed() == Some("") {
            return Err(invalid("topic", "is missing: where events go"));
        }
        if topic.texts().any(|text| text.contains(is_unfit)) {
            return Err(invalid("topic", "a topic has no control characters"));
        }
        if topic.texts().any(is_wild) {
            return Err(invalid(
                "topic",
                "a topic has no + and #, which are for filters",
            ));
        }
        let qos = match own.qos {
            None | Some(1) => Qos::AtLeastOnce,
            Some(0) => Qos::AtMostOnce,
            Some(2) => Qos::ExactlyOnce,
            Some(_) => return Err(invalid("qos", expected("qos"))),
        };
        if own.content.needs_data() && options.with_data == Some(false) {
            let text = "is false, and this 'content' is made of the data";
            return Err(invalid("withData", text));
        }
        let expiry = duration(own.message_expiry.as_deref(), "messageExpiry")?;
        let expiry = expiry.map(|expiry| {
            // A part of a second is one, and not none.
            let seconds = expiry.value().as_millis().div_ceil(1_000);
            u32::try_from(seconds)
                .map_err(|_| invalid("messageExpiry", "at most 1193046h is allowed"))
        });
        check_properties(&own.user_properties)?;
        Ok(Self {
            target: own.target,
            topic,
            qos,
            retain: own.retain,
            expiry: expiry.transpose()?,
            content: own.content,
            ack: own.ack,
            no_subscribers: own.no_subscribers,
            user_properties: own.user_properties,
        })
    }
}

/// Fills in what a subscription leaves out.
pub(crate) fn fill_in(route: &Route, options: &mut SubscriptionOptions) {
    options.with_data.get_or_insert(true);
    if route.ack == Ack::Application {
        let timeout = options.ack_timeout.take().filter(|text| !text.is_empty());
        options.ack_timeout = Some(timeout.unwrap_or_else(|| ACK_TIMEOUT_DEFAULT.to_owned()));
    }
}

fn check_properties(given: &BTreeMap<String, String>) -> Result<(), CodedError> {
    let refuse = |text: &str| Err(invalid("userProperties", text));
    if given.len() > PROPERTIES_MAX {
        return refuse(&format!("at most {PROPERTIES_MAX} are sent"));
    }
    for (name, value) in given {
        if name.len().max(value.len()) > PROPERTY_BYTES_MAX {
            return refuse(&format!(
                "a name or a value has at most {PROPERTY_BYTES_MAX} bytes"
            ));
        }
        if name.contains(is_unfit) || value.contains(is_unfit) {
            return refuse("a name or a value has no control characters");
        }
        if name.starts_with("photinus-") {
            return refuse(&format!("'{}' is set by the server", name.escape_debug()));
        }
    }
    Ok(())
}

fn expected(key: &str) -> &'static str {
    match key {
        "qos" => "expected 0, 1 or 2",
        "retain" => "expected true or false",
        "noSubscribers" => "expected 'deliver' or 'retry'",
        "userProperties" => "expected an object whose values are texts",
        "ack" => "expected 'broker' or 'application'",
        "content" => "expected 'firefly', 'data', 'cloudevents-structured' or 'cloudevents-binary'",
        _ => "expected a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn options(own: Value) -> SubscriptionOptions {
        serde_json::from_value(own).unwrap()
    }

    #[test]
    fn the_defaults_are_acknowledged_by_the_broker() {
        let mut options =
            options(json!({"target": "plant", "topic": "a/{topic}", "messageExpiry": "1500ms"}));
        let route = Route::read(&options).unwrap();
        fill_in(&route, &mut options);
        assert_eq!(
            (route.qos, route.retain, route.expiry),
            (Qos::AtLeastOnce, false, Some(2))
        );
        assert_eq!((options.with_data, options.ack_timeout), (Some(true), None));
    }

    #[test]
    fn an_application_has_a_minute_to_answer() {
        let mut options = options(json!({"topic": "a", "ack": "application"}));
        let route = Route::read(&options).unwrap();
        fill_in(&route, &mut options);
        assert_eq!(options.ack_timeout.as_deref(), Some("60s"));
    }

    #[test]
    fn an_error_names_the_option() {
        for (given, option) in [
            (json!({"target": 5}), "target"),
            (json!({}), "topic"),
            (json!({"topic": "a/#"}), "topic"),
            (json!({"topic": "{x}"}), "topic"),
            (json!({"topic": "a\n"}), "topic"),
            (json!({"topic": "a", "qos": 3}), "qos"),
            (json!({"topic": "a", "qos": "1"}), "qos"),
            (json!({"topic": "a", "retain": 1}), "retain"),
            (
                json!({"topic": "a", "messageExpiry": "soon"}),
                "messageExpiry",
            ),
            (json!({"topic": "a", "noSubscribers": "x"}), "noSubscribers"),
            (
                json!({"topic": "a", "content": "data", "withData": false}),
                "withData",
            ),
            (
                json!({"topic": "a", "userProperties": {"photinus-x": "y"}}),
                "userProperties",
            ),
            (
                json!({"topic": "a", "userProperties": {"x": "\u{0}"}}),
                "userProperties",
            ),
        ] {
            let error = Route::read(&options(given.clone()))
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("'{option}'")), "{given}: {error}");
        }
    }
}
